//! A run on a terminal: one bar with what is being waited for, and above it only what went
//! wrong, or every command when asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::apply::{End, Event, Outcome};
use crate::plan::{Plan, StepId};
use crate::view::output::Output;
use crate::view::page::clean;

use super::lines::{Told, intent, told};
use super::{Progress, outcome};

/// How often the bar moves while nothing happens, so that people see it lives.
const TICK: Duration = Duration::from_millis(120);

/// A bar on standard error.
pub struct Bar<'o, 'w> {
    output: &'o mut Output<'w>,
    commands: bool,
    target: Option<ProgressDrawTarget>,
    bar: ProgressBar,
    waiting: BTreeSet<StepId>,
    /// How far each move has come.
    moved: BTreeMap<StepId, u16>,
    told: Told,
}

impl<'o, 'w> Bar<'o, 'w> {
    pub fn new(output: &'o mut Output<'w>, commands: bool) -> Self {
        Self::drawn_on(output, commands, ProgressDrawTarget::stderr())
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
            bar: ProgressBar::hidden(),
            waiting: BTreeSet::new(),
            moved: BTreeMap::new(),
            told: Told::default(),
        }
    }

    fn say(&mut self, text: &str) {
        if !text.is_empty() {
            let output = &mut self.output;
            self.bar.suspend(|| output.talk(text));
        }
    }

    fn show_waits(&self, plan: &Plan) {
        let message = match self.waiting.first() {
            None => String::new(),
            Some(step) => {
                let mut message = intent(plan, *step);
                if let Some(moved) = self.moved.get(step) {
                    message.push_str(&format!(", {moved} done"));
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
        self.bar = ProgressBar::with_draw_target(Some(steps), target);
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
                true
            }
            Event::Ended { step, end } => {
                self.waiting.remove(step);
                self.bar.inc(1);
                match end {
                    End::Done { took: _ } | End::AlreadySo => true,
                    End::Failed(_) | End::Skipped(_) => false,
                }
            }
            Event::Moved { step, slots, .. } => {
                self.moved.insert(*step, *slots);
                true
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
        self.bar.finish_and_clear();
        outcome::print(self.output, plan, outcome, file);
    }
}

/// An error that ends the run early must not leave the bar behind.
impl Drop for Bar<'_, '_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
