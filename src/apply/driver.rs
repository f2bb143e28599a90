//! Carries out what the machine decides: looks at nodes, sends, tells, and waits in between.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

use crate::base::{Command, NodeId};
use crate::net::Wire;
use crate::observe::ask_again;
use crate::observed::{NodeView, Observed, Questions};
use crate::plan::{Plan, Send, StepId};

use super::event::{End, Event, Outcome};
use super::lanes::{HalfWay, Moved, carry};
use super::machine::{Machine, Views};

/// How long one node may take to run the commands of a round: CONFIG REWRITE waits for a disk.
const RUN_WITHIN: Duration = Duration::from_secs(10);

/// The shortest pause between two looks. The pause grows with what a look costs, so that
/// looking takes a quarter of the time at most and leaves the servers to their gossip.
const SHORTEST_PAUSE: Duration = Duration::from_millis(15);

/// The same while slots are on their way.
const MOVING_PAUSE: Duration = Duration::from_millis(30);

/// The same while it is seen for many seconds whether something stays as it is.
const WATCHING_PAUSE: Duration = Duration::from_millis(200);

/// What a run is asked from outside while it goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    #[default]
    No,
    /// Finish what is under way, begin nothing new.
    Finish,
    /// Stop where it stands.
    Now,
}

/// Runs a plan on the nodes that `observed` has views of, with so many moves `at_once`.
pub async fn run(
    wire: &impl Wire,
    plan: &Plan,
    observed: &Observed,
    mut stop: watch::Receiver<Stop>,
    at_once: usize,
    mut tell: impl FnMut(Event),
) -> Outcome {
    let began = Instant::now();
    let mut run = Run {
        wire,
        plan,
        began,
        machine: Machine::new(plan).at_once(at_once),
        views: observed.views.clone(),
        told: BTreeSet::new(),
        begun: Vec::new(),
        stop: stop.clone(),
        wake: Rc::default(),
    };
    let wake = Rc::clone(&run.wake);
    // Moves go on beside the rounds. What they tell is passed on between these.
    let told: RefCell<Vec<Event>> = RefCell::default();
    // They end early when a step fails, too.
    let (halt, halted) = watch::channel(Stop::No);
    let mut moving = FuturesUnordered::new();
    let mut under_way: BTreeMap<StepId, Rc<HalfWay>> = BTreeMap::new();
    let mut ended: Vec<Moved> = Vec::new();
    let mut moved = BTreeMap::new();
    loop {
        let asked = *stop.borrow_and_update();
        if asked >= Stop::Finish && !run.machine.is_interrupted() {
            run.machine.interrupt(began.elapsed());
            tell(Event::Stopping);
        }
        let round = run.round(&mut tell);
        let finished = beside_moves(round, &mut stop, &mut moving, &wake, &mut ended).await;
        if finished {
            break;
        }
        told.borrow_mut().drain(..).for_each(&mut tell);
        if run.machine.is_stopping() {
            halt.send_replace(Stop::Finish);
        }
        for one in ended.drain(..) {
            under_way.remove(&one.step);
            moved.insert(one.step, one.headway);
            run.machine.moved(one.step, one.result, began.elapsed());
        }
        for step in run.begun.drain(..) {
            let Some(step) = plan.step(step) else {
                continue;
            };
            let half_way = Rc::<HalfWay>::default();
            under_way.insert(step.id, Rc::clone(&half_way));
            let tell = |event| told.borrow_mut().push(event);
            moving.push(carry(wire, plan, step, halted.clone(), half_way, tell));
        }
    }
    told.borrow_mut().drain(..).for_each(&mut tell);
    drop(moving);
    let so_far = under_way
        .iter()
        .map(|(step, lanes)| (*step, lanes.headway()));
    moved.extend(so_far);
    let asked_to_stop = run.machine.is_interrupted();
    let ends = run.machine.into_ends(&left_half_way(plan, &under_way));
    tell_cut_off(&ends, &run.told, &mut tell);
    let mut outcome = Outcome {
        ends,
        moved,
        interrupted: false,
        took: began.elapsed(),
    };
    // A stop that found nothing left to do has stopped nothing.
    outcome.interrupted = asked_to_stop && !outcome.is_complete(plan.steps.len());
    outcome
}

/// The ends that nobody was told of yet: those of steps that were cut off.
fn tell_cut_off(
    ends: &BTreeMap<StepId, End>,
    told: &BTreeSet<StepId>,
    tell: &mut impl FnMut(Event),
) {
    for (step, end) in ends.iter().filter(|(step, _)| !told.contains(*step)) {
        let (step, end) = (*step, end.clone());
        tell(Event::Ended { step, end });
    }
}

/// What each of these moves leaves, by node.
fn left_half_way(
    plan: &Plan,
    moves: &BTreeMap<StepId, Rc<HalfWay>>,
) -> BTreeMap<StepId, BTreeMap<NodeId, String>> {
    let left = moves.iter().filter_map(|(step, lanes)| {
        let transfer = plan.step(*step)?.action.transfer()?;
        let words = lanes.left_open(transfer)?;
        Some((*step, BTreeMap::from([(transfer.source, words)])))
    });
    left.collect()
}

/// A round, while moves go on and end; true when nothing is left to do, or when it is to stop at once.
async fn beside_moves<M: Future<Output = Moved>>(
    round: impl Future<Output = bool>,
    stop: &mut watch::Receiver<Stop>,
    moving: &mut FuturesUnordered<M>,
    wake: &Notify,
    ended: &mut Vec<Moved>,
) -> bool {
    let mut round = std::pin::pin!(round);
    loop {
        // In the midst of a round too: one that waits for a node that is gone may take seconds.
        tokio::select! {
            biased;
            () = stop_now(stop) => return true,
            Some(moved) = moving.next() => {
                ended.push(moved);
                wake.notify_one();
            }
            finished = &mut round => return finished,
        }
    }
}

/// Ends when it is to stop where it stands.
async fn stop_now(stop: &mut watch::Receiver<Stop>) {
    if stop.wait_for(|asked| *asked == Stop::Now).await.is_err() {
        // Nobody can ask for a stop any more.
        std::future::pending::<()>().await;
    }
}

/// A run under way.
struct Run<'a, W> {
    wire: &'a W,
    plan: &'a Plan,
    began: Instant,
    machine: Machine<'a>,
    views: Views,
    told: BTreeSet<StepId>,
    /// Moves that begin now.
    begun: Vec<StepId>,
    stop: watch::Receiver<Stop>,
    /// Ends a pause: a move has ended.
    wake: Rc<Notify>,
}

impl<W: Wire> Run<'_, W> {
    /// Looks, decides, and sends or waits; true when nothing is left to do.
    async fn round(&mut self, tell: &mut impl FnMut(Event)) -> bool {
        let looked = Instant::now();
        let questions = self.machine.look(&self.views, self.began.elapsed());
        refresh(self.wire, self.plan, questions, &mut self.views).await;
        let (sends, events) = self.machine.decide(&self.views, self.began.elapsed());
        // What has ended is why something begins, or why the run stops.
        tell_ends(self.plan, &self.machine, &mut self.told, tell);
        events.into_iter().for_each(&mut *tell);
        let moves = |step: &StepId| {
            let step = self.plan.step(*step);
            step.is_some_and(|step| step.action.transfer().is_some())
        };
        let begun = sends.iter().map(|(step, _)| *step).filter(moves);
        self.begun.extend(begun);
        if !self.begun.is_empty() && sends.iter().all(|(_, sends)| sends.is_empty()) {
            return false;
        }
        if self.machine.is_finished() {
            return true;
        }
        if sends.iter().any(|(_, sends)| !sends.is_empty()) {
            send(self.wire, self.plan, sends, &mut self.machine, tell).await;
            return false;
        }
        // While slots move, nothing is looked for that could be missed.
        let shortest = match (self.machine.is_moving(), self.machine.is_watching()) {
            (true, _) => MOVING_PAUSE,
            (false, true) => WATCHING_PAUSE,
            (false, false) => SHORTEST_PAUSE,
        };
        let pause = shortest.max(looked.elapsed() * 3);
        tokio::select! {
            () = sleep(pause) => {}
            () = self.wake.notified() => {}
            changed = self.stop.changed() => {
                if changed.is_err() {
                    // Nobody can ask for a stop any more; the pause still has to be kept.
                    sleep(pause).await;
                }
            }
        }
        false
    }
}

fn tell_ends(
    plan: &Plan,
    machine: &Machine<'_>,
    told: &mut BTreeSet<StepId>,
    tell: &mut impl FnMut(Event),
) {
    for step in &plan.steps {
        if let Some(end) = machine.end_of(step.id)
            && told.insert(step.id)
        {
            tell(Event::Ended {
                step: step.id,
                end: end.clone(),
            });
        }
    }
}

/// Asks all nodes at once. One that doesn't answer, or that another node answers for, loses
/// its view, so that no condition holds by what it said before.
async fn refresh(
    wire: &impl Wire,
    plan: &Plan,
    questions: BTreeMap<NodeId, Questions>,
    views: &mut Views,
) {
    let asked: Vec<(NodeId, Questions, Option<NodeView>)> = questions
        .into_iter()
        .map(|(node, questions)| (node, questions, views.remove(&node)))
        .collect();
    let answers = join_all(
        asked
            .into_iter()
            .map(|(node, mut questions, earlier)| async move {
                let address = *plan.places.get(&node)?;
                // Without an earlier view there is nothing to complete brief answers from.
                questions.brief &= earlier.is_some();
                ask_again(wire, address, &questions, earlier.as_ref())
                    .await
                    .ok()
                    .filter(|view| view.id == node)
            }),
    )
    .await;
    views.extend(answers.into_iter().flatten().map(|view| (view.id, view)));
}

/// Sends what the steps send: what comes second only where all that comes first was taken.
async fn send(
    wire: &impl Wire,
    plan: &Plan,
    steps: Vec<(StepId, Vec<Send>)>,
    machine: &mut Machine<'_>,
    tell: &mut impl FnMut(Event),
) {
    let all = steps
        .into_iter()
        .flat_map(|(step, sends)| sends.into_iter().map(move |send| (step, send)));
    let (mut second, first): (Vec<_>, Vec<_>) =
        all.partition(|(_, send)| send.command.comes_second());
    send_all(wire, plan, first, machine, tell).await;
    second.retain(|(step, _)| !machine.was_refused(*step));
    send_all(wire, plan, second, machine, tell).await;
}

/// Sends each node its commands in one go, all nodes at once.
async fn send_all(
    wire: &impl Wire,
    plan: &Plan,
    sends: Vec<(StepId, Send)>,
    machine: &mut Machine<'_>,
    tell: &mut impl FnMut(Event),
) {
    let mut by_node: BTreeMap<NodeId, Vec<(StepId, Send)>> = BTreeMap::new();
    for (step, send) in sends {
        by_node.entry(send.node).or_default().push((step, send));
    }
    let calls = by_node.into_iter().map(|(node, sends)| async move {
        let commands: Vec<Command> = sends.iter().map(|(_, send)| send.command.clone()).collect();
        let steps: Vec<u32> = sends.iter().map(|(step, _)| step.0).collect();
        let result = match plan.places.get(&node) {
            Some(address) => wire
                .call_for(&steps, false, *address, &commands, RUN_WITHIN)
                .await
                .map_err(|error| error.to_string()),
            None => Err("no address is known for it".to_owned()),
        };
        (sends, result)
    });
    for (sends, result) in join_all(calls).await {
        let mut replies = result.map(Vec::into_iter);
        for (step, send) in sends {
            let answer = match &mut replies {
                Ok(replies) => replies.next().ok_or_else(|| "no reply came".to_owned()),
                Err(words) => Err(words.clone()),
            };
            machine.answered(step, &send, &answer);
            let Send { node, command } = send;
            tell(match answer {
                Ok(reply) => Event::Answered {
                    step,
                    node,
                    command,
                    reply,
                },
                Err(words) => Event::Unanswered {
                    step,
                    node,
                    command,
                    words,
                },
            });
        }
    }
}
