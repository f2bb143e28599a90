//! Asks both ends of a begun move for keys that both hold, before more of them are sent.

use futures_util::future::join_all;

use crate::base::{Command, Slot};
use crate::net::Wire;
use crate::observed::{Doubles, Observed};

use super::ANSWER_WITHIN;

/// Keys that a server lists in one go: no client of it has to wait for more than a few milliseconds. What lies in
/// slots with more keys is seen only when it is sent.
const MOST_LISTED: u64 = 10_000;

/// A few more than were counted: clients may have written some since.
const LIST: u32 = 20_000;

/// Keys that are listed at all.
const MOST_KEYS: u64 = 200_000;

/// Asks for the keys of open slots that both their ends hold. An end that doesn't answer, or refuses, tells of none.
pub(super) async fn find(wire: &impl Wire, observed: &mut Observed) {
    let half_moved = observed.half_moved();
    let seen: &Observed = observed;
    let moves = half_moved.iter().map(async |((source, target), slots)| {
        let (giving, taking) = (seen.views.get(source)?, seen.views.get(target)?);
        let mut listed = 0;
        let both = slots.iter().filter(|slot| {
            let held = |count: Option<u64>| count.filter(|count| (1..=MOST_LISTED).contains(count));
            let (Some(here), Some(there)) =
                (held(giving.keys_of(*slot)), held(taking.keys_of(*slot)))
            else {
                return false;
            };
            listed += here + there;
            listed <= MOST_KEYS
        });
        let both: Vec<Slot> = both.collect();
        let list = |slot: &Slot| Command::list_keys(*slot, LIST);
        let lists: Vec<Command> = both.iter().map(list).collect();
        let at_target = wire
            .call(taking.dialled, &lists, ANSWER_WITHIN)
            .await
            .ok()?;
        let at_source = wire
            .call(giving.dialled, &lists, ANSWER_WITHIN)
            .await
            .ok()?;
        let slots = both.into_iter().zip(at_target.iter().zip(&at_source));
        let doubles = slots.map(|(slot, (there, here))| Doubles {
            slot,
            source: *source,
            target: *target,
            keys: Doubles::common(there, here),
        });
        let doubles = doubles.filter(|doubles| !doubles.keys.is_empty());
        Some(doubles.collect::<Vec<_>>())
    });
    let found = join_all(moves).await;
    observed.doubles = found.into_iter().flatten().flatten().collect();
}
