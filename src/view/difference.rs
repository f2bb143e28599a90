//! One difference in one sentence: the same in drift, plan, status and JSON.

use std::collections::BTreeSet;

use crate::base::{Address, Arg, NodeId, NodeName, Role, ShardName, SlotSet, counted, named};
use crate::desired::readable_value;
use crate::diff::{
    Cause, Diff, Difference, Elsewhere, HandOver, Misplaced, Now, OptionChange, Pairing, Stray,
    Unclaimed, Untold,
};
use crate::observed::{Failure, Libraries};

use super::wording;

/// The difference as a sentence without its full stop.
pub(super) fn sentence(difference: &Difference, pairing: &Pairing) -> String {
    match difference {
        Difference::Down {
            node,
            failure,
            owns,
            ..
        } => down(node, failure, owns, pairing),
        Difference::NotJoined {
            node, unknown_to, ..
        } => format!("{node} {}", not_joined(unknown_to, pairing)),
        Difference::Announced {
            node,
            want,
            seen,
            set,
            ..
        } => match seen.is_empty() {
            true => {
                let set = announced_options(set);
                format!("{node} doesn't announce itself as declared: {set}")
            }
            false => {
                let (seen, want) = (addresses(seen), want.client);
                format!("{node} is announced as {seen}, not {want}")
            }
        },
        Difference::Option { node, change, .. } => {
            format!("{} of {node} {}", change.option, option(change))
        }
        Difference::Unassigned { shard, slots, .. } => {
            format!("{} (shard {shard})", unassigned(slots))
        }
        Difference::LacksLibraries {
            node, libraries, ..
        } => {
            let libraries = these_libraries(libraries);
            format!("{node} is to take its first slots and lacks {libraries}")
        }
        Difference::GivenUp {
            shard, lost, slots, ..
        } => format!(
            "{} of {}, which is gone with all its copies, and shard {shard} is to have them",
            wording::slot_count(slots),
            pairing.label(*lost)
        ),
        Difference::Unclaimed(unclaimed) => left_to_each_other(unclaimed, pairing),
        Difference::Stray(stray) => stray_keys(stray, pairing),
        Difference::Misplaced(misplaced) => misplaced_slots(misplaced, pairing),
        Difference::LeaderElsewhere(elsewhere) => leads_elsewhere(elsewhere, pairing),
        Difference::HandOver(hand_over) => handed_over(hand_over, pairing),
        Difference::Untold(untold) => not_told(untold, pairing),
        Difference::LeftOpen { node, slots } => {
            format!("{} still open on {}", are(slots), pairing.label(*node))
        }
        Difference::NotReplicating {
            node,
            shard,
            primary,
            now,
            ..
        } => not_replicating(node, shard, *primary, now, pairing),
        Difference::LinkDown { node, primary, .. } => {
            format!(
                "{node} has no link to its primary {}",
                pairing.label(*primary)
            )
        }
        Difference::Undeclared { node, role, slots } => undeclared(*node, *role, slots, pairing),
        Difference::Ghost { node, noaddr } => ghost(&pairing.label(*node), *noaddr),
    }
}

fn down(node: &NodeName, failure: &Failure, owns: &SlotSet, pairing: &Pairing) -> String {
    let failure = wording::with_labels(&failure.to_string(), pairing);
    match owns.is_empty() {
        true => format!("{node} does not answer ({failure})"),
        false => format!(
            "{node}, the owner of {}, does not answer ({failure})",
            wording::slot_count(owns)
        ),
    }
}

fn undeclared(node: NodeId, role: Role, slots: &SlotSet, pairing: &Pairing) -> String {
    let label = pairing.label(node);
    let what = match (role, slots.is_empty()) {
        (Role::Replica, _) => "a replica".to_owned(),
        (Role::Primary, true) => "a primary without slots".to_owned(),
        (Role::Primary, false) => format!("the primary of {}", wording::slot_count(slots)),
    };
    format!("{label} is a member that the file doesn't name: {what}")
}

fn ghost(label: &str, noaddr: bool) -> String {
    format!("{label} is still listed as a member, but {}", gone(noaddr))
}

fn gone(noaddr: bool) -> &'static str {
    match noaddr {
        true => "has no address any more",
        false => "has failed",
    }
}

fn leads_elsewhere(elsewhere: &Elsewhere, pairing: &Pairing) -> String {
    let Elsewhere {
        node,
        id: _,
        shard,
        primary,
        keys: _,
    } = elsewhere;
    let primary = pairing.label(*primary);
    format!("{node} replicates {primary}, the file makes it the primary of shard {shard}")
}

fn handed_over(hand_over: &HandOver, pairing: &Pairing) -> String {
    let HandOver {
        shard,
        from,
        to,
        cause,
    } = hand_over;
    let (from, to) = (pairing.label(*from), pairing.label(*to));
    match cause {
        Cause::Failback => format!("shard {shard} is served by {from}, the file places it at {to}"),
        Cause::Crossed => {
            format!("shard {shard} is served by {from}, which the file declares in another shard")
        }
        Cause::Leaving => {
            format!("shard {shard} is served by {from}, which the file doesn't name")
        }
    }
}

fn these_libraries(libraries: &Libraries) -> String {
    let names: Vec<String> = libraries.keys().cloned().collect();
    let what = match names.len() {
        1 => "function library",
        _ => "function libraries",
    };
    format!("{what} {}", wording::list(&names, 3))
}

fn stray_keys(stray: &Stray, pairing: &Pairing) -> String {
    let Stray {
        holder,
        owner,
        slots,
        keys,
    } = stray;
    format!(
        "{} holds {} of {}, which {} owns and holds none of",
        pairing.label(*holder),
        counted(*keys, "key"),
        named(slots),
        pairing.label(*owner)
    )
}

fn not_replicating(
    node: &NodeName,
    shard: &ShardName,
    primary: NodeId,
    now: &Now,
    pairing: &Pairing,
) -> String {
    if now.primary == Some(primary) {
        let primary = pairing.label(primary);
        return format!("{node} looks for its primary {primary} where it is no more");
    }
    let present = present(now, pairing);
    format!("{node} {present}, the file makes it a replica of shard {shard}")
}

fn not_told(untold: &Untold, pairing: &Pairing) -> String {
    let Untold { node, owner, slots } = untold;
    let (node, owner) = (pairing.label(*node), pairing.label(*owner));
    format!("{node} does not know that {owner} owns {}", named(slots))
}

fn left_to_each_other(unclaimed: &Unclaimed, pairing: &Pairing) -> String {
    let Unclaimed {
        taker,
        other,
        slots,
    } = unclaimed;
    let [one, other] = [taker, other].map(|id| pairing.label(*id));
    format!(
        "nobody claims {}: {one} and {other} leave {} to each other",
        named(slots),
        wording::them(slots)
    )
}

fn misplaced_slots(misplaced: &Misplaced, pairing: &Pairing) -> String {
    let Misplaced {
        shard,
        source,
        target: _,
        slots,
        begun,
        torn: _,
    } = misplaced;
    let source = pairing.label(*source);
    match begun == slots {
        true => format!("{} half-way from {source} to shard {shard}", are(slots)),
        false => {
            let mut text = format!(
                "{} served by {source}, the file gives {} to shard {shard}",
                are(slots),
                wording::them(slots)
            );
            if !begun.is_empty() {
                let half_way = wording::slot_count(begun);
                text.push_str(&format!("; a move of {half_way} was begun"));
            }
            text
        }
    }
}

/// Why a step is there, in a few words beside it.
pub(super) fn reason(difference: &Difference, pairing: &Pairing) -> String {
    match difference {
        Difference::Down { failure, .. } => failure.to_string(),
        Difference::NotJoined { unknown_to, .. } => match is_newcomer(unknown_to, pairing) {
            true => "not a member yet".to_owned(),
            false => not_joined(unknown_to, pairing),
        },
        Difference::Announced { seen, set, .. } => match seen.is_empty() {
            true => announced_options(set),
            false => format!("its peers have it at {}", addresses(seen)),
        },
        Difference::Option { change, .. } => format!("{} {}", change.option, option(change)),
        Difference::Unassigned { slots, .. } => {
            format!("{} that nobody owns", wording::slot_count(slots))
        }
        Difference::LacksLibraries { .. } => "the members have them".to_owned(),
        Difference::GivenUp { lost, .. } => format!(
            "{} is gone with all its copies; if it comes back, it loses what it holds",
            pairing.label(*lost)
        ),
        Difference::Unclaimed(Unclaimed { other, slots, .. }) => format!(
            "it and {} leave {} to each other; nobody else holds a key there",
            pairing.label(*other),
            wording::them(slots)
        ),
        Difference::Stray(_) => {
            "clients don't find them there; the owner holds none of these slots".to_owned()
        }
        Difference::Misplaced(Misplaced { begun, slots, .. }) => match begun.is_empty() {
            true => format!("the file gives {} to it", wording::them(slots)),
            false => format!("a move of {} was begun", wording::slot_count(begun)),
        },
        Difference::LeaderElsewhere(Elsewhere { primary, .. }) => {
            format!("it replicates {}", pairing.label(*primary))
        }
        Difference::HandOver(HandOver { from, cause, .. }) => {
            let from = pairing.label(*from);
            match cause {
                Cause::Failback => format!("{from} serves it now"),
                Cause::Crossed => {
                    format!("{from} serves it now, which the file declares in another shard")
                }
                Cause::Leaving => format!("{from} serves it now, which the file doesn't name"),
            }
        }
        Difference::Untold(_) => {
            "Redis learns no new owner of a slot that it takes; without one it calls the cluster down".to_owned()
        }
        Difference::LeftOpen { .. } => {
            "of a move that is over, or of which no key has gone yet; it hides none".to_owned()
        }
        Difference::NotReplicating { now, primary, .. } if now.primary == Some(*primary) => {
            "it looks for it where it is no more".to_owned()
        }
        Difference::NotReplicating { now, .. } => format!("it {}", present(now, pairing)),
        Difference::LinkDown { .. } => "its link is down".to_owned(),
        Difference::Undeclared { role, slots, .. } => match (role, slots.is_empty()) {
            (Role::Replica, _) => "a replica that the file doesn't name".to_owned(),
            (Role::Primary, true) => {
                "a primary without slots that the file doesn't name".to_owned()
            }
            (Role::Primary, false) => "empty by now, and the file doesn't name it".to_owned(),
        },
        Difference::Ghost { noaddr, .. } => format!("it {}", gone(*noaddr)),
    }
}

/// States of a shard without a primary: the node that is down may be the one, and have lost its data.
const LOST: [&str; 3] = ["shard-lost", "election-pending", "shard-dead"];

/// What a person does about a difference that no step mends.
pub(super) fn way_out(difference: &Difference, diff: &Diff) -> String {
    let pairing = &diff.pairing;
    match difference {
        // It may be the one that came back blank, stopped as it is told.
        Difference::Down { id: None, .. }
            if diff.blocked.iter().any(|one| LOST.contains(&one.code)) =>
        {
            "It may be the one whose shard has no primary: if it has lost its data, leave it down until that is seen to, for its replicas would copy its emptiness.".to_owned()
        }
        Difference::Down { failure, owns, .. } => {
            let way_out = failure.kind.way_out();
            match owns.is_empty() {
                true => way_out.to_owned(),
                false => format!(
                    "{way_out} If it has died, nobody serves its slots until it is back or a replica of it is elected."
                ),
            }
        }
        Difference::LinkDown { node, primary, .. } if diff.is_down(*primary) => format!(
            "{node} finds its way back once {} answers, or another node has been elected in its place.",
            pairing.label(*primary)
        ),
        Difference::LinkDown { node, primary, .. } => format!(
            "The servers keep trying by themselves. If it stays, the logs of {node} and {} say why; a closed port and a password that only one of them knows are usual.",
            pairing.label(*primary)
        ),
        Difference::NotJoined { .. }
        | Difference::Announced { .. }
        | Difference::Option { .. }
        | Difference::Unassigned { .. }
        | Difference::Misplaced { .. }
        | Difference::LeaderElsewhere(_)
        | Difference::HandOver(_)
        | Difference::LacksLibraries { .. }
        | Difference::GivenUp { .. }
        | Difference::Unclaimed { .. }
        | Difference::Stray(_)
        | Difference::LeftOpen { .. }
        | Difference::Untold(_)
        | Difference::NotReplicating { .. }
        | Difference::Undeclared { .. }
        | Difference::Ghost { .. } => "Plan again once what is blocked has been mended.".to_owned(),
    }
}

/// `slots 5462-10922 have no owner`.
pub(super) fn unassigned(slots: &SlotSet) -> String {
    let ranges = wording::ranges(slots);
    match slots.count() {
        1 => format!("slot {ranges} has no owner"),
        _ => format!("slots {ranges} have no owner"),
    }
}

/// `slots 5462-10922 are`.
fn are(slots: &SlotSet) -> String {
    let ranges = wording::ranges(slots);
    match slots.count() {
        1 => format!("slot {ranges} is"),
        _ => format!("slots {ranges} are"),
    }
}

fn not_joined(unknown_to: &BTreeSet<NodeId>, pairing: &Pairing) -> String {
    if is_newcomer(unknown_to, pairing) {
        "is not a member".to_owned()
    } else {
        format!(
            "and {} don't know each other",
            pairing.label_all(unknown_to)
        )
    }
}

pub(super) fn is_newcomer(unknown_to: &BTreeSet<NodeId>, pairing: &Pairing) -> bool {
    unknown_to.len() + 1 >= pairing.joinable.len()
}

fn addresses(seen: &BTreeSet<Address>) -> String {
    let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
    wording::list(&seen, 3)
}

/// `is 1000, the file says 15000`; of a secret neither value is told.
pub(super) fn option(change: &OptionChange) -> String {
    let OptionChange { option, have, want } = change;
    match (have, want) {
        (Some(Arg::Plain(have)), Arg::Plain(want)) => {
            let (have, want) = (value(option, have), value(option, want));
            format!("is {have}, the file says {want}")
        }
        (None, Arg::Plain(want)) => {
            format!("is unknown, the file says {}", value(option, want))
        }
        (Some(Arg::Plain(_) | Arg::Key(_) | Arg::Long { .. } | Arg::Secret(_)) | None, _) => {
            "is another secret than the file's".to_owned()
        }
    }
}

fn announced_options(set: &[OptionChange]) -> String {
    let options: Vec<String> = set.iter().map(announced_option).collect();
    options.join("; ")
}

pub(super) fn announced_option(change: &OptionChange) -> String {
    let have = match change.have.as_ref().map(Arg::shown) {
        None | Some("" | "0") => "is not set".to_owned(),
        Some(have) => format!("is {}", value(&change.option, have)),
    };
    format!("{} {have}", change.option)
}

fn value(option: &str, text: &str) -> String {
    let text = readable_value(option, text);
    if text.is_empty() || text.contains(' ') {
        format!("\"{text}\"")
    } else {
        text
    }
}

fn present(now: &Now, pairing: &Pairing) -> String {
    let Now {
        role,
        primary,
        serves,
        keys: _,
    } = now;
    match (role, primary) {
        _ if *serves => "serves slots of another shard".to_owned(),
        (Role::Primary, _) => "is a primary without slots".to_owned(),
        (Role::Replica, Some(primary)) => format!("replicates {}", pairing.label(*primary)),
        (Role::Replica, None) => "replicates nobody".to_owned(),
    }
}
