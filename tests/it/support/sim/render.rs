//! The replies that rcl parses, as the servers write them.

use std::fmt::Write as _;

use rcl::base::{Flavor, NodeId, Role, SLOT_COUNT};

use super::node::{Member, Node, Open, Phase};
use super::world::EPOCH_MS;

/// CLUSTER NODES.
pub(super) fn nodes(node: &Node, now: u64) -> String {
    let mut text = String::with_capacity(node.table.len() * 160);
    for (id, member) in &node.table {
        line(&mut text, node, *id, member, now);
    }
    text
}

#[expect(clippy::too_many_lines, reason = "one column after the other")]
fn line(text: &mut String, node: &Node, id: NodeId, member: &Member, now: u64) {
    let own = id == node.id;
    let (port, bus_port) = match own {
        true => (node.announced_port(), node.announced_bus_port()),
        false => (member.port, member.bus_port),
    };
    let _ = write!(text, "{id} ");
    if let Some(ip) = member.ip {
        let _ = write!(text, "{ip}");
    }
    let _ = write!(text, ":{port}@{bus_port}");
    let hostname = if own {
        node.options.text("cluster-announce-hostname")
    } else {
        &member.hostname
    };
    if !hostname.is_empty() {
        let _ = write!(text, ",{hostname}");
    }
    let mut flags = Vec::new();
    if own {
        flags.push("myself");
    }
    if member.handshake {
        flags.push("handshake");
    } else {
        flags.push(if member.role == Role::Primary {
            "master"
        } else {
            "slave"
        });
        if member.maybe_fail {
            flags.push("fail?");
        }
        if member.failed.is_some() {
            flags.push("fail");
        }
        if member.noaddr {
            flags.push("noaddr");
        }
    }
    let _ = write!(text, " {} ", flags.join(","));
    match member.primary {
        Some(primary) => text.push_str(primary.as_str()),
        None => text.push('-'),
    }
    let shown = member
        .primary
        .and_then(|primary| node.table.get(&primary))
        .unwrap_or(member);
    let stamp = |at: u64| if at == 0 { 0 } else { EPOCH_MS + at };
    let connected = own || member.link.is_some();
    let pong = if own { now } else { member.pong_received };
    let _ = write!(
        text,
        " {} {} {} {}",
        stamp(member.ping_sent),
        stamp(pong),
        shown.epoch,
        if connected {
            "connected"
        } else {
            "disconnected"
        }
    );
    for range in member.slots.ranges() {
        let _ = write!(text, " {range}");
    }
    if own {
        for (slot, open) in &node.open {
            let _ = match open {
                Open::Migrating(peer) => write!(text, " [{slot}->-{peer}]"),
                Open::Importing(peer) => write!(text, " [{slot}-<-{peer}]"),
            };
        }
    }
    text.push('\n');
}

/// CLUSTER INFO.
pub(super) fn cluster_info(node: &Node) -> String {
    let assigned = node.assigned().count();
    let slots_of = |wanted: fn(&Member) -> bool| -> u16 {
        node.table
            .values()
            .filter(|member| wanted(member))
            .map(|member| member.slots.count())
            .sum()
    };
    let suspected = slots_of(|member| member.maybe_fail);
    let failed = slots_of(|member| member.failed.is_some());
    let size = node
        .table
        .values()
        .filter(|member| !member.slots.is_empty())
        .count();
    let myself = node.myself();
    let epoch = myself
        .primary
        .and_then(|primary| node.table.get(&primary))
        .unwrap_or(myself)
        .epoch;
    format!(
        "cluster_state:{}\r\ncluster_slots_assigned:{assigned}\r\ncluster_slots_ok:{}\r\n\
         cluster_slots_pfail:{suspected}\r\ncluster_slots_fail:{failed}\r\ncluster_known_nodes:{}\r\n\
         cluster_size:{size}\r\ncluster_current_epoch:{}\r\ncluster_my_epoch:{epoch}\r\n\
         cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n",
        if node.state_ok { "ok" } else { "fail" },
        assigned.min(SLOT_COUNT) - suspected - failed,
        node.table.len(),
        node.current_epoch,
    )
}

/// One section of INFO.
pub(super) fn info(node: &Node, section: &str, now: u64) -> String {
    match section.to_ascii_lowercase().as_str() {
        "replication" => replication(node, now),
        "keyspace" => match node.keys.count() {
            0 => "# Keyspace\r\n".to_owned(),
            keys => format!("# Keyspace\r\ndb0:keys={keys},expires=0,avg_ttl=0\r\n"),
        },
        "server" => server(node, now),
        "memory" => format!(
            "# Memory\r\nused_memory:{}\r\nused_memory_human:1.50M\r\nmaxmemory:{}\r\n",
            1_572_864 + node.keys.count() * 128,
            node.options.text("maxmemory")
        ),
        "persistence" => "# Persistence\r\nloading:0\r\nasync_loading:0\r\n".to_owned(),
        other => panic!("the simulation doesn't know INFO {other}"),
    }
}

fn server(node: &Node, now: u64) -> String {
    let version = node.server.version;
    let (names, mode) = match node.server.flavor {
        Flavor::Redis => (format!("redis_version:{version}\r\n"), "redis_mode"),
        Flavor::Valkey => (
            format!("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:{version}\r\n"),
            "server_mode",
        ),
    };
    let file = if node.options.file.is_some() {
        "/etc/redis/redis.conf"
    } else {
        ""
    };
    format!(
        "# Server\r\n{names}{mode}:cluster\r\ntcp_port:{}\r\nuptime_in_seconds:{}\r\nconfig_file:{file}\r\n",
        node.port,
        (now - node.booted) / 1000
    )
}

fn replication(node: &Node, now: u64) -> String {
    let Some(upstream) = &node.upstream else {
        return "# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n"
            .to_owned();
    };
    let (host, port) = upstream
        .from
        .map_or((String::new(), 0), |from| (from.ip.to_string(), from.port));
    let up = matches!(upstream.phase, Phase::Up { .. });
    // A primary that gathers replicas says nothing yet; only the copying itself shows.
    let copying = matches!(upstream.phase, Phase::Wait { until, .. } if until < now + 50);
    format!(
        "# Replication\r\nrole:slave\r\nmaster_host:{host}\r\nmaster_port:{port}\r\nmaster_link_status:{}\r\n\
         master_sync_in_progress:{}\r\nslave_repl_offset:0\r\nconnected_slaves:0\r\nmaster_repl_offset:0\r\n",
        if up { "up" } else { "down" },
        u8::from(copying)
    )
}
