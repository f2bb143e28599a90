//! Shards that are gone with every copy, and the leave to give up what they held.

use crate::base::{NodeId, ShardName, SlotSet, counted, named};
use crate::observed::LiveMember;

use super::slots::held_in;
use super::{Blocked, Diff, Difference, Look, Ownership, Scope, Severity, removal, shards};

/// Whether somebody gave leave, by the shard's name in the file, else by the owner's id.
fn has_leave(look: &Look<'_>, shard: Option<&ShardName>, lost: NodeId) -> bool {
    let names = match shard {
        Some(shard) => vec![shard.to_string()],
        None => removal::ids(look, lost),
    };
    let given = &look.allowed.lose_data;
    names.iter().any(|name| given.contains(name))
}

/// What has to be done first, and the flag that works then.
fn way_to_give_up(shard: Option<&ShardName>, lost: NodeId, taken: bool) -> String {
    let give_up = "give up what they held with --allow lose-data=";
    match shard {
        None => format!("{give_up}{lost}"),
        Some(shard) if taken => format!("{give_up}{shard}"),
        Some(shard) => format!(
            "name a living node without slots as the primary of shard {shard}, and {give_up}{shard}; or take the shard out of the file, with --allow lose-data={}",
            lost.short()
        ),
    }
}

/// An owner that most primaries hold for failed, or that is nowhere any more, without a replica
/// that answers: what keeps it from being given up. Nothing, once somebody gave leave; then the
/// shard starts anew with its declared primary.
pub(super) fn verdict(
    look: &Look<'_>,
    diff: &mut Diff,
    lost: NodeId,
    member: &LiveMember,
) -> Option<Blocked> {
    let shard = shard_of(diff, lost);
    let agreed = member.failed || member.noaddr;
    let held = held_in(look, diff, &member.slots);
    let leave = has_leave(look, shard.as_ref(), lost);
    let successor = shard.as_ref().and_then(|shard| heir(look, diff, shard));
    let taken = shard.is_none() || successor.is_some();
    let living = living_copies(look, diff, lost);
    if leave && agreed && held.is_empty() && living.is_empty() && taken {
        diff.pairing.given_up.insert(lost);
        if let (Some(shard), Some(successor)) = (shard, successor) {
            diff.pairing.primaries.insert(shard, successor);
        }
        return None;
    }
    let label = diff.pairing.label(lost);
    let state = if member.noaddr && !member.failed {
        "has no address any more"
    } else if member.failed {
        "has failed"
    } else {
        "does not answer"
    };
    let slots = named(&member.slots);
    let mut way_out = format!("Start {label} or a replica of it.");
    if !agreed {
        way_out.push_str(" To give up what it held, most primaries have to agree that it has failed: start enough of them.");
    } else if !living.is_empty() {
        way_out.push_str(" Nothing is given up while a copy may be alive: let it answer here, or stop it until its peers hold it for failed.");
    } else if !held.is_empty() {
        way_out.push_str(" What it held can't be given up while others hold keys of its slots: they would be deleted. Save or remove these keys first.");
    } else {
        let leave = way_to_give_up(shard.as_ref(), lost, taken);
        way_out.push_str(&format!(" If they are gone for good: {leave}. Its slots are empty then, and a node of it that comes back loses what it holds."));
    }
    let mut evidence = living;
    if evidence.is_empty() {
        evidence.push(format!("{slots} have no living copy"));
    }
    evidence.extend(held);
    if leave && !taken {
        evidence.push(
            "leave to give it up was given, but the file names nobody for it who is alive"
                .to_owned(),
        );
    }
    Some(Blocked {
        code: "shard-dead",
        severity: Severity::Blocked,
        subject: match &shard {
            Some(shard) => format!("shard {shard}"),
            None => slots,
        },
        why: format!(
            "{label}, the owner of {}, {state}, and none of its replicas answers",
            counted(member.slots.count(), "slot")
        ),
        evidence,
        way_out,
        scope: shard.map_or(Scope::Alone, Scope::Shard),
    })
}

/// Replicas that don't answer here, and that nobody holds for failed: what they hold is not lost.
fn living_copies(look: &Look<'_>, diff: &Diff, lost: NodeId) -> Vec<String> {
    let members = look.cluster.members.iter();
    let living = members.filter(|(_, member)| {
        member.primary == Some(lost) && !member.answered && !member.failed && !member.noaddr
    });
    let told = living.map(|(id, _)| {
        let label = diff.pairing.label(*id);
        format!("its replica {label} doesn't answer here, and its peers don't hold it for failed")
    });
    told.collect()
}

fn shard_of(diff: &Diff, primary: NodeId) -> Option<ShardName> {
    let mut shards = diff.pairing.primaries.iter();
    shards
        .find(|(_, id)| **id == primary)
        .map(|(shard, _)| shard.clone())
}

/// The declared primary, where it answers and serves nothing yet.
fn heir(look: &Look<'_>, diff: &Diff, shard: &ShardName) -> Option<NodeId> {
    let mut declared = look.desired.shards.iter();
    let shard = declared.find(|declared| declared.name == *shard)?;
    shards::to_be_primary(look, diff, shard, diff.pairing.primaries.values().copied())
}

/// The slots of owners that are given up, by the shards that are to have them.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff, ownership: &Ownership) {
    for lost in diff.pairing.given_up.clone() {
        let held = ownership.owners.get(&lost).cloned().unwrap_or_default();
        let mut left = held.clone();
        for share in &ownership.shares {
            let slots = share.target.intersection(&held);
            let primary = diff.pairing.primaries.get(&share.shard).copied();
            let primary = primary.filter(|id| look.observed.views.contains_key(id));
            if slots.is_empty() || diff.is_shard_blocked(&share.shard) {
                continue;
            }
            if let Some(primary) = primary {
                left = left.difference(&slots);
                diff.differences.push(Difference::GivenUp {
                    shard: share.shard.clone(),
                    primary,
                    lost,
                    slots,
                });
            }
        }
        if !left.is_empty() {
            diff.blocked.push(nobody_takes(diff, lost, &left));
        }
    }
}

fn nobody_takes(diff: &Diff, lost: NodeId, slots: &SlotSet) -> Blocked {
    let label = diff.pairing.label(lost);
    let slots = named(slots);
    Blocked {
        code: "shard-dead",
        severity: Severity::Blocked,
        why: format!(
            "{label}, the owner of {slots}, is gone, and no shard that could take them has a primary that answers"
        ),
        subject: slots,
        evidence: Vec::new(),
        way_out: "Start the declared primaries.".to_owned(),
        scope: Scope::Alone,
    }
}
