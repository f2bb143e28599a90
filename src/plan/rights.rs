//! What a plan needs to be allowed to do: commands to try on each node before anything is sent.

use std::collections::BTreeMap;

use crate::base::{Command, Key, NodeId, Slot};

use super::{Engine, Plan, Transfer};

impl Plan {
    /// For each node one command of each kind that it will get, with nothing secret in it.
    #[must_use]
    pub fn trials(&self) -> BTreeMap<NodeId, Vec<Command>> {
        let mut kinds: BTreeMap<NodeId, BTreeMap<String, Command>> = BTreeMap::new();
        let mut add = |node: NodeId, command: Command| {
            let of_node = kinds.entry(node).or_default();
            of_node
                .entry(command.kind())
                .or_insert_with(|| command.without_secrets());
        };
        for step in &self.steps {
            for send in &step.sends {
                add(send.node, send.command.clone());
            }
            if let Some(transfer) = step.action.transfer() {
                of_move(transfer, &mut add);
            }
        }
        kinds
            .into_iter()
            .map(|(node, kinds)| (node, kinds.into_values().collect()))
            .collect()
    }
}

/// What a move sends is only known while it runs; of each kind any command will do.
fn of_move(transfer: &Transfer, add: &mut impl FnMut(NodeId, Command)) {
    let Transfer {
        source,
        target,
        address,
        login,
        slots,
        engine,
        ..
    } = transfer;
    let slot: Slot = slots.ranges().first().map_or(0, |range| range.first);
    let key = Key::new(b"key");
    match engine {
        Engine::Atomic => {
            add(*source, Command::migrate_slots(slots, *target));
            add(*source, Command::new("CLUSTER GETSLOTMIGRATIONS"));
            add(*source, Command::new("CLUSTER CANCELSLOTMIGRATIONS"));
        }
        Engine::Orphaned { .. } => add(*target, Command::importing(slot, *source)),
        Engine::Homeward(bounds) => {
            add(*source, Command::importing(slot, *target));
            add(*source, Command::list_keys(slot, 1));
            let login = login.as_ref();
            let migrate = Command::migrate(*address, login, bounds.limit, false, [&key]);
            add(*source, migrate);
            add(*target, Command::new("SELECT 0"));
            let restore = Command::new("RESTORE-ASKING").keys([&key]);
            add(*target, restore.arg(0).arg("payload"));
        }
        Engine::Classic(bounds) => {
            add(*target, Command::importing(slot, *source));
            add(*source, Command::migrating(slot, *target));
            add(*source, Command::list_keys(slot, 1));
            add(*source, Command::new("MEMORY USAGE").keys([&key]));
            let login = login.as_ref();
            add(
                *source,
                Command::migrate(*address, login, bounds.limit, true, [&key]),
            );
            // What MIGRATE sends there in the name of the same user.
            add(*target, Command::new("SELECT 0"));
            let restore = Command::new("RESTORE-ASKING").keys([&key]);
            add(*target, restore.arg(0).arg("payload").arg("REPLACE"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::APPLYING;
    use crate::plan::check::KNOWN;

    #[test]
    fn the_least_user_may_send_what_plans_may() {
        for words in KNOWN {
            let command = Command::new(words.trim());
            let right = APPLYING.iter().find(|right| right.covers(&command));
            assert!(right.is_some(), "{words}");
        }
    }
}
