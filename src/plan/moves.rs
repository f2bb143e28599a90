//! Steps that move slots with their keys, and those that take left-over marks away.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::{Address, Command, Login, NodeId, Role, SlotSet};
use crate::desired::Engine as Choice;
use crate::diff::{Difference, Misplaced, Note, Pairing, Stray, big_key, logs_in_by_itself};
use crate::observed::{NodeView, Observed};

use super::order::Terms;
use super::transfer::{Bounds, Engine, Transfer};
use super::{Action, Condition, Load, Send, Step, jobs};

/// A megabyte in one MIGRATE keeps both servers busy for milliseconds, not longer.
const BATCH_BYTES: u64 = 1 << 20;

/// A MIGRATE that takes longer has met a dead target, or a key that is too big.
const LONGEST: Duration = Duration::from_secs(5);

pub(super) fn close(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::LeftOpen { node, slots } = difference else {
            continue;
        };
        let Some(view) = terms.views.get(node) else {
            continue;
        };
        // A replica takes none from anybody else than its primary, which passes it on.
        let primary = view.primary().filter(|_| view.role() == Role::Replica);
        let sends = slots.iter().map(|slot| Send {
            node: primary.unwrap_or(*node),
            command: Command::stable(slot),
        });
        let guard = match primary {
            Some(primary) => Condition::Closed {
                node: primary,
                slots: slots.clone(),
            },
            None => closable(view, slots),
        };
        steps.push(Step {
            because: vec![index],
            sends: sends.collect(),
            ready_when: Condition::All(jobs::none_at(terms, [primary.unwrap_or(*node)])),
            guard,
            done_when: Condition::Closed {
                node: *node,
                slots: slots.clone(),
            },
            ..terms.step(Action::Close {
                node: *node,
                slots: slots.clone(),
            })
        });
    }
    steps
}

/// It owns the slots still, or has no key of them and knows no other owner than before: without the
/// mark nobody would look for keys there.
fn closable(view: &NodeView, slots: &SlotSet) -> Condition {
    let mut parts = Vec::new();
    for (owner, member) in view.table.iter() {
        let slots = member.slots.intersection(slots);
        if slots.is_empty() {
            continue;
        }
        parts.push(match *owner == view.id {
            true => Condition::Owns {
                node: view.id,
                slots,
            },
            false => Condition::Free {
                slots,
                on: BTreeSet::from([view.id]),
                but: *owner,
            },
        });
    }
    Condition::All(parts)
}

/// One step a holder and owner.
pub(super) fn bring_home(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::Stray(Stray {
            holder,
            owner,
            slots,
            keys,
        }) = difference
        else {
            continue;
        };
        let (Some(giving), Some(taking)) = (terms.views.get(holder), terms.views.get(owner)) else {
            continue;
        };
        let gone = Condition::Free {
            slots: slots.clone(),
            on: BTreeSet::from([*holder]),
            but: *owner,
        };
        let closed = Condition::Closed {
            node: *holder,
            slots: slots.clone(),
        };
        let transfer = Transfer {
            source: *holder,
            target: *owner,
            address: reached_at(giving, taking),
            login: login(terms, *owner),
            slots: slots.clone(),
            open: SlotSet::new(),
            torn: SlotSet::new(),
            engine: Engine::Homeward(bounds(terms, giving, taking)),
        };
        let load = Load {
            keys: *keys,
            bytes: bytes(terms, giving, slots, *keys),
        };
        steps.push(Step {
            because: vec![index],
            ready_when: Condition::All(jobs::none_at(terms, [*holder, *owner])),
            guard: Condition::Owns {
                node: *owner,
                slots: slots.clone(),
            },
            done_when: Condition::All(vec![closed, gone]),
            ..terms.step(Action::BringHome { transfer, load })
        });
    }
    steps
}

/// One step a pair of nodes.
pub(super) fn moves(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::Misplaced(misplaced) = difference else {
            continue;
        };
        let Misplaced {
            shard,
            source,
            target,
            slots,
            begun,
            torn,
        } = misplaced;
        let (Some(giving), Some(taking)) = (terms.views.get(source), terms.views.get(target))
        else {
            continue;
        };
        let transfer = Transfer {
            source: *source,
            target: *target,
            address: reached_at(giving, taking),
            login: login(terms, *target),
            slots: slots.clone(),
            open: begun.difference(torn),
            torn: torn.clone(),
            engine: engine(terms, giving, taking, begun),
        };
        let knows = |node: NodeId, primary: NodeId| Condition::KnowsPrimary { node, primary };
        let mut ready = vec![knows(*source, *target), knows(*target, *source)];
        if giving.state_ok && begun.is_empty() {
            // A newcomer takes seconds to call the cluster ok, and refuses clients until then.
            ready.push(Condition::Serves { node: *target });
        }
        if transfer.engine != Engine::Atomic {
            ready.extend(jobs::none_at(terms, [*source, *target]));
        }
        steps.push(Step {
            because: vec![index],
            ready_when: Condition::All(ready),
            guard: Condition::Owns {
                node: *source,
                slots: slots.clone(),
            },
            done_when: Condition::Moved {
                from: *source,
                to: *target,
                slots: slots.clone(),
            },
            ..terms.step(Action::Move {
                shard: shard.clone(),
                load: load(terms, giving, slots),
                transfer,
            })
        });
    }
    steps
}

/// The address that the source's own messages to the target go to.
fn reached_at(giving: &NodeView, taking: &NodeView) -> Address {
    let link = giving
        .table
        .get(&taking.id)
        .map(|member| &member.link_address);
    let at = link
        .and_then(|link| Some(Address::new(link.ip?, link.port)))
        .unwrap_or(taking.dialled);
    match port_among_nodes(giving, taking) {
        Some(port) => Address::new(at.ip, port),
        None => at,
    }
}

/// A node with TLS has two ports, and shows the one of the connection that asks. MIGRATE goes to the one that nodes use
/// among each other.
fn port_among_nodes(giving: &NodeView, taking: &NodeView) -> Option<u16> {
    let port = |option: &str| {
        taking
            .config
            .get(option)?
            .parse()
            .ok()
            .filter(|port| *port != 0)
    };
    let tls: u16 = port("tls-port")?;
    match giving
        .config
        .get("tls-cluster")
        .is_some_and(|value| value == "yes")
    {
        true => port("cluster-announce-tls-port").or(Some(tls)),
        false => port("cluster-announce-port").or(port("port")),
    }
}

fn login(terms: &Terms<'_>, node: NodeId) -> Option<Login> {
    let mut ids = terms.diff.pairing.ids.iter();
    let declared = ids
        .find(|(_, id)| **id == node)
        .and_then(|(name, _)| terms.desired.nodes.get(name));
    match declared {
        Some(node) => terms.desired.access_of(node).login(),
        None => terms.desired.access.login(),
    }
}

/// The atomic one where both have it. It refuses slots that are open by hand.
fn engine(terms: &Terms<'_>, giving: &NodeView, taking: &NodeView, begun: &SlotSet) -> Engine {
    let policy = terms.desired.policy.moves;
    let (desired, pairing) = (terms.desired, &terms.diff.pairing);
    let both = giving.server.moves_atomically_to(taking.server)
        && logs_in_by_itself(desired, pairing, giving, taking);
    let open = !giving.open.is_empty() || !taking.open.is_empty() || !begun.is_empty();
    let atomic = match policy.engine {
        Choice::Auto => both && !open,
        Choice::Atomic => true,
        Choice::Classic => false,
    };
    if atomic {
        return Engine::Atomic;
    }
    Engine::Classic(bounds(terms, giving, taking))
}

fn bounds(terms: &Terms<'_>, giving: &NodeView, taking: &NodeView) -> Bounds {
    let policy = terms.desired.policy.moves;
    let node_timeout = giving
        .config
        .get("cluster-node-timeout")
        .and_then(|text| text.parse().ok())
        .map_or(LONGEST, Duration::from_millis);
    Bounds {
        batch: policy.batch,
        bytes: BATCH_BYTES,
        pause: policy.pause,
        // A source that stands still for a node timeout is voted down.
        limit: LONGEST.min(node_timeout / 2),
        waits: giving.server.setslot_waits() || taking.server.setslot_waits(),
    }
}

/// Keys that a step may not be able to move.
pub(super) fn big_keys(steps: &[Step], observed: &Observed, pairing: &Pairing) -> Vec<Note> {
    let mut notes = Vec::new();
    for transfer in steps.iter().filter_map(|step| step.action.transfer()) {
        let (Some(giving), Some(taking), Engine::Classic(bounds) | Engine::Homeward(bounds)) = (
            observed.views.get(&transfer.source),
            observed.views.get(&transfer.target),
            &transfer.engine,
        ) else {
            continue;
        };
        let atomic = giving.server.moves_atomically_to(taking.server);
        let sample = observed.sampled.get(&transfer.source);
        let keys = sample.into_iter().flat_map(|sample| &sample.largest);
        let keys = keys.filter(|key| transfer.slots.contains(key.slot));
        notes.extend(
            keys.filter_map(|key| big_key(pairing, transfer.source, key, bounds.limit, atomic)),
        );
    }
    notes
}

/// Counted where the look has counted; else by the slots' part of what the node holds.
fn load(terms: &Terms<'_>, giving: &NodeView, slots: &SlotSet) -> Load {
    let owned = u64::from(giving.own_slots().count()).max(1);
    let keys = match slots.difference(&giving.counted).is_empty() {
        true => giving.count_in(slots),
        false => giving.keys * u64::from(slots.count()) / owned,
    };
    Load {
        keys,
        bytes: bytes(terms, giving, slots, keys),
    }
}

/// How many keys may move for each one that was asked for its size.
const ASKED: u64 = 32;

/// Roughly what so many keys take: as much as those that were asked, if these were not too few; else as all that the
/// node holds, whose own tables outweigh few keys.
fn bytes(terms: &Terms<'_>, giving: &NodeView, slots: &SlotSet, keys: u64) -> u64 {
    let sample = terms.sampled.get(&giving.id);
    let asked = sample.map(|sample| sample.of(slots));
    let asked = asked.filter(|(asked, _)| *asked > 0 && asked.saturating_mul(ASKED) >= keys);
    let (by, taken) = asked.unwrap_or((giving.keys, giving.data_memory));
    taken.saturating_mul(keys) / by.max(1)
}
