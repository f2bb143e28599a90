//! What each server answers, in its own words. A command that isn't here ends the test: whoever
//! teaches rcl a new one teaches it to the simulation too.

use std::net::IpAddr;

use rcl::base::{Command, NodeId, Reply, Role, SLOT_COUNT, Slot, SlotSet};

use super::node::Member;
use super::quirks;
use super::render;
use super::world::World;

/// Whether the first of two commands takes the mark of a slot away, and the second gives the slot an owner.
pub(super) fn takes_over(first: &Command, second: &Command) -> bool {
    let words = |command: &Command| {
        let words = command.args().iter().skip(1).take(3);
        words.map(|arg| arg.shown().to_owned()).collect::<Vec<_>>()
    };
    match (words(first).as_slice(), words(second).as_slice()) {
        ([set, slot, mark], [_, same, owner]) => {
            set == "SETSLOT" && mark == "STABLE" && slot == same && owner == "NODE"
        }
        _ => false,
    }
}

/// Whether a command changes anything.
pub(super) fn writes(command: &Command) -> bool {
    let word = |place: usize| {
        command
            .args()
            .get(place)
            .map_or("", |arg| arg.shown())
            .to_ascii_uppercase()
    };
    match (word(0).as_str(), word(1).as_str()) {
        ("INFO" | "PING" | "MEMORY", _) => false,
        ("CONFIG", verb) => verb != "GET",
        ("FUNCTION", verb) => verb != "LIST",
        ("ACL", verb) => verb != "USERS",
        ("CLUSTER", verb) => !matches!(
            verb,
            "NODES" | "INFO" | "COUNTKEYSINSLOT" | "GETKEYSINSLOT" | "GETSLOTMIGRATIONS" | "MYID"
        ),
        _ => true,
    }
}

pub(super) fn error(words: impl std::fmt::Display) -> Reply {
    Reply::Error(format!("ERR {words}"))
}

impl World {
    pub(super) fn run(&mut self, me: usize, command: &Command) -> Reply {
        let args: Vec<&str> = command
            .args()
            .iter()
            .map(|arg| std::str::from_utf8(arg.expose()).unwrap())
            .collect();
        let words: Vec<String> = args
            .iter()
            .take(2)
            .map(|arg| arg.to_ascii_uppercase())
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let node = &self.nodes[me];
        match words.as_slice() {
            ["PING"] => Reply::Text("PONG".to_owned()),
            ["INFO", section] => Reply::Text(render::info(node, section, self.now)),
            ["CONFIG", _] => self.configure(me, &args[1..]),
            ["FUNCTION", _] if !quirks::is_modern(node.server) => {
                error("unknown command `FUNCTION`, with args beginning with: `LIST`, `WITHCODE`, ")
            }
            ["FUNCTION", "LIST"] => Reply::List(Vec::new()),
            ["ACL", "USERS"] => Reply::List(vec![Reply::Text("default".to_owned())]),
            ["CLUSTER", "NODES"] => Reply::Text(render::nodes(node, self.now)),
            ["CLUSTER", "INFO"] => Reply::Text(render::cluster_info(node)),
            ["CLUSTER", "MYID"] => Reply::Text(node.id.to_string()),
            ["CLUSTER", "COUNTKEYSINSLOT"] => match args[2].parse::<Slot>() {
                Ok(slot) if slot < SLOT_COUNT => {
                    Reply::Integer(i64::try_from(node.keys.count_in(slot)).unwrap())
                }
                _ => error("Invalid slot"),
            },
            ["CLUSTER", "MEET"] => self.meet(me, &args[2..]),
            ["CLUSTER", "ADDSLOTS"] => match slots(&args[2..]) {
                Ok(slots) => self.add_slots(me, &slots),
                Err(reply) => reply,
            },
            ["CLUSTER", verb @ "ADDSLOTSRANGE"] if !quirks::is_modern(node.server) => {
                error(format!(
                    "Unknown subcommand or wrong number of arguments for '{}'. Try CLUSTER HELP.",
                    verb.to_ascii_lowercase()
                ))
            }
            ["CLUSTER", "ADDSLOTSRANGE"] => match ranges(&args[2..]) {
                Ok(slots) => self.add_slots(me, &slots),
                Err(reply) => reply,
            },
            ["CLUSTER", "SET-CONFIG-EPOCH"] => self.set_config_epoch(me, args[2]),
            ["CLUSTER", "GETSLOTMIGRATIONS"] => Reply::List(Vec::new()),
            ["CLUSTER", "MIGRATESLOTS"] => self.migrate_slots(me, &args[2..]),
            ["CLUSTER", "SETSLOT"] => self.set_slot(me, &args[2..]),
            ["CLUSTER", "GETKEYSINSLOT"] => self.keys_in_slot(me, &args[2..]),
            ["MEMORY", "USAGE"] => Reply::Integer(100),
            ["MIGRATE", _] => self.migrate(me, &args[1..]),
            ["CLUSTER", "REPLICATE"]
                if args[2..] == ["NO", "ONE"] && quirks::detaches_in_place(node.server) =>
            {
                self.replicate_no_one(me)
            }
            ["CLUSTER", "FAILOVER"] if args.len() == 2 => self.fail_over(me),
            ["CLUSTER", "RESET"] if args[2..] == ["SOFT"] => self.reset_soft(me),
            ["CLUSTER", "RESET"] if args[2..] == ["HARD"] => self.reset_hard(me),
            ["CLUSTER", "FORGET"] => self.forget(me, args[2]),
            ["CLUSTER", "REPLICATE"] => self.replicate_command(me, args[2]),
            _ => panic!("the simulation doesn't know {command}: teach it in sim/commands.rs"),
        }
    }

    fn configure(&mut self, me: usize, args: &[&str]) -> Reply {
        let node = &mut self.nodes[me];
        let before = node.announced_ip();
        let reply = node.options.command(args);
        let after = node.announced_ip();
        if before != after && after.is_some() {
            node.myself_mut().ip = after;
        }
        reply
    }

    fn meet(&mut self, me: usize, args: &[&str]) -> Reply {
        let (ip, port, bus_port) = match args {
            [ip, port] => (*ip, *port, None),
            [ip, port, bus_port] => (*ip, *port, Some(*bus_port)),
            _ => return error("wrong number of arguments for 'cluster|meet' command"),
        };
        let invalid = || error(format!("Invalid node address specified: {ip}:{port}"));
        let Ok(client) = port.parse::<u32>() else {
            return error(format!("Invalid TCP base port specified: {port}"));
        };
        let Ok(bus) = bus_port.map_or(Ok(client + 10000), str::parse) else {
            return error(format!(
                "Invalid TCP bus port specified: {}",
                bus_port.unwrap_or_default()
            ));
        };
        let (Ok(ip), Ok(client), Ok(bus)) = (
            ip.parse::<IpAddr>(),
            u16::try_from(client),
            u16::try_from(bus),
        ) else {
            return invalid();
        };
        let now = self.now;
        let pending =
            |member: &Member| member.handshake && (member.ip, member.bus_port) == (Some(ip), bus);
        if !self.nodes[me].table.values().any(pending) {
            let id = self.rng.node_id();
            let member = Member {
                meet: true,
                ..Member::handshake(ip, client, bus, now)
            };
            self.nodes[me].table.insert(id, member);
        }
        Reply::ok()
    }

    fn add_slots(&mut self, me: usize, slots: &SlotSet) -> Reply {
        let node = &mut self.nodes[me];
        let busy = node.table.values().filter_map(|member| {
            member
                .slots
                .intersection(slots)
                .ranges()
                .first()
                .map(|range| range.first)
        });
        if let Some(slot) = busy.min() {
            return error(format!("Slot {slot} is already busy"));
        }
        // A replica that says OK here loses the slots again within seconds.
        assert!(node.is_primary(), "ADDSLOTS sent to replica {}", node.id);
        let myself = node.myself_mut();
        myself.slots = myself.slots.union(slots);
        node.open.retain(|slot, _| !slots.contains(*slot));
        Reply::ok()
    }

    fn set_config_epoch(&mut self, me: usize, epoch: &str) -> Reply {
        let node = &mut self.nodes[me];
        let Ok(wanted) = epoch.parse::<u64>() else {
            return error(format!("Invalid config epoch specified: {epoch}"));
        };
        if node.table.len() > 1 {
            return error(
                "The user can assign a config epoch only when the node does not know any other node.",
            );
        }
        if node.myself().epoch != 0 {
            return error("Node config epoch is already non-zero");
        }
        node.myself_mut().epoch = wanted;
        node.current_epoch = node.current_epoch.max(wanted);
        Reply::ok()
    }

    fn replicate_command(&mut self, me: usize, id: &str) -> Reply {
        let node = &self.nodes[me];
        let known = id
            .parse::<NodeId>()
            .ok()
            .and_then(|id| Some((id, node.table.get(&id)?)));
        let Some((primary, member)) = known else {
            return error(format!("Unknown node {id}"));
        };
        if primary == node.id {
            return error("Can't replicate myself");
        }
        if member.role == Role::Replica {
            return error("I can only replicate a master, not a replica.");
        }
        if node.is_primary() && (!node.myself().slots.is_empty() || !node.keys.is_empty()) {
            return error("To set a master the node must be empty and without assigned slots.");
        }
        let same = node.myself().primary == Some(primary);
        self.nodes[me].doomed |= !same;
        let node = &self.nodes[me];
        if !(same && quirks::keeps_link_to_same_primary(node.server)) {
            self.become_replica(me, primary);
        }
        Reply::ok()
    }
}

fn slots(args: &[&str]) -> Result<SlotSet, Reply> {
    let mut numbers: Vec<Slot> = Vec::with_capacity(args.len());
    for arg in args {
        numbers.push(slot(arg)?);
    }
    let set: SlotSet = numbers.iter().copied().collect();
    if usize::from(set.count()) != numbers.len() {
        numbers.sort_unstable();
        let twice = numbers
            .windows(2)
            .find(|pair| pair[0] == pair[1])
            .map_or(0, |pair| pair[0]);
        return Err(error(format!("Slot {twice} specified multiple times")));
    }
    Ok(set)
}

fn ranges(args: &[&str]) -> Result<SlotSet, Reply> {
    if args.is_empty() || !args.len().is_multiple_of(2) {
        return Err(error(
            "wrong number of arguments for 'cluster|addslotsrange' command",
        ));
    }
    let mut set = SlotSet::new();
    for pair in args.chunks(2) {
        let (first, last) = (slot(pair[0])?, slot(pair[1])?);
        let Some(range) = rcl::base::SlotRange::new(first, last) else {
            return Err(error(format!(
                "start slot number {first} is greater than end slot number {last}"
            )));
        };
        let added: SlotSet = [range].into_iter().collect();
        if let Some(twice) = set.intersection(&added).ranges().first() {
            return Err(error(format!(
                "Slot {} specified multiple times",
                twice.first
            )));
        }
        set = set.union(&added);
    }
    Ok(set)
}

pub(super) fn slot(text: &str) -> Result<Slot, Reply> {
    match text.parse::<Slot>() {
        Ok(slot) if slot < SLOT_COUNT => Ok(slot),
        Ok(_) | Err(_) => Err(error("Invalid or out of range slot")),
    }
}
