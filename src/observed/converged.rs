//! Whether the cluster has settled: what every node must say before a change counts as done.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, SLOT_COUNT};

use super::{NodeView, Replication};

/// Something that still keeps the cluster from having converged.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmet {
    NoAnswer {
        node: NodeId,
    },
    /// The node has not heard of the peer, or is still shaking hands with it.
    NotListed {
        node: NodeId,
        peer: NodeId,
    },
    Handshake {
        node: NodeId,
    },
    /// It holds the peer for failed or has no address for it.
    Unwell {
        node: NodeId,
        peer: NodeId,
    },
    NotOk {
        node: NodeId,
    },
    Unassigned {
        node: NodeId,
        assigned: u16,
    },
    /// Its roles, links, slots or epochs differ from what the others show.
    Disagrees {
        node: NodeId,
    },
    /// Several owners of slots share an epoch.
    SameEpoch {
        node: NodeId,
        others: usize,
        epoch: u64,
    },
    LinkDown {
        replica: NodeId,
    },
}

/// What of this is not yet so, over the nodes that are expected alive: exactly these ids
/// listed everywhere (`cluster_known_nodes` won't do, it counts handshakes), nobody in
/// handshake, failed or without address; one map of roles, links, slots and epochs; all
/// slots assigned; epochs of slot owners unique; each replica's link up to the right id.
/// Members in `absent` were down from the start: they are neither asked nor waited for.
#[must_use]
pub fn unmet(
    views: &BTreeMap<NodeId, NodeView>,
    expected: &BTreeSet<NodeId>,
    absent: &BTreeSet<NodeId>,
) -> BTreeSet<Unmet> {
    let mut found = BTreeSet::new();
    let mut maps: BTreeMap<Vec<Line<'_>>, Vec<NodeId>> = BTreeMap::new();
    for node in expected {
        let Some(view) = views.get(node) else {
            found.insert(Unmet::NoAnswer { node: *node });
            continue;
        };
        one_view(view, expected, absent, &mut found);
        maps.entry(lines(view, expected)).or_default().push(*node);
    }
    if maps.len() > 1 {
        let most = maps.values().map(Vec::len).max().unwrap_or(0);
        let mut reference = true;
        for nodes in maps.values() {
            if reference && nodes.len() == most {
                reference = false;
            } else {
                found.extend(nodes.iter().map(|node| Unmet::Disagrees { node: *node }));
            }
        }
    }
    let mut epochs: BTreeMap<u64, Vec<NodeId>> = BTreeMap::new();
    for view in expected.iter().filter_map(|node| views.get(node)) {
        if view.role() == Role::Primary && !view.own_slots().is_empty() {
            epochs.entry(view.my_epoch).or_default().push(view.id);
        }
    }
    for (epoch, nodes) in epochs {
        if let [node, others @ ..] = nodes.as_slice()
            && !others.is_empty()
        {
            found.insert(Unmet::SameEpoch {
                node: *node,
                others: others.len(),
                epoch,
            });
        }
    }
    found
}

type Line<'a> = (NodeId, Role, Option<NodeId>, u64, &'a crate::base::SlotSet);

/// What must be the same in every view. A replica's epoch is its primary's, with a delay of
/// gossip that nothing depends on.
fn lines<'a>(view: &'a NodeView, expected: &BTreeSet<NodeId>) -> Vec<Line<'a>> {
    view.table
        .iter()
        .filter(|(id, _)| expected.contains(id))
        .map(|(id, member)| {
            let epoch = if member.slots.is_empty() {
                0
            } else {
                member.epoch
            };
            (*id, member.role, member.primary, epoch, &member.slots)
        })
        .collect()
}

fn one_view(
    view: &NodeView,
    expected: &BTreeSet<NodeId>,
    absent: &BTreeSet<NodeId>,
    found: &mut BTreeSet<Unmet>,
) {
    let node = view.id;
    for peer in expected.iter().filter(|peer| {
        view.table
            .get(peer)
            .is_none_or(|member| member.flags.handshake)
    }) {
        found.insert(Unmet::NotListed { node, peer: *peer });
    }
    for (peer, member) in view.table.iter().filter(|(peer, _)| !absent.contains(peer)) {
        if member.flags.handshake {
            found.insert(Unmet::Handshake { node });
        } else if member.flags.fail || member.flags.maybe_fail || member.flags.noaddr {
            found.insert(Unmet::Unwell { node, peer: *peer });
        }
    }
    if view.slots_assigned < SLOT_COUNT {
        found.insert(Unmet::Unassigned {
            node,
            assigned: view.slots_assigned,
        });
    } else if !view.state_ok {
        found.insert(Unmet::NotOk { node });
    }
    if let (Replication::Replica { .. }, Some(primary)) = (&view.replication, view.primary())
        && !view.replicates(primary)
    {
        found.insert(Unmet::LinkDown { replica: node });
    }
}
