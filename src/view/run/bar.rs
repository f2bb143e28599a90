//! A run on a terminal: one bar with what is being waited for, one for each pair of nodes that
//! moves slots, and above them only what went wrong, or every command when asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::{End, Event, Headway, Outcome};
use crate::plan::{Plan, StepId};
use crate::view::output::Output;
use crate::view::page::clean;
use crate::view::wording::duration;

use super::lines::{Told, intent, told};
use super::moving::{self, Whole};
use super::{Progress, outcome, screen};

/// How often the bar moves while nothing happens, so that people see it lives.
const TICK: Duration = Duration::from_millis(120);

/// A bar on standard error.
pub struct Bar<'o, 'w> {
    output: &'o mut Output<'w>,
    commands: bool,
    target: Option<ProgressDrawTarget>,
    all: MultiProgress,
    bar: ProgressBar,
    waiting: BTreeSet<StepId>,
    /// The moves under way.
    moving: BTreeMap<StepId, ProgressBar>,
    /// The step that waits for peace, and for how long still.
    calming: Option<(StepId, Duration)>,
    told: Told,
}

impl<'o, 'w> Bar<'o, 'w> {
    pub fn new(output: &'o mut Output<'w>, commands: bool) -> Self {
        Self::drawn_on(output, commands, screen::target())
    }

    pub(super) fn drawn_on(
        output: &'o mut Output<'w>,
        commands: bool,
        target: ProgressDrawTarget,
    ) -> Self {
        Self {
            output,
            commands,
            target: Some(target),
            all: MultiProgress::with_draw_target(ProgressDrawTarget::hidden()),
            bar: ProgressBar::hidden(),
            waiting: BTreeSet::new(),
            moving: BTreeMap::new(),
            calming: None,
            told: Told::default(),
        }
    }

    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            let output = &mut self.output;
            self.all.suspend(|| output.talk(text));
        }
    }

    /// A bar of its own for a step that moves slots.
    fn add_move(&mut self, plan: &Plan, step: StepId) {
        let action = plan.step(step).map(|step| &step.action);
        let transfer = action.and_then(|action| action.transfer());
        let (Some(transfer), Some(whole)) = (transfer, Whole::of(plan, step)) else {
            return;
        };
        let (_, length) = whole.part(&Headway::default());
        let bar = self.all.add(ProgressBar::new(length));
        if let Ok(style) = ProgressStyle::with_template("  {prefix} [{bar:10}] {wide_msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        let label = |node| plan.diff.pairing.label(node);
        let ends = format!("{} to {}", label(transfer.source), label(transfer.target));
        bar.set_prefix(clean(&ends).into_owned());
        bar.set_message(moving::words(&Headway::default(), whole));
        self.moving.insert(step, bar);
    }

    /// Takes all bars from the screen.
    fn clear(&mut self) {
        for bar in self.moving.values().chain([&self.bar]) {
            bar.finish_and_clear();
        }
    }

    fn show_waits(&self, plan: &Plan) {
        // What has a bar of its own need not be named here.
        let first = self
            .waiting
            .iter()
            .find(|step| !self.moving.contains_key(step));
        let message = match first {
            None => String::new(),
            Some(step) => {
                let mut message = intent(plan, *step);
                if let Some((_, left)) = self.calming.filter(|(calming, _)| calming == step) {
                    message.push_str(&format!(", begins in {}", duration(left)));
                }
                if self.waiting.len() > 1 {
                    message.push_str(&format!(" and {} more", self.waiting.len() - 1));
                }
                message
            }
        };
        self.bar.set_message(clean(&message).into_owned());
    }
}

impl Progress for Bar<'_, '_> {
    fn begin(&mut self, plan: &Plan) {
        let steps = u64::try_from(plan.steps.len()).unwrap_or(u64::MAX);
        let target = self
            .target
            .take()
            .unwrap_or_else(ProgressDrawTarget::hidden);
        self.all = MultiProgress::with_draw_target(target);
        self.bar = self.all.add(ProgressBar::new(steps));
        // The template is a constant; were it wrong, the default style would do.
        if let Ok(style) =
            ProgressStyle::with_template("{spinner} [{bar:24}] {pos}/{len} {elapsed} {wide_msg}")
        {
            self.bar.set_style(style.progress_chars("=> "));
        }
        self.bar.enable_steady_tick(TICK);
    }

    fn event(&mut self, plan: &Plan, event: &Event) {
        let well = match event {
            Event::Started { step } => {
                self.waiting.insert(*step);
                self.add_move(plan, *step);
                self.calming = None;
                true
            }
            Event::Ended { step, end } => {
                self.waiting.remove(step);
                if let Some(bar) = self.moving.remove(step) {
                    bar.finish_and_clear();
                    self.all.remove(&bar);
                }
                self.calming.take_if(|(calming, _)| calming == step);
                self.bar.inc(1);
                match end {
                    End::Done { took: _ } | End::AlreadySo => true,
                    End::Failed(_) | End::Skipped(_) => false,
                }
            }
            Event::Calming { step, left } => {
                self.waiting.insert(*step);
                self.calming = Some((*step, *left));
                true
            }
            Event::Moved { step, headway } => {
                if let (Some(bar), Some(whole)) = (self.moving.get(step), Whole::of(plan, *step)) {
                    bar.set_position(whole.part(headway).0);
                    bar.set_message(moving::words(headway, whole));
                }
                // The bar shows it.
                return;
            }
            Event::Answered { reply, .. } => reply.as_error().is_none(),
            Event::Unanswered { .. } | Event::Stopping => false,
        };
        let again = self.told.before(event);
        if !(well || again) || self.commands {
            let text = told(plan, event, self.commands, self.output.err.styles);
            self.say(&text);
        }
        self.show_waits(plan);
    }

    fn end(&mut self, plan: &Plan, outcome: &Outcome, file: &str) {
        self.clear();
        outcome::print(self.output, plan, outcome, file);
    }
}

/// An error that ends the run early must not leave the bar behind.
impl Drop for Bar<'_, '_> {
    fn drop(&mut self) {
        self.clear();
    }
}
