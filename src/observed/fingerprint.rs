//! What a plan was made from, short enough to be kept: who is there, who serves what, and the options
//! that the file holds. None of what changes by itself: pings, offsets, numbers of keys.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::{Address, NodeId, NodeName, Role, SlotSet};

use super::{Answer, Direction, Job, NodeView, Observed, OpenSlot};

/// Options that are held whatever the file says.
const ALWAYS_MANAGED: &str = "cluster-announce-";

/// The state that a plan was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Who answered at each declared node's address.
    declared: BTreeMap<NodeName, Option<NodeId>>,
    nodes: BTreeMap<NodeId, NodePrint>,
}

/// One node that answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodePrint {
    address: Address,
    server: String,
    role: Role,
    primary: Option<NodeId>,
    slots: SlotSet,
    /// An owner's; that of others changes late, and nothing hangs on it.
    epoch: Option<u64>,
    /// `5->-id`, `6-<-id`.
    open: BTreeSet<String>,
    /// Moves that it carries out by itself: `0-9->id`.
    jobs: BTreeSet<String>,
    /// Whom it lists.
    members: BTreeSet<NodeId>,
    config: BTreeMap<String, String>,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another node answers for a declared one, or the first, or none.
    Answers {
        name: NodeName,
        was: Option<NodeId>,
        is: Option<NodeId>,
    },
    /// A member that no declared node stands for answers, or no longer.
    Member {
        node: NodeId,
        answers: bool,
    },
    Role {
        node: NodeId,
        was: Part,
        is: Part,
    },
    Slots {
        node: NodeId,
        was: SlotSet,
        is: SlotSet,
    },
    Epoch {
        node: NodeId,
        was: u64,
        is: u64,
    },
    /// What it moves, by hand or half-way.
    Open {
        node: NodeId,
    },
    /// What it moves by itself.
    Jobs {
        node: NodeId,
    },
    Members {
        node: NodeId,
        new: BTreeSet<NodeId>,
        gone: BTreeSet<NodeId>,
    },
    Option {
        node: NodeId,
        option: String,
        was: Option<String>,
        is: Option<String>,
    },
    Address {
        node: NodeId,
        was: Address,
        is: Address,
    },
    Server {
        node: NodeId,
        was: String,
        is: String,
    },
}

/// What a node is to its shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    pub role: Role,
    pub primary: Option<NodeId>,
    pub owns_slots: bool,
}

impl Fingerprint {
    /// Of one look. `managed` are the options that the file holds.
    #[must_use]
    pub fn of(observed: &Observed, managed: &BTreeSet<String>) -> Self {
        let answer = |answer: &Answer| match answer {
            Answer::Node(id) => Some(*id),
            Answer::Failed(_) => None,
        };
        let declared = observed.declared.iter();
        let views = observed.views.iter();
        Self {
            declared: declared
                .map(|(name, found)| (name.clone(), answer(found)))
                .collect(),
            nodes: views
                .map(|(id, view)| {
                    let jobs = observed.jobs.get(id).map_or(&[][..], Vec::as_slice);
                    (*id, NodePrint::of(view, jobs, managed))
                })
                .collect(),
        }
    }

    /// What is not as it was, by node.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let names: BTreeSet<&NodeName> = self.declared.keys().chain(now.declared.keys()).collect();
        let answers = |at: &Self, name| at.declared.get(name).copied().flatten();
        let mut changes: Vec<Change> = names
            .into_iter()
            .map(|name| (name, answers(self, name), answers(now, name)))
            .filter(|(_, was, is)| was != is)
            .map(|(name, was, is)| Change::Answers {
                name: name.clone(),
                was,
                is,
            })
            .collect();
        let told = |id: &NodeId| {
            let answers = self.declared.values().chain(now.declared.values());
            answers.flatten().any(|declared| declared == id)
        };
        let nodes: BTreeSet<&NodeId> = self.nodes.keys().chain(now.nodes.keys()).collect();
        for node in nodes {
            match (self.nodes.get(node), now.nodes.get(node)) {
                (Some(was), Some(is)) => changes.extend(was.changes(is, *node)),
                (was, _) if !told(node) => changes.push(Change::Member {
                    node: *node,
                    answers: was.is_none(),
                }),
                (Some(_) | None, _) => {}
            }
        }
        changes
    }
}

impl NodePrint {
    fn of(view: &NodeView, jobs: &[Job], managed: &BTreeSet<String>) -> Self {
        let slots = view.own_slots().clone();
        let epoch = view.myself().map(|member| member.epoch);
        let kept = |option: &str| managed.contains(option) || option.starts_with(ALWAYS_MANAGED);
        Self {
            address: view.dialled,
            server: view.server.to_string(),
            role: view.role(),
            primary: view.primary(),
            epoch: epoch.filter(|_| !slots.is_empty()),
            slots,
            open: view.open.iter().map(open).collect(),
            jobs: jobs.iter().map(job).collect(),
            members: view.peers().map(|(id, _)| id).collect(),
            config: view
                .config
                .iter()
                .filter(|(option, _)| kept(option))
                .map(|(option, value)| (option.clone(), value.clone()))
                .collect(),
        }
    }

    fn part(&self) -> Part {
        Part {
            role: self.role,
            primary: self.primary,
            owns_slots: !self.slots.is_empty(),
        }
    }

    /// A node that changed its role changed its slots and its epoch with it.
    fn changes(&self, is: &Self, node: NodeId) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.address != is.address {
            changes.push(Change::Address {
                node,
                was: self.address,
                is: is.address,
            });
        }
        if self.server != is.server {
            changes.push(Change::Server {
                node,
                was: self.server.clone(),
                is: is.server.clone(),
            });
        }
        let [was, became] = [self, is].map(NodePrint::part);
        if (was.role, was.primary) != (became.role, became.primary) {
            let is = became;
            changes.push(Change::Role { node, was, is });
        } else if self.slots != is.slots {
            changes.push(Change::Slots {
                node,
                was: self.slots.clone(),
                is: is.slots.clone(),
            });
        } else if let (Some(was), Some(is)) = (self.epoch, is.epoch)
            && was != is
        {
            changes.push(Change::Epoch { node, was, is });
        }
        if self.open != is.open {
            changes.push(Change::Open { node });
        }
        if self.jobs != is.jobs {
            changes.push(Change::Jobs { node });
        }
        if self.members != is.members {
            changes.push(Change::Members {
                node,
                new: is.members.difference(&self.members).copied().collect(),
                gone: self.members.difference(&is.members).copied().collect(),
            });
        }
        let options: BTreeSet<&String> = self.config.keys().chain(is.config.keys()).collect();
        for option in options {
            let (was, is) = (self.config.get(option), is.config.get(option));
            if was != is {
                changes.push(Change::Option {
                    node,
                    option: option.clone(),
                    was: was.cloned(),
                    is: is.cloned(),
                });
            }
        }
        changes
    }
}

fn job(job: &Job) -> String {
    let target = job.target.map_or("?".to_owned(), |id| id.to_string());
    format!("{}->{target}", job.slots)
}

fn open(open: &OpenSlot) -> String {
    let OpenSlot {
        slot,
        direction,
        peer,
    } = open;
    let arrow = match direction {
        Direction::Migrating => "->-",
        Direction::Importing => "-<-",
    };
    format!("{slot}{arrow}{peer}")
}
