//! The integration tests, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod check;
mod desired;
mod docs;
mod mistakes;
mod plans;
mod support;
