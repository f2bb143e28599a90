//! Whether a replica can take its primary's place, and whether it has.

use std::collections::BTreeMap;

use crate::base::{NodeId, Role, SlotSet, counted};
use crate::observed::{NodeView, Replication};

use super::SILENT;

/// Writes to the shard wait until the replica has what it lacks: a megabyte takes some
/// milliseconds, and a replica that lacks more is not in sync or can't keep up.
const CLOSE_BEHIND: u64 = 1 << 20;

/// What keeps a replica from taking over now, and who says so.
pub(super) fn behind(
    views: &BTreeMap<NodeId, NodeView>,
    node: NodeId,
    primary: NodeId,
) -> Option<(NodeId, String)> {
    let Some(replica) = views.get(&node) else {
        return Some((node, SILENT.to_owned()));
    };
    let Some(leader) = views.get(&primary) else {
        return Some((primary, SILENT.to_owned()));
    };
    if !replica.replicates(primary) {
        let text = match replica.primary() == Some(primary) {
            true => "has no link to its primary",
            false => "does not replicate it",
        };
        return Some((node, text.to_owned()));
    }
    let (Replication::Replica { offset: has, .. }, Replication::Primary { offset: wants }) =
        (&replica.replication, &leader.replication)
    else {
        return Some((primary, "is no primary any more".to_owned()));
    };
    let lacks = wants.saturating_sub(*has);
    (lacks > CLOSE_BEHIND).then(|| (node, format!("lacks {lacks} bytes of its primary's data")))
}

/// Why a voter would not have it: Redis gives no vote to a node that it takes for a primary.
pub(super) fn not_following(view: &NodeView, node: NodeId, primary: NodeId) -> Option<String> {
    let Some(line) = view.table.get(&node) else {
        return Some("does not list it".to_owned());
    };
    match (line.role, line.primary) {
        (Role::Replica, Some(known)) if known == primary => None,
        (Role::Replica, _) => Some("takes it for another node's replica".to_owned()),
        (Role::Primary, _) => Some("takes it for a primary".to_owned()),
    }
}

/// Why a failover is not done yet, for one of the nodes.
pub(super) fn not_leading(
    view: &NodeView,
    node: NodeId,
    slots: &SlotSet,
    since: u64,
) -> Option<String> {
    let Some(line) = view.table.get(&node) else {
        return Some("does not list it".to_owned());
    };
    let missing = slots.difference(&line.slots);
    if line.role == Role::Replica {
        Some(match view.id == node {
            true => "is a replica still".to_owned(),
            false => "shows it as a replica still".to_owned(),
        })
    } else if !missing.is_empty() {
        let count = counted(missing.count(), "slot");
        Some(format!("does not show it as the owner of {count}"))
    } else if view.id == node && view.my_epoch <= since {
        Some(format!("has no newer epoch than {since}"))
    } else {
        None
    }
}

/// Why a node is no empty primary yet.
pub(super) fn attached(view: &NodeView) -> Option<String> {
    if view.role() == Role::Replica {
        Some("is a replica still".to_owned())
    } else if !view.own_slots().is_empty() {
        Some(format!("owns slots {}", view.own_slots()))
    } else if view.keys > 0 {
        Some(format!("still holds {}", counted(view.keys, "key")))
    } else {
        None
    }
}
