//! Why slots can't go from one node to another: passwords, room, versions, databases.

use crate::base::{NodeId, ShardName, SlotSet, counted, named};
use crate::desired::{Desired, Engine};
use crate::observed::NodeView;

use super::moves::Pair;
use super::verdict::is_gone;
use super::{Blocked, Diff, Look, Pairing, Scope, Severity};

/// The password that a server says to others.
pub(super) const LOGIN_OPTION: &str = "masterauth";

/// The password that a server asks for.
pub(super) const PASSWORD_OPTION: &str = "requirepass";

/// Whether a server can log in to another as atomic moves have it do: with its own password, not with rcl's. What a
/// password is good for is only known once it is used.
#[must_use]
pub fn logs_in_by_itself(
    desired: &Desired,
    pairing: &Pairing,
    giving: &NodeView,
    taking: &NodeView,
) -> bool {
    !has_secret(taking, PASSWORD_OPTION) || has_login(desired, pairing, giving)
}

/// Whether a server has something to say when it is asked who it is, or will have once the options are set.
#[must_use]
pub fn has_login(desired: &Desired, pairing: &Pairing, view: &NodeView) -> bool {
    let mut ids = pairing.ids.iter();
    let declared = ids
        .find(|(_, id)| **id == view.id)
        .and_then(|(name, _)| desired.nodes.get(name));
    has_secret(view, LOGIN_OPTION)
        || declared.is_some_and(|node| node.config.contains_key(LOGIN_OPTION))
}

fn has_secret(view: &NodeView, option: &str) -> bool {
    let secret = view.secrets.get(option);
    secret.is_some_and(|secret| !secret.expose().is_empty())
}

/// Why slots can't go from one node to another.
pub(super) fn unfit(
    look: &Look<'_>,
    diff: &Diff,
    (source, target): Pair,
    slots: &SlotSet,
) -> Option<Blocked> {
    let shard = shard_of(diff, target);
    let (from, to) = (diff.pairing.label(source), diff.pairing.label(target));
    let serves = vec![format!("{from} serves {}", named(slots))];
    let refuse = |why: String, evidence: Vec<String>, way_out: String| {
        Some(blocked(&shard, why, evidence, way_out))
    };
    let count = counted(slots.count(), "slot");
    let (Some(giving), Some(taking)) = (
        look.observed.views.get(&source),
        look.observed.views.get(&target),
    ) else {
        let member = look.cluster.members.get(&source);
        return match member.is_some_and(|member| !member.answered && is_gone(look, member)) {
            // Starting it is one way out of two, and the other verdict tells both.
            true => refuse(
                format!(
                    "shard {shard} can't get {count} of {from} before it is settled what becomes of them"
                ),
                serves,
                format!("See what is said of {from}."),
            ),
            false => refuse(
                format!("{count} of {from} can't move while it does not answer"),
                serves,
                format!("Start {from}."),
            ),
        };
    };
    if !diff.pairing.names.contains_key(&source) && !look.desired.policy.prune {
        return refuse(
            format!(
                "shard {shard} is to serve {count} of {from}, which the file doesn't name: without `prune` nothing is taken from such a member"
            ),
            serves,
            format!(
                "Declare {from} in the file, with the slots that it is to keep; or write `prune: true` under `policy`: then its slots move, and it is removed."
            ),
        );
    }
    if !taking.server.reads_payloads_of(giving.server) {
        return refuse(
            format!(
                "keys of {from} ({}) can't be read by {to} ({}): payloads only go from an older server to a newer one",
                giving.server, taking.server
            ),
            serves,
            format!("Upgrade {to} first."),
        );
    }
    if look.desired.policy.moves.engine == Engine::Atomic
        && let Some((why, way_out)) = not_atomically(look, diff, giving, taking)
    {
        return refuse(why, serves, way_out);
    }
    if let Some(evidence) = in_other_databases(look, diff, giving, taking) {
        return refuse(
            format!("only atomic moves carry keys of databases other than 0, and these slots can't move from {from} to {to} that way"),
            vec![evidence],
            "Let both servers move slots at once (Valkey 9.0 and later, `engine: auto`, no open slot at either); or empty the other databases.".to_owned(),
        );
    }
    no_room(giving, taking, slots).and_then(|evidence| {
        refuse(
            format!("{to} has no room for {count} of {from}"),
            vec![evidence],
            format!("Raise maxmemory of {to}, or give it fewer slots."),
        )
    })
}

/// Keys that a classic move would neither count nor carry: the giver deletes them with the slot.
fn in_other_databases(
    look: &Look<'_>,
    diff: &Diff,
    giving: &NodeView,
    taking: &NodeView,
) -> Option<String> {
    let at_once = look.desired.policy.moves.engine != Engine::Classic
        && not_atomically(look, diff, giving, taking).is_none()
        && giving.open.is_empty()
        && taking.open.is_empty();
    let mut holders = [giving, taking].into_iter();
    let holder = holders.find(|view| view.keys_elsewhere > 0 && !at_once)?;
    Some(format!(
        "{} holds {} in databases other than 0",
        diff.pairing.label(holder.id),
        counted(holder.keys_elsewhere, "key")
    ))
}

/// Why slots can't move from the one to the other at once, and the way out.
fn not_atomically(
    look: &Look<'_>,
    diff: &Diff,
    giving: &NodeView,
    taking: &NodeView,
) -> Option<(String, String)> {
    let (from, to) = (diff.pairing.label(giving.id), diff.pairing.label(taking.id));
    if !giving.server.moves_atomically_to(taking.server) {
        return Some((
            format!(
                "the file asks for atomic moves, and {from} ({}) or {to} ({}) knows none",
                giving.server, taking.server
            ),
            "Write `engine: auto` under `policy.move`.".to_owned(),
        ));
    }
    if !logs_in_by_itself(look.desired, &diff.pairing, giving, taking) {
        return Some((
            format!(
                "the file asks for atomic moves, in which {from} logs in to {to} by itself, and {from} has no password for that (masterauth)"
            ),
            "Declare masterauth and masteruser under `config`, or write `engine: auto` under `policy.move`."
                .to_owned(),
        ));
    }
    None
}

/// A rough sum: what the source uses, by its share of slots, against what the target may use.
fn no_room(giving: &NodeView, taking: &NodeView, slots: &SlotSet) -> Option<String> {
    let owned = u64::from(giving.own_slots().count()).max(1);
    let more = giving.used_memory / owned * u64::from(slots.count());
    let free = taking.max_memory.saturating_sub(taking.used_memory);
    (taking.max_memory > 0 && giving.keys > 0 && more > free).then(|| {
        format!(
            "about {more} bytes are to come, and {free} of its maxmemory {} are free",
            taking.max_memory
        )
    })
}

pub(super) fn blocked(
    shard: &ShardName,
    why: String,
    evidence: Vec<String>,
    way_out: String,
) -> Blocked {
    Blocked {
        code: "move-slots",
        severity: Severity::Blocked,
        subject: format!("shard {shard}"),
        why,
        evidence,
        way_out,
        scope: Scope::Alone,
    }
}

pub(super) fn shard_of(diff: &Diff, primary: NodeId) -> ShardName {
    let mut shards = diff.pairing.primaries.iter();
    shards.find(|(_, id)| **id == primary).map_or_else(
        || ShardName::new(primary.short()),
        |(shard, _)| shard.clone(),
    )
}
