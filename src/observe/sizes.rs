//! Asks for the sizes of a few keys, before they are to move.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::base::{Address, Command, Key, NodeId, Slot, SlotSet};
use crate::net::Wire;
use crate::observed::{Observed, Sample};

use super::ANSWER_WITHIN;

/// Slots of a node of which some keys are asked for their sizes.
const SAMPLED_SLOTS: usize = 64;

/// Keys of each of them.
const SAMPLED_KEYS: u32 = 16;

/// Asks for the sizes of some keys of slots at nodes: of up to 64 slots, evenly spread among those that
/// hold keys, up to 16 keys each. A node that doesn't answer, or refuses, tells of none.
pub async fn sample_sizes(
    wire: &impl Wire,
    observed: &mut Observed,
    slots: BTreeMap<NodeId, SlotSet>,
) {
    let asked = slots.into_iter().filter_map(|(node, slots)| {
        let view = observed.views.get(&node)?;
        let filled: Vec<Slot> = view.keys_in(&slots).map(|(slot, _)| slot).collect();
        let each = filled.len().div_ceil(SAMPLED_SLOTS).max(1);
        let some: Vec<Slot> = filled.into_iter().step_by(each).collect();
        Some((node, view.dialled, some))
    });
    let asked: Vec<(NodeId, Address, Vec<Slot>)> = asked.collect();
    let answers = join_all(asked.iter().map(async |(node, address, slots)| {
        let list = |slot: &Slot| Command::list_keys(*slot, SAMPLED_KEYS);
        let lists: Vec<Command> = slots.iter().map(list).collect();
        let lists = wire.call(*address, &lists, ANSWER_WITHIN).await.ok()?;
        let keys = slots.iter().zip(&lists).flat_map(|(slot, list)| {
            let names = list.as_list().unwrap_or_default().iter();
            names.filter_map(|name| Some((*slot, Key::new(name.as_bytes()?))))
        });
        let keys: Vec<(Slot, Key)> = keys.collect();
        let sizes: Vec<Command> = keys
            .iter()
            .map(|(_, key)| Command::memory_usage(key))
            .collect();
        let sizes = wire.call(*address, &sizes, ANSWER_WITHIN).await.ok()?;
        Some((*node, Sample::new(&keys, &sizes)))
    }))
    .await;
    observed.sampled.extend(answers.into_iter().flatten());
}
