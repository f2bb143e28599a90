//! Slots on their way: SETSLOT, GETKEYSINSLOT, MIGRATE.

use rcl::base::{Address, NodeId, Reply, Slot, SlotRange, SlotSet};

use super::bus::Kind;
use super::commands::{error, slot};
use super::node::Open;
use super::world::World;

/// A key is named by its slot and its bit.
fn key(text: &str) -> Option<(Slot, u64)> {
    let (slot, bit) = text.split_once('.')?;
    Some((slot.parse().ok()?, 1 << bit.parse::<u32>().ok()?))
}

impl World {
    pub(super) fn keys_in_slot(&self, me: usize, args: &[&str]) -> Reply {
        let Ok(slot) = slot(args[0]) else {
            return error("Invalid slot");
        };
        let keys = self.nodes[me].keys.bits_in(slot);
        let most = args[1].parse::<usize>().unwrap_or(0);
        let names = (0..64)
            .filter(|bit| keys & (1 << bit) != 0)
            .map(|bit| Reply::Text(format!("{slot}.{bit}")));
        Reply::List(names.take(most).collect())
    }

    pub(super) fn migrate(&mut self, me: usize, args: &[&str]) -> Reply {
        let at = args[0].parse().ok().zip(args[1].parse().ok());
        let to = at.and_then(|(ip, port)| self.at(Address::new(ip, port)));
        let Some(to) = to.filter(|to| self.is_up(*to)) else {
            return Reply::Error("IOERR error or timeout connecting to the client".to_owned());
        };
        let replace = args.contains(&"REPLACE");
        let names = args.iter().skip_while(|word| **word != "KEYS").skip(1);
        let names: Vec<(Slot, u64)> = names.filter_map(|name| key(name)).collect();
        let (mut giving, mut taking) = (self.nodes[me].keys.clone(), self.nodes[to].keys.clone());
        let mut refused = None;
        for (slot, bit) in names {
            let open = self.nodes[to].open.get(&slot);
            let takes = self.nodes[to].myself().slots.contains(slot)
                || matches!(open, Some(Open::Importing(_)));
            if !takes {
                refused = Some("ERR Target instance replied with error: MOVED");
            } else if taking.bits_in(slot) & bit != 0 && !replace {
                refused = Some(
                    "ERR Target instance replied with error: BUSYKEY Target key name already exists.",
                );
            } else if giving.bits_in(slot) & bit != 0 {
                taking.put(slot, bit);
                giving.take(slot, bit);
            }
        }
        self.set_keys(to, taking);
        self.set_keys(me, giving);
        refused.map_or_else(Reply::ok, |words| Reply::Error(words.to_owned()))
    }

    /// The job has ended before anybody can ask for it.
    pub(super) fn migrate_slots(&mut self, me: usize, args: &[&str]) -> Reply {
        let [_, ends @ .., _, target] = args else {
            return error("syntax error");
        };
        let numbers: Vec<Slot> = ends.iter().filter_map(|end| end.parse().ok()).collect();
        let ranges = numbers
            .chunks(2)
            .filter_map(|ends| SlotRange::new(ends[0], ends[1]));
        let slots: SlotSet = ranges.collect();
        let target = target.parse::<NodeId>().ok();
        let to = self.nodes.iter().position(|node| Some(node.id) == target);
        let Some(to) = to.filter(|to| self.is_up(*to) && self.nodes[*to].is_primary()) else {
            return error("Unknown node name");
        };
        let source = self.nodes[me].id;
        if !slots.difference(&self.nodes[me].myself().slots).is_empty() {
            return error("Slots are not served by this node.");
        }
        let moved = self.nodes[me].keys.within(&slots);
        let (mut giving, mut taking) = (self.nodes[me].keys.clone(), self.nodes[to].keys.clone());
        taking.extend(&moved);
        giving.remove(&slots);
        self.set_keys(to, taking);
        for slot in slots.iter() {
            self.nodes[to].open.insert(slot, Open::Importing(source));
        }
        let owner = self.nodes[to].id;
        for slot in slots.iter() {
            self.set_owner(to, slot, owner);
        }
        self.set_keys(me, giving);
        for slot in slots.iter() {
            self.set_owner(me, slot, owner);
        }
        Reply::ok()
    }

    pub(super) fn set_slot(&mut self, me: usize, args: &[&str]) -> Reply {
        let Ok(slot) = slot(args[0]) else {
            return error("Invalid or out of range slot");
        };
        let node = &mut self.nodes[me];
        if !node.is_primary() {
            return error("Please use SETSLOT only with masters.");
        }
        let own = node.myself().slots.contains(slot);
        let peer = args.get(2).and_then(|id| id.parse::<NodeId>().ok());
        let known = peer.is_some_and(|peer| node.table.contains_key(&peer));
        match (args[1].to_ascii_uppercase().as_str(), peer) {
            ("STABLE", _) => {
                node.open.remove(&slot);
                Reply::ok()
            }
            (word, Some(peer)) if !known => match word {
                "NODE" => error(format!("Unknown node {peer}")),
                _ => error(format!("I don't know about node {peer}")),
            },
            ("MIGRATING", Some(_)) if !own => {
                error(format!("I'm not the owner of hash slot {slot}"))
            }
            ("MIGRATING", Some(peer)) => {
                node.open.insert(slot, Open::Migrating(peer));
                Reply::ok()
            }
            ("IMPORTING", Some(_)) if own => {
                error(format!("I'm already the owner of hash slot {slot}"))
            }
            ("IMPORTING", Some(peer)) => {
                node.open.insert(slot, Open::Importing(peer));
                Reply::ok()
            }
            ("NODE", Some(peer)) => self.set_owner(me, slot, peer),
            _ => error("Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP"),
        }
    }

    /// Only a node that imports the slot takes a new epoch with it, which the others believe.
    fn set_owner(&mut self, me: usize, slot: Slot, owner: NodeId) -> Reply {
        let one: SlotSet = [slot].into_iter().collect();
        let node = &mut self.nodes[me];
        let id = node.id;
        let held = node.keys.count_in(slot) > 0;
        if node.myself().slots.contains(slot) && owner != id && held {
            return error(format!(
                "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
            ));
        }
        let open = node.open.remove(&slot);
        for member in node.table.values_mut() {
            member.slots = member.slots.difference(&one);
        }
        if let Some(member) = node.table.get_mut(&owner) {
            member.slots = member.slots.union(&one);
        }
        if owner == id && matches!(open, Some(Open::Importing(_))) {
            let known = node.table.values().map(|member| member.epoch);
            let highest = known.max().unwrap_or(0).max(node.current_epoch);
            if node.myself().epoch < highest || highest == 0 {
                node.current_epoch = highest + 1;
                node.myself_mut().epoch = highest + 1;
            }
            self.broadcast(me, &Kind::Pong);
        }
        Reply::ok()
    }
}
