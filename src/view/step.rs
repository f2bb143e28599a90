//! What a step is called: before it runs, once it is done, and why it is there.

use std::collections::BTreeSet;

use crate::base::{Arg, NodeId, NodeName, ShardName, counted, named};
use crate::desired::readable_value;
use crate::diff::{Diff, OptionChange, Pairing};
use crate::plan::{Action, Engine, Load, Phase, Risk, Step, Transfer};

use super::difference;
use super::styles::Meaning;
use super::wording::{duration, list, ranges};

/// The sign in front of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Add,
    Change,
    Remove,
    Wait,
}

impl Sign {
    pub(super) fn of(action: &Action) -> Self {
        match action {
            Action::SetEpoch { .. }
            | Action::Assign { .. }
            | Action::Join { .. }
            | Action::CopyLibraries { .. } => Self::Add,
            Action::Configure { .. }
            | Action::Announce { .. }
            | Action::Hasten { .. }
            | Action::Attach { .. }
            | Action::Detach { .. }
            | Action::GiveUp { .. }
            | Action::Claim { .. }
            | Action::Close { .. }
            | Action::Tell { .. }
            | Action::BringHome { .. }
            | Action::Move { .. }
            | Action::FailOver { .. }
            | Action::Pin { .. }
            | Action::Unpin { .. }
            | Action::Restore { .. } => Self::Change,
            Action::Remove { .. } | Action::Forget { .. } => Self::Remove,
            Action::Await { .. } | Action::Settle | Action::Watch { .. } => Self::Wait,
        }
    }

    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Change => "~",
            Self::Remove => "-",
            Self::Wait => "=",
        }
    }

    pub(super) fn meaning(self) -> Meaning {
        match self {
            Self::Add => Meaning::Added,
            Self::Change => Meaning::Changed,
            Self::Remove => Meaning::Removed,
            Self::Wait => Meaning::Dim,
        }
    }
}

/// What the step will do: `join host1:7000`.
pub(super) fn intent(action: &Action, pairing: &Pairing) -> String {
    words(action, pairing, Tense::Will)
}

/// What the step has done: `joined host1:7000`.
pub(super) fn effect(action: &Action, pairing: &Pairing) -> String {
    words(action, pairing, Tense::Has)
}

#[derive(Clone, Copy)]
enum Tense {
    Will,
    Has,
}

fn words(action: &Action, pairing: &Pairing, tense: Tense) -> String {
    if let Action::Watch { nodes } = action {
        return watched(nodes, pairing, tense);
    }
    if let Action::Await { node, .. } = action {
        return awaited(
            *node,
            &object(action, pairing).unwrap_or_default(),
            pairing,
            tense,
        );
    }
    let (will, has) = verbs(action);
    let verb = match tense {
        Tense::Will => will,
        Tense::Has => has,
    };
    match object(action, pairing) {
        Some(object) => format!("{verb} {object}"),
        None => verb.to_owned(),
    }
}

fn verbs(action: &Action) -> (&'static str, &'static str) {
    match action {
        Action::Configure { .. } => ("configure", "configured"),
        Action::Announce { .. } => ("announce", "announced"),
        Action::Hasten { .. } => ("lower", "lowered"),
        Action::SetEpoch { .. } | Action::GiveUp { .. } => ("give", "gave"),
        Action::Assign { .. } => ("assign", "assigned"),
        Action::Join { .. } => ("join", "joined"),
        Action::CopyLibraries { .. } => ("copy", "copied"),
        Action::Claim { .. } => ("claim", "claimed"),
        Action::Close { .. } => ("close", "closed"),
        Action::Tell { .. } => ("tell", "told"),
        Action::BringHome { .. } => ("bring", "brought"),
        Action::Attach { .. } => ("attach", "attached"),
        Action::Detach { .. } => ("detach", "detached"),
        Action::Move { .. } => ("move", "moved"),
        Action::FailOver { .. } => ("fail over", "failed over"),
        Action::Pin { .. } => ("set", "set"),
        Action::Unpin { .. } => ("put back", "put back"),
        Action::Remove { .. } => ("remove", "removed"),
        Action::Forget { .. } => ("forget", "forgot"),
        Action::Watch { .. } => ("watch", "watched"),
        Action::Await { .. } => ("wait for", "waited for"),
        Action::Settle => ("wait until all nodes agree", "all nodes agree"),
        Action::Restore { .. } => ("restore", "restored"),
    }
}

/// What the verb is said of.
fn object(action: &Action, pairing: &Pairing) -> Option<String> {
    let label = |id: &NodeId| pairing.label(*id);
    Some(match action {
        Action::Configure { name, .. } | Action::Join { name, .. } => name.to_string(),
        Action::Announce { name, want, .. } => format!("{name} as {}", want.client),
        Action::Hasten { name, options, .. } | Action::Restore { name, options, .. } => {
            format!("{} on {name}", values(options))
        }
        Action::SetEpoch { name, epoch, .. } => format!("{name} epoch {epoch}"),
        Action::Assign { node, shard, slots } => {
            format!("{} to shard {shard} ({})", ranges(slots), label(node))
        }
        Action::CopyLibraries {
            name, libraries, ..
        } => copied(name, libraries),
        Action::Await { targets, slots, .. } => match targets.is_empty() {
            true => named(slots),
            false => format!("{} to {}", named(slots), pairing.label_all(targets)),
        },
        Action::Claim { node, slots, .. } => format!("{} for {}", named(slots), label(node)),
        Action::Close { node, slots } => format!("{} on {}", ranges(slots), label(node)),
        Action::Tell { node, owner, slots } => {
            format!(
                "{} that {} owns {}",
                label(node),
                label(owner),
                named(slots)
            )
        }
        Action::BringHome { transfer, load } => brought(transfer, *load, pairing),
        Action::Attach {
            name,
            shard,
            primary,
            ..
        } => format!("{name} to shard {shard} ({})", label(primary)),
        Action::Detach {
            name, shard, from, ..
        } => format!("{name} from {} for shard {shard}", label(from)),
        Action::GiveUp { shard, transfer }
        | Action::Move {
            shard, transfer, ..
        } => what_moves(shard, transfer, pairing),
        Action::FailOver { name, shard, .. } => format!("shard {shard} to {name}"),
        Action::Pin { node, options } | Action::Unpin { node, options, .. } => {
            format!("{} on {}", values(options), label(node))
        }
        Action::Remove { node } | Action::Forget { node } => label(node),
        Action::Watch { .. } | Action::Settle => return None,
    })
}

/// It may move them or fail.
fn awaited(node: NodeId, what: &str, pairing: &Pairing, tense: Tense) -> String {
    let node = pairing.label(node);
    match tense {
        Tense::Will => format!("wait while {node} moves {what} by itself"),
        Tense::Has => format!("{node} moves nothing by itself any more ({what})"),
    }
}

fn watched(nodes: &BTreeSet<NodeId>, pairing: &Pairing, tense: Tense) -> String {
    let who = pairing.label_all(nodes);
    match tense {
        Tense::Will => format!("watch for the return of {who}"),
        Tense::Has => format!("nobody lists {who} any more"),
    }
}

fn copied(name: &NodeName, libraries: &[String]) -> String {
    let what = match libraries.len() {
        1 => "function library",
        _ => "function libraries",
    };
    format!("{what} {} to {name}", list(libraries, 3))
}

fn brought(transfer: &Transfer, load: Load, pairing: &Pairing) -> String {
    format!(
        "{} of {} from {} home to {}",
        counted(load.keys, "key"),
        named(&transfer.slots),
        pairing.label(transfer.source),
        pairing.label(transfer.target)
    )
}

fn what_moves(shard: &ShardName, transfer: &Transfer, pairing: &Pairing) -> String {
    format!(
        "{} ({}) from {} to shard {shard} ({})",
        counted(transfer.slots.count(), "slot"),
        ranges(&transfer.slots),
        pairing.label(transfer.source),
        pairing.label(transfer.target)
    )
}

const HASTENED: &str =
    "only while every node is blank, to be quick; not written to disk, restored below";

const RESTORED: &str = "the declared value; sent even if a step fails";

const PINNED: &str =
    "so that replicas stay where they are while slots move; not written to disk, put back below";

const UNPINNED: &str = "the value that it had; sent even if a step fails";

fn watched_for(step: &Step) -> String {
    let millis = step.holds_for.as_millis().to_string();
    let time = readable_value("cluster-node-timeout", &millis);
    format!("for {time}; `rcl apply --no-wait` leaves it out")
}

/// Why the step is there, and what it costs.
pub(super) fn reason(step: &Step, diff: &Diff) -> String {
    let because = step
        .because
        .iter()
        .filter_map(|index| diff.differences.get(*index));
    let mut reasons: Vec<String> = because
        .map(|difference| difference::reason(difference, &diff.pairing))
        .collect();
    match &step.action {
        Action::Hasten { .. } => reasons.push(HASTENED.to_owned()),
        Action::Restore { .. } => reasons.push(RESTORED.to_owned()),
        Action::SetEpoch { .. } => {
            reasons.push("a new cluster starts with distinct ones".to_owned())
        }
        Action::Configure { rewrite: false, .. } => {
            reasons.push("it has no config file, a restart loses this".to_owned());
        }
        Action::Announce {
            rewrite: false,
            changes,
            ..
        } if !changes.is_empty() => {
            reasons.push("it has no config file, a restart loses this".to_owned());
        }
        Action::Move { load, transfer, .. } => reasons.push(format!(
            "{}, about {}, by the {} engine",
            counted(load.keys, "key"),
            indicatif::HumanBytes(load.bytes),
            engine(&transfer.engine)
        )),
        Action::FailOver { .. } => reasons.extend(price_of_failover(step)),
        Action::Pin { .. } => reasons.push(PINNED.to_owned()),
        Action::Unpin { .. } => reasons.push(UNPINNED.to_owned()),
        Action::Watch { .. } => reasons.push(watched_for(step)),
        Action::Await { .. } => reasons.push("it is let end, whoever began it".to_owned()),
        Action::Settle => reasons.push("on members, roles, links, slots and epochs".to_owned()),
        Action::Configure { .. }
        | Action::Announce { .. }
        | Action::Assign { .. }
        | Action::Join { .. }
        | Action::CopyLibraries { .. }
        | Action::GiveUp { .. }
        | Action::Claim { .. }
        | Action::Close { .. }
        | Action::Tell { .. }
        | Action::Detach { .. }
        | Action::BringHome { .. }
        | Action::Remove { .. }
        | Action::Forget { .. }
        | Action::Attach { .. } => {}
    }
    match step.risk {
        Risk::None | Risk::Removal => {}
        Risk::Resync { keys } => {
            let keys = counted(keys, "key");
            reasons.push(match step.action.phase() == Phase::Detach {
                true => format!("wipes its {keys}"),
                false => format!("wipes its {keys} and copies anew"),
            });
        }
        Risk::LoseData { .. } => reasons.push("what it held is lost".to_owned()),
    }
    reasons.join("; ")
}

fn price_of_failover(step: &Step) -> impl Iterator<Item = String> {
    let waits = "writes to the shard wait for some tens of milliseconds".to_owned();
    let calm = step.calm.as_ref().filter(|calm| !calm.lasting.is_zero());
    let begins = calm.map(|calm| {
        let lasting = duration(calm.lasting);
        format!("begins once nothing has changed in the shard for {lasting}")
    });
    [waits].into_iter().chain(begins)
}

/// What steps have in common that may be folded into one line; `None` for what must be seen.
pub(super) fn shape(step: &Step) -> Option<String> {
    match step.risk {
        Risk::Resync { .. } | Risk::Removal | Risk::LoseData { .. } => return None,
        Risk::None => {}
    }
    match &step.action {
        Action::Configure {
            changes, rewrite, ..
        } => Some(format!("{} {rewrite}", changed_values(changes))),
        Action::Announce {
            changes, rewrite, ..
        } => {
            let options: Vec<&str> = changes
                .iter()
                .map(|change| change.option.as_str())
                .collect();
            Some(format!("{} {rewrite}", options.join(" ")))
        }
        Action::Hasten { options, .. }
        | Action::Restore { options, .. }
        | Action::Pin { options, .. }
        | Action::Unpin { options, .. } => Some(values(options)),
        Action::SetEpoch { .. }
        | Action::Assign { .. }
        | Action::Join { .. }
        | Action::Attach { .. } => Some(String::new()),
        Action::Detach { .. }
        | Action::FailOver { .. }
        | Action::CopyLibraries { .. }
        | Action::Await { .. }
        | Action::GiveUp { .. }
        | Action::Claim { .. }
        | Action::Close { .. }
        | Action::Tell { .. }
        | Action::BringHome { .. }
        | Action::Move { .. }
        | Action::Remove { .. }
        | Action::Forget { .. }
        | Action::Settle
        | Action::Watch { .. } => None,
    }
}

/// The word for an engine, as the file has it.
pub(super) fn engine(engine: &Engine) -> &'static str {
    match engine {
        Engine::Atomic => "atomic",
        Engine::Classic(_) | Engine::Homeward(_) | Engine::Orphaned { .. } => "classic",
    }
}

fn changed_values(changes: &[OptionChange]) -> String {
    let changes = changes.iter().map(|change| {
        let have = change.have.as_ref().map_or("", Arg::shown);
        format!("{} {have} {}", change.option, change.want.shown())
    });
    changes.collect::<Vec<_>>().join(" ")
}

/// `cluster-node-timeout to 1s`.
fn values(options: &[(String, Arg)]) -> String {
    let options: Vec<String> = options
        .iter()
        .map(|(name, value)| format!("{name} to {}", readable_value(name, value.shown())))
        .collect();
    options.join(", ")
}
