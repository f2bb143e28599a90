//! Steps that give the slots of an owner that is gone for good to a living primary.

use std::collections::BTreeSet;

use crate::base::{NodeId, SlotSet};
use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Engine, Risk, Step, Transfer, jobs};

/// One step a taker.
pub(super) fn give_up(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::GivenUp {
            shard,
            primary,
            lost,
            slots,
        } = difference
        else {
            continue;
        };
        let Some(taking) = terms.views.get(primary) else {
            continue;
        };
        let transfer = Transfer {
            source: *lost,
            target: *primary,
            address: taking.dialled,
            login: None,
            slots: slots.clone(),
            open: SlotSet::new(),
            torn: SlotSet::new(),
            engine: Engine::Orphaned {
                waits: taking.server.setslot_waits(),
            },
        };
        let living = terms.main.iter().copied().chain([*primary]);
        steps.push(Step {
            because: vec![index],
            // A newcomer hears of the lost one from the others.
            ready_when: Condition::All(
                jobs::none_at(terms, [*primary])
                    .into_iter()
                    .chain([Condition::Lists {
                        node: *primary,
                        peer: *lost,
                    }])
                    .collect(),
            ),
            guard: Condition::Free {
                slots: slots.clone(),
                on: living.collect::<BTreeSet<NodeId>>(),
                but: *lost,
            },
            done_when: Condition::taken(*primary, slots),
            risk: Risk::LoseData {
                slots: slots.count(),
            },
            ..terms.step(Action::GiveUp {
                shard: shard.clone(),
                transfer,
            })
        });
    }
    steps
}
