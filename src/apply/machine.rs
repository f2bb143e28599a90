//! The run of a plan as a state machine without I/O: views and replies in, sends and events out.
//!
//! Steps run side by side as far as their order allows. For each: effect already there → already
//! so; not ready → wait; guard broken → stop; send; wait for the effect. A failed step stops the
//! run: what is under way is waited for, nothing new begins but the steps that always run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::base::{NodeId, Reply};
use crate::observed::{NodeView, Questions};
use crate::plan::{Calm, Phase, Plan, SILENT, Send, Step, StepId, Verdict};

use super::event::{End, Event, Trouble, TroubleKind};
use super::peace::Peace;

/// After a stop, what is under way gets this long to show its effect.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// How long a command without an answer may still turn out to have had its effect.
const UNANSWERED_GRACE: Duration = Duration::from_secs(5);

/// What is looked at for longer than this need not be looked at often.
const LONG: Duration = Duration::from_secs(1);

/// The latest views by node; a node that stopped answering has none.
pub type Views = BTreeMap<NodeId, NodeView>;

#[derive(Debug)]
enum State {
    Pending,
    Waiting {
        since: Duration,
    },
    /// Its slots are on their way.
    Moving {
        since: Duration,
    },
    Running {
        began: Duration,
        /// From when its effect is waited for.
        since: Duration,
        sent: Sent,
        held_since: Option<Duration>,
    },
    Ended(End),
}

/// What the commands of a step came to so far.
#[derive(Debug, Default)]
struct Sent {
    refused: Vec<(NodeId, crate::base::Command, String)>,
    unanswered: bool,
}

/// The state of every step of a plan.
#[derive(Debug)]
pub struct Machine<'a> {
    plan: &'a Plan,
    states: BTreeMap<StepId, State>,
    /// Who need not be asked again about a step that is under way.
    agreed: BTreeMap<StepId, BTreeSet<NodeId>>,
    /// Steps that wait for somebody silent: until that one answers, nobody else counts keys for
    /// them, one question a slot, and they don't begin.
    half_asked: BTreeSet<StepId>,
    peace: Peace,
    stopped_at: Option<Duration>,
    interrupted: bool,
    /// Moves that may be under way at the same time.
    at_once: usize,
}

impl<'a> Machine<'a> {
    #[must_use]
    pub fn new(plan: &'a Plan) -> Self {
        let states = plan
            .steps
            .iter()
            .map(|step| (step.id, State::Pending))
            .collect();
        Self {
            plan,
            states,
            agreed: BTreeMap::new(),
            half_asked: BTreeSet::new(),
            peace: Peace::default(),
            stopped_at: None,
            interrupted: false,
            at_once: usize::MAX,
        }
    }

    /// Lets no more than so many moves of keys go on at the same time.
    #[must_use]
    pub fn at_once(mut self, moves: usize) -> Self {
        self.at_once = moves.max(1);
        self
    }

    /// Asks for a stop: nothing new begins.
    pub fn interrupt(&mut self, now: Duration) {
        self.interrupted = true;
        self.stopped_at.get_or_insert(now);
    }

    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// Lets steps whose time has come wait, and says which nodes to look at and what to ask
    /// each of them, given what is known of them.
    pub fn look(&mut self, views: &Views, now: Duration) -> BTreeMap<NodeId, Questions> {
        for step in self.due() {
            self.states.insert(step, State::Waiting { since: now });
        }
        self.half_asked.clear();
        let mut questions: BTreeMap<NodeId, Questions> = BTreeMap::new();
        for step in &self.plan.steps {
            let (conditions, parties) = match self.states.get(&step.id) {
                Some(State::Waiting { .. }) => (
                    vec![&step.done_when, &step.ready_when, &step.guard],
                    step.parties(),
                ),
                Some(State::Running { .. }) => (vec![&step.done_when], BTreeSet::new()),
                Some(State::Pending | State::Moving { .. } | State::Ended(_)) | None => {
                    (Vec::new(), BTreeSet::new())
                }
            };
            let silent = |node: &NodeId| !views.contains_key(node);
            let half = !parties.is_empty() && step.guard.nodes().iter().any(silent);
            if half {
                self.half_asked.insert(step.id);
            }
            for condition in conditions {
                let agreed = self.agreed.get(&step.id);
                for node in condition.nodes() {
                    if agreed.is_some_and(|agreed| agreed.contains(&node)) {
                        continue;
                    }
                    let asked = questions.entry(node).or_insert_with(briefly);
                    let counted = asked.count_keys_in.clone();
                    condition.ask(node, views.get(&node), asked);
                    if half {
                        asked.count_keys_in = counted;
                    }
                }
            }
            for node in parties {
                questions.entry(node).or_insert_with(briefly);
            }
            // From the start of the run on: so all shards wait at the same time.
            let waits = matches!(
                self.states.get(&step.id),
                Some(State::Pending | State::Waiting { .. })
            );
            if let Some(calm) = step.calm.filter(|_| waits && self.stopped_at.is_none()) {
                questions.entry(calm.node).or_insert_with(briefly);
            }
        }
        questions
    }

    /// Decides on fresh views: which steps have ended, which begin now and send.
    pub fn decide(
        &mut self,
        views: &Views,
        now: Duration,
    ) -> (Vec<(StepId, Vec<Send>)>, Vec<Event>) {
        let (mut sends, mut events) = (Vec::new(), Vec::new());
        let calms = self.plan.steps.iter().filter_map(|step| step.calm);
        self.peace.watch(calms, views, now);
        for step in &self.plan.steps {
            let next = match self.states.remove(&step.id) {
                Some(State::Waiting { since }) => {
                    let next = self.waiting(step, views, since, now);
                    if let State::Running { .. } | State::Moving { .. } = &next {
                        events.push(Event::Started { step: step.id });
                        sends.push((step.id, step.sends.clone()));
                    }
                    if let State::Waiting { .. } = &next {
                        events.extend(self.peace.tell(step, now));
                    }
                    next
                }
                Some(State::Running {
                    began,
                    since,
                    sent,
                    held_since,
                }) => self.running(step, views, now, (began, since, sent, held_since)),
                Some(State::Moving { since }) => State::Moving { since },
                Some(State::Ended(end)) => State::Ended(end),
                Some(State::Pending) | None => State::Pending,
            };
            if let State::Ended(End::Failed(_)) = &next
                && self.stopped_at.is_none()
            {
                self.stopped_at = Some(now);
                events.push(Event::Stopping);
            }
            self.states.insert(step.id, next);
        }
        (sends, events)
    }

    /// Takes in what a step's command got: a reply, or the words of a failed call.
    pub fn answered(&mut self, step: StepId, send: &Send, result: &Result<Reply, String>) {
        let Some(State::Running { sent, .. }) = self.states.get_mut(&step) else {
            return;
        };
        match result {
            Ok(Reply::Error(words)) if send.command.is_moot(words) => {}
            Ok(Reply::Error(words)) => {
                sent.refused
                    .push((send.node, send.command.clone(), words.clone()))
            }
            Ok(
                Reply::Nil | Reply::Integer(_) | Reply::Text(_) | Reply::Bytes(_) | Reply::List(_),
            ) => {}
            Err(words) => {
                sent.unanswered = true;
                sent.refused
                    .push((send.node, send.command.clone(), words.clone()));
            }
        }
    }

    /// Whether a command of a step was refused, or got no answer.
    #[must_use]
    pub fn was_refused(&self, step: StepId) -> bool {
        match self.states.get(&step) {
            Some(State::Running { sent, .. }) => !sent.refused.is_empty(),
            Some(
                State::Pending | State::Waiting { .. } | State::Moving { .. } | State::Ended(_),
            )
            | None => false,
        }
    }

    /// Takes in how a move ended. Its effect is then looked for as that of any other step.
    pub fn moved(&mut self, step: StepId, result: Result<(), Trouble>, now: Duration) {
        let began = match self.states.get(&step) {
            Some(State::Moving { since }) => *since,
            Some(
                State::Pending | State::Waiting { .. } | State::Running { .. } | State::Ended(_),
            )
            | None => now,
        };
        let state = match result {
            Ok(()) => State::Running {
                began,
                since: now,
                sent: Sent::default(),
                held_since: None,
            },
            Err(trouble) => State::Ended(End::Failed(trouble)),
        };
        self.states.insert(step, state);
    }

    /// Whether nothing new begins.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopped_at.is_some()
    }

    /// Whether all that is under way is looked at for a while, to see whether it stays so.
    #[must_use]
    pub fn is_watching(&self) -> bool {
        let under_way = self.plan.steps.iter().filter(|step| {
            matches!(
                self.states.get(&step.id),
                Some(State::Waiting { .. } | State::Running { .. } | State::Moving { .. })
            )
        });
        under_way
            .map(|step| step.holds_for)
            .min()
            .is_some_and(|shortest| shortest > LONG)
    }

    /// Whether a move is under way.
    #[must_use]
    pub fn is_moving(&self) -> bool {
        let mut states = self.states.values();
        states.any(|state| matches!(state, State::Moving { .. }))
    }

    /// Whether nothing is under way and nothing can begin any more.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        let idle = self
            .states
            .values()
            .all(|state| matches!(state, State::Pending | State::Ended(_)));
        idle && !self.plan.steps.iter().any(|step| self.is_due(step))
    }

    /// How each step that began ended, and what those that were under way leave half-way.
    #[must_use]
    pub fn into_ends(
        self,
        left: &BTreeMap<StepId, BTreeMap<NodeId, String>>,
    ) -> BTreeMap<StepId, End> {
        let interrupted = |step: &StepId| Trouble {
            kind: TroubleKind::Interrupted,
            objections: left.get(step).cloned().unwrap_or_default(),
            answers: Vec::new(),
        };
        self.states
            .into_iter()
            .filter_map(|(step, state)| match state {
                State::Ended(end) => Some((step, end)),
                State::Running { .. } | State::Moving { .. } => {
                    Some((step, End::Failed(interrupted(&step))))
                }
                State::Pending | State::Waiting { .. } => None,
            })
            .collect()
    }

    /// The steps whose time has come; of those that move keys no more than may go on. Slots without
    /// keys are in nobody's way.
    fn due(&self) -> Vec<StepId> {
        let moves_keys = |step: &Step| step.action.load().is_some_and(|load| load.keys > 0);
        let under_way = |step: &&Step| match self.states.get(&step.id) {
            Some(State::Waiting { .. } | State::Moving { .. }) => moves_keys(step),
            Some(State::Pending | State::Running { .. } | State::Ended(_)) | None => false,
        };
        let steps = || self.plan.steps.iter();
        let mut free = self
            .at_once
            .saturating_sub(steps().filter(under_way).count());
        let due = steps().filter(|step| {
            if !self.is_due(step) {
                return false;
            }
            let moves = moves_keys(step);
            let fits = !moves || free > 0;
            free -= usize::from(moves && fits);
            fits
        });
        due.map(|step| step.id).collect()
    }

    fn is_due(&self, step: &Step) -> bool {
        if !matches!(self.states.get(&step.id), Some(State::Pending)) {
            return false;
        }
        let ended = |id: &StepId| matches!(self.states.get(id), Some(State::Ended(_)));
        let ended_well = |id: &StepId| {
            matches!(
                self.states.get(id),
                Some(State::Ended(
                    End::Done { .. } | End::AlreadySo | End::Skipped(_)
                ))
            )
        };
        match (self.stopped_at, step.always) {
            (None, false) => step.after.iter().all(ended_well),
            (None, true) => step.after.iter().all(ended),
            (Some(_), false) => false,
            // Whatever began before the stop has to have ended, or it would be undone too early.
            (Some(_), true) => self
                .plan
                .steps
                .iter()
                .filter(|other| !other.always)
                .all(|other| {
                    matches!(
                        self.states.get(&other.id),
                        Some(State::Pending | State::Ended(_))
                    )
                }),
        }
    }

    fn waiting(&self, step: &Step, views: &Views, since: Duration, now: Duration) -> State {
        // What is only looked at is looked at for as long as it must last, even if it is so by now.
        let looks_only = step.sends.is_empty() && !step.holds_for.is_zero();
        if !looks_only && step.done_when.holds(views) {
            return State::Ended(End::AlreadySo);
        }
        if self.stopped_at.is_some() && !step.always {
            return State::Pending;
        }
        let mut until = since + step.deadline;
        if let Some(calm) = step.calm {
            // Nobody waits for what has come to nothing meanwhile.
            let answered = |node: &NodeId| views.contains_key(node);
            let mut broken = against(step, views);
            broken.retain(|node, _| answered(node));
            // Somebody else has done it, and not everyone has heard of it yet.
            let leads = step.action.node().and_then(|node| views.get(&node));
            let leads = leads.is_some_and(|view| !view.own_slots().is_empty());
            if leads && now < until {
                return State::Waiting { since };
            }
            if !broken.is_empty() {
                let kind = TroubleKind::GuardBroken;
                return State::Ended(end(step, kind, broken, Sent::default()));
            }
            until += calm.lasting;
            if now < until && self.peace.left(calm, now) > Duration::ZERO {
                return State::Waiting { since };
            }
        }
        if let Verdict::Fails(objections) = self.readiness(step, views, now) {
            if now < until {
                return State::Waiting { since };
            }
            return State::Ended(end(
                step,
                TroubleKind::Deadline {
                    after: step.deadline,
                },
                objections,
                Sent::default(),
            ));
        }
        let objections = against(step, views);
        if objections.is_empty() && self.half_asked.contains(&step.id) {
            return State::Waiting { since };
        }
        if !objections.is_empty() {
            // Only an answer can show that something has changed; silence may pass.
            let silent = objections.keys().all(|node| !views.contains_key(node));
            let patience = match self.stopped_at {
                Some(_) => step.deadline.min(FINISH_WITHIN),
                None => step.deadline,
            };
            if silent && now < since + patience {
                return State::Waiting { since };
            }
            let kind = match silent {
                true => TroubleKind::Deadline { after: patience },
                false => TroubleKind::GuardBroken,
            };
            return State::Ended(end(step, kind, objections, Sent::default()));
        }
        if step.action.transfer().is_some() {
            return State::Moving { since: now };
        }
        State::Running {
            began: now,
            since: now,
            sent: Sent::default(),
            held_since: None,
        }
    }

    /// Whether a step can begin, and who has something against it.
    fn readiness(&self, step: &Step, views: &Views, now: Duration) -> Verdict {
        let left = |calm: Calm| self.peace.left(calm, now);
        match step.calm.filter(|calm| left(*calm) > Duration::ZERO) {
            Some(calm) => Verdict::Fails(BTreeMap::from([(
                calm.node,
                "keeps changing its role or its epoch".to_owned(),
            )])),
            None => step.ready_when.verdict(views),
        }
    }

    /// What the effect comes to; remembers who has agreed where that lasts.
    fn verdict(&mut self, step: &Step, views: &Views) -> Verdict {
        if !step.done_when.is_cumulative() {
            return step.done_when.verdict(views);
        }
        let agreed = self.agreed.entry(step.id).or_default();
        let verdict = step.done_when.verdict_but(views, agreed);
        let against = match &verdict {
            Verdict::Holds => BTreeSet::new(),
            Verdict::Fails(objections) => objections.keys().copied().collect(),
        };
        agreed.extend(step.done_when.nodes().difference(&against));
        verdict
    }

    fn running(
        &mut self,
        step: &Step,
        views: &Views,
        now: Duration,
        (began, since, sent, held_since): (Duration, Duration, Sent, Option<Duration>),
    ) -> State {
        let verdict = self.verdict(step, views);
        let objections = match verdict {
            Verdict::Holds if lasts(step, held_since, now) && !sent.lost_rewrite() => {
                return State::Ended(End::Done {
                    took: now.saturating_sub(began),
                });
            }
            Verdict::Holds if !sent.lost_rewrite() && !self.is_out_of_time(since, now) => {
                return State::Running {
                    began,
                    since,
                    sent,
                    held_since: held_since.or(Some(now)),
                };
            }
            Verdict::Holds => BTreeMap::new(),
            Verdict::Fails(objections) => objections,
        };
        let kind = if !sent.refused.is_empty() && !sent.unanswered {
            Some(TroubleKind::Refused)
        } else if sent.unanswered && now >= since + UNANSWERED_GRACE {
            Some(TroubleKind::NoAnswer)
        } else if now >= since + step.deadline {
            Some(TroubleKind::Deadline {
                after: step.deadline,
            })
        } else if self.is_out_of_time(since, now)
            // What goes on without rcl is not waited for after a stop.
            || (self.is_stopping() && step.action.phase() == Phase::Await)
        {
            Some(TroubleKind::Interrupted)
        } else {
            None
        };
        match kind {
            Some(kind) => State::Ended(end(step, kind, objections, sent)),
            None => State::Running {
                began,
                since,
                sent,
                held_since: None,
            },
        }
    }

    /// Whether what began at `since` has had its time after a stop.
    fn is_out_of_time(&self, since: Duration, now: Duration) -> bool {
        self.stopped_at
            .is_some_and(|at| now >= at.max(since) + FINISH_WITHIN)
    }

    /// How a step ended, once it has.
    #[must_use]
    pub fn end_of(&self, step: StepId) -> Option<&End> {
        match self.states.get(&step) {
            Some(State::Ended(end)) => Some(end),
            Some(
                State::Pending
                | State::Waiting { .. }
                | State::Moving { .. }
                | State::Running { .. },
            )
            | None => None,
        }
    }
}

impl Sent {
    /// The value is set, but a restart would lose it.
    fn lost_rewrite(&self) -> bool {
        self.refused
            .iter()
            .any(|(_, command, _)| *command == crate::base::Command::config_rewrite())
    }
}

fn briefly() -> Questions {
    Questions {
        brief: true,
        ..Questions::default()
    }
}

/// What stands against beginning a step now: its guard, or a party that doesn't answer, or no
/// longer under its id. Whatever is sent next goes over the very connection that has answered.
fn against(step: &Step, views: &Views) -> BTreeMap<NodeId, String> {
    let mut objections = match step.guard.verdict(views) {
        Verdict::Holds => BTreeMap::new(),
        Verdict::Fails(objections) => objections,
    };
    for party in step.parties() {
        if !views.contains_key(&party) {
            objections.entry(party).or_insert_with(|| SILENT.to_owned());
        }
    }
    objections
}

fn lasts(step: &Step, held_since: Option<Duration>, now: Duration) -> bool {
    step.holds_for.is_zero() || held_since.is_some_and(|held| now >= held + step.holds_for)
}

fn end(step: &Step, kind: TroubleKind, objections: BTreeMap<NodeId, String>, sent: Sent) -> End {
    let trouble = Trouble {
        kind,
        objections,
        answers: sent.refused,
    };
    if step.required {
        End::Failed(trouble)
    } else {
        End::Skipped(trouble)
    }
}
