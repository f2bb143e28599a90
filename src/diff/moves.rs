//! Slots that another shard serves than the file says, and moves that were begun and not finished.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, Slot, SlotSet, counted, named};
use crate::observed::{Direction, Doubles, NodeView, OpenSlot};

use super::removal::Removals;
use super::strays::{old_keys, stray};
use super::unfit::{blocked, shard_of, unfit};
use super::untold;
use super::{Blocked, Diff, Difference, Look, Misplaced, Note, Ownership, Scope, Severity};

/// Who gives slots to whom.
pub(super) type Pair = (NodeId, NodeId);

/// Finds the slots that have to change hands, and those that are half-way.
pub(super) fn compare(
    look: &Look<'_>,
    diff: &mut Diff,
    ownership: &Ownership,
    removals: &Removals,
) {
    let mut open = half_way(look, diff, ownership);
    doubled(look, diff, &mut open);
    let mut wanted = misplaced(look, diff, ownership);
    // A slot that is on its way is brought to its end first.
    for slots in wanted.values_mut() {
        *slots = slots.difference(&open.taken);
    }
    for pair in open.finish.keys() {
        wanted.entry(*pair).or_default();
    }
    // Of a member that may not go yet nothing moves, and it is said why.
    let prune = look.desired.policy.prune;
    wanted.retain(|(source, _), _| {
        !prune || diff.pairing.names.contains_key(source) || removals.takes(*source)
    });
    let refused: Vec<Pair> = wanted
        .iter()
        .filter_map(|(pair, slots)| {
            let all = slots.union(open.finish.get(pair).unwrap_or(&SlotSet::new()));
            let why = unfit(look, diff, *pair, &all)?;
            (!all.is_empty()).then(|| {
                diff.blocked.push(why);
                *pair
            })
        })
        .collect();
    wanted.retain(|pair, _| !refused.contains(pair));
    let mut wanted: Vec<(Pair, SlotSet)> = wanted.into_iter().collect();
    wanted.sort_by_key(|(pair, slots)| {
        let begun = open.finish.get(pair);
        let first = |slots: &SlotSet| slots.ranges().first().map(|range| range.first);
        first(slots).into_iter().chain(begun.and_then(first)).min()
    });
    for ((source, target), slots) in wanted {
        let begun = open.finish.remove(&(source, target)).unwrap_or_default();
        diff.notes
            .extend(against_the_file(diff, ownership, target, &begun));
        let slots = slots.union(&begun);
        if !slots.is_empty() {
            diff.differences.push(Difference::Misplaced(Misplaced {
                shard: shard_of(diff, target),
                source,
                target,
                slots,
                torn: begun.intersection(&open.torn),
                begun,
            }));
        }
    }
    for (node, slots) in std::mem::take(&mut open.close) {
        diff.differences.push(Difference::LeftOpen { node, slots });
    }
    for (pair, slots) in &open.stray {
        stray(look, diff, *pair, slots);
    }
    for (pair, slots) in &open.given {
        let holder = diff.pairing.label(pair.0);
        let why = format!(
            "{holder} is marked as giving them away: perhaps it has sent them, and found them again when it restarted"
        );
        old_keys(look, diff, *pair, slots, vec![why]);
    }
    if !open.unclear.is_empty() {
        diff.blocked.push(unclear(look, diff, &open));
    }
    untold::find(look, diff, ownership);
}

/// The slots that each shard is to get from each other one.
fn misplaced(look: &Look<'_>, diff: &mut Diff, ownership: &Ownership) -> BTreeMap<Pair, SlotSet> {
    let mut wanted: BTreeMap<Pair, SlotSet> = BTreeMap::new();
    for share in &ownership.shares {
        let missing = share
            .target
            .difference(&share.held)
            .difference(&ownership.unassigned);
        if missing.is_empty() || diff.is_shard_blocked(&share.shard) {
            continue;
        }
        let primary = diff.pairing.primaries.get(&share.shard).copied();
        let Some(target) = primary.filter(|id| look.observed.views.contains_key(id)) else {
            diff.blocked.push(blocked(
                &share.shard,
                format!("shard {} is to serve {} that other shards serve, and has no primary that could take them", share.shard, counted(missing.count(), "slot")),
                Vec::new(),
                format!("Start the declared primary of shard {}.", share.shard),
            ));
            continue;
        };
        for (source, slots) in &ownership.owners {
            let slots = slots.intersection(&missing);
            if !slots.is_empty() && !diff.pairing.given_up.contains(source) {
                wanted.insert((*source, target), slots);
            }
        }
    }
    wanted
}

/// A begun move is finished first, wherever the file has its slots.
fn against_the_file(
    diff: &Diff,
    ownership: &Ownership,
    target: NodeId,
    begun: &SlotSet,
) -> Option<Note> {
    let mut shares = ownership.shares.iter();
    let share = shares.find(|share| diff.pairing.primaries.get(&share.shard) == Some(&target));
    let elsewhere = match share {
        Some(share) => begun.difference(&share.target),
        None => begun.clone(),
    };
    (!elsewhere.is_empty()).then(|| Note {
        code: "finished-first",
        subject: named(&elsewhere),
        text: format!(
            "A begun move of {} to {} is finished first, though the file has them elsewhere: to bring them there takes a second apply.",
            named(&elsewhere),
            diff.pairing.label(target)
        ),
    })
}

/// Half-finished moves, sorted by what becomes of them.
#[derive(Default)]
struct HalfWay {
    /// To be finished.
    finish: BTreeMap<Pair, SlotSet>,
    /// Those of them that are open on one side only.
    torn: SlotSet,
    /// Marks that lead nowhere, and hide no key.
    close: BTreeMap<NodeId, SlotSet>,
    /// Marks that add up to no move.
    unclear: BTreeMap<String, SlotSet>,
    /// Keys at a node that nobody gave their slots to, and the owner.
    stray: BTreeMap<Pair, SlotSet>,
    /// Keys at a node that has given their slots away, to the owner.
    given: BTreeMap<Pair, SlotSet>,
    /// Ends of those that did not answer.
    silent: BTreeSet<NodeId>,
    /// All of these slots.
    taken: SlotSet,
}

fn half_way(look: &Look<'_>, diff: &Diff, ownership: &Ownership) -> HalfWay {
    let mut by_slot: BTreeMap<Slot, Vec<(&NodeView, &OpenSlot)>> = BTreeMap::new();
    for view in look.observed.views.values() {
        // A replica repeats its primary's marks, or keeps what it had as a primary.
        for open in view.open.iter().filter(|_| view.role() == Role::Primary) {
            by_slot.entry(open.slot).or_default().push((view, open));
        }
    }
    let mut found = HalfWay::default();
    let given_up = ownership.owners.iter();
    let given_up = given_up.filter(|(owner, _)| diff.pairing.given_up.contains(owner));
    let given_up: SlotSet = given_up.map(|(_, slots)| slots).collect();
    by_slot.retain(|slot, _| !given_up.contains(*slot));
    for (slot, marks) in by_slot {
        let one: SlotSet = [slot].into_iter().collect();
        found.taken = found.taken.union(&one);
        match judge(look, diff, ownership, slot, &marks) {
            Some(Judgement::Finish(pair)) => {
                add(&mut found.finish, pair, &one);
                let ends: BTreeSet<NodeId> = marks.iter().map(|(view, _)| view.id).collect();
                if ends != BTreeSet::from([pair.0, pair.1]) {
                    found.torn = found.torn.union(&one);
                }
            }
            Some(Judgement::Stray(pair)) => add(&mut found.stray, pair, &one),
            Some(Judgement::Given(pair)) => add(&mut found.given, pair, &one),
            Some(Judgement::Close) => {
                for (view, _) in marks {
                    add(&mut found.close, view.id, &one);
                }
            }
            None => {
                for (view, open) in marks {
                    let verb = match open.direction {
                        Direction::Migrating => "is giving to",
                        Direction::Importing => "is taking from",
                    };
                    let (who, whom) = (diff.pairing.label(view.id), diff.pairing.label(open.peer));
                    add(&mut found.unclear, format!("{who} {verb} {whom}"), &one);
                    if !look.observed.views.contains_key(&open.peer) {
                        found.silent.insert(open.peer);
                    }
                }
            }
        }
    }
    stray_holders(look, ownership, &mut found);
    replicas_alone(look, &mut found);
    found
}

/// Marks that a replica has and its primary hasn't: Valkey's replicas apply a SETSLOT that came too
/// late for the primary to take. They hide no key, but would count after a failover.
fn replicas_alone(look: &Look<'_>, found: &mut HalfWay) {
    let views = look.observed.views.values();
    for view in views.filter(|view| view.role() == Role::Replica) {
        let primary = view.primary().and_then(|id| look.observed.views.get(&id));
        let Some(primary) = primary.filter(|primary| primary.role() == Role::Primary) else {
            continue;
        };
        let shared: SlotSet = primary.open.iter().map(|open| open.slot).collect();
        let own: SlotSet = view.open.iter().map(|open| open.slot).collect();
        let alone = own.difference(&shared);
        if !alone.is_empty() {
            add(&mut found.close, view.id, &alone);
        }
    }
}

/// Members that hold keys of slots that others own: no client finds them there. What is on its way by
/// itself is counted at who takes it, and is no such key.
fn stray_holders(look: &Look<'_>, ownership: &Ownership, found: &mut HalfWay) {
    let main = look.cluster.main();
    let members = main.into_iter().flat_map(|main| &main.answered);
    let jobs = look.observed.jobs.values().flatten();
    let under_way: SlotSet = jobs.map(|job| &job.slots).collect();
    for view in members.filter_map(|id| look.observed.views.get(id)) {
        if view.role() != Role::Primary {
            continue;
        }
        let known = found.taken.union(view.own_slots()).union(&under_way);
        for slot in view.keys_in_slot.keys() {
            let mut owners = ownership.owners.iter();
            let owner = owners.find(|(_, slots)| slots.contains(*slot));
            if let Some((owner, _)) = owner.filter(|_| !known.contains(*slot)) {
                let one: SlotSet = [*slot].into_iter().collect();
                add(&mut found.stray, (view.id, *owner), &one);
            }
        }
    }
}

fn add<K: Ord>(sets: &mut BTreeMap<K, SlotSet>, key: K, more: &SlotSet) {
    let entry = sets.entry(key).or_default();
    *entry = entry.union(more);
}

enum Judgement {
    Finish(Pair),
    Close,
    /// Keys of a slot that nobody has given to their holder.
    Stray(Pair),
    /// Keys that their holder has sent to the owner already: one that restarts may have lost that they are gone.
    Given(Pair),
}

/// What becomes of an open slot: nothing, where its marks contradict each other.
fn judge(
    look: &Look<'_>,
    diff: &Diff,
    ownership: &Ownership,
    slot: Slot,
    marks: &[(&NodeView, &OpenSlot)],
) -> Option<Judgement> {
    let owner = ownership
        .owners
        .iter()
        .find(|(_, slots)| slots.contains(slot))
        .map(|(owner, _)| *owner)?;
    let declared = |node: NodeId, slot: Slot| {
        ownership.shares.iter().any(|share| {
            share.target.contains(slot) && diff.pairing.primaries.get(&share.shard) == Some(&node)
        })
    };
    let mut takers: BTreeSet<NodeId> = BTreeSet::new();
    for (view, open) in marks {
        match open.direction {
            // The owner gives, to a node or to what has taken its place since.
            Direction::Migrating if view.id == owner => {
                let taker = serving(look, diff, open.peer)?;
                // Nobody moves a slot within a shard: what this one meant can't be told.
                if taker == owner && !look.observed.views.contains_key(&open.peer) {
                    return None;
                }
                takers.insert(taker);
            }
            // The owner has it already, from whom doesn't matter.
            Direction::Importing if view.id == owner => {}
            Direction::Importing if serving(look, diff, open.peer)? == owner => {
                takers.insert(view.id);
            }
            Direction::Importing if lost_its_giver(look, view, open, &declared) => {
                takers.insert(view.id);
            }
            // The giver has lost the slot since, by a failover say; what the move had brought is at the taker.
            Direction::Importing if is_answered(marks, view, open) && declared(view.id, slot) => {
                takers.insert(view.id);
            }
            Direction::Migrating if is_answered(marks, view, open) && declared(open.peer, slot) => {
            }
            // It gave the slot to the present owner, and was not told that this is done.
            Direction::Migrating if serving(look, diff, open.peer)? == owner => {}
            Direction::Importing | Direction::Migrating => return None,
        }
    }
    takers.remove(&owner);
    let keys = |node: NodeId| look.observed.views.get(&node)?.keys_of(slot);
    match takers.into_iter().collect::<Vec<_>>().as_slice() {
        [] => {
            let others = marks.iter().filter(|(view, _)| view.id != owner);
            let mut full = others.filter(|(view, _)| keys(view.id) != Some(0));
            match (full.next(), full.next()) {
                (None, _) => Some(Judgement::Close),
                (Some((view, open)), None) if open.direction == Direction::Migrating => {
                    let told = keys(view.id).and(look.observed.views.get(&owner));
                    told.map(|_| Judgement::Given((view.id, owner)))
                }
                (Some(_), _) => None,
            }
        }
        [taker] => {
            // A mark that names who was the owner before it failed over is one of a real move.
            let given = marks
                .iter()
                .any(|(view, open)| view.id == owner || open.peer != owner);
            let (held, wanted) = (keys(*taker)?, declared(*taker, slot));
            match held > 0 {
                // Redis sets such a mark by itself when it starts with keys of slots that it has
                // lost meanwhile: nobody gave them away, and what it holds is old.
                true if !given && (!wanted || keys(owner)? > 0) => {
                    Some(Judgement::Stray((*taker, owner)))
                }
                true => Some(Judgement::Finish((owner, *taker))),
                false if wanted => Some(Judgement::Finish((owner, *taker))),
                false => Some(Judgement::Close),
            }
        }
        [_, _, ..] => None,
    }
}

/// Whether who gave it the slot has failed over meanwhile. Redis learns no new owner of a slot that it takes, and
/// whoever gave it may have become the replica of somebody else by now: of the one that took its last slot.
/// Or a primary that serves nothing, without any mark: then nothing but the taker's own marks tells that there was a
/// move, and the file has to want all that they name.
fn lost_its_giver(
    look: &Look<'_>,
    taker: &NodeView,
    open: &OpenSlot,
    declared: &impl Fn(NodeId, Slot) -> bool,
) -> bool {
    let Some(giver) = look.observed.views.get(&open.peer) else {
        return false;
    };
    let slot: SlotSet = [open.slot].into_iter().collect();
    match giver.role() {
        Role::Replica => !taker.knows_no_owner_of(&slot).is_empty(),
        Role::Primary => giver.own_slots().is_empty() && was_given(taker, open.peer, declared),
    }
}

/// Redis marks slots as importing by itself too: those that it holds old keys of when it starts.
fn was_given(taker: &NodeView, giver: NodeId, declared: &impl Fn(NodeId, Slot) -> bool) -> bool {
    let marks = || {
        let open = taker.open.iter().filter(|open| open.peer == giver);
        open.filter(|open| open.direction == Direction::Importing)
            .map(|open| open.slot)
    };
    marks().all(|slot| declared(taker.id, slot))
        && marks().any(|slot| taker.keys_of(slot) == Some(0))
}

/// Whether both ends of a move still have their marks.
fn is_answered(marks: &[(&NodeView, &OpenSlot)], view: &NodeView, open: &OpenSlot) -> bool {
    marks.iter().any(|(other, mark)| {
        other.id == open.peer && mark.peer == view.id && mark.direction != open.direction
    })
}

/// The primary of the shard that a node belongs to. One that is down and has lost its slots was
/// replaced: by the primary of the shard that the file declares it in.
pub(super) fn serving(look: &Look<'_>, diff: &Diff, node: NodeId) -> Option<NodeId> {
    if let Some(view) = look.observed.views.get(&node) {
        return match view.role() {
            Role::Primary => Some(node),
            Role::Replica => view.primary(),
        };
    }
    let member = look.cluster.members.get(&node);
    let name = diff.pairing.names.get(&node)?;
    let shard = look.desired.shard_of(name)?;
    let primary = *diff.pairing.primaries.get(&shard.name)?;
    let serves = |id: NodeId| {
        let view = look.observed.views.get(&id);
        view.is_some_and(|view| !view.own_slots().is_empty())
    };
    let replaced = member.is_some_and(|member| member.slots.is_empty());
    (replaced && primary != node && serves(primary)).then_some(primary)
}

/// Slots of which both ends hold a key are not moved on: whatever cut the move short has left nothing that tells
/// which of the two is the newer one, and a MIGRATE would be refused half-way.
fn doubled(look: &Look<'_>, diff: &mut Diff, open: &mut HalfWay) {
    for (pair, slots) in &mut open.finish {
        let ends = |one: &&Doubles| (one.source, one.target) == *pair && slots.contains(one.slot);
        let doubles: Vec<&Doubles> = look.observed.doubles.iter().filter(ends).collect();
        if doubles.is_empty() {
            continue;
        }
        let held: SlotSet = doubles.iter().map(|one| one.slot).collect();
        *slots = slots.difference(&held);
        let (source, target) = (diff.pairing.label(pair.0), diff.pairing.label(pair.1));
        let keys: usize = doubles.iter().map(|one| one.keys.len()).sum();
        let evidence = doubles.iter().map(ToString::to_string);
        diff.blocked.push(Blocked {
            code: "key-on-both-sides",
            severity: Severity::Blocked,
            subject: named(&held),
            why: format!(
                "a move of {} from {source} to {target} was begun, and both hold {}",
                counted(held.count(), "slot"),
                counted(keys, "key")
            ),
            evidence: evidence.collect(),
            way_out: format!(
                "Read each key at both, see which is the right one, remove the other, and plan again: then the move is finished, whatever the file says of the slot, or closed if {target} has no key of it any more. At {target} each command needs ASKING just before it, over the same connection. Clients get the one of {source}."
            ),
            scope: Scope::Alone,
        });
    }
}

fn unclear(look: &Look<'_>, diff: &Diff, open: &HalfWay) -> Blocked {
    let marks = &open.unclear;
    let slots: SlotSet = marks.values().collect();
    let count = counted(slots.count(), "slot");
    let silent = diff.pairing.label_all(&open.silent);
    let (why, way_out) = match open.silent.is_empty() {
        // The marks of many slots are not read all at once.
        true if !look.observed.applying.is_empty() => (
            format!("{count} {} open, and an apply is under way", if slots.count() == 1 { "is" } else { "are" }),
            "It seems to be moving them. Look again once it has ended.".to_owned(),
        ),
        true => (
            format!("a move of {count} was begun, and the marks that it left contradict each other"),
            "Count the keys on both sides (CLUSTER COUNTKEYSINSLOT). Closing a slot (CLUSTER SETSLOT with STABLE) loses nothing only where the taking side holds no key of it.".to_owned(),
        ),
        false => (
            format!("a move of {count} was begun, and can't be finished without {silent}"),
            format!("Start {silent}, and plan again. If its shard has another primary by now, it must come back as a replica first."),
        ),
    };
    let doubles = look.observed.doubles.iter();
    let doubles = doubles.filter(|one| slots.contains(one.slot));
    Blocked {
        code: "open-slots",
        severity: Severity::Blocked,
        subject: named(&slots),
        why,
        evidence: marks
            .iter()
            .map(|(line, slots)| format!("{line}: {}", named(slots)))
            .chain(doubles.map(|one| format!("both hold keys of {one}")))
            .collect(),
        way_out,
        scope: Scope::Alone,
    }
}
