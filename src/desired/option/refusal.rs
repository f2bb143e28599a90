//! Options that the file can't hold: they belong to one node, to the server's own
//! configuration file, or to a feature that isn't there yet.

use super::canonical;

/// Why an option can't be held, and what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::desired) struct Refusal {
    /// Follows the option's name: "`port` …".
    pub(in crate::desired) why: &'static str,
    pub(in crate::desired) help: &'static str,
}

const PLACE: &str = "belongs to the node's place, not to the options held on it";
const ANNOUNCED: &str = "differs from node to node";
const DIRECTIVE: &str =
    "is a line of the server's own file, no server tells it or takes it at run time";
const NOT_YET: &str = "is not supported yet";
const CONF_WRITES: &str = "leave it out, `rcl conf` writes it for each node";
const LEAVE_OUT: &str = "leave it out";
const OWN_FILE: &str = "leave it out here and write it in the server's own configuration file";
const ANNOUNCE: &str =
    "write the node's long form: {at: host1:7000, announce: \"203.0.113.7:7000@17000\"}";

/// The refusal of an option, `None` for one that can be held.
pub(in crate::desired) fn refusal(option: &str) -> Option<Refusal> {
    let (why, help) = match canonical(option).as_str() {
        "port" => (
            PLACE,
            "leave it out, the port is part of a node's name: host1:7000",
        ),
        "bind"
        | "dir"
        | "cluster-config-file"
        | "pidfile"
        | "logfile"
        | "daemonize"
        | "supervised"
        | "unixsocket"
        | "unixsocketperm" => (PLACE, CONF_WRITES),
        "cluster-enabled" => (
            "is what makes a server a node, and no running server can change it",
            CONF_WRITES,
        ),
        "cluster-port" | "tls-port" => (PLACE, LEAVE_OUT),
        "cluster-announce-ip" | "cluster-announce-port" | "cluster-announce-bus-port" => {
            (ANNOUNCED, ANNOUNCE)
        }
        "cluster-announce-hostname" => (
            ANNOUNCED,
            "write the node's long form: {at: host1:7000, hostname: a1.example.net}",
        ),
        "replica-announce-ip"
        | "slave-announce-ip"
        | "replica-announce-port"
        | "slave-announce-port" => (ANNOUNCED, ANNOUNCE),
        "cluster-announce-tls-port"
        | "cluster-announce-client-ipv4"
        | "cluster-announce-client-ipv6"
        | "cluster-announce-client-port"
        | "cluster-announce-client-tls-port" => (NOT_YET, LEAVE_OUT),
        // Changed half-way, it would keep replicas, and the next run, out of the nodes.
        "requirepass" => (
            "is what rcl itself logs in with",
            "leave it out and write access: {password: {env: NAME}}; `rcl conf` and `rcl lab` give it to the servers",
        ),
        "replicaof" | "slaveof" => (
            "is not how replicas are declared",
            "leave it out and list the node under `replicas` of its shard",
        ),
        "include" | "loadmodule" | "rename-command" | "user" => (DIRECTIVE, OWN_FILE),
        _ => return None,
    };
    Some(Refusal { why, help })
}
