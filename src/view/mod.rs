//! The only room that formats: for people and as JSON, from the same values.
//!
//! `styles` decides what meanings look like and `output` where text goes; `plan`, `drift`,
//! `status`, `check`, `run`, `lock`, `saved` and `error` each print one kind of value. Everything else here is words that
//! they share. What a server said is cleaned before it can reach a terminal.

pub mod check;
pub mod drift;
pub mod error;
pub mod export;
pub mod findings;
pub mod lock;
pub mod output;
pub mod plan;
pub mod run;
pub mod saved;
pub mod status;
pub mod styles;
pub mod yaml;

mod alike;
mod attention;
mod difference;
mod json;
mod page;
mod step;
mod topology;
mod wording;

#[cfg(test)]
mod sample;

pub use output::{ColorChoice, Output, Stream};
pub use styles::Styles;

/// How much of what is long is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Commands {
    /// Long runs of what is alike become the first few and a count.
    #[default]
    Folded,
    All,
}

/// The first of the things by name, and how many more there are.
#[must_use]
pub fn named(things: &[String]) -> String {
    wording::list(things, wording::MOST_ALIKE)
}

/// How to see what was folded away.
const SHOWS_ALL: &str = "--commands all shows them";
