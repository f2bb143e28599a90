//! The status as JSON: the values of the status for people, with full ids.

use serde::Serialize;

use crate::base::{Address, NodeId, NodeName, Role, ShardName, SlotSet};
use crate::observed::Failure;
use crate::view::json::{ApplyingJson, DiffJson, FORMAT_VERSION, failure_word, pretty};
use crate::view::topology::LiveShard;

use super::health::Wrong;
use super::node::{LinkFacts, NodeFacts};
use super::seen::{Seen, Silent};
use super::{FileView, StatusView};

#[derive(Debug, Serialize)]
struct StatusJson<'a> {
    format_version: &'static str,
    kind: &'static str,
    cluster: Option<&'a str>,
    asked: &'a str,
    /// `ok`, `fail`, `mixed`, `none`, `unknown`.
    state: &'static str,
    nodes_ok: usize,
    nodes_answering: usize,
    servers: Vec<String>,
    unassigned: &'a SlotSet,
    shards: Vec<ShardJson<'a>>,
    /// Members in no shard.
    loose: Vec<NodeJson<'a>>,
    /// Nodes that are no members.
    apart: Vec<NodeJson<'a>>,
    silent: Vec<SilentJson<'a>>,
    wrong: Vec<WrongJson<'a>>,
    applying: Vec<ApplyingJson<'a>>,
    /// `null` without a file.
    matches: Option<bool>,
    /// Without a file; with one it is a member of the comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    unserved: Option<&'a SlotSet>,
    #[serde(flatten)]
    diff: Option<DiffJson<'a>>,
}

#[derive(Debug, Serialize)]
struct ShardJson<'a> {
    name: Option<&'a ShardName>,
    slots: &'a SlotSet,
    slot_count: u16,
    keys: Option<u64>,
    primary: Option<NodeJson<'a>>,
    replicas: Vec<NodeJson<'a>>,
}

#[derive(Debug, Serialize)]
struct NodeJson<'a> {
    id: NodeId,
    name: Option<&'a NodeName>,
    address: Option<Address>,
    zone: Option<&'a str>,
    server: Option<String>,
    role: Role,
    answers: bool,
    failed: bool,
    noaddr: bool,
    keys: Option<u64>,
    used_memory: Option<u64>,
    link: Option<LinkJson>,
}

#[derive(Debug, Serialize)]
struct LinkJson {
    up: bool,
    syncing: bool,
    lag_bytes: Option<u64>,
}

#[derive(Debug, Serialize)]
struct SilentJson<'a> {
    title: &'a str,
    id: Option<NodeId>,
    tried: &'a [Address],
    failure: &'static str,
    words: &'a str,
}

#[derive(Debug, Serialize)]
struct WrongJson<'a> {
    code: &'static str,
    what: &'a str,
    evidence: &'a [String],
}

/// The status as one JSON document.
#[must_use]
pub fn json(view: &StatusView<'_>) -> String {
    let seen = Seen::new(view);
    let StatusView {
        observed,
        asked,
        file,
    } = *view;
    let (state, _) = seen.state();
    let nodes = |ids: &[NodeId]| ids.iter().filter_map(|id| node(&seen, *id)).collect();
    pretty(&StatusJson {
        format_version: FORMAT_VERSION,
        kind: "status",
        cluster: file.map(|file| file.desired.cluster.as_str()),
        asked,
        state,
        nodes_ok: seen.ok.0,
        nodes_answering: seen.ok.1,
        servers: seen.servers.iter().map(ToString::to_string).collect(),
        unassigned: &seen.topology.unassigned,
        shards: seen
            .topology
            .shards
            .iter()
            .map(|shard| shard_json(&seen, shard))
            .collect(),
        loose: nodes(&seen.topology.loose),
        apart: nodes(&seen.topology.apart),
        silent: seen.silent.iter().map(silent_json).collect(),
        wrong: seen.wrong.iter().map(wrong_json).collect(),
        applying: ApplyingJson::all(&observed.applying),
        matches: file.map(|file| file.diff.is_empty()),
        unserved: file.is_none().then_some(&seen.unserved.slots),
        diff: file.map(|FileView { desired: _, diff }| DiffJson::new(diff)),
    })
}

fn shard_json<'a>(seen: &'a Seen<'a>, shard: &'a LiveShard) -> ShardJson<'a> {
    let LiveShard {
        name,
        primary,
        replicas,
        slots,
    } = shard;
    let primary = node(seen, *primary);
    ShardJson {
        name: name.as_ref(),
        slot_count: slots.count(),
        slots,
        keys: primary.as_ref().and_then(|primary| primary.keys),
        primary,
        replicas: replicas.iter().filter_map(|id| node(seen, *id)).collect(),
    }
}

fn node<'a>(seen: &'a Seen<'a>, id: NodeId) -> Option<NodeJson<'a>> {
    let NodeFacts {
        id,
        name,
        address,
        zone,
        server,
        role,
        answers,
        failed,
        noaddr,
        keys,
        used_memory,
        link,
    } = seen.facts.get(&id)?;
    Some(NodeJson {
        id: *id,
        name: *name,
        address: *address,
        zone: *zone,
        server: server.map(|server| server.to_string()),
        role: *role,
        answers: *answers,
        failed: *failed,
        noaddr: *noaddr,
        keys: *keys,
        used_memory: *used_memory,
        link: link.map(|LinkFacts { up, syncing, lag }| LinkJson {
            up,
            syncing,
            lag_bytes: lag,
        }),
    })
}

fn silent_json<'a>(silent: &'a Silent<'a>) -> SilentJson<'a> {
    let Silent {
        title,
        id,
        failure,
        missed: _,
    } = silent;
    let Failure { tried, kind, words } = failure;
    SilentJson {
        title,
        id: *id,
        tried,
        failure: failure_word(*kind),
        words,
    }
}

fn wrong_json(wrong: &Wrong) -> WrongJson<'_> {
    let Wrong {
        code,
        what,
        evidence,
    } = wrong;
    WrongJson {
        code,
        what,
        evidence,
    }
}
