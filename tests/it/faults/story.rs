//! What rcl is doing when something happens.

use std::collections::BTreeMap;

use redis::Value;

use crate::support::judge;
use crate::support::running::Running;
use crate::support::traffic::Data;
use crate::support::yaml::Yaml;
use crate::support::{Rcl, ServerKind, Servers, Shard, native};

use super::cast::Part;

const KEYS: usize = 1500;

/// Declared; while it forms a cluster rcl lowers it to a second.
const NODE_TIMEOUT_MS: u32 = 1500;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Story {
    /// Six blank nodes become the seed cluster.
    Form,
    /// A fourth pair joins and takes a quarter of the slots, with keys.
    Grow,
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

impl Story {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Grow => "grow",
            Self::Shrink => "shrink",
            Self::FailBack => "fail back",
        }
    }

    /// What the file asks for.
    pub(super) fn goal(self) -> Vec<Shard> {
        match self {
            Self::Form | Self::Shrink | Self::FailBack => seed(),
            Self::Grow => grown(),
        }
    }

    pub(super) fn node(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Form | Self::Grow, Part::Giver) | (Self::Shrink, Part::Taker) => "host1:7000",
            (Self::Form, Part::Taker) | (Self::FailBack, Part::Giver) => "host4:7000",
            (Self::Grow, Part::Taker) | (Self::Shrink, Part::Giver) => "host7:7000",
            (Self::FailBack, Part::Taker) => "host1:7000",
            (_, Part::Bystander) => "host5:7000",
        }
    }

    /// The giver's replica.
    pub(super) fn heir(self) -> &'static str {
        match self {
            Self::Form | Self::Grow => "host4:7000",
            Self::Shrink => "host8:7000",
            Self::FailBack => "host1:7000",
        }
    }

    /// Servers, data and the file, just before the apply.
    #[track_caller]
    pub(super) fn begin(self, kind: ServerKind) -> Scene {
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
            Self::Shrink => "policy: {prune: true}\n",
            Self::FailBack => "policy: {failback: true}\n",
        }
    }
}

impl Scene {
    /// The leave that the story needs: members are called by their ids, which they keep to the end.
    pub(super) fn leave(&self) -> Vec<String> {
        match self.story {
            Story::Form | Story::Grow | Story::FailBack => Vec::new(),
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

    /// How many keys are gone, or not what they were.
    pub(super) fn lost(&self) -> usize {
        let lost = |(data, values): &(Data, _)| data.lost(&self.servers, values).len();
        self.data.as_ref().map_or(0, lost)
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
