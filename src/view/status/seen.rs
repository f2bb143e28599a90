//! What both forms of the status show, worked out once from the views.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Server};
use crate::diff::{Unserved, outage};
use crate::observed::{Answer, Cluster, Failure};
use crate::view::topology::{self, LiveShard, Topology};

use super::StatusView;
use super::health::{self, Wrong};
use super::node::NodeFacts;

/// What marks of begun moves are wrong about, by its codes.
const MARKS: [&str; 2] = ["open-slots", "key-on-both-sides"];

/// What both forms show, worked out once.
pub(super) struct Seen<'a> {
    pub(super) cluster: Cluster,
    pub(super) topology: Topology,
    pub(super) facts: BTreeMap<NodeId, NodeFacts<'a>>,
    pub(super) silent: Vec<Silent<'a>>,
    pub(super) servers: BTreeSet<Server>,
    /// How many members say that the cluster is ok, of how many that answered.
    pub(super) ok: (usize, usize),
    pub(super) wrong: Vec<Wrong>,
    /// What clients get no answer for.
    pub(super) unserved: Unserved,
}

/// A node that was asked and gave no view.
pub(super) struct Silent<'a> {
    pub(super) title: String,
    pub(super) id: Option<NodeId>,
    pub(super) failure: &'a Failure,
    /// Whether it is part of what was asked about, not a member that the file doesn't name.
    pub(super) missed: bool,
}

impl<'a> Seen<'a> {
    pub(super) fn new(view: &StatusView<'a>) -> Self {
        let cluster = Cluster::merge(view.observed);
        let declared = view.file.map(|file| topology::Declared {
            desired: file.desired,
            pairing: &file.diff.pairing,
        });
        let topology = topology::live(&cluster, declared);
        let facts: BTreeMap<NodeId, NodeFacts<'a>> = cluster
            .members
            .keys()
            .map(|id| (*id, NodeFacts::new(view, &cluster, *id)))
            .collect();
        let title = |id: NodeId| {
            let facts = facts.get(&id);
            facts.map_or_else(|| id.short().to_owned(), NodeFacts::title)
        };
        let members = topology.shards.iter().flat_map(LiveShard::nodes);
        let views = members
            .chain(topology.loose.iter().copied())
            .filter_map(|id| view.observed.views.get(&id));
        let states: Vec<bool> = views.map(|own| own.state_ok).collect();
        let ok = (states.iter().filter(|ok| **ok).count(), states.len());
        let mut wrong = health::wrong(view.observed, &cluster, &topology, title);
        // A file forms one; who asks a node wants to hear of the cluster that it is of, or that is just being formed.
        let forming = view.file.is_some() || !view.observed.applying.is_empty();
        if !forming && ok == (0, 0) && !facts.is_empty() {
            wrong.push(health::no_cluster());
        }
        let silent = silent(view, title);
        let servers = view.observed.views.values().map(|own| own.server);
        let unserved = match view.file {
            Some(file) => file.diff.unserved.clone(),
            None => outage(view.observed),
        };
        Self {
            unserved,
            servers: servers.collect(),
            silent,
            ok,
            wrong,
            facts,
            topology,
            cluster,
        }
    }

    /// What is wrong that the comparison with the file doesn't tell: all, when it was not made. And whose marks keep
    /// slots open: as a difference a begun move is its slots alone.
    pub(super) fn untold(&self, view: &StatusView<'_>) -> impl Iterator<Item = &Wrong> {
        let diff = view.file.map(|file| file.diff);
        self.wrong.iter().filter(move |wrong| {
            diff.is_none_or(|diff| {
                (diff.everything_blocked() || MARKS.contains(&wrong.code))
                    && diff
                        .blocked
                        .iter()
                        .all(|blocked| blocked.code != wrong.code)
            })
        })
    }

    pub(super) fn state(&self) -> (&'static str, String) {
        match self.ok {
            (0, 0) if self.facts.is_empty() => ("unknown", "nobody answers".to_owned()),
            (0, 0) => ("none", "no cluster yet".to_owned()),
            (ok, all) if ok == all && !self.wrong.is_empty() => {
                ("impaired", "not all is well".to_owned())
            }
            (ok, all) if ok == all && self.silent.iter().any(|silent| silent.missed) => {
                ("impaired", "not all nodes answer".to_owned())
            }
            (ok, all) if ok == all && !self.silent.is_empty() => (
                "ok",
                "ok, but a member that the file doesn't name does not answer".to_owned(),
            ),
            (ok, all) if ok == all => ("ok", "ok".to_owned()),
            (0, _) => ("fail", "not ok".to_owned()),
            (ok, all) => ("mixed", format!("ok on {ok} of {all} nodes")),
        }
    }
}

fn silent<'a>(view: &StatusView<'a>, title: impl Fn(NodeId) -> String) -> Vec<Silent<'a>> {
    let ids = view.file.map(|file| &file.diff.pairing.ids);
    let mut silent: Vec<Silent<'a>> = Vec::new();
    let mut told = BTreeSet::new();
    for (name, answer) in &view.observed.declared {
        match answer {
            Answer::Failed(failure) => {
                let id = ids.and_then(|ids| ids.get(name)).copied();
                told.extend(id);
                silent.push(Silent {
                    title: name.to_string(),
                    id,
                    failure,
                    missed: true,
                });
            }
            Answer::Node(_) => {}
        }
    }
    for (id, failure) in &view.observed.silent_members {
        if !told.contains(id) {
            silent.push(Silent {
                title: title(*id),
                id: Some(*id),
                failure,
                missed: view.file.is_none(),
            });
        }
    }
    silent
}
