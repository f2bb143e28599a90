//! Runs a plan: `machine` decides without I/O, `driver` asks, sends and waits.

mod driver;
mod event;
mod machine;

pub use driver::{Stop, run};
pub use event::{End, Event, Outcome, Trouble, TroubleKind};
pub use machine::{Machine, Views};
