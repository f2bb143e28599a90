//! The last step: everybody agrees on everything.

use std::sync::Arc;
use std::time::Duration;

use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Step};

/// Convergence must be seen twice, this far apart: views can agree by accident in passing.
const CONVERGED_FOR: Duration = Duration::from_millis(200);

/// Demanded when nothing was left out of the plan: with something blocked or somebody down
/// the cluster can't be whole.
pub(super) fn settle(terms: &Terms<'_>) -> Option<Step> {
    let missing = terms.diff.differences.iter().any(Difference::is_loss);
    if missing || !terms.diff.blocked.is_empty() {
        return None;
    }
    let expected = Arc::new(terms.diff.pairing.joinable.clone());
    let absent = terms.absent.clone();
    Some(Step {
        done_when: Condition::Converged { expected, absent },
        holds_for: CONVERGED_FOR,
        ..terms.step(Action::Settle)
    })
}
