//! Forms clusters with native commands, as a list of steps that a test can stop after any of them.

use std::collections::BTreeMap;

use super::judge;
use super::servers::Servers;
use super::shards::Shard;
use super::wait;

/// As many introducers as there are nodes: in small clusters gossip then has nothing to do.
pub(crate) const EVERYONE: usize = usize::MAX;

/// One native command and the node it goes to.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) node: String,
    pub(crate) argv: Vec<String>,
}

/// The order of the manual: everyone met by the first node, then the slots, then the replicas.
#[track_caller]
pub(crate) fn manual_way(servers: &Servers, shards: &[Shard]) -> Vec<Step> {
    let names = members(shards);
    let (first, others) = names.split_first().expect("a cluster has nodes");
    let mut steps: Vec<Step> = others
        .iter()
        .map(|name| meet(servers, first, name))
        .collect();
    steps.extend(assignments(servers, shards));
    steps.extend(replications(servers, shards));
    steps
}

/// The order that converges fastest: epochs and slots while everyone is alone, then each node met by several. Replicas
/// get the lower epochs: a peer on Valkey 8.1 or Redis 8.2 may take the word of a node that has become the replica of
/// one with a lower epoch than its own for an old message, and have it for a primary for good.
#[track_caller]
pub(crate) fn well_sent(servers: &Servers, shards: &[Shard], introducers: usize) -> Vec<Step> {
    let names = members(shards);
    let (primaries, replicas) = names.split_at(shards.len());
    let mut steps: Vec<Step> = replicas
        .iter()
        .chain(primaries)
        .zip(1..)
        .map(|(name, epoch)| step(name, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch.to_string()]))
        .collect();
    steps.extend(assignments(servers, shards));
    for name in &names {
        let others = names.iter().filter(|other| *other != name);
        let introducers = others.take(introducers);
        steps.extend(introducers.map(|introducer| meet(servers, introducer, name)));
    }
    steps.extend(replications(servers, shards));
    steps
}

/// Sends the steps. Before a REPLICATE it waits until the replica knows its primary, as a person would.
#[track_caller]
pub(crate) fn perform(servers: &Servers, steps: &[Step]) {
    for step in steps {
        if let [_, word, primary] = step.argv.as_slice()
            && word == "REPLICATE"
        {
            wait_until_known(servers, &step.node, primary);
        }
        servers.ok(&step.node, &step.argv);
    }
}

/// Forms the seed cluster and waits until every node's view is complete.
#[track_caller]
pub(crate) fn form(servers: &Servers, shards: &[Shard]) {
    let steps = well_sent(servers, shards, EVERYONE);
    let (joins, roles): (Vec<Step>, Vec<Step>) = steps
        .into_iter()
        .partition(|step| step.argv.iter().all(|word| word != "REPLICATE"));
    perform(servers, &joins);
    // So that it is nobody's handshake that a changed role falls into.
    for peer in members(shards) {
        for other in members(shards).iter().filter(|other| **other != peer) {
            wait_until_known(servers, &peer, &servers.id(other));
        }
    }
    perform(servers, &roles);
    judge::wait_until_matches(servers, shards);
}

/// The primaries, then the replicas.
fn members(shards: &[Shard]) -> Vec<String> {
    let primaries = shards.iter().map(|shard| &shard.primary);
    let replicas = shards.iter().flat_map(|shard| &shard.replicas);
    primaries.chain(replicas).cloned().collect()
}

#[track_caller]
fn meet(servers: &Servers, introducer: &str, name: &str) -> Step {
    let address = servers.address(name);
    let (ip, port) = (address.ip().to_string(), address.port().to_string());
    step(introducer, &["CLUSTER", "MEET", &ip, &port])
}

fn assignments(servers: &Servers, shards: &[Shard]) -> Vec<Step> {
    shards
        .iter()
        .filter(|shard| !shard.slots.is_empty())
        .map(|shard| {
            let (command, slots): (_, Vec<u16>) = if servers.kind().has_slot_ranges() {
                let bounds = shard.slots.iter().flat_map(|(first, last)| [*first, *last]);
                ("ADDSLOTSRANGE", bounds.collect())
            } else {
                let slots = shard.slots.iter().flat_map(|(first, last)| *first..=*last);
                ("ADDSLOTS", slots.collect())
            };
            let slots: Vec<String> = slots.iter().map(u16::to_string).collect();
            let mut argv = vec!["CLUSTER", command];
            argv.extend(slots.iter().map(String::as_str));
            step(&shard.primary, &argv)
        })
        .collect()
}

#[track_caller]
pub(crate) fn replications(servers: &Servers, shards: &[Shard]) -> Vec<Step> {
    let ids: BTreeMap<&str, String> = shards
        .iter()
        .map(|shard| (shard.primary.as_str(), servers.id(&shard.primary)))
        .collect();
    shards
        .iter()
        .flat_map(|shard| {
            let id = &ids[shard.primary.as_str()];
            shard
                .replicas
                .iter()
                .map(|replica| step(replica, &["CLUSTER", "REPLICATE", id]))
        })
        .collect()
}

#[track_caller]
fn wait_until_known(servers: &Servers, node: &str, id: &str) {
    wait::until(&format!("{node} to know {id}"), || {
        let lines = judge::cluster_nodes(servers.address(node));
        match lines.iter().find(|line| line.id == id) {
            Some(line) if !line.has("handshake") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

fn step(node: &str, argv: &[&str]) -> Step {
    Step {
        node: node.to_owned(),
        argv: argv.iter().map(ToString::to_string).collect(),
    }
}
