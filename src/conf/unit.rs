//! The text of a node's systemd unit.

use std::path::Path;

use super::quote::unit_word;
use super::{Layout, node_timeout_ms, wire_value};
use crate::desired::{Desired, Node, Setting};

/// Open files that a server needs beside its clients: links to peers, the append-only file, a snapshot.
const FILES_BESIDE_CLIENTS: u64 = 4096;

/// Enough for the default of 10,000 clients; never less, since memory is not reserved for it.
const LEAST_FILES: u64 = 65_536;

/// The name of the unit of a node, the same rule on every host.
pub(super) fn name(cluster: &str, port: u16) -> String {
    format!("rcl-{cluster}-{port}.service")
}

/// `Type=notify` would need a server that was built with libsystemd, which many are not; `Type=exec` needs nothing
/// of the server, and a missing program is still an error of `systemctl start`.
pub(super) fn unit(desired: &Desired, node: &Node, layout: &Layout, folder: &Path) -> String {
    let Layout {
        place: _,
        server_bin,
        user,
        server: _,
        secrets: _,
    } = layout;
    format!(
        "\
# Written by `rcl conf`.
[Unit]
Description=Node {node} of the cluster {cluster}
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User={user}
ExecStart={server} {conf} --supervised no --daemonize no
# A primary that crashed waits until its replica could take over (twice the node timeout). Back at once, it
# would serve its last snapshot, or nothing if there is none, and its replica would copy that.
Restart=on-failure
RestartSec={wait}s
# The server saves its data when it is told to stop, which takes a while when there is much of it.
TimeoutStopSec=infinity
LimitNOFILE={files}
UMask=0077
NoNewPrivileges=yes
PrivateTmp=yes

[Install]
WantedBy=multi-user.target
",
        node = node.name,
        cluster = desired.cluster,
        server = unit_word(&server_bin.to_string_lossy()),
        conf = unit_word(&folder.join("redis.conf").to_string_lossy()),
        wait = (2 * node_timeout_ms(node)).div_ceil(1000).max(1),
        files = open_files(node),
    )
}

fn open_files(node: &Node) -> u64 {
    let clients = match node.config.get("maxclients") {
        Some(Setting::Plain(text)) => wire_value("maxclients", text).parse().unwrap_or(0),
        Some(Setting::Secret { .. }) | None => 0_u64,
    };
    LEAST_FILES.max(clients.saturating_add(FILES_BESIDE_CLIENTS))
}
