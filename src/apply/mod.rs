//! Runs a plan: `machine` decides without I/O, `driver` asks, sends and waits.

mod event;

pub use event::{End, Event, Outcome, Trouble, TroubleKind};
