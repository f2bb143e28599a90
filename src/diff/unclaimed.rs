//! Slots that their owner has given away, and that nobody claims: whoever was to have them doesn't know of it.
//!
//! Somebody told only the giver; or the taker died just after it had taken them over, when the giver alone had heard of
//! it. Redis never mends it: none takes a slot that it doesn't own for its own.

use std::collections::BTreeSet;

use crate::base::{NodeId, Role, SlotSet};
use crate::desired::SlotShare;
use crate::observed::{Disagreement, NodeView};

use super::slots::{self, primaries_of};
use super::{Diff, Look, Note, Unclaimed};

/// Who gets the slots that the nodes disagree about, where nobody serves them and it can be told.
pub(super) fn judge(
    look: &Look<'_>,
    diff: &Diff,
    disagreement: &Disagreement,
) -> Option<Unclaimed> {
    let slots = &disagreement.slots;
    let owners = disagreement.claims.iter().map(|claim| claim.owner);
    let owners: Vec<NodeId> = owners.collect::<Option<_>>()?;
    let leaders: BTreeSet<NodeId> = owners
        .iter()
        .map(|owner| leader(look, diff, *owner))
        .collect::<Option<_>>()?;
    let [one, other] = <[NodeId; 2]>::try_from(Vec::from_iter(leaders)).ok()?;
    if !nobody_serves(look, slots) {
        return None;
    }
    let holders = holders(look, slots)?;
    let taker = match holders.as_slice() {
        [] => to_be_owner(look, diff, (one, other), disagreement)?,
        [holder] => [one, other].into_iter().find(|id| id == holder)?,
        [_, _, ..] => return None,
    };
    Some(Unclaimed {
        other: if taker == one { other } else { one },
        taker,
        slots: slots.clone(),
    })
}

/// The primary that leads the node's shard, which must answer, and be of the cluster: nothing is sent to another one.
fn leader(look: &Look<'_>, diff: &Diff, node: NodeId) -> Option<NodeId> {
    let member = look.cluster.members.get(&node)?;
    let leader = match member.role {
        Role::Primary => node,
        Role::Replica => member.primary?,
    };
    let view = look.observed.views.get(&leader)?;
    let ours = diff.pairing.joinable.contains(&leader);
    (ours && view.role() == Role::Primary).then_some(leader)
}

/// A primary that doesn't answer may be serving them.
fn nobody_serves(look: &Look<'_>, slots: &SlotSet) -> bool {
    let served = |view: &NodeView| !view.own_slots().intersection(slots).is_empty();
    let mut members = look.cluster.members.values();
    let silent = members.any(|member| {
        !member.answered && member.role == Role::Primary && !member.failed && !member.noaddr
    });
    !silent && !look.observed.views.values().any(served)
}

/// The primaries whose shards hold keys of the slots; nothing, where a node hasn't told.
fn holders(look: &Look<'_>, slots: &SlotSet) -> Option<Vec<NodeId>> {
    let mut views = look.observed.views.values();
    let told = views.all(|view| view.keys_elsewhere == 0 && view.has_counted(slots));
    let holders = primaries_of(&slots::holders(look, slots));
    told.then(|| holders.into_iter().collect())
}

/// What is said of everything else.
pub(super) fn first() -> Note {
    Note {
        code: "claimed-first",
        subject: "slots".to_owned(),
        text: "Until these slots have an owner that knows of it nothing else is compared: apply, and plan again.".to_owned(),
    }
}

/// Without any key it is the one that the file names, else the one that serves other slots, else the one that waits for
/// these, else the one with the later claim.
fn to_be_owner(
    look: &Look<'_>,
    diff: &Diff,
    (one, other): (NodeId, NodeId),
    disagreement: &Disagreement,
) -> Option<NodeId> {
    let slots = &disagreement.slots;
    let only = |wanted: &dyn Fn(NodeId) -> bool| match (wanted(one), wanted(other)) {
        (true, false) => Some(one),
        (false, true) => Some(other),
        (true, true) | (false, false) => None,
    };
    let declared = |id: NodeId| {
        let name = diff.pairing.names.get(&id);
        let shard = name.and_then(|name| look.desired.shard_of(name));
        shard.is_some_and(|shard| match &shard.slots {
            SlotShare::Explicit(share) => slots.difference(share).is_empty(),
            SlotShare::Auto { .. } | SlotShare::None => false,
        })
    };
    let serves = |id: NodeId| {
        let view = look.observed.views.get(&id);
        view.is_some_and(|view| !view.own_slots().is_empty())
    };
    let waits = |id: NodeId| {
        let view = look.observed.views.get(&id);
        view.is_some_and(|view| view.imports(slots))
    };
    let latest = disagreement.claims.iter().map(|claim| claim.epoch).max();
    let last = |id: NodeId| {
        let mut claims = disagreement.claims.iter();
        claims.any(|claim| {
            let leader = claim.owner.and_then(|owner| leader(look, diff, owner));
            Some(claim.epoch) == latest && leader == Some(id)
        })
    };
    only(&declared)
        .or_else(|| only(&serves))
        .or_else(|| only(&waits))
        .or_else(|| only(&last))
}
