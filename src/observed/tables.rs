//! Equal tables, kept once: in a settled cluster of a thousand nodes a thousand views show
//! the same thousand members, and comparing them all with each other would take seconds.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::NodeId;

use super::{Member, NodeView, Observed};

/// A node's table of members, shared by the views that show the same.
pub type Table = Arc<BTreeMap<NodeId, Member>>;

/// Views that show the same table.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    pub table: &'a BTreeMap<NodeId, Member>,
    /// In ascending order.
    pub viewers: Arc<Vec<NodeId>>,
}

/// The views by the table that they share, in the order of each group's first node.
pub fn groups<'a>(views: impl IntoIterator<Item = &'a NodeView>) -> Vec<Group<'a>> {
    let mut found: Vec<(&'a Table, Vec<NodeId>)> = Vec::new();
    let mut places: BTreeMap<*const BTreeMap<NodeId, Member>, usize> = BTreeMap::new();
    for view in views {
        let place = *places
            .entry(Arc::as_ptr(&view.table))
            .or_insert(found.len());
        match found.get_mut(place) {
            Some((_, viewers)) => viewers.push(view.id),
            None => found.push((&view.table, vec![view.id])),
        }
    }
    let group = |(table, viewers): (&'a Table, Vec<NodeId>)| Group {
        table,
        viewers: Arc::new(viewers),
    };
    found.into_iter().map(group).collect()
}

impl Observed {
    /// Lets views with equal tables share one.
    pub fn share_tables(&mut self) {
        let mut distinct: Vec<Table> = Vec::new();
        for view in self.views.values_mut() {
            match distinct.iter().find(|table| **table == view.table) {
                Some(table) => view.table = Arc::clone(table),
                None => distinct.push(Arc::clone(&view.table)),
            }
        }
    }
}
