//! A run in lines, for logs and pipes: one a step that ended, one before a step that may take
//! long, none for book-keeping that went well. It is talk, so it goes to standard error; what the run came to is data.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::apply::{End, Event, Outcome, TroubleKind};
use crate::base::{Reply, counted};
use crate::plan::{Action, Phase, Plan, StepId};
use crate::view::output::Output;
use crate::view::page::Page;
use crate::view::step;
use crate::view::styles::{Meaning, Styles};
use crate::view::wording::{answer, command, duration};

use super::moving::{self, Whole};
use super::{Progress, outcome};

/// Lines on standard error.
pub struct Lines<'o, 'w> {
    output: &'o mut Output<'w>,
    commands: bool,
    told: Told,
    /// How often each move has told how far it has come.
    moved: BTreeMap<StepId, u32>,
    /// How often each step has told how long it still waits.
    calming: BTreeMap<StepId, u32>,
}

/// Two a second come; a line every ten seconds is enough to see that it goes on.
const MOVES_TOLD: u32 = 20;

/// One a second comes, and the first and every tenth is told.
const CALMS_TOLD: u32 = 10;

/// What servers refused, as far as it was told: others refuse it in the same words.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeSet<String>);

impl Told {
    /// Whether the event says again what was said of another node.
    pub(super) fn before(&mut self, event: &Event) -> bool {
        match event {
            Event::Answered { command, reply, .. } => reply
                .as_error()
                .is_some_and(|words| !self.0.insert(format!("{command} {words}"))),
            Event::Ended {
                end: End::Failed(trouble),
                ..
            } if !trouble.answers.is_empty() => {
                let answers = trouble.answers.iter();
                let answers: Vec<String> = answers
                    .map(|(_, command, words)| format!("{command} {words}"))
                    .collect();
                !self.0.insert(format!("failed: {}", answers.join(" ")))
            }
            Event::Started { .. }
            | Event::Unanswered { .. }
            | Event::Calming { .. }
            | Event::Moved { .. }
            | Event::Ended { .. }
            | Event::Stopping => false,
        }
    }
}

impl<'o, 'w> Lines<'o, 'w> {
    pub fn new(output: &'o mut Output<'w>, commands: bool) -> Self {
        let told = Told::default();
        Self {
            output,
            commands,
            told,
            moved: BTreeMap::new(),
            calming: BTreeMap::new(),
        }
    }
}

impl Progress for Lines<'_, '_> {
    fn begin(&mut self, _: &Plan) {}

    fn event(&mut self, plan: &Plan, event: &Event) {
        if self.told.before(event) && !self.commands {
            return;
        }
        if let Event::Moved { step, headway } = event {
            let times = self.moved.entry(*step).or_default();
            *times += 1;
            // Of one that has ended the next line tells.
            let whole = Whole::of(plan, *step).is_some_and(|whole| headway.slots == whole.slots);
            if !times.is_multiple_of(MOVES_TOLD) || whole {
                return;
            }
        }
        if let Event::Calming { step, .. } = event {
            let times = self.calming.entry(*step).or_default();
            *times += 1;
            if *times % CALMS_TOLD != 1 {
                return;
            }
        }
        let text = told(plan, event, self.commands, self.output.err.styles);
        self.output.talk(&text);
    }

    fn end(&mut self, plan: &Plan, outcome: &Outcome, file: &str) {
        outcome::print(self.output, plan, outcome, file);
    }
}

/// What is told of an event; nothing of most that merely begin.
pub(super) fn told(plan: &Plan, event: &Event, commands: bool, styles: Styles) -> String {
    let mut page = Page::new(styles);
    match event {
        Event::Started { step } => {
            let slow = plan
                .step(*step)
                .is_some_and(|step| takes_long(&step.action));
            if slow || commands {
                number(&mut page, plan, *step);
                page.put(Meaning::Dim, format_args!("{} …", intent(plan, *step)))
                    .end();
            }
        }
        Event::Answered {
            step,
            node,
            command: sent,
            reply,
        } => {
            let words = reply.as_error();
            let moot = words.is_some_and(|words| sent.is_moot(words));
            let refused = words.is_some() && !moot;
            if commands || refused {
                number(&mut page, plan, *step);
                let node = plan.diff.pairing.label(*node);
                let meaning = if refused { Meaning::Bad } else { Meaning::Dim };
                page.plain(format_args!("{node}> {}  ", command(sent)))
                    .put(meaning, answer(&self::reply(reply), sent))
                    .put(Meaning::Dim, if moot { " (so already)" } else { "" })
                    .end();
            }
        }
        Event::Unanswered {
            step,
            node,
            command: sent,
            words,
        } => {
            number(&mut page, plan, *step);
            let node = plan.diff.pairing.label(*node);
            page.plain(format_args!("{node}> {}  ", command(sent)))
                .put(Meaning::Bad, answer(words, sent))
                .end();
        }
        Event::Ended { step, end } => {
            if commands || !went_by_itself(plan, *step, end) {
                ended(&mut page, plan, *step, end);
            }
        }
        Event::Calming { step, left } => {
            let (next, left) = (intent(plan, *step), duration(*left));
            number(&mut page, plan, *step);
            let text = format!("{next}: waits for {left} more without a change in the shard");
            page.put(Meaning::Dim, text).end();
        }
        Event::Moved { step, headway } => {
            number(&mut page, plan, *step);
            let whole = Whole::of(plan, *step).unwrap_or_default();
            page.put(Meaning::Dim, moving::words(headway, whole)).end();
        }
        Event::Stopping => {
            page.put(
                Meaning::Note,
                "Stopping: nothing new begins, what is under way gets a moment to finish.",
            )
            .end();
        }
    }
    page.into_text()
}

fn ended(page: &mut Page, plan: &Plan, step: StepId, end: &End) {
    number(page, plan, step);
    match end {
        End::Done { took } => {
            page.put(Meaning::Good, effect(plan, step))
                .put(Meaning::Dim, after(*took));
        }
        End::AlreadySo => {
            page.plain(effect(plan, step))
                .put(Meaning::Dim, ", already so");
        }
        End::Failed(trouble) => {
            let word = match trouble.kind {
                TroubleKind::Interrupted => "stopped: ",
                TroubleKind::GuardBroken
                | TroubleKind::Keys
                | TroubleKind::Refused
                | TroubleKind::NoAnswer
                | TroubleKind::Deadline { .. } => "failed: ",
            };
            page.put(Meaning::Bad, word)
                .plain(intent(plan, step))
                .put(Meaning::Dim, format_args!(", {}", because(trouble.kind)));
        }
        End::Skipped(trouble) => {
            page.put(Meaning::Note, "skipped: ")
                .plain(intent(plan, step))
                .put(Meaning::Dim, format_args!(", {}", because(trouble.kind)));
        }
    }
    page.end();
}

/// A few words on why a step did not succeed.
pub(super) fn because(kind: TroubleKind) -> String {
    match kind {
        TroubleKind::GuardBroken => "the cluster has changed since the plan was made".to_owned(),
        TroubleKind::Keys => "keys stand in its way".to_owned(),
        TroubleKind::Refused => "a server refused a command".to_owned(),
        TroubleKind::NoAnswer => "a command got no answer, and its effect was not seen".to_owned(),
        TroubleKind::Deadline { after } => {
            format!("its effect was not seen within {}", duration(after))
        }
        TroubleKind::Interrupted => "interrupted before its effect was seen".to_owned(),
    }
}

/// A stable word for a program.
pub(super) fn kind_word(kind: TroubleKind) -> &'static str {
    match kind {
        TroubleKind::GuardBroken => "guard_broken",
        TroubleKind::Keys => "keys",
        TroubleKind::Refused => "refused",
        TroubleKind::NoAnswer => "no_answer",
        TroubleKind::Deadline { after: _ } => "deadline",
        TroubleKind::Interrupted => "interrupted",
    }
}

/// The reply in a few words.
pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Nil => "nil".to_owned(),
        Reply::Integer(number) => number.to_string(),
        Reply::Text(text) | Reply::Error(text) => text.clone(),
        Reply::Bytes(bytes) => counted(bytes.len(), "byte"),
        Reply::List(parts) => counted(parts.len(), "value"),
    }
}

pub(super) fn intent(plan: &Plan, step: StepId) -> String {
    plan.step(step).map_or_else(
        || format!("step {}", step.0),
        |step| step::intent(&step.action, &plan.diff.pairing),
    )
}

fn effect(plan: &Plan, step: StepId) -> String {
    plan.step(step).map_or_else(
        || format!("step {}", step.0),
        |step| step::effect(&step.action, &plan.diff.pairing),
    )
}

/// `[ 3/18] `
fn number(page: &mut Page, plan: &Plan, step: StepId) {
    let all = plan.steps.len().to_string();
    let width = all.len();
    page.put(Meaning::Dim, format_args!("[{:>width$}/{all}] ", step.0));
}

fn after(took: Duration) -> String {
    format!(" after {}", duration(took))
}

/// Book-keeping on every node that went as it should: hundreds of lines that nobody reads.
fn went_by_itself(plan: &Plan, step: StepId, end: &End) -> bool {
    let well = match end {
        End::Done { took: _ } | End::AlreadySo => true,
        End::Failed(_) | End::Skipped(_) => false,
    };
    well && match plan.step(step).map(|step| step.action.phase()) {
        Some(Phase::Hasten | Phase::Epochs | Phase::Pin | Phase::Unpin | Phase::Restore) => true,
        Some(
            Phase::Configure
            | Phase::Announce
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
            | Phase::Move
            | Phase::FailOver
            | Phase::Remove
            | Phase::Settle
            | Phase::Watch,
        )
        | None => false,
    }
}

/// Steps that wait for more than a little gossip: data to be copied, everybody to agree.
fn takes_long(action: &Action) -> bool {
    match action {
        Action::Attach { .. }
        | Action::Detach { .. }
        | Action::BringHome { .. }
        | Action::Move { .. }
        | Action::FailOver { .. }
        | Action::Await { .. }
        | Action::Settle
        | Action::Watch { .. } => true,
        Action::Configure { .. }
        | Action::Announce { .. }
        | Action::Hasten { .. }
        | Action::SetEpoch { .. }
        | Action::Assign { .. }
        | Action::Join { .. }
        | Action::CopyLibraries { .. }
        | Action::GiveUp { .. }
        | Action::Claim { .. }
        | Action::Close { .. }
        | Action::Tell { .. }
        | Action::Pin { .. }
        | Action::Unpin { .. }
        | Action::Remove { .. }
        | Action::Forget { .. }
        | Action::Restore { .. } => false,
    }
}
