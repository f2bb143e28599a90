//! What rcl is doing when something happens.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::panic::catch_unwind;

use redis::Value;

use crate::support::judge;
use crate::support::resp::Value as Answer;
use crate::support::running::Running;
use crate::support::traffic::Data;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard, native};

use super::cast::Part;

const KEYS: usize = 1500;

/// No more slots than these does a primary on Valkey take over at a time.
const TAKEN_AT_ONCE: usize = 16;

/// Declared; while it forms a cluster rcl lowers it to a second.
const NODE_TIMEOUT_MS: u32 = 1500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// Six blank nodes become the seed cluster.
    Form,
    /// A fourth pair joins and takes a quarter of the slots, with keys.
    Grow,
    /// A part of a shard's slots goes to another, key by key.
    Move,
    /// The fourth pair gives its slots back, and leaves.
    Shrink,
    /// The primary role of a shard goes back to where the file places it.
    FailBack,
}

/// A story at its beginning.
pub(super) struct Scene {
    pub(super) servers: Servers,
    pub(super) rcl: Rcl,
    data: Option<(Data, BTreeMap<usize, Value>)>,
    story: Story,
}

fn seed() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &["host4:7000"], "0-5461"),
        Shard::new("host2:7000", &["host5:7000"], "5462-10922"),
        Shard::new("host3:7000", &["host6:7000"], "10923-16383"),
    ]
}

/// The seed after a failover of its first shard.
fn failed_over() -> Vec<Shard> {
    let mut shards = seed();
    shards[0] = Shard::new("host4:7000", &["host1:7000"], "0-5461");
    shards
}

/// The seed after its first shard has given slots to the third.
fn moved() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &["host4:7000"], "0-2999"),
        Shard::new("host2:7000", &["host5:7000"], "5462-10922"),
        Shard::new("host3:7000", &["host6:7000"], "3000-5461,10923-16383"),
    ]
}

fn grown() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &["host4:7000"], "0-4095"),
        Shard::new("host2:7000", &["host5:7000"], "5462-9557"),
        Shard::new("host3:7000", &["host6:7000"], "10923-15018"),
        Shard::new(
            "host7:7000",
            &["host8:7000"],
            "4096-5461,9558-10922,15019-16383",
        ),
    ]
}

/// Whether it is gone, or the cluster is just not ready for it: then the next apply tells of it again.
fn is_removed_or_again(reply: &Answer) -> bool {
    match reply {
        Answer::Integer(count) => (0..=1).contains(count),
        Answer::Error(words) => words.starts_with("CLUSTERDOWN") || words.starts_with("MOVED"),
        Answer::Simple(_) | Answer::Bulk(_) | Answer::Nil | Answer::Array(_) => false,
    }
}

impl Story {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Grow => "grow",
            Self::Move => "move",
            Self::Shrink => "shrink",
            Self::FailBack => "fail back",
        }
    }

    /// What the file asks for.
    pub(super) fn goal(self) -> Vec<Shard> {
        match self {
            Self::Form | Self::Shrink | Self::FailBack => seed(),
            Self::Grow => grown(),
            Self::Move => moved(),
        }
    }

    pub(super) fn node(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Form | Self::Grow | Self::Move, Part::Giver)
            | (Self::Shrink | Self::FailBack, Part::Taker) => "host1:7000",
            (Self::Move, Part::Taker) => "host3:7000",
            (Self::Form, Part::Taker) | (Self::FailBack, Part::Giver) => "host4:7000",
            (Self::Grow, Part::Taker) | (Self::Shrink, Part::Giver) => "host7:7000",
            (_, Part::Bystander) => "host5:7000",
        }
    }

    /// The giver's replica.
    pub(super) fn heir(self) -> &'static str {
        match self {
            Self::Form | Self::Grow | Self::Move => "host4:7000",
            Self::Shrink => "host8:7000",
            Self::FailBack => "host1:7000",
        }
    }

    /// Servers, data and the file, just before the apply. A cluster that was formed by hand has been seen with one view
    /// that stayed wrong for good: then others are formed.
    #[track_caller]
    pub(super) fn begin(self, kind: ServerKind) -> Scene {
        let first = catch_unwind(|| self.set_up(kind));
        first.unwrap_or_else(|_| self.set_up(kind))
    }

    #[track_caller]
    fn set_up(self, kind: ServerKind) -> Scene {
        let mut servers = Servers::prepare(kind)
            .grid(6, 1)
            .behind_network()
            .node_timeout_ms(NODE_TIMEOUT_MS)
            // A node that is killed and started again finds its keys.
            .set("appendonly", "yes")
            .start();
        let mut data = None;
        match self {
            Self::Form => {}
            Self::Grow => {
                native::form(&servers, &seed());
                servers.add("host7:7000");
                servers.add("host8:7000");
            }
            Self::Move => native::form(&servers, &seed()),
            Self::Shrink => {
                servers.add("host7:7000");
                servers.add("host8:7000");
                native::form(&servers, &grown());
            }
            Self::FailBack => native::form(&servers, &failed_over()),
        }
        if self != Self::Form {
            data = Some(Data::write(&servers, KEYS));
        }
        let rcl = Rcl::new();
        let timeout = format!("{NODE_TIMEOUT_MS}ms");
        let yaml = Yaml::new(&servers, &self.goal()).config("cluster-node-timeout", &timeout);
        rcl.file("rcl.yaml", &format!("{yaml}{}", self.policy()));
        Scene {
            servers,
            rcl,
            data,
            story: self,
        }
    }

    fn policy(self) -> &'static str {
        match self {
            Self::Form | Self::Grow => "",
            // Valkey 9.1 would move them by itself.
            Self::Move => "policy: {move: {engine: classic}}\n",
            Self::Shrink => "policy: {prune: true}\n",
            Self::FailBack => "policy: {failback: true}\n",
        }
    }
}

impl Scene {
    /// The leave that the story needs: members are called by their ids, which they keep to the end.
    pub(super) fn leave(&self) -> Vec<String> {
        match self.story {
            Story::Form | Story::Grow | Story::Move | Story::FailBack => Vec::new(),
            Story::Shrink => {
                let gone = ["host7", "host8"].map(|host| {
                    let address = self.servers.address(&format!("{host}:7000"));
                    format!("--allow=remove={address}")
                });
                gone.into()
            }
        }
    }

    /// Starts the apply that something happens to.
    #[track_caller]
    pub(super) fn apply(&self) -> Running {
        let leave = self.leave();
        let mut arguments = vec!["apply", "--yes", "-v"];
        arguments.extend(leave.iter().map(String::as_str));
        self.rcl.start(&arguments)
    }

    /// The keys that are gone, or not what they were.
    pub(super) fn lost(&self) -> BTreeSet<usize> {
        let Some((data, values)) = &self.data else {
            return BTreeSet::new();
        };
        let lost = data.lost(&self.servers, values).into_iter();
        lost.map(|(number, _)| number).collect()
    }

    /// Keys that a replica on Valkey deleted by itself when it was elected, for its primary died while it took their
    /// slots over.
    #[track_caller]
    pub(super) fn deleted_by_the_elected(&self) -> BTreeSet<usize> {
        let Some((data, _)) = &self.data else {
            return BTreeSet::new();
        };
        let mut slots = BTreeSet::new();
        for node in self.servers.names() {
            let log = fs::read_to_string(self.servers.folder(&node).join("server.log"));
            let log = log.expect("every server has a log");
            let told = log.split("I have keys for slot ").skip(1);
            let told = told.filter_map(|rest| rest.split_once(", but the slot is assigned to"));
            slots.extend(told.filter_map(|(slot, _)| slot.parse::<u16>().ok()));
        }
        assert!(slots.len() <= TAKEN_AT_ONCE, "{slots:?}");
        data.of_slots(&slots)
    }

    /// What every node that runs says of the cluster, for whoever has to find out what happened.
    pub(super) fn views(&self) -> String {
        let mut views = String::new();
        for node in self.servers.running() {
            let said = self.servers.try_call(&node, &["CLUSTER", "NODES"]);
            let said = said.map_or_else(|error| error.to_string(), Answer::text);
            views.push_str(&format!("{node} says:\n{said}"));
        }
        views
    }

    /// What a person does who is told that a key of a half-moved slot is on both sides: removes one of the two, which
    /// are the same here. Whether there was one.
    #[track_caller]
    pub(super) fn settle_doubles(&self, said: &str) -> bool {
        // Before anything is sent, or when the key is sent.
        let taker = said
            .split_once(" was begun, and both hold ")
            .and_then(|(before, after)| {
                let slot = after.split_once("\n    slot ")?.1;
                Some((before, slot))
            });
        let sent = || said.split_once(" holds a key of slot ");
        let Some((before, after)) = taker.or_else(sent) else {
            return false;
        };
        let slot: String = after.chars().take_while(char::is_ascii_digit).collect();
        let holder = before.split_whitespace().next_back().unwrap_or_default();
        let listed = |node: &str| -> BTreeSet<String> {
            let question = ["CLUSTER", "GETKEYSINSLOT", &slot, "1000"];
            let keys = self.servers.call(node, &question).array();
            keys.into_iter().map(Answer::text).collect()
        };
        let here = listed(holder);
        let mut others = BTreeSet::new();
        for node in self.servers.running().iter().filter(|it| *it != holder) {
            let lines = judge::cluster_nodes(self.servers.address(node));
            if lines
                .iter()
                .any(|line| line.is_myself() && !line.is_replica())
            {
                others.extend(listed(node));
            }
        }
        let both: BTreeSet<String> = here.intersection(&others).cloned().collect();
        let (data, _) = self.data.as_ref().expect("a story with keys");
        let mut client = judge::connect(self.servers.address(holder));
        for name in data.names(&both) {
            let _ = client.call(&["ASKING"]);
            let removed = client.call_raw(&[b"DEL", &name]).expect("an answer");
            assert!(is_removed_or_again(&removed), "{removed:?}");
        }
        true
    }

    /// What a person does who is told that a node holds keys of slots that another one owns: what the words say.
    /// Whether there was one.
    #[track_caller]
    pub(super) fn settle_old_keys(&self, said: &str) -> bool {
        let told = said.lines().find_map(|line| {
            let (holder, rest) = line.strip_prefix("! ")?.split_once(" holds ")?;
            let (what, rest) = rest.split_once(", which ")?;
            let owner = rest.strip_suffix(" owns and does not give away")?;
            let (_, slots) = what.split_once(" of slot")?;
            Some((holder, slots.trim_start_matches(['s', ' ']), owner))
        });
        let Some((holder, slots, owner)) = told else {
            return false;
        };
        let named = |called: &str| {
            let mut names = self.servers.names().into_iter();
            let found = names
                .find(|name| name == called || self.servers.address(name).to_string() == called);
            found.expect("a node of this cluster")
        };
        let (holder, owner) = (named(holder), named(owner));
        let slots = slots.split(',').flat_map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| text.parse::<u16>().expect("a slot");
            number(first)..=number(last)
        });
        let id = self.servers.id(&owner);
        let (data, _) = self.data.as_ref().expect("a story with keys");
        for slot in slots {
            let slot = slot.to_string();
            let listed = ["CLUSTER", "GETKEYSINSLOT", &slot, "1000"];
            let keys = self.servers.call(&holder, &listed).array();
            let keys: BTreeSet<String> = keys.into_iter().map(Answer::text).collect();
            let others = self.servers.call(&owner, &listed).array();
            let others: BTreeSet<String> = others.into_iter().map(Answer::text).collect();
            // Only what the owner has too.
            let keys: BTreeSet<String> = keys.intersection(&others).cloned().collect();
            let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id];
            self.servers.ok(&holder, &importing);
            let mut client = judge::connect(self.servers.address(&holder));
            for name in data.names(&keys) {
                let _ = client.call(&["ASKING"]);
                let removed = client.call_raw(&[b"DEL", &name]).expect("an answer");
                assert!(is_removed_or_again(&removed), "{removed:?}");
            }
            self.servers
                .ok(&holder, &["CLUSTER", "SETSLOT", &slot, "STABLE"]);
        }
        true
    }

    /// Which keys no primary that runs has in its memory, whether it serves them or not.
    #[track_caller]
    pub(super) fn missing_at_primaries(&self) -> BTreeSet<usize> {
        let Some((data, _)) = &self.data else {
            return BTreeSet::new();
        };
        let mut held = BTreeSet::new();
        for node in self.servers.running() {
            // One that is just starting has nothing to tell yet.
            let role = self.servers.try_call(&node, &["ROLE"]);
            let keys = self.servers.try_call(&node, &["KEYS", "*"]);
            if let (Ok(Answer::Array(role)), Ok(Answer::Array(keys))) = (role, keys)
                && role.first() == Some(&Answer::Bulk("master".to_owned()))
            {
                held.extend(keys.into_iter().map(Answer::text));
            }
        }
        data.missing(&held)
    }

    /// What the outside judges say against the end: after a failover the roles of a shard may have changed.
    #[track_caller]
    pub(super) fn objections(&self, goal: Vec<Shard>) -> Vec<String> {
        let is_replica = |name: &str| {
            let lines = judge::cluster_nodes(self.servers.address(name));
            lines
                .iter()
                .any(|line| line.is_myself() && line.is_replica())
        };
        let mut shards = goal;
        for shard in &mut shards {
            if is_replica(&shard.primary)
                && let Some(live) = shard.replicas.iter().position(|name| !is_replica(name))
            {
                std::mem::swap(&mut shard.replicas[live], &mut shard.primary);
            }
        }
        judge::redis_cli_check(self.servers.address("host2:7000"));
        judge::differences(&self.servers, &shards)
    }
}
