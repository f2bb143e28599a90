//! The order of steps: the one place that knows what must come before what.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::{NodeId, NodeName, ShardName, SlotSet};
use crate::desired::{Desired, Setting, wire_value};
use crate::diff::{Diff, Difference};
use crate::observed::{Cluster, Job, NodeView, Observed, Sample};

use super::{
    Action, Condition, Engine, Phase, Risk, Step, StepId, Transfer, config, given_up, hasten, jobs,
    members, moves, newcomers, pins, removal, replicas, roles, settle, slots, unclaimed, untold,
};

/// Gossip is given at least this long.
const SHORTEST_WAIT: Duration = Duration::from_secs(10);

/// What every file of this room reads.
pub(super) struct Terms<'a> {
    pub(super) desired: &'a Desired,
    pub(super) diff: &'a Diff,
    pub(super) views: &'a BTreeMap<NodeId, NodeView>,
    /// Moves that servers carry out by themselves now, by the node that gives.
    pub(super) jobs: &'a BTreeMap<NodeId, Vec<Job>>,
    /// Sizes of some keys that are to move.
    pub(super) sampled: &'a BTreeMap<NodeId, Sample>,
    /// The nodes that are the cluster now.
    pub(super) main: BTreeSet<NodeId>,
    pub(super) absent: BTreeSet<NodeId>,
    /// The longest node timeout that a node has, or gets by this plan.
    pub(super) node_timeout: Duration,
    /// Four of these.
    pub(super) gossip: Duration,
    /// How long gossip may take: that, and ten seconds at least.
    pub(super) patience: Duration,
}

impl Terms<'_> {
    /// A step with nothing but its action: the aspects fill in what they need.
    pub(super) fn step(&self, action: Action) -> Step {
        Step {
            id: StepId(0),
            action,
            because: Vec::new(),
            after: Vec::new(),
            sends: Vec::new(),
            ready_when: Condition::Always,
            calm: None,
            guard: Condition::Always,
            done_when: Condition::Always,
            holds_for: Duration::ZERO,
            deadline: self.patience,
            risk: Risk::None,
            required: true,
            always: false,
        }
    }

    /// The slots that this plan gives to a node.
    pub(super) fn given_to(&self, node: NodeId) -> SlotSet {
        self.diff
            .differences
            .iter()
            .fold(SlotSet::new(), |all, difference| match difference {
                Difference::Unassigned { primary, slots, .. } if *primary == node => {
                    all.union(slots)
                }
                Difference::Unassigned { .. }
                | Difference::Down { .. }
                | Difference::NotJoined { .. }
                | Difference::Announced { .. }
                | Difference::Option { .. }
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
                | Difference::LinkDown { .. }
                | Difference::Undeclared { .. }
                | Difference::Ghost { .. } => all,
            })
    }

    /// The declared nodes that answered, primaries first, each kind in the order of the file.
    pub(super) fn in_order(&self) -> Vec<(NodeName, NodeId)> {
        let shards = || self.desired.shards.iter();
        let longest = shards()
            .map(|shard| shard.replicas.len())
            .max()
            .unwrap_or(0);
        let ranks = (0..=longest)
            .flat_map(|rank| shards().filter_map(move |shard| shard.nodes().nth(rank)));
        ranks
            .filter_map(|name| Some((name.clone(), *self.diff.pairing.ids.get(name)?)))
            .filter(|(_, id)| self.views.contains_key(id))
            .collect()
    }
}

/// All steps, numbered, each with what it comes after.
pub(super) fn steps(
    desired: &Desired,
    observed: &Observed,
    cluster: &Cluster,
    diff: &Diff,
) -> Vec<Step> {
    let forming = diff.pairing.forming;
    let terms = terms(desired, observed, cluster, diff);
    let mut steps = config::configure(&terms);
    steps.extend(config::announce(&terms));
    let (lower, restore) = hasten::steps(&terms);
    let removals = removal::removals(&terms);
    let gone = removals.iter().filter_map(|step| step.action.gone());
    let gone: BTreeSet<NodeId> = gone.collect();
    let settle = settle::settle(&terms, &gone);
    // Without the certainty of a quick end nothing is lowered.
    let hastens = settle.is_some();
    steps.extend(lower.into_iter().filter(|_| hastens));
    steps.extend(members::epochs(&terms));
    let (mut assign, join) = (slots::assign(&terms), members::joins(&terms));
    let of_detached = |step: &mut Step| {
        let leader = if let Action::Attach { primary, .. } = step.action {
            Some(primary)
        } else {
            step.action.node()
        };
        leader.is_some_and(|leader| diff.pairing.detached.contains(&leader))
    };
    let assign_detached: Vec<Step> = assign.extract_if(.., of_detached).collect();
    // Slots before the first MEET only while every node is blank: later, a node that hasn't
    // heard of an owner yet would let the slot be given away twice.
    if forming {
        steps.extend(assign);
        steps.extend(join);
    } else {
        steps.extend(join);
        steps.extend(newcomers::copy_libraries(&terms));
        steps.extend(assign);
    }
    let mut mended = given_up::give_up(&terms);
    mended.extend(unclaimed::claim(&terms));
    mended.extend(moves::close(&terms));
    mended.extend(untold::tell(&terms));
    mended.extend(moves::bring_home(&terms));
    let moves = moves::moves(&terms);
    let all: Vec<Step> = mended.iter().chain(&moves).cloned().collect();
    steps.extend(jobs::awaited(&terms, &all));
    steps.extend(mended);
    let mut attach = replicas::attach(&terms);
    let attach_detached: Vec<Step> = attach.early.extract_if(.., of_detached).collect();
    let (pin, unpin) = pins::pins(&terms);
    steps.extend(attach.early);
    steps.extend(roles::detach(&terms));
    steps.extend(assign_detached);
    steps.extend(attach_detached);
    steps.extend(pin);
    steps.extend(moves);
    steps.extend(attach.after_moves);
    steps.extend(roles::fail_over(&terms));
    steps.extend(attach.late);
    steps.extend(unpin);
    steps.extend(settle::settle_before_removal(&terms, &gone));
    steps.extend(removals);
    if !steps.is_empty() {
        steps.extend(settle);
    }
    steps.extend(restore.into_iter().filter(|_| hastens));
    steps.extend(removal::watch(&terms, gone));
    number(&mut steps);
    link(&mut steps);
    steps
}

fn terms<'a>(
    desired: &'a Desired,
    observed: &'a Observed,
    cluster: &Cluster,
    diff: &'a Diff,
) -> Terms<'a> {
    let node_timeout = longest_node_timeout(desired, observed);
    let gossip = node_timeout * 4;
    Terms {
        desired,
        diff,
        views: &observed.views,
        jobs: &observed.jobs,
        sampled: &observed.sampled,
        main: cluster
            .main()
            .filter(|_| !diff.pairing.forming)
            .map(|island| island.answered.clone())
            .unwrap_or_default(),
        absent: cluster
            .members
            .iter()
            .filter(|(_, member)| !member.answered)
            .map(|(id, _)| *id)
            .chain(diff.pairing.cut_off.iter().copied())
            .collect(),
        node_timeout,
        gossip,
        patience: SHORTEST_WAIT.max(gossip),
    }
}

/// The longest that a node has, or gets by this plan.
fn longest_node_timeout(desired: &Desired, observed: &Observed) -> Duration {
    const OPTION: &str = "cluster-node-timeout";
    let live = observed
        .views
        .values()
        .filter_map(|view| view.config.get(OPTION).cloned());
    let declared = desired
        .nodes
        .values()
        .filter_map(|node| match node.config.get(OPTION)? {
            Setting::Plain(text) => Some(wire_value(OPTION, text)),
            Setting::Secret { .. } => None,
        });
    let longest = live
        .chain(declared)
        .filter_map(|text| text.parse::<u64>().ok())
        .max()
        .unwrap_or(0);
    Duration::from_millis(longest)
}

fn number(steps: &mut [Step]) {
    for (step, id) in steps.iter_mut().zip(1..) {
        step.id = StepId(id);
    }
}

/// Where the steps of each node, and the first copies of each shard, stand in the plan.
#[derive(Default)]
struct Index {
    by_node: BTreeMap<(Phase, NodeId), StepId>,
    by_shard: BTreeMap<ShardName, StepId>,
    first_copies: BTreeMap<ShardName, StepId>,
    copies_of: BTreeMap<NodeId, Vec<StepId>>,
    attached_to: BTreeMap<ShardName, Vec<StepId>>,
    /// What comes before anything moves.
    prepared: Vec<StepId>,
    /// With its ends.
    awaited: Vec<(StepId, BTreeSet<NodeId>)>,
    atomic: Vec<(StepId, NodeId, NodeId)>,
    classic: Vec<(StepId, NodeId, NodeId)>,
    /// By who gives and who takes.
    exchanged: BTreeMap<(NodeId, NodeId), Vec<StepId>>,
    moves: Vec<(StepId, NodeId)>,
    /// With who takes the slots of one that is gone.
    given_up: Vec<(StepId, NodeId)>,
    /// Nothing else is in a plan with these.
    claims: Vec<StepId>,
    detached: Vec<StepId>,
    /// With who hands over to whom.
    failovers: Vec<(StepId, NodeId, NodeId)>,
    settle: Option<StepId>,
}

impl Index {
    /// The waits for jobs that one of these nodes takes part in.
    fn jobs_at(&self, nodes: impl IntoIterator<Item = NodeId>) -> impl Iterator<Item = StepId> {
        let nodes: BTreeSet<NodeId> = nodes.into_iter().collect();
        let awaited = self.awaited.iter();
        awaited
            .filter(move |(_, ends)| !ends.is_disjoint(&nodes))
            .map(|(step, _)| *step)
    }

    /// One after the other, where there are several.
    fn before_claim(&self, ends: [NodeId; 2]) -> Vec<StepId> {
        let claims = self.claims.iter().copied();
        self.jobs_at(ends).chain(claims).collect()
    }

    fn add_transfer(&mut self, step: StepId, transfer: &Transfer) {
        let Transfer { source, target, .. } = *transfer;
        self.moves.push((step, source));
        self.exchanged
            .entry((source, target))
            .or_default()
            .push(step);
        match transfer.engine {
            Engine::Atomic => self.atomic.push((step, source, target)),
            Engine::Orphaned { .. } => self.given_up.push((step, target)),
            Engine::Classic(_) | Engine::Homeward(_) => self.classic.push((step, source, target)),
        }
    }
}

fn link(steps: &mut [Step]) {
    let mut index = Index::default();
    for step in steps.iter() {
        if let Some(node) = step.action.node() {
            index.by_node.insert((step.action.phase(), node), step.id);
        }
        if step.action == Action::Settle {
            index.settle = Some(step.id);
        }
        if let Action::Assign { shard, .. } = &step.action {
            index.by_shard.insert(shard.clone(), step.id);
        }
        if matches!(
            step.action.phase(),
            Phase::Configure
                | Phase::Announce
                | Phase::CopyLibraries
                | Phase::GiveUp
                | Phase::Close
                | Phase::Tell
                | Phase::BringHome
                | Phase::Pin
        ) {
            index.prepared.push(step.id);
        }
        if step.action.phase() == Phase::Detach {
            index.detached.push(step.id);
        }
        if let Action::Await { node, targets, .. } = &step.action {
            let ends = targets.iter().copied().chain([*node]);
            index.awaited.push((step.id, ends.collect()));
        }
        if step.action.phase() == Phase::Claim {
            index.claims.push(step.id);
        }
        if let Action::FailOver { node, from, .. } = &step.action {
            index.failovers.push((step.id, *from, *node));
        }
        if let Some(transfer) = step.action.transfer() {
            index.add_transfer(step.id, transfer);
        }
        if let Action::Attach { shard, primary, .. } = &step.action {
            let attached = index.attached_to.entry(shard.clone()).or_default();
            attached.push(step.id);
            index.first_copies.entry(shard.clone()).or_insert(step.id);
            index.copies_of.entry(*primary).or_default().push(step.id);
        }
    }
    let phases = steps.iter().map(|step| (step.id, step.action.phase()));
    let phases: Vec<(StepId, Phase)> = phases.collect();
    for step in steps.iter_mut() {
        let mut after: BTreeSet<StepId> = predecessors(&step.action, &index).into_iter().collect();
        let last = is_last(step.action.phase());
        if last {
            let others = phases
                .iter()
                .filter(|(_, phase)| *phase != Phase::Unpin || step.action.phase() != Phase::Unpin);
            after.extend(others.map(|(id, _)| *id));
        }
        // Only what stands before it: two replicas that change places would wait for each other.
        step.after = after.into_iter().filter(|id| *id < step.id).collect();
    }
}

/// What can't be undone, and what looks at all of it, comes after everything before it.
fn is_last(phase: Phase) -> bool {
    match phase {
        Phase::Unpin | Phase::Remove | Phase::Settle | Phase::Watch => true,
        Phase::Configure
        | Phase::Announce
        | Phase::Hasten
        | Phase::Epochs
        | Phase::Assign
        | Phase::Join
        | Phase::CopyLibraries
        | Phase::Await
        | Phase::GiveUp
        | Phase::Claim
        | Phase::Close
        | Phase::Tell
        | Phase::BringHome
        | Phase::Attach
        | Phase::Detach
        | Phase::FailOver
        | Phase::Pin
        | Phase::Move
        | Phase::Restore => false,
    }
}

fn predecessors(action: &Action, index: &Index) -> Vec<StepId> {
    let of = |phase: Phase, node: NodeId| index.by_node.get(&(phase, node)).copied();
    let equipped = |node: NodeId| {
        let phases = [Phase::Join, Phase::CopyLibraries].into_iter();
        phases
            .filter_map(|phase| of(phase, node))
            .collect::<Vec<StepId>>()
    };
    match action {
        Action::Configure { .. } | Action::SetEpoch { .. } => Vec::new(),
        Action::Announce { node, .. } => of(Phase::Configure, *node).into_iter().collect(),
        // CONFIG REWRITE would write the lowered values to disk.
        Action::Hasten { node, .. } | Action::Pin { node, .. } => {
            [Phase::Configure, Phase::Announce]
                .into_iter()
                .filter_map(|phase| of(phase, *node))
                .collect()
        }
        Action::Join {
            node, introducers, ..
        } => introducers
            .iter()
            .chain([node])
            .flat_map(|node| {
                [Phase::Announce, Phase::Epochs, Phase::Assign].map(|phase| of(phase, *node))
            })
            .flatten()
            .collect(),
        Action::Assign { node, .. } => {
            let detached = of(Phase::Detach, *node);
            equipped(*node).into_iter().chain(detached).collect()
        }
        Action::GiveUp { transfer, .. } => {
            let after: Vec<StepId> = equipped(transfer.target);
            after
                .into_iter()
                .chain(index.jobs_at(transfer.ends()))
                .collect()
        }
        Action::Attach {
            node,
            shard,
            primary,
            from,
            ..
        } => before_attach((*node, *primary), shard, *from, index),
        // Another copy of what it copies first.
        Action::Detach { from, .. } => {
            let copies = index.copies_of.get(from).into_iter().flatten().copied();
            copies.chain(index.prepared.iter().copied()).collect()
        }
        Action::Claim { node, other, .. } => index.before_claim([*node, *other]),
        Action::Close { node, .. } | Action::Tell { node, .. } => index.jobs_at([*node]).collect(),
        Action::BringHome { transfer, .. } => index.jobs_at(transfer.ends()).collect(),
        Action::CopyLibraries { .. }
        | Action::Await { .. }
        | Action::Unpin { .. }
        | Action::Remove { .. }
        | Action::Forget { .. }
        | Action::Settle
        | Action::Watch { .. } => Vec::new(),
        Action::Move {
            shard, transfer, ..
        } => before_move(shard, transfer, index),
        Action::FailOver {
            node, shard, from, ..
        } => before_failover((*node, *from), shard, index),
        Action::Restore { node, .. } => of(Phase::Hasten, *node)
            .into_iter()
            .chain(index.settle)
            .collect(),
    }
}

fn before_attach(
    (node, primary): (NodeId, NodeId),
    shard: &ShardName,
    from: Option<NodeId>,
    index: &Index,
) -> Vec<StepId> {
    let of = |phase: Phase, node: NodeId| index.by_node.get(&(phase, node)).copied();
    let mut after: Vec<StepId> = index.by_shard.get(shard).copied().into_iter().collect();
    after.extend(of(Phase::Detach, primary));
    // A replica of Valkey that copies its primary while SETSLOT runs there gets the mark with the
    // copy, and the command that takes it away never.
    let given = index.given_up.iter().filter(|(_, taker)| *taker == primary);
    after.extend(given.map(|(step, _)| *step));
    // Who serves slots until others have them becomes a replica after that; so does a copy of these.
    let gives = |source: &NodeId| *source == node || Some(*source) == from;
    let moved = index.moves.iter().filter(|(_, source)| gives(source));
    after.extend(moved.map(|(step, _)| *step));
    let swaps = index.failovers.iter();
    let swaps = swaps.filter(|(_, old, new)| *old == node || *new == primary);
    after.extend(swaps.map(|(step, ..)| *step));
    // The first copy of every shard before anyone's second.
    if index.first_copies.get(shard) != of(Phase::Attach, node).as_ref() {
        after.extend(index.first_copies.values());
    }
    // The new copy before the old one leaves.
    let copies = from.iter().flat_map(|old| index.copies_of.get(old));
    after.extend(copies.flatten());
    after
}

/// A primary that gets its first slot before its replica can pull another shard's (Redis 8.2), and
/// what it takes has to be safe from the start.
fn before_move(shard: &ShardName, transfer: &Transfer, index: &Index) -> Vec<StepId> {
    let of = |phase: Phase, node: &NodeId| index.by_node.get(&(phase, *node)).copied();
    let ends = [transfer.source, transfer.target];
    let phases = |node: &NodeId| [of(Phase::Join, node), of(Phase::Detach, node)];
    let joins = ends.iter().flat_map(phases).flatten();
    let copies = index.attached_to.get(shard).into_iter().flatten().copied();
    let atomic = transfer.engine == Engine::Atomic;
    let meets = |(_, source, target): &&(StepId, NodeId, NodeId)| {
        ends.contains(source) || ends.contains(target)
    };
    // A server runs its jobs one after the other, and can only be told to end all of them.
    let jobs = index
        .atomic
        .iter()
        .filter(|(_, source, _)| atomic && *source == transfer.source);
    // Both ends of a job refuse SETSLOT, and a node with an open slot takes part in no job.
    let others = match atomic {
        true => index.classic.iter().filter(meets),
        false => index.atomic.iter().filter(meets),
    };
    // MIGRATE stops a server until the other end has answered: two that wait for each other,
    // or three in a ring, would stand still until their limits.
    let crossed = index.classic.iter().filter(|(_, source, target)| {
        !atomic && (*source == transfer.target || *target == transfer.source)
    });
    let in_the_way = jobs.chain(others).chain(crossed).map(|(step, ..)| *step);
    let awaited = index.jobs_at(ends).filter(|_| !atomic);
    let back = (transfer.target, transfer.source);
    let back = index.exchanged.get(&back).into_iter().flatten().copied();
    joins
        .chain(copies)
        .chain(index.prepared.iter().copied())
        .chain(in_the_way)
        .chain(awaited)
        .chain(back)
        .collect()
}

/// One shard at a time, and with nothing else under way that changes epochs. The copies come first:
/// they follow from the old primary to the new one by themselves.
fn before_failover(
    (node, from): (NodeId, NodeId),
    shard: &ShardName,
    index: &Index,
) -> Vec<StepId> {
    let join = index.by_node.get(&(Phase::Join, node)).copied();
    let assign = index.by_shard.get(shard).copied();
    let copies = index.attached_to.get(shard).into_iter().flatten().copied();
    let moves = index.moves.iter().map(|(step, _)| *step);
    let failovers = index.failovers.iter().map(|(step, ..)| *step);
    join.into_iter()
        .chain(assign)
        .chain(index.detached.iter().copied())
        .chain(copies)
        .chain(moves)
        .chain(failovers)
        // It would break a job off.
        .chain(index.jobs_at([node, from]))
        .chain(index.prepared.iter().copied())
        .collect()
}
