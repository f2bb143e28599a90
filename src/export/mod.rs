//! From what was observed back to a file: a live cluster as the desired state that it satisfies.
//!
//! `members` finds who can stand in a file and where, `hosts` names the hosts, `announce` and
//! `options` say what nodes are told, `shards` who serves what. Pure.

mod announce;
mod hosts;
mod members;
mod options;
mod shards;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::base::{NodeId, NodeName};
use crate::desired::{Access, Desired, HostName, Node, Policy};
use crate::observed::{Cluster, Observed, Questions};

use hosts::Hosts;
use members::{Seat, seats};

/// What the person asked for.
#[derive(Clone, Copy, Debug)]
pub struct Wishes<'a> {
    /// The name of the cluster; servers have none.
    pub cluster: &'a str,
    /// Every node is to be the one with its present id.
    pub pin_ids: bool,
    /// How the nodes were reached.
    pub access: &'a Access,
}

/// The file, and what is to be said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    pub desired: Desired,
    pub remarks: Vec<Remark>,
}

/// Something that the file can't say, or that was guessed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    pub text: String,
    /// Something is wrong with the cluster.
    pub ill: bool,
}

impl Remark {
    fn ill(text: String) -> Self {
        Self { text, ill: true }
    }

    fn fine(text: String) -> Self {
        Self { text, ill: false }
    }
}

/// Why there is nothing to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    #[error("nobody answers there")]
    NobodyAnswers,
    #[error("it is blank: it knows no other node and owns no slot, so there is no cluster yet")]
    Blank,
    #[error("none of its members can be reached at an address of their own")]
    NoMembers,
}

/// What to ask each node beside what is always asked.
#[must_use]
pub fn questions() -> Questions {
    let mut questions = Questions::default();
    questions.options.insert(hosts::ZONE.to_owned());
    questions
}

/// The file that describes what was observed.
///
/// # Errors
/// When there is no cluster to describe.
pub fn export(observed: &Observed, wishes: Wishes<'_>) -> Result<Exported, Refusal> {
    if observed.views.is_empty() {
        return Err(Refusal::NobodyAnswers);
    }
    let cluster = Cluster::merge(observed);
    let main = cluster.main().ok_or(Refusal::NobodyAnswers)?;
    if main.owners.is_empty() && main.answered.len() + main.silent.len() == 1 {
        return Err(Refusal::Blank);
    }
    let mut remarks = Vec::new();
    let seats = seats(observed, &cluster, main, &mut remarks);
    if seats.is_empty() {
        return Err(Refusal::NoMembers);
    }
    let hosts = Hosts::name(&seats);
    let names: BTreeMap<NodeId, NodeName> = seats
        .iter()
        .map(|(id, seat)| (*id, hosts.node_name(seat)))
        .collect();
    let shards = shards::shards(&seats, &names, &cluster, main, &mut remarks);
    let mut nodes = nodes(&seats, &names, &hosts, wishes, &mut remarks);
    // Those that belong to no shard were told of.
    nodes.retain(|name, _| {
        shards
            .iter()
            .any(|shard| shard.nodes().any(|node| node == name))
    });
    let hosts = hosts.into_declared(nodes.values().map(|node| &node.host), wishes.access);
    let replicas_apart = shards::apart(&shards, &nodes, &mut remarks);
    Ok(Exported {
        desired: Desired {
            cluster: wishes.cluster.to_owned(),
            hosts,
            shards,
            nodes,
            policy: Policy {
                replicas_apart,
                ..Policy::default()
            },
            access: wishes.access.clone(),
        },
        remarks,
    })
}

fn nodes(
    seats: &BTreeMap<NodeId, Seat<'_>>,
    names: &BTreeMap<NodeId, NodeName>,
    hosts: &Hosts,
    wishes: Wishes<'_>,
    remarks: &mut Vec<Remark>,
) -> BTreeMap<NodeName, Node> {
    let mut config = options::options(seats, hosts, remarks);
    let mut nodes = BTreeMap::new();
    for (id, seat) in seats {
        let Some(name) = names.get(id) else { continue };
        let host: HostName = hosts.of(seat);
        let announce = announce::announce(seat, name, remarks);
        nodes.insert(
            name.clone(),
            Node {
                name: name.clone(),
                host,
                port: seat.at.port,
                announce,
                hostname: seat.hostname.clone(),
                id: wishes.pin_ids.then_some(*id),
                config: config.remove(id).unwrap_or_default(),
            },
        );
    }
    nodes
}
