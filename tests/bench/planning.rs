//! How long a plan takes for a cluster of a thousand nodes whose slots are scattered one by one.

use std::fmt::Write;
use std::time::{Duration, Instant};

use rcl::base::{Address, NodeId, Reply};
use rcl::desired::{Desired, parse};
use rcl::observed::{Answer, NodeView, Observed, Questions};
use rcl::plan::plan;

const NODES: usize = 1000;
const SHARDS: usize = NODES / 2;
const RUNS: usize = 5;

/// The median of some runs, from views and file to plan.
pub(crate) fn median() -> Duration {
    let desired = desired();
    let observed = observed(&desired);
    let mut times: Vec<Duration> = (0..RUNS)
        .map(|_| {
            let begun = Instant::now();
            let plan = plan(&desired, &observed, &rcl::diff::Allowed::default());
            let took = begun.elapsed();
            assert!(
                plan.is_empty() && plan.diff.is_empty(),
                "the cluster is as declared"
            );
            took
        })
        .collect();
    times.sort();
    times[RUNS / 2]
}

/// Shard `s` has its primary and its replica on neighbouring hosts of a hundred.
fn place(node: usize) -> (usize, usize) {
    let shard = node % SHARDS;
    if node < SHARDS {
        (shard % 100, 7000 + shard / 100)
    } else {
        ((shard + 1) % 100, 8000 + shard / 100)
    }
}

fn desired() -> Desired {
    let mut text = String::from("cluster: big\nconfig: {cluster-node-timeout: 15s}\nhosts:\n");
    for host in 0..100 {
        writeln!(text, "  h{host}: 10.0.0.{host}").unwrap();
    }
    text.push_str("shards:\n");
    for shard in 0..SHARDS {
        let ((host, port), (other, other_port)) = (place(shard), place(SHARDS + shard));
        writeln!(
            text,
            "  s{shard}: {{primary: h{host}:{port}, replicas: [h{other}:{other_port}]}}"
        )
        .unwrap();
    }
    parse(&text).unwrap()
}

fn id(node: usize) -> NodeId {
    format!(
        "{:040x}",
        (node as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
    .parse()
    .unwrap()
}

/// A member's line: every primary owns each five-hundredth slot.
fn line(node: usize, myself: bool) -> String {
    let (host, port) = place(node);
    let flags = if myself { "myself," } else { "" };
    let (role, parent) = if node < SHARDS {
        ("master", "-".to_owned())
    } else {
        ("slave", id(node - SHARDS).to_string())
    };
    let epoch = node % SHARDS + 1;
    let mut line = format!(
        "{} 10.0.0.{host}:{port}@{} {flags}{role} {parent} 0 0 {epoch} connected",
        id(node),
        port + 10000
    );
    if node < SHARDS {
        (node..16384)
            .step_by(SHARDS)
            .for_each(|slot| write!(line, " {slot}").unwrap());
    }
    line
}

fn observed(desired: &Desired) -> Observed {
    let lines: Vec<String> = (0..NODES).map(|node| line(node, false)).collect();
    let mut observed = Observed::default();
    for node in 0..NODES {
        let mut table = lines.clone();
        table[node] = line(node, true);
        let view = view(node, table.join("\n"));
        let name = desired.nodes.keys().find(|name| {
            let (host, port) = place(node);
            name.as_str() == format!("h{host}:{port}")
        });
        observed
            .declared
            .insert(name.unwrap().clone(), Answer::Node(view.id));
        observed.views.insert(view.id, view);
    }
    observed.share_tables();
    observed
}

fn view(node: usize, table: String) -> NodeView {
    let (host, port) = place(node);
    let address: Address = format!("10.0.0.{host}:{port}").parse().unwrap();
    let replication = if node < SHARDS {
        "role:master\r\nmaster_repl_offset:0\r\n".to_owned()
    } else {
        let (host, port) = place(node - SHARDS);
        format!(
            "role:slave\r\nmaster_host:10.0.0.{host}\r\nmaster_port:{port}\r\nmaster_link_status:up\r\n"
        )
    };
    let text = |text: &str| Reply::Text(text.to_owned());
    let replies = [
        Reply::Text(table),
        text("cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_my_epoch:1\r\n"),
        Reply::Text(replication),
        text(""),
        text("redis_version:7.0.15\r\n"),
        text(""),
        text(""),
        Reply::List(vec![text("cluster-node-timeout"), text("15000")]),
    ];
    NodeView::parse(&Questions::default(), address, &replies, None).unwrap()
}
