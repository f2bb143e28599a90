//! The shards of the file: their nodes, in short and long form.

use super::address;
use super::file::NodeEntry;
use super::finding::{Findings, Place, Placed, quoted};
use super::read::{Wanted, check_name, entries, fields, mismatch, text};
use super::slots::{self, MAX_WEIGHT};
use super::yaml::{Tree, Value};
use super::{Announce, SlotShare};
use crate::base::NodeId;

#[derive(Debug)]
pub(super) struct ShardEntry {
    pub(super) name: Placed<String>,
    /// `None` if it could not be read.
    pub(super) primary: Option<NodeEntry>,
    pub(super) replicas: Vec<NodeEntry>,
    /// `None` if it could not be read.
    pub(super) slots: Option<Placed<SlotShare>>,
}

const SHARDS: Wanted<'_> = Wanted {
    what: "`shards`",
    example: "a line for each shard, such as `a: {primary: host1:7000, replicas: [host2:7000]}`",
};
const SHARD: Wanted<'_> = Wanted {
    what: "a shard",
    example: "{primary: host1:7000, replicas: [host2:7000]}",
};
const NODE: Wanted<'_> = Wanted {
    what: "a node",
    example: "host1:7000 or {at: host1:7000}",
};

pub(super) fn shards(tree: &Tree, findings: &mut Findings) -> Option<Vec<ShardEntry>> {
    let entries = entries(tree, SHARDS, findings)?;
    if entries.is_empty() {
        findings.add(
            tree.place,
            "there are no shards",
            format!("write {}", SHARDS.example),
        );
        return None;
    }
    let mut shards = Vec::new();
    for (name, value) in entries {
        check_name(name.value, name.place, "a shard", findings);
        let name = Placed::new(name.value.to_owned(), name.place);
        shards.push(shard(name, value, findings));
    }
    Some(shards)
}

fn shard(name: Placed<String>, tree: &Tree, findings: &mut Findings) -> ShardEntry {
    let place = name.place;
    let mut shard = ShardEntry {
        name,
        primary: None,
        replicas: Vec::new(),
        slots: None,
    };
    let known = ["primary", "replicas", "slots", "weight"];
    let Some([primary, replicas, share, weight]) = fields(tree, SHARD, known, findings) else {
        return shard;
    };
    match primary {
        Some(field) => shard.primary = primary_node(field.value, findings),
        None => findings.add(
            place,
            format!("the shard {} has no primary", quoted(&shard.name.value)),
            "write `primary: host1:7000` with the node that is to be it",
        ),
    }
    if let Some(field) = replicas {
        shard.replicas = replica_nodes(field.value, findings);
    }
    let weight = match weight {
        None => Some(None),
        Some(field) => read_weight(field.value, findings).map(|weight| Some((weight, field.key))),
    };
    let share = match share {
        None => Some(Placed::new(SlotShare::Auto { weight: 1 }, place)),
        Some(field) => {
            slots::share(field.value, findings).map(|share| Placed::new(share, field.value.place))
        }
    };
    if let (Some(weight), Some(share)) = (weight, share) {
        shard.slots = weighted(share, weight, findings);
    }
    shard
}

fn weighted(
    mut share: Placed<SlotShare>,
    weight: Option<(u32, Place)>,
    findings: &mut Findings,
) -> Option<Placed<SlotShare>> {
    let Some((weight, place)) = weight else {
        return Some(share);
    };
    match share.value {
        SlotShare::Auto { .. } => share.value = SlotShare::Auto { weight },
        SlotShare::Explicit(_) | SlotShare::None => findings.add(
            place,
            "`weight` has a meaning only where `slots` is `auto`",
            "leave one of the two out",
        ),
    }
    Some(share)
}

fn read_weight(tree: &Tree, findings: &mut Findings) -> Option<u32> {
    let wanted = Wanted {
        what: "`weight`",
        example: "a whole number, such as `weight: 2`",
    };
    let text = text(tree, wanted, findings)?;
    let weight = text
        .value
        .parse::<u32>()
        .ok()
        .filter(|weight| (1..=MAX_WEIGHT).contains(weight) && weight.to_string() == text.value);
    if weight.is_none() {
        findings.add(
            text.place,
            format!("`weight` can't be {}", quoted(&text.value)),
            format!("write a whole number from 1 to {MAX_WEIGHT}"),
        );
    }
    weight
}

fn primary_node(tree: &Tree, findings: &mut Findings) -> Option<NodeEntry> {
    if let Value::List(items) = &tree.value {
        // `primary: [::1]` and the like.
        let help = match items.as_slice() {
            [only] if matches!(&only.value, Value::Text(text) if text.contains("::")) => {
                "quote an address that starts with a bracket: \"[::1]:7000\""
            }
            _ => "write one node, such as `primary: host1:7000`",
        };
        findings.add(
            tree.place,
            "a shard has one primary, but this is a list",
            help,
        );
        return None;
    }
    node(tree, findings)
}

fn replica_nodes(tree: &Tree, findings: &mut Findings) -> Vec<NodeEntry> {
    let wanted = Wanted {
        what: "`replicas`",
        example: "a list, such as `replicas: [host2:7000]`",
    };
    let Value::List(items) = &tree.value else {
        mismatch(tree, wanted, findings);
        return Vec::new();
    };
    items
        .iter()
        .filter_map(|item| node(item, findings))
        .collect()
}

fn node(tree: &Tree, findings: &mut Findings) -> Option<NodeEntry> {
    if let Value::Map(pairs) = &tree.value {
        if let [(key, value)] = pairs.as_slice()
            && let Some(help) = torn_address(key, value)
        {
            findings.add(key.place, "this is not a node", help);
            return None;
        }
        return long_node(tree, findings);
    }
    let name = text(tree, NODE, findings)?;
    named_node(name, findings)
}

/// What was meant by a mapping that YAML made of an address.
fn torn_address(key: &Tree, value: &Tree) -> Option<String> {
    let port = match &value.value {
        Value::Text(text) => address::port(text)?,
        Value::Nothing | Value::List(_) | Value::Map(_) => return None,
    };
    match &key.value {
        Value::Text(host) if !host.eq_ignore_ascii_case("at") => Some(format!(
            "write {}:{port} without a space after the colon",
            quoted(host).trim_matches('`')
        )),
        Value::List(_) => {
            Some("quote an address that starts with a bracket: \"[::1]:7000\"".to_owned())
        }
        Value::Text(_) | Value::Nothing | Value::Map(_) => None,
    }
}

fn named_node(name: Placed<String>, findings: &mut Findings) -> Option<NodeEntry> {
    match address::node_address(&name.value) {
        Ok(address) => Some(NodeEntry {
            name,
            address,
            announce: None,
            hostname: None,
            id: None,
        }),
        Err((message, help)) => {
            findings.add(name.place, message, help);
            None
        }
    }
}

fn long_node(tree: &Tree, findings: &mut Findings) -> Option<NodeEntry> {
    let known = ["at", "announce", "hostname", "id"];
    let [at, announce, hostname, id] = fields(tree, NODE, known, findings)?;
    let announce = announce.and_then(|field| read_announce(field.value, findings));
    let hostname = hostname.and_then(|field| read_hostname(field.value, findings));
    let id = id.and_then(|field| read_id(field.value, findings));
    let Some(at) = at else {
        findings.add(
            tree.place,
            "the node has no `at`",
            format!("write {}", NODE.example),
        );
        return None;
    };
    let wanted = Wanted {
        what: "`at`",
        example: "the host and the port, such as `at: host1:7000`",
    };
    let mut node = named_node(text(at.value, wanted, findings)?, findings)?;
    node.announce = announce;
    node.hostname = hostname;
    node.id = id;
    Some(node)
}

fn read_announce(tree: &Tree, findings: &mut Findings) -> Option<Placed<Announce>> {
    let wanted = Wanted {
        what: "`announce`",
        example: "an IP address, and the ports if they differ: \"203.0.113.7:7000@17000\"",
    };
    let text = text(tree, wanted, findings)?;
    match address::announce(&text.value) {
        Ok(announce) => Some(Placed::new(announce, text.place)),
        Err((message, help)) => {
            findings.add(text.place, message, help);
            None
        }
    }
}

fn read_hostname(tree: &Tree, findings: &mut Findings) -> Option<String> {
    let wanted = Wanted {
        what: "`hostname`",
        example: "a DNS name, such as `hostname: a1.example.net`",
    };
    let text = text(tree, wanted, findings)?;
    if address::is_announced_hostname(&text.value) {
        return Some(text.value);
    }
    findings.add(
        text.place,
        format!("{} can't be announced as a hostname", quoted(&text.value)),
        "write letters, digits, - and . only, such as a1.example.net",
    );
    None
}

fn read_id(tree: &Tree, findings: &mut Findings) -> Option<Placed<NodeId>> {
    let wanted = Wanted {
        what: "`id`",
        example: "the 40 hex digits that CLUSTER MYID answers",
    };
    let text = text(tree, wanted, findings)?;
    match text.value.parse() {
        Ok(id) => Some(Placed::new(id, text.place)),
        Err(_) => {
            findings.add(
                text.place,
                format!("{} is not a node id", quoted(&text.value)),
                "write the 40 lower-case hex digits that CLUSTER MYID answers",
            );
            None
        }
    }
}
