//! What rcl is doing when something happens.

use std::collections::BTreeMap;

use redis::Value;

use crate::support::judge;
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
}

/// A story at its beginning.
pub(super) struct Scene {
    pub(super) servers: Servers,
    pub(super) rcl: Rcl,
    data: Option<(Data, BTreeMap<usize, Value>)>,
}

fn seed() -> Vec<Shard> {
    vec![
        Shard::new("host1:7000", &["host4:7000"], "0-5461"),
        Shard::new("host2:7000", &["host5:7000"], "5462-10922"),
        Shard::new("host3:7000", &["host6:7000"], "10923-16383"),
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

impl Story {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Form => "form",
            Self::Grow => "grow",
        }
    }

    /// What the file asks for.
    pub(super) fn goal(self) -> Vec<Shard> {
        match self {
            Self::Form => seed(),
            Self::Grow => grown(),
        }
    }

    pub(super) fn node(self, part: Part) -> &'static str {
        match (self, part) {
            (Self::Form | Self::Grow, Part::Giver) => "host1:7000",
            (Self::Form, Part::Taker) => "host4:7000",
            (Self::Grow, Part::Taker) => "host7:7000",
            (Self::Form | Self::Grow, Part::Bystander) => "host5:7000",
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
                data = Some(Data::write(&servers, KEYS));
                servers.add("host7:7000");
                servers.add("host8:7000");
            }
        }
        let rcl = Rcl::new();
        let timeout = format!("{NODE_TIMEOUT_MS}ms");
        let yaml = Yaml::new(&servers, &self.goal()).config("cluster-node-timeout", &timeout);
        rcl.file("rcl.yaml", &yaml);
        Scene { servers, rcl, data }
    }
}

impl Scene {
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
