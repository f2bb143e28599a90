//! The last step: everybody agrees on everything.

use std::sync::Arc;

use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Step};

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
        ..terms.step(Action::Settle)
    })
}
