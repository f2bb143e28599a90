//! Under which address peers and clients know a node.
//!
//! A node's address in its peers' tables comes from where its packets come from, until it
//! announces one itself. A MEET through a loopback address, a host with several addresses or
//! NAT make it wrong, and clients are then sent to nowhere.

use std::net::IpAddr;

use crate::base::{Address, Arg, BusAddress, NodeId};
use crate::desired::Node;
use crate::observed::NodeView;

use super::{Blocked, Diff, Difference, Look, Note, OptionChange, Scope, Severity};

const IP: &str = "cluster-announce-ip";
const PORT: &str = "cluster-announce-port";
/// What is announced of the port that rcl dials when it speaks TLS.
const TLS_PORT: &str = "cluster-announce-tls-port";
const BUS_PORT: &str = "cluster-announce-bus-port";
/// Read beside `cluster-*`: a node that sends from its own address needs no announcing.
pub(super) const SOURCE: &str = "bind-source-addr";
const HOSTNAME: &str = "cluster-announce-hostname";

/// Compares how each declared node is seen with how it is to be seen.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff) {
    for (node, view) in look.comparable(diff) {
        let id = view.id;
        let want = wanted(node, view);
        if let Some(agreed) = agreed_otherwise(look, node, view) {
            diff.blocked.push(announced_otherwise(node, want, agreed));
            continue;
        }
        let mut wrong = seen_elsewhere(look, id, want.client);
        if node.announce.is_none()
            && let Some(told) = view.told_beside_tls()
        {
            wrong.retain(|(_, address)| *address != told);
        }
        let tls = look.desired.access_of(node).tls.is_some();
        let set = options(node, view, want, !wrong.is_empty(), tls);
        if set.is_empty() && wrong.is_empty() {
            continue;
        }
        overridden(node, view, &set, diff);
        diff.differences.push(Difference::Announced {
            node: node.name.clone(),
            id,
            want,
            seen: wrong.iter().map(|(_, address)| *address).collect(),
            seen_by: wrong.iter().map(|(viewer, _)| *viewer).collect(),
            set,
        });
    }
}

/// Where peers are to reach the node: what the file announces, else where rcl reached it.
pub fn wanted(node: &Node, view: &NodeView) -> BusAddress {
    let client = node.announced().unwrap_or(view.dialled);
    let declared = node.announce.and_then(|announce| announce.bus_port);
    BusAddress {
        client,
        bus_port: declared
            .or(view.bus_port())
            .unwrap_or(BusAddress::with_default_bus(client).bus_port),
    }
}

/// Another address than the dialled one, at which every other living member reaches the node: rcl
/// may have come through a forwarder. A loopback address is never it, whatever works on one machine.
fn agreed_otherwise(look: &Look<'_>, node: &Node, view: &NodeView) -> Option<Address> {
    if node.announce.is_some() {
        return None;
    }
    let island = look.cluster.island_of(view.id)?;
    let others = island.answered.iter().filter(|id| **id != view.id);
    let mut agreed: Option<Address> = None;
    for other in others {
        let line = look.observed.views.get(other)?.table.get(&view.id)?;
        let works = line.connected && !line.flags.fail && !line.flags.maybe_fail;
        let address = line.address().filter(|_| works && !line.flags.handshake)?;
        // One that says otherwise decides: with a thousand members most questions end here.
        let usual = address == view.dialled
            || Some(address) == view.told_beside_tls()
            || address.ip.is_loopback();
        if usual || *agreed.get_or_insert(address) != address {
            return None;
        }
    }
    agreed
}

/// To announce the dialled address would send every peer and client of a healthy node there.
fn announced_otherwise(node: &Node, want: BusAddress, agreed: Address) -> Blocked {
    let name = &node.name;
    Blocked {
        code: "announced-otherwise",
        severity: Severity::Blocked,
        subject: name.to_string(),
        why: format!(
            "{name} is in the file at {}, but every other member reaches it at {agreed}, and that works",
            want.client
        ),
        evidence: vec![format!(
            "{} is where rcl reached it; {agreed} is where its peers have links to it",
            want.client
        )],
        way_out: format!(
            "If {agreed} is right, declare it: {{at: {name}, announce: \"{agreed}\"}}. If {} is, declare that one as `announce`.",
            want.client
        ),
        scope: Scope::Node(name.clone()),
    }
}

/// The living nodes that list it under another address.
fn seen_elsewhere(look: &Look<'_>, id: NodeId, want: Address) -> Vec<(NodeId, Address)> {
    let member = look.cluster.members.get(&id);
    member
        .into_iter()
        .flat_map(|member| &member.sightings)
        .filter_map(|sighting| {
            Some((
                sighting.address.filter(|address| *address != want)?,
                &sighting.by,
            ))
        })
        .flat_map(|(address, by)| by.iter().map(move |viewer| (*viewer, address)))
        .collect()
}

/// The options to set. Without `announce` in the file only the address is ever set, and only
/// where it is or would be seen wrong.
fn options(
    node: &Node,
    view: &NodeView,
    want: BusAddress,
    wrong: bool,
    tls: bool,
) -> Vec<OptionChange> {
    let has = |option: &str| view.config.get(option).map_or("", String::as_str);
    let mut wanted: Vec<(&str, String)> = Vec::new();
    // What a node already announces is what its peers will take it for: a blank's too.
    let announces = !has(IP).is_empty();
    if node.announce.is_some() || wrong || announces || sends_from_elsewhere(view) {
        wanted.push((IP, want.client.ip.to_string()));
    }
    if let Some(announce) = node.announce {
        let option = if tls { TLS_PORT } else { PORT };
        wanted.extend(announce.port.map(|port| (option, port.to_string())));
        wanted.extend(announce.bus_port.map(|port| (BUS_PORT, port.to_string())));
    }
    if let Some(hostname) = node
        .hostname
        .as_ref()
        .filter(|_| view.server.supports_announced_hostname())
    {
        wanted.push((HOSTNAME, hostname.clone()));
    }
    wanted
        .into_iter()
        .filter(|(option, value)| !same(has(option), value))
        .map(|(option, value)| OptionChange {
            option: option.to_owned(),
            have: Some(Arg::Plain(has(option).to_owned())),
            want: Arg::Plain(value),
        })
        .collect()
}

fn same(have: &str, want: &str) -> bool {
    have == want
        || matches!((have.parse::<IpAddr>(), want.parse::<IpAddr>()), (Ok(have), Ok(want)) if have == want)
}

/// A node bound to a loopback address other than 127.0.0.1 still sends from 127.0.0.1 unless
/// it is told otherwise, so its peers would look for it there and never find it.
fn sends_from_elsewhere(view: &NodeView) -> bool {
    let option = |name: &str| view.config.get(name).is_some_and(|value| !value.is_empty());
    let first: IpAddr = IpAddr::from([127, 0, 0, 1]);
    let other_loopback =
        view.dialled.ip.is_ipv4() && view.dialled.ip.is_loopback() && view.dialled.ip != first;
    other_loopback && !option(IP) && !option(SOURCE)
}

/// An address that somebody had set on purpose is about to be replaced: say so.
fn overridden(node: &Node, view: &NodeView, set: &[OptionChange], diff: &mut Diff) {
    let old = set
        .iter()
        .find(|change| change.option == IP)
        .and_then(|_| view.config.get(IP));
    if let Some(old) = old.filter(|old| !old.is_empty() && node.announce.is_none()) {
        diff.notes.push(Note {
            code: "announced-before",
            subject: node.name.to_string(),
            text: format!(
                "{} has been told to announce {old}, the file says nothing about it. If {old} is what clients and peers need, declare it: {{at: {}, announce: {old:?}}}.",
                node.name, node.name
            ),
        });
    }
}
