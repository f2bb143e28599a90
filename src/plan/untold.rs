//! Steps that tell nodes who owns slots that they know no owner of.

use crate::base::Command;
use crate::diff::{Difference, Untold};

use super::order::Terms;
use super::{Action, Condition, Send, Step, jobs};

pub(super) fn tell(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::Untold(Untold { node, owner, slots }) = difference else {
            continue;
        };
        let (node, owner) = (*node, *owner);
        let sends = slots.iter().map(|slot| Send {
            node,
            command: Command::set_owner(slot, owner),
        });
        steps.push(Step {
            because: vec![index],
            sends: sends.collect(),
            ready_when: Condition::All(jobs::none_at(terms, [node])),
            guard: Condition::Owns {
                node: owner,
                slots: slots.clone(),
            },
            done_when: Condition::KnowsOwner {
                node,
                owner,
                slots: slots.clone(),
            },
            ..terms.step(Action::Tell {
                node,
                owner,
                slots: slots.clone(),
            })
        });
    }
    steps
}
