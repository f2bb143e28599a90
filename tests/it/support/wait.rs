//! Waiting for a condition with a deadline. The only sleep in the tests: it sets how often the condition is
//! looked at, never how long a thing takes.

use std::time::{Duration, Instant};

/// Generous, because tests share two cores: a failing test may be slow, a passing one never waits this long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(40);

const PERIOD: Duration = Duration::from_millis(20);

/// Asks `condition` until it holds; panics with its last answer when the deadline passes.
#[track_caller]
pub(crate) fn until<T>(what: &str, condition: impl FnMut() -> Result<T, String>) -> T {
    until_within(what, DEADLINE, condition)
}

#[track_caller]
pub(crate) fn until_within<T>(
    what: &str,
    deadline: Duration,
    condition: impl FnMut() -> Result<T, String>,
) -> T {
    within(deadline, condition)
        .unwrap_or_else(|reason| panic!("waited {deadline:?} for: {what}\nstill: {reason}"))
}

/// The last answer, when the deadline passes.
pub(crate) fn within<T, E>(
    deadline: Duration,
    mut condition: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let start = Instant::now();
    loop {
        match condition() {
            Err(_) if start.elapsed() <= deadline => std::thread::sleep(PERIOD),
            answer => return answer,
        }
    }
}
