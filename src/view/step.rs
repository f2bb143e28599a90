//! What a step is called: before it runs, once it is done, and why it is there.

use std::collections::BTreeSet;

use crate::base::{Arg, NodeId, ShardName, counted};
use crate::desired::readable_value;
use crate::diff::{Diff, OptionChange, Pairing};
use crate::plan::{Action, Engine, Phase, Risk, Step, Transfer};

use super::difference;
use super::styles::Meaning;
use super::wording::{duration, ranges};

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
            Action::SetEpoch { .. } | Action::Assign { .. } | Action::Join { .. } => Self::Add,
            Action::Configure { .. }
            | Action::Announce { .. }
            | Action::Hasten { .. }
            | Action::Attach { .. }
            | Action::Detach { .. }
            | Action::Close { .. }
            | Action::Move { .. }
            | Action::FailOver { .. }
            | Action::Pin { .. }
            | Action::Unpin { .. }
            | Action::Restore { .. } => Self::Change,
            Action::Remove { .. } | Action::Forget { .. } => Self::Remove,
            Action::Settle | Action::Watch { .. } => Self::Wait,
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
    let verb = |will: &'static str, has: &'static str| match tense {
        Tense::Will => will,
        Tense::Has => has,
    };
    let label = |node: &NodeId| pairing.label(*node);
    match action {
        Action::Configure { name, .. } => format!("{} {name}", verb("configure", "configured")),
        Action::Announce { name, want, .. } => format!(
            "{} {name} as {}",
            verb("announce", "announced"),
            want.client
        ),
        Action::Hasten { name, options, .. } => {
            format!("{} {} on {name}", verb("lower", "lowered"), values(options))
        }
        Action::SetEpoch { name, epoch, .. } => {
            format!("{} {name} epoch {epoch}", verb("give", "gave"))
        }
        Action::Assign { node, shard, slots } => {
            let what = format!("{} to shard {shard} ({})", ranges(slots), label(node));
            format!("{} {what}", verb("assign", "assigned"))
        }
        Action::Join { name, .. } => format!("{} {name}", verb("join", "joined")),
        Action::Attach {
            name,
            shard,
            primary,
            ..
        } => format!(
            "{} {name} to shard {shard} ({})",
            verb("attach", "attached"),
            pairing.label(*primary)
        ),
        Action::Detach {
            name, shard, from, ..
        } => format!(
            "{} {name} from {} for shard {shard}",
            verb("detach", "detached"),
            pairing.label(*from)
        ),
        Action::FailOver { name, shard, .. } => {
            let verb = verb("fail over", "failed over");
            format!("{verb} shard {shard} to {name}")
        }
        Action::Close { node, slots } => format!(
            "{} {} on {}",
            verb("close", "closed"),
            ranges(slots),
            pairing.label(*node)
        ),
        Action::Move {
            shard, transfer, ..
        } => what_moves(verb("move", "moved"), shard, transfer, pairing),
        Action::Pin { node, options } => format!("set {} on {}", values(options), label(node)),
        Action::Unpin { node, options } => {
            format!("put back {} on {}", values(options), label(node))
        }
        Action::Remove { node } => format!("{} {}", verb("remove", "removed"), label(node)),
        Action::Forget { node } => format!("{} {}", verb("forget", "forgot"), label(node)),
        Action::Watch { nodes } => watched(nodes, pairing, tense),
        Action::Settle => verb("wait until all nodes agree", "all nodes agree").to_owned(),
        Action::Restore { name, options, .. } => format!(
            "{} {} on {name}",
            verb("restore", "restored"),
            values(options)
        ),
    }
}

fn watched(nodes: &BTreeSet<NodeId>, pairing: &Pairing, tense: Tense) -> String {
    let who = pairing.label_all(nodes);
    match tense {
        Tense::Will => format!("watch for the return of {who}"),
        Tense::Has => format!("nobody lists {who} any more"),
    }
}

fn what_moves(verb: &str, shard: &ShardName, transfer: &Transfer, pairing: &Pairing) -> String {
    format!(
        "{verb} {} ({}) from {} to shard {shard} ({})",
        counted(transfer.slots.count(), "slot"),
        ranges(&transfer.slots),
        pairing.label(transfer.source),
        pairing.label(transfer.target)
    )
}

const PINNED: &str = "so that replicas stay where they are while a primary is emptied; not written to disk, put back below";

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
        Action::Hasten { .. } => reasons.push(
            "only while every node is blank, to be quick; not written to disk, restored below"
                .to_owned(),
        ),
        Action::Restore { .. } => {
            reasons.push("the declared value; sent even if a step fails".to_owned());
        }
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
        Action::FailOver { .. } => {
            reasons.push("writes to the shard wait for some tens of milliseconds".to_owned());
            if let Some(calm) = step.calm.filter(|calm| !calm.lasting.is_zero()) {
                reasons.push(format!(
                    "begins once nothing has changed in the shard for {}",
                    duration(calm.lasting)
                ));
            }
        }
        Action::Pin { .. } => reasons.push(PINNED.to_owned()),
        Action::Unpin { .. } => reasons.push(UNPINNED.to_owned()),
        Action::Watch { .. } => reasons.push(watched_for(step)),
        Action::Settle => reasons.push("on members, roles, links, slots and epochs".to_owned()),
        Action::Configure { .. }
        | Action::Announce { .. }
        | Action::Assign { .. }
        | Action::Join { .. }
        | Action::Close { .. }
        | Action::Detach { .. }
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
    }
    reasons.join("; ")
}

/// What steps have in common that may be folded into one line; `None` for what must be seen.
pub(super) fn shape(step: &Step) -> Option<String> {
    match step.risk {
        Risk::Resync { .. } | Risk::Removal => return None,
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
        | Action::Close { .. }
        | Action::Move { .. }
        | Action::FailOver { .. }
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
        Engine::Classic(_) => "classic",
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
