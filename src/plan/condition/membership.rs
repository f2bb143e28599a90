//! Whether a member is needed, alive, or listed at all, as one of the others sees it.

use std::collections::BTreeSet;

use crate::base::NodeId;
use crate::observed::NodeView;

pub(super) fn owns(view: &NodeView, node: NodeId) -> Option<String> {
    let slots = &view.table.get(&node)?.slots;
    (!slots.is_empty()).then(|| format!("gives it slots {slots}"))
}

pub(super) fn leads(view: &NodeView, node: NodeId) -> Option<String> {
    let mut lines = view.table.iter();
    let replica = lines.find(|(_, member)| member.primary == Some(node));
    replica.map(|(id, _)| format!("counts {} as its replica", id.short()))
}

pub(super) fn lives(view: &NodeView, node: NodeId) -> Option<String> {
    let flags = view.table.get(&node)?.flags;
    (!flags.fail && !flags.noaddr).then(|| "hears from it again".to_owned())
}

pub(super) fn lists(view: &NodeView, nodes: &BTreeSet<NodeId>) -> Option<String> {
    let mut listed = nodes.iter().filter(|id| view.table.get(id).is_some());
    let first = listed.next();
    first.map(|id| format!("still lists {}", id.short()))
}
