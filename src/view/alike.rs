//! Many differences of one kind in one line, the nodes named as far as that helps.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Role, SlotSet, counted, named};
use crate::diff::{
    Blocked, Cause, Difference, Elsewhere, HandOver, Misplaced, Now, Pairing, Stray, Unclaimed,
    Untold,
};

use super::difference::{announced_option, is_newcomer, option, sentence};
use super::wording::list;

/// Nodes that one line names.
const NAMED: usize = 6;

/// A line a difference, in their order; of more than `most` alike one line for all, where the
/// first of them stands.
pub(super) fn lines<'a>(
    differences: impl IntoIterator<Item = &'a Difference>,
    pairing: &Pairing,
    most: usize,
) -> Vec<String> {
    grouped(differences, |difference| shape(difference, pairing), most)
        .into_iter()
        .map(|group| match group.as_slice() {
            [one] => sentence(one, pairing),
            group => together(group, pairing),
        })
        .collect()
}

/// What is blocked, each with those after it that are blocked for the same reason.
pub(super) fn blocked(blocked: &[Blocked], most: usize) -> Vec<Vec<&Blocked>> {
    grouped(blocked, |one| one.code, most)
}

/// How the others of a line are named behind the first: `; the same of …`.
pub(super) fn others(group: &[&Blocked]) -> String {
    let subjects: Vec<String> = group
        .iter()
        .skip(1)
        .map(|one| one.subject.clone())
        .collect();
    match subjects.len() {
        0 => String::new(),
        _ => format!("; the same of {}", list(&subjects, NAMED)),
    }
}

/// Groups of one, and of those that are too many to be told one by one.
fn grouped<'a, T, K: Ord>(
    all: impl IntoIterator<Item = &'a T>,
    key: impl Fn(&T) -> K,
    most: usize,
) -> Vec<Vec<&'a T>> {
    let all: Vec<(K, &T)> = all.into_iter().map(|one| (key(one), one)).collect();
    let mut by_key: BTreeMap<&K, Vec<&T>> = BTreeMap::new();
    for (key, one) in &all {
        by_key.entry(key).or_default().push(one);
    }
    let mut told = BTreeSet::new();
    let mut groups = Vec::new();
    for (key, one) in &all {
        let alike = by_key.get(key).cloned().unwrap_or_default();
        if alike.len() <= most {
            groups.push(vec![*one]);
        } else if told.insert(key) {
            groups.push(alike);
        }
    }
    groups
}

/// What a difference has in common with those that are told in one line with it.
fn shape(difference: &Difference, pairing: &Pairing) -> (u8, String) {
    match difference {
        Difference::Down { failure, .. } => (0, failure.words.clone()),
        Difference::NotJoined { unknown_to, .. } => match is_newcomer(unknown_to, pairing) {
            true => (1, String::new()),
            false => (2, pairing.label_all(unknown_to)),
        },
        Difference::Announced { seen, set, .. } if seen.is_empty() => {
            (3, set.iter().map(announced_option).collect())
        }
        Difference::Announced { seen, .. } => {
            (4, seen.iter().map(|at| format!("{} ", at.ip)).collect())
        }
        Difference::Option { change, .. } => (5, format!("{} {}", change.option, option(change))),
        Difference::Unassigned { .. } => (6, String::new()),
        Difference::Misplaced { .. } => (10, String::new()),
        Difference::LeftOpen { .. } => (11, String::new()),
        Difference::Untold(_) => (20, String::new()),
        Difference::LeaderElsewhere(_) => (12, String::new()),
        Difference::HandOver(HandOver { cause, .. }) => match cause {
            Cause::Failback => (13, String::new()),
            Cause::Crossed => (14, String::new()),
            Cause::Leaving => (16, String::new()),
        },
        Difference::NotReplicating { now, .. } if now.serves => (15, String::new()),
        Difference::LacksLibraries { libraries, .. } => (
            16,
            libraries.keys().map(|name| format!("{name} ")).collect(),
        ),
        Difference::GivenUp { .. } => (17, String::new()),
        Difference::Stray(_) => (18, String::new()),
        Difference::Unclaimed { .. } => (19, String::new()),
        Difference::NotReplicating { now, .. } => match now.role {
            Role::Primary => (7, String::new()),
            Role::Replica => (8, String::new()),
        },
        Difference::LinkDown { .. } => (9, String::new()),
        Difference::Undeclared { .. } => (12, String::new()),
        Difference::Ghost { .. } => (13, String::new()),
    }
}

/// One line for differences of one shape.
fn together(group: &[&Difference], pairing: &Pairing) -> String {
    let Some(first) = group.first() else {
        return String::new();
    };
    let mut names: Vec<String> = group.iter().map(|one| subject(one, pairing)).collect();
    // Several nodes give to one shard.
    names.dedup();
    let (nodes, names) = (counted(group.len(), "node"), list(&names, NAMED));
    let shards = counted(group.len(), "shard");
    let slots = counted(slots(group).count(), "slot");
    match first {
        Difference::Down { failure, .. } => {
            format!("{nodes} do not answer ({}): {names}", failure.words)
        }
        Difference::NotJoined { unknown_to, .. } => match is_newcomer(unknown_to, pairing) {
            true => format!("{nodes} are not members: {names}"),
            false => format!(
                "{nodes} and {} don't know each other: {names}",
                pairing.label_all(unknown_to)
            ),
        },
        Difference::Announced { seen, .. } if seen.is_empty() => {
            format!("{nodes} don't announce themselves as declared: {names}")
        }
        Difference::Announced { seen, .. } => {
            let seen: BTreeSet<_> = seen.iter().map(|at| at.ip).collect();
            let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
            format!(
                "{nodes} are announced at {}, not at their own addresses: {names}",
                list(&seen, NAMED)
            )
        }
        Difference::Option { change, .. } => {
            format!("{} of {nodes} {}: {names}", change.option, option(change))
        }
        Difference::Unassigned { .. } => format!("{slots} of {shards} have no owner: {names}"),
        Difference::Misplaced { .. } => format!("{slots} are not where the file says: {names}"),
        Difference::LacksLibraries { libraries, .. } => format!(
            "{nodes} are to take their first slots and lack function libraries {}: {names}",
            list(&libraries.keys().cloned().collect::<Vec<_>>(), NAMED)
        ),
        Difference::GivenUp { .. } => {
            format!("{slots} belong to nodes that are gone with all their copies: {names}")
        }
        Difference::Unclaimed { .. } => format!("nobody claims {slots}: {names}"),
        Difference::Stray(_) => format!("{nodes} hold keys of slots that others own: {names}"),
        Difference::LeftOpen { .. } => format!("{slots} are still open on {nodes}"),
        Difference::Untold(_) => format!("{nodes} know no owner of {slots}"),
        Difference::LeaderElsewhere(_) => {
            format!("{nodes} are to be primaries, and replicate others: {names}")
        }
        Difference::HandOver(HandOver { cause, .. }) => {
            format!("{shards} {}: {names}", served(*cause))
        }
        Difference::NotReplicating { now, .. } => {
            format!("{nodes} {}: {names}", not_replicating(now))
        }
        Difference::LinkDown { .. } => {
            format!("{nodes} have no link to their primaries: {names}")
        }
        Difference::Undeclared { .. } => {
            format!("{nodes} are members that the file doesn't name: {names}")
        }
        Difference::Ghost { .. } => {
            format!("{nodes} are gone, and still listed as members: {names}")
        }
    }
}

fn not_replicating(now: &Now) -> &'static str {
    match now.role {
        _ if now.serves => "serve slots, the file makes them replicas",
        Role::Primary => "are primaries without slots, the file makes them replicas",
        Role::Replica => "replicate another node than the file says",
    }
}

fn served(cause: Cause) -> &'static str {
    match cause {
        Cause::Failback => "are served by other nodes than the file says",
        Cause::Crossed => "are served by nodes that the file declares elsewhere",
        Cause::Leaving => "are served by nodes that the file doesn't name",
    }
}

fn slots(group: &[&Difference]) -> SlotSet {
    group.iter().filter_map(|one| slots_of(one)).collect()
}

fn slots_of(difference: &Difference) -> Option<&SlotSet> {
    match difference {
        Difference::Unassigned { slots, .. }
        | Difference::Misplaced(Misplaced { slots, .. })
        | Difference::GivenUp { slots, .. }
        | Difference::Unclaimed(Unclaimed { slots, .. })
        | Difference::Stray(Stray { slots, .. })
        | Difference::Untold(Untold { slots, .. })
        | Difference::LeftOpen { slots, .. } => Some(slots),
        Difference::Down { .. }
        | Difference::NotJoined { .. }
        | Difference::Announced { .. }
        | Difference::Option { .. }
        | Difference::LeaderElsewhere(_)
        | Difference::HandOver(_)
        | Difference::LacksLibraries { .. }
        | Difference::NotReplicating { .. }
        | Difference::LinkDown { .. }
        | Difference::Undeclared { .. }
        | Difference::Ghost { .. } => None,
    }
}

fn subject(difference: &Difference, pairing: &Pairing) -> String {
    match difference {
        Difference::Down { node, .. }
        | Difference::NotJoined { node, .. }
        | Difference::Announced { node, .. }
        | Difference::Option { node, .. }
        | Difference::LacksLibraries { node, .. }
        | Difference::LeaderElsewhere(Elsewhere { node, .. })
        | Difference::NotReplicating { node, .. }
        | Difference::LinkDown { node, .. } => node.to_string(),
        Difference::Unassigned { shard, .. } | Difference::HandOver(HandOver { shard, .. }) => {
            format!("shard {shard}")
        }
        Difference::GivenUp { shard, .. } => format!("to shard {shard}"),
        Difference::Stray(Stray { slots, .. }) | Difference::Unclaimed(Unclaimed { slots, .. }) => {
            named(slots)
        }
        Difference::Misplaced(Misplaced { shard, .. }) => format!("to shard {shard}"),
        Difference::LeftOpen { slots, .. } | Difference::Untold(Untold { slots, .. }) => {
            named(slots)
        }
        Difference::Undeclared { node, .. } | Difference::Ghost { node, .. } => {
            pairing.label(*node)
        }
    }
}
