//! The integration tests, in one binary.

mod harness;
mod native;
#[allow(dead_code, reason = "the benchmark uses parts that no test needs yet")]
mod support;
