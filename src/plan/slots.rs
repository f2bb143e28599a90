//! Steps that give slots without owner to primaries.

use std::sync::Arc;

use crate::base::Command;
use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Send, Step};

/// One command a primary. In a new cluster before the first MEET: an owner counts the time
/// until it calls the cluster ok from its first slot, and gossip carries the slots along.
pub(super) fn assign(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::Unassigned {
            shard,
            primary,
            slots,
        } = difference
        else {
            continue;
        };
        let Some(view) = terms.views.get(primary) else {
            continue;
        };
        let ranges = view.server.supports_addslotsrange();
        let command = if ranges {
            Command::add_slots_range(slots)
        } else {
            Command::add_slots(slots)
        };
        // Nobody may hold a key of these slots. In a new cluster everyone is blank, and a node
        // without slots takes no keys.
        let guard = match terms.diff.pairing.forming {
            true => Condition::Accounted {
                node: *primary,
                peers: Arc::default(),
                slots: slots.clone(),
                member: false,
            },
            false => Condition::Free {
                slots: slots.clone(),
                on: terms.views.keys().copied().collect(),
                but: *primary,
            },
        };
        steps.push(Step {
            because: vec![index],
            sends: vec![Send {
                node: *primary,
                command,
            }],
            guard,
            done_when: Condition::Owns {
                node: *primary,
                slots: slots.clone(),
            },
            ..terms.step(Action::Assign {
                node: *primary,
                shard: shard.clone(),
                slots: slots.clone(),
            })
        });
    }
    steps
}
