//! A run while it goes on, and what it comes to: a bar on a terminal, lines elsewhere, JSON
//! lines for programs.

mod bar;
pub mod journal;
mod json;
mod lines;
mod moving;
mod outcome;
mod screen;

#[cfg(test)]
mod tests;

use crate::apply::{Event, Outcome};
use crate::plan::Plan;

use super::output::Output;

pub use bar::Bar;
pub use json::JsonLines;
pub use lines::Lines;
pub use outcome::{outcome, summary};

/// Somebody who is told how a run goes.
pub trait Progress {
    /// Before anything is sent.
    fn begin(&mut self, plan: &Plan);
    fn event(&mut self, plan: &Plan, event: &Event);
    /// When nothing more will happen. `file` is what to plan again from.
    fn end(&mut self, plan: &Plan, outcome: &Outcome, file: &str);
}

/// How a run is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    People {
        /// Also each command and its answer.
        commands: bool,
    },
    Json,
}

/// The sink that fits the form and the streams.
pub fn progress<'o>(output: &'o mut Output<'_>, form: Form) -> Box<dyn Progress + 'o> {
    match form {
        Form::Json => Box::new(JsonLines::new(output)),
        Form::People { commands } if output.err.terminal => Box::new(Bar::new(output, commands)),
        Form::People { commands } => Box::new(Lines::new(output, commands)),
    }
}
