//! Runs a plan: `machine` decides without I/O, `driver` asks, sends and waits. Moves are machines
//! of their own, `classic` and `atomic`, that `mover` carries out beside the rest.

mod atomic;
mod classic;
mod driver;
mod event;
mod heir;
mod homeward;
mod lanes;
mod machine;
mod mover;
mod peace;

pub use driver::{Stop, run};
pub use event::{End, Event, Headway, JobHeadway, Outcome, Trouble, TroubleKind};
pub use machine::{Machine, Views};
