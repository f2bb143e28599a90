//! The last step: everybody agrees on everything.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::base::NodeId;
use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Step};

/// Convergence must be seen twice, this far apart: views can agree by accident in passing.
const CONVERGED_FOR: Duration = Duration::from_millis(200);

/// Before members go that have served slots, for this long: a client that asks one of them is sent on
/// to the new owner. Once it is reset it only says that it serves nothing, and some clients go on
/// asking it.
const SENT_ON_FOR: Duration = Duration::from_secs(1);

/// Demanded when nothing was left out of the plan: with something blocked or somebody down
/// the cluster can't be whole.
pub(super) fn settle(terms: &Terms<'_>, gone: &BTreeSet<NodeId>) -> Option<Step> {
    let missing = terms.diff.differences.iter().any(Difference::is_loss);
    if missing || !terms.diff.blocked.is_empty() {
        return None;
    }
    let joined = terms.diff.pairing.joinable.difference(gone).copied();
    let expected = Arc::new(joined.collect());
    let absent = terms.absent.clone();
    Some(Step {
        done_when: Condition::Converged { expected, absent },
        holds_for: CONVERGED_FOR,
        ..terms.step(Action::Settle)
    })
}

/// The same before any of these members goes, where one of them serves slots.
pub(super) fn settle_before_removal(terms: &Terms<'_>, gone: &BTreeSet<NodeId>) -> Option<Step> {
    let served = |id: &NodeId| {
        let view = terms.views.get(id);
        view.is_some_and(|view| !view.own_slots().is_empty())
    };
    gone.iter().any(served).then_some(())?;
    Some(Step {
        holds_for: SENT_ON_FOR,
        ..settle(terms, &BTreeSet::new())?
    })
}
