//! A new cluster laid out on given nodes: who is a primary, and whose replicas stand where.
//!
//! `given` reads what the person has, `score` says what one layout has over another, `search`
//! finds the best numbers of primaries, `flow` the best places of replicas for them. Pure and
//! without chance: equal nodes give an equal layout.

mod flow;
mod given;
mod score;
mod search;
mod wishes;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::base::{NodeName, ShardName, counted};
use crate::desired::{Access, Apart, Desired, Host, Node, Policy, Shard, SlotShare, numbered};

pub use given::{Given, GivenError, Spot};

use score::Score;
use wishes::Told;

/// The file, and which wishes it doesn't meet, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct LaidOut {
    pub desired: Desired,
    pub unmet: Vec<String>,
}

/// Nodes that no cluster can be made of.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TooFew {
    #[error("one shard with {} takes {} nodes, and there {}", counted(*.replicas, "replica"), .replicas + 1, are(*.nodes))]
    Nodes { nodes: usize, replicas: usize },
}

fn are(nodes: usize) -> String {
    match nodes {
        1 => "is 1".to_owned(),
        nodes => format!("are {nodes}"),
    }
}

/// The nodes as numbers: places of hosts in [`Given::spots`], and of their zones.
#[derive(Clone, Debug)]
struct Ground {
    /// Nodes on each host.
    nodes: Vec<usize>,
    /// The zone of each host; one without a zone is a zone of its own.
    zone: Vec<usize>,
    /// How many different ones.
    zones: usize,
    shards: usize,
    /// The least that a shard has.
    replicas: usize,
}

/// A shard as numbers of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Placed {
    primary: usize,
    /// In ascending order.
    replicas: Vec<usize>,
}

/// Lays the nodes out in shards of one primary and so many replicas; nodes left over become further
/// replicas.
///
/// # Errors
/// When there are not enough nodes for one shard.
pub fn lay_out(given: &Given, cluster: &str, replicas: usize) -> Result<LaidOut, TooFew> {
    let ground = ground(given, replicas)?;
    let (placed, exact) = search::best(&ground);
    let score = Score::of(&ground, &placed);
    let apart = match () {
        () if score.beside_host > 0 => Apart::Off,
        () if score.beside_zone == 0 && given.spots.iter().all(|spot| spot.zone.is_some()) => {
            Apart::Zone
        }
        () => Apart::Host,
    };
    let told = Told {
        given,
        ground: &ground,
        placed: &placed,
        score: &score,
        exact,
    };
    Ok(LaidOut {
        desired: declared(given, cluster, &placed, apart),
        unmet: told.unmet(),
    })
}

fn ground(given: &Given, replicas: usize) -> Result<Ground, TooFew> {
    let nodes: Vec<usize> = given.spots.iter().map(|spot| spot.ports.len()).collect();
    let all: usize = nodes.iter().sum();
    let shards = all / (replicas + 1);
    if shards == 0 {
        return Err(TooFew::Nodes {
            nodes: all,
            replicas,
        });
    }
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    let mut zones = 0;
    let zone = given.spots.iter().map(|spot| {
        let new = zones;
        let zone = match &spot.zone {
            Some(zone) => *known.entry(zone).or_insert(new),
            None => new,
        };
        zones = zones.max(zone + 1);
        zone
    });
    let zone = zone.collect();
    Ok(Ground {
        nodes,
        zone,
        zones,
        shards,
        replicas,
    })
}

/// Shards in the order of the file: the first primary of each host, then the second of each.
fn declared(given: &Given, cluster: &str, placed: &[Placed], apart: Apart) -> Desired {
    let mut ports: Vec<std::slice::Iter<'_, u16>> =
        given.spots.iter().map(|spot| spot.ports.iter()).collect();
    let mut nodes = BTreeMap::new();
    let mut take = |host: usize| -> Option<NodeName> {
        let spot = given.spots.get(host)?;
        let port = *ports.get_mut(host)?.next()?;
        let name = NodeName::new(format!("{}:{port}", spot.host));
        let node = Node {
            name: name.clone(),
            host: spot.host.clone(),
            port,
            announce: None,
            hostname: None,
            id: None,
            config: BTreeMap::new(),
        };
        nodes.insert(name.clone(), node);
        Some(name)
    };
    // All primaries first, so that they have the lowest ports of their hosts.
    let primaries: Vec<Option<NodeName>> = placed.iter().map(|shard| take(shard.primary)).collect();
    let shards = placed
        .iter()
        .zip(primaries)
        .enumerate()
        .filter_map(|(number, (shard, primary))| {
            Some(Shard {
                name: ShardName::new(numbered(number)),
                primary: primary?,
                replicas: shard
                    .replicas
                    .iter()
                    .filter_map(|host| take(*host))
                    .collect(),
                slots: SlotShare::Auto { weight: 1 },
            })
        })
        .collect();
    let hosts = given.spots.iter().map(|spot| {
        let host = Host {
            address: spot.address.clone(),
            zone: spot.zone.clone(),
            access: Access::default(),
        };
        (spot.host.clone(), host)
    });
    Desired {
        cluster: cluster.to_owned(),
        access: Access::default(),
        hosts: hosts.collect(),
        shards,
        nodes,
        policy: Policy {
            replicas_apart: apart,
            ..Policy::default()
        },
    }
}
