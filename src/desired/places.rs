//! Where in the file the parts of the desired state stand, for whoever speaks about them later.

use std::collections::BTreeMap;

use serde::Serialize;

use super::HostName;
use super::finding::Place;
use crate::base::{NodeName, ShardName};

/// A part of the desired state that something can be said about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase", tag = "kind", content = "name")]
pub enum Subject {
    Cluster,
    Policy,
    Host(HostName),
    Shard(ShardName),
    Node(NodeName),
}

/// The places of the subjects. What the file leaves out, such as the policy, has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<Subject, Place>);

impl Places {
    #[must_use]
    pub fn get(&self, subject: &Subject) -> Option<Place> {
        self.0.get(subject).copied()
    }

    pub(super) fn insert(&mut self, subject: Subject, place: Place) {
        self.0.entry(subject).or_insert(place);
    }
}
