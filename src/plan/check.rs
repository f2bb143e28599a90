//! An independent check of plans: re-derives, from what was observed, what no plan may break.
//!
//! It shares no code with the making of plans, so that a mistake there shows here. Run on
//! every plan before it is applied, and by the tests on every plan they make.

mod moves;
mod removal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;

use crate::base::{Arg, Command, NodeId, SLOT_COUNT, Slot, SlotSet};
use crate::observed::{Group, Observed, groups};

use super::{Action, Engine, Plan, Send, Step, StepId, Transfer};

mod roles;

/// An invariant that a plan breaks: a mistake in rcl, never in the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Violation {
    #[error("step {} comes after step {}, which doesn't stand before it", .step.0, .after.0)]
    Order { step: StepId, after: StepId },
    #[error("step {} sends {command}, which no plan may send", .step.0)]
    Forbidden { step: StepId, command: String },
    #[error("step {} sends to {}, which did not answer", .step.0, .node.short())]
    UnknownRecipient { step: StepId, node: NodeId },
    #[error("step {} gives away slot {slot}, which {} owns", .step.0, .owner.short())]
    SlotOwned {
        step: StepId,
        slot: Slot,
        owner: NodeId,
    },
    #[error("step {} gives away slot {slot} for the second time", .step.0)]
    SlotTwice { step: StepId, slot: Slot },
    #[error("step {} gives away slot {slot}, of which {} holds keys", .step.0, .holder.short())]
    SlotHasKeys {
        step: StepId,
        slot: Slot,
        holder: NodeId,
    },
    #[error("step {} makes {} a replica, which serves slots or holds keys of its own", .step.0, .node.short())]
    WipesOwner { step: StepId, node: NodeId },
    #[error("step {} wipes the copy of {} without leave", .step.0, .node.short())]
    WipesWithoutLeave { step: StepId, node: NodeId },
    #[error("step {} takes {} away from a primary that doesn't answer: its copy may be the only one", .step.0, .node.short())]
    LastCopy { step: StepId, node: NodeId },
    #[error("step {} makes {} the replica of a replica", .step.0, .node.short())]
    FollowsReplica { step: StepId, node: NodeId },
    #[error("step {} fails over to {}, which has no copy of what its shard serves", .step.0, .node.short())]
    NotInSync { step: StepId, node: NodeId },
    #[error("step {} makes the shard of {} fail over for the second time", .step.0, .node.short())]
    FailedOverTwice { step: StepId, node: NodeId },
    #[error("step {} fails over while step {} may be doing so", .step.0, .other.0)]
    FailoversTogether { step: StepId, other: StepId },
    #[error("step {} introduces {}, whose members or slots nobody accounts for", .step.0, .node.short())]
    Merges { step: StepId, node: NodeId },
    #[error("step {} gives epoch {epoch} for the second time", .step.0)]
    EpochTwice { step: StepId, epoch: u64 },
    #[error("step {} lowers options of {} that no step restores", .step.0, .node.short())]
    NotRestored { step: StepId, node: NodeId },
    #[error("step {} moves slot {slot}, which {} does not own by every view", .step.0, .giver.short())]
    NotTheOwner {
        step: StepId,
        slot: Slot,
        giver: NodeId,
    },
    #[error("step {} waits for {}, which step {} keeps waiting at the same time", .step.0, .node.short(), .other.0)]
    Crossed {
        step: StepId,
        other: StepId,
        node: NodeId,
    },
    #[error("step {} moves keys one by one, and {} holds some in other databases", .step.0, .node.short())]
    OtherDatabases { step: StepId, node: NodeId },
    #[error("step {} moves slots to {}, which is no primary", .step.0, .taker.short())]
    ToReplica { step: StepId, taker: NodeId },
    #[error("step {} takes away the mark of slot {slot}, whose keys {} holds and does not own", .step.0, .node.short())]
    HidesKeys {
        step: StepId,
        slot: Slot,
        node: NodeId,
    },
    #[error("step {} tells {} of an owner of slot {slot} that it doesn't have by every view", .step.0, .node.short())]
    Misleads {
        step: StepId,
        slot: Slot,
        node: NodeId,
    },
    #[error("step {} removes {}, {why}", .step.0, .node.short())]
    Removes {
        step: StepId,
        node: NodeId,
        why: &'static str,
    },
    #[error("step {} gives up slot {slot} of {} without leave, or although it or a key of it is there", .step.0, .owner.short())]
    GivesUp {
        step: StepId,
        slot: Slot,
        owner: NodeId,
    },
    #[error("step {} brings keys of slot {slot} to {}, which doesn't own it by every view or holds keys of it", .step.0, .owner.short())]
    BringsBack {
        step: StepId,
        slot: Slot,
        owner: NodeId,
    },
    #[error("step {} acts although everything is blocked", .step.0)]
    ActsWhileBlocked { step: StepId },
}

/// What plans may send to the letter.
const EXACTLY: [&str; 4] = [
    "CLUSTER FAILOVER",
    "CLUSTER RESET SOFT",
    "CLUSTER RESET HARD",
    "CONFIG REWRITE",
];

/// What else they may send, by first words; everything else is forbidden.
pub(super) const KNOWN: [&str; 9] = [
    "CLUSTER MEET ",
    "CLUSTER ADDSLOTS ",
    "CLUSTER ADDSLOTSRANGE ",
    "CLUSTER SET-CONFIG-EPOCH ",
    "CLUSTER REPLICATE ",
    "CLUSTER SETSLOT ",
    "CLUSTER FORGET ",
    "FUNCTION LOAD ",
    "CONFIG SET ",
];

/// Everything that is wrong with a plan made from `observed`; nothing, unless rcl is.
#[must_use]
pub fn check(plan: &Plan, observed: &Observed) -> Vec<Violation> {
    let facts = Facts::gather(observed);
    let mut found = Vec::new();
    let mut given = vec![false; usize::from(SLOT_COUNT)];
    let mut epochs: BTreeSet<String> = BTreeSet::new();
    for step in &plan.steps {
        let id = step.id;
        if plan.diff.everything_blocked() {
            found.push(Violation::ActsWhileBlocked { step: id });
        }
        found.extend(
            step.after
                .iter()
                .filter(|after| **after >= id)
                .map(|after| Violation::Order {
                    step: id,
                    after: *after,
                }),
        );
        for send in &step.sends {
            one_send(plan, &facts, step, send, &mut found);
            facts.slots_given(id, send, &mut given, &mut found);
            let text = send.command.to_string();
            if let Some(epoch) = text.strip_prefix("CLUSTER SET-CONFIG-EPOCH ")
                && !epochs.insert(epoch.to_owned())
            {
                found.push(Violation::EpochTwice {
                    step: id,
                    epoch: epoch.parse().unwrap_or(0),
                });
            }
        }
        facts.moved(step, &mut given, &mut found);
        found.extend(not_restored(plan, step));
    }
    found.extend(crossed(plan));
    found.extend(roles::roles(plan, observed));
    found.extend(removal::removals(plan, observed));
    found
}

/// Options that are set for a while only are put back at the end, come what may.
fn not_restored(plan: &Plan, step: &Step) -> Option<Violation> {
    let set = step.action.sets_for_a_while()?;
    let mut later = plan.steps.iter().filter(|other| other.id > step.id);
    let restored =
        later.any(|other| other.always && other.action.puts_back().as_ref() == Some(&set));
    let step = step.id;
    (!restored).then_some(Violation::NotRestored { step, node: set.0 })
}

/// Moves that could run side by side, and of which one gives what the other takes: at one node by the
/// classic engine, between the same two nodes by any.
fn crossed(plan: &Plan) -> Vec<Violation> {
    let keyed = |transfer: &Transfer| match transfer.engine {
        Engine::Atomic | Engine::Orphaned { .. } => false,
        Engine::Classic(_) | Engine::Homeward(_) => true,
    };
    let moves = plan.steps.iter().filter_map(|step| {
        let transfer = step.action.transfer()?;
        let orphaned = matches!(transfer.engine, Engine::Orphaned { .. });
        (!orphaned).then_some((step, transfer))
    });
    let moves: Vec<(&Step, &Transfer)> = moves.collect();
    let mut found = Vec::new();
    for (place, (earlier, first)) in moves.iter().enumerate() {
        for (later, second) in &moves[place + 1..] {
            let meet = [
                (first.source == second.target).then_some(first.source),
                (first.target == second.source).then_some(first.target),
            ];
            let both = meet.iter().all(Option::is_some);
            let apart =
                later.after.contains(&earlier.id) || !(both || keyed(first) && keyed(second));
            if let Some(node) = meet.into_iter().flatten().next().filter(|_| !apart) {
                found.push(Violation::Crossed {
                    step: later.id,
                    other: earlier.id,
                    node,
                });
            }
        }
    }
    found
}

fn one_send(plan: &Plan, facts: &Facts<'_>, step: &Step, send: &Send, found: &mut Vec<Violation>) {
    let id = step.id;
    let text = send.command.to_string();
    let known = KNOWN.iter().any(|known| text.starts_with(known));
    if !known && !EXACTLY.contains(&text.as_str()) {
        found.push(Violation::Forbidden {
            step: id,
            command: text,
        });
        return;
    }
    if !facts.observed.views.contains_key(&send.node) {
        found.push(Violation::UnknownRecipient {
            step: id,
            node: send.node,
        });
        return;
    }
    // Those that know of each other already bring nobody new together.
    if text.starts_with("CLUSTER MEET ") && !facts.together(step, send.node) {
        for node in [Some(send.node), step.action.node()].into_iter().flatten() {
            if !facts.accounted(plan, node) {
                found.push(Violation::Merges { step: id, node });
            }
        }
    }
}

/// What the check knows of the live cluster, worked out once.
struct Facts<'a> {
    observed: &'a Observed,
    /// By slot.
    owners: Vec<Option<NodeId>>,
    /// Slots that not everyone gives to the same owner.
    disputed: SlotSet,
    holders: BTreeMap<Slot, NodeId>,
    /// For each node, all that it can bring along by gossip.
    reach: BTreeMap<NodeId, Arc<BTreeSet<NodeId>>>,
    /// Of nodes that did not answer: what others say that they own, the most that anybody says.
    silent: BTreeMap<NodeId, u16>,
    /// Nodes that did not answer, and for which somebody has no address any more.
    gone: BTreeSet<NodeId>,
    most_slots: u32,
}

impl<'a> Facts<'a> {
    fn gather(observed: &'a Observed) -> Self {
        let views = || observed.views.values();
        let mut facts = Self {
            observed,
            owners: vec![None; usize::from(SLOT_COUNT)],
            disputed: SlotSet::new(),
            holders: views()
                .flat_map(|view| view.keys_in_slot.keys().map(|slot| (*slot, view.id)))
                .collect(),
            reach: BTreeMap::new(),
            silent: BTreeMap::new(),
            gone: BTreeSet::new(),
            most_slots: 0,
        };
        let mut links: BTreeMap<NodeId, BTreeSet<NodeId>> = BTreeMap::new();
        for group in groups(views()) {
            let deaf = imported(&group, observed);
            for (owner, member) in group.table {
                if !observed.views.contains_key(owner) {
                    let most = facts.silent.entry(*owner).or_default();
                    *most = member.slots.count().max(*most);
                    if member.flags.noaddr {
                        facts.gone.insert(*owner);
                    }
                }
                for slot in member.slots.difference(&deaf).iter() {
                    let known = facts.owners[usize::from(slot)].replace(*owner);
                    if known.is_some_and(|known| known != *owner) {
                        let disputed: SlotSet = [slot].into_iter().collect();
                        facts.disputed = facts.disputed.union(&disputed);
                    }
                }
            }
            let Some(first) = group.viewers.first().copied() else {
                continue;
            };
            let listed = group
                .table
                .iter()
                .filter(|(_, member)| !member.flags.handshake)
                .map(|(id, _)| *id);
            for id in listed.chain(group.viewers.iter().copied()) {
                links.entry(first).or_default().insert(id);
                links.entry(id).or_default().insert(first);
            }
        }
        for view in views() {
            if !facts.reach.contains_key(&view.id) {
                let reach = Arc::new(reachable(&links, view.id));
                facts.most_slots = facts.most_slots.max(facts.slots(&reach));
                facts
                    .reach
                    .extend(reach.iter().map(|id| (*id, Arc::clone(&reach))));
            }
        }
        facts
    }

    fn slots(&self, ids: &BTreeSet<NodeId>) -> u32 {
        let owned = |id: &NodeId| match self.observed.views.get(id) {
            Some(view) => view.own_slots().count(),
            None => self.silent.get(id).copied().unwrap_or_default(),
        };
        ids.iter().map(|id| u32::from(owned(id))).sum()
    }

    /// Whether all that a step introduces to each other is of one island.
    fn together(&self, step: &Step, sender: NodeId) -> bool {
        let Some(reach) = self.reach.get(&sender) else {
            return false;
        };
        let introducers = match &step.action {
            Action::Join { introducers, .. } => introducers.iter().collect(),
            Action::Configure { .. }
            | Action::Announce { .. }
            | Action::Hasten { .. }
            | Action::SetEpoch { .. }
            | Action::Assign { .. }
            | Action::Attach { .. }
            | Action::Detach { .. }
            | Action::CopyLibraries { .. }
            | Action::Await { .. }
            | Action::GiveUp { .. }
            | Action::Claim { .. }
            | Action::Close { .. }
            | Action::Tell { .. }
            | Action::BringHome { .. }
            | Action::Move { .. }
            | Action::FailOver { .. }
            | Action::Pin { .. }
            | Action::Unpin { .. }
            | Action::Remove { .. }
            | Action::Forget { .. }
            | Action::Settle
            | Action::Restore { .. }
            | Action::Watch { .. } => Vec::new(),
        };
        let node = step.action.node();
        node.is_some_and(|node| reach.contains(&node))
            && introducers.into_iter().all(|node| reach.contains(node))
    }

    /// Every node that this one can bring along is declared, or gone for good, or is of the island
    /// that holds most of the slots, and most of those are at declared nodes; where nobody has
    /// slots, of one that is mostly of declared nodes.
    fn accounted(&self, plan: &Plan, node: NodeId) -> bool {
        let Some(reach) = self.reach.get(&node) else {
            return false;
        };
        let strangers: BTreeSet<NodeId> = reach
            .difference(&self.gone)
            .filter(|id| !plan.diff.pairing.names.contains_key(id))
            .copied()
            .collect();
        let slots = self.slots(reach);
        let declared = reach.difference(&self.gone).count() - strangers.len();
        match self.most_slots {
            _ if strangers.is_empty() => true,
            0 => strangers.len() < declared,
            most => slots == most && self.slots(&strangers) * 2 < slots,
        }
    }

    fn slots_given(
        &self,
        step: StepId,
        send: &Send,
        given: &mut [bool],
        found: &mut Vec<Violation>,
    ) {
        for slot in slots_of(&send.command) {
            let place = usize::from(slot);
            found.extend(twice(step, slot, given));
            if let Some(owner) = self.owners.get(place).copied().flatten() {
                found.push(Violation::SlotOwned { step, slot, owner });
            }
            if let Some(holder) = self.holders.get(&slot) {
                found.push(Violation::SlotHasKeys {
                    step,
                    slot,
                    holder: *holder,
                });
            }
        }
    }
}

/// Whether a step of the plan has given the slot away already. From now on one has.
fn twice(step: StepId, slot: Slot, given: &mut [bool]) -> Option<Violation> {
    let given = given.get_mut(usize::from(slot))?;
    std::mem::replace(given, true).then_some(Violation::SlotTwice { step, slot })
}

/// What all viewers of a group have open as importing: Redis learns no new owner of such a slot.
fn imported(group: &Group<'_>, observed: &Observed) -> SlotSet {
    let viewers = group.viewers.iter();
    let open = viewers.filter_map(|id| Some(observed.views.get(id)?.importing()));
    open.reduce(|all, one| all.intersection(&one))
        .unwrap_or_default()
}

fn reachable(links: &BTreeMap<NodeId, BTreeSet<NodeId>>, from: NodeId) -> BTreeSet<NodeId> {
    let mut seen = BTreeSet::from([from]);
    let mut queue = vec![from];
    while let Some(id) = queue.pop() {
        queue.extend(
            links
                .get(&id)
                .into_iter()
                .flatten()
                .copied()
                .filter(|peer| seen.insert(*peer)),
        );
    }
    seen
}

/// The slots that a command gives away, read back from its arguments.
fn slots_of(command: &Command) -> Vec<Slot> {
    let words: Vec<&str> = command.args().iter().map(Arg::shown).collect();
    let numbers = |words: &[&str]| {
        words
            .iter()
            .filter_map(|word| word.parse().ok())
            .collect::<Vec<Slot>>()
    };
    match words.as_slice() {
        ["CLUSTER", "ADDSLOTS", slots @ ..] => numbers(slots),
        ["CLUSTER", "ADDSLOTSRANGE", ends @ ..] => numbers(ends)
            .chunks(2)
            .flat_map(|ends| ends[0]..=*ends.last().unwrap_or(&ends[0]))
            .collect(),
        _ => Vec::new(),
    }
}
