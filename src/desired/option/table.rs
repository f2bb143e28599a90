//! The known options, one line each.
//!
//! Checked against what Redis 6.2, 7.0, 8.2 and Valkey 8.1, 9.1 answer to CONFIG GET and CONFIG
//! SET. Where a version in between may have been the first, the earlier one stands here: the
//! server's own answer decides, and an option must not be refused that it has. Options that a
//! later version dropped, or that only Redis 6.2 could set, are left out or count as fixed.

use super::Kind::{
    self, BufferLimits, KeyspaceEvents, Number, Size, SizeOrPercent, Text, Time, Word, WordSet,
    Words, YesNo,
};
use Unit::{Microsecond, Millisecond, Minute, Second};

/// What a bare number of a time option counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    Microsecond,
    Millisecond,
    Second,
    Minute,
}

/// The first version of each family, `None` where there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Since {
    pub redis: Option<(u16, u16)>,
    pub valkey: Option<(u16, u16)>,
}

/// Older versions have no part in rcl, so "always" needs no earlier number.
const ALWAYS: Since = Since {
    redis: Some((0, 0)),
    valkey: Some((0, 0)),
};

const NEVER: Since = Since {
    redis: None,
    valkey: None,
};

#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    /// The same option under other names.
    pub(super) other: &'static [&'static str],
    pub(super) kind: Kind,
    pub(super) since: Since,
    /// From which versions on CONFIG SET takes it.
    pub(super) settable: Since,
}

/// An option of all versions that can be set at run time.
const fn option(name: &'static str, kind: Kind) -> Row {
    Row {
        name,
        other: &[],
        kind,
        since: ALWAYS,
        settable: ALWAYS,
    }
}

impl Row {
    const fn or(mut self, other: &'static [&'static str]) -> Self {
        self.other = other;
        self
    }

    /// Part of both families, Valkey having started from Redis 7.2.
    const fn from(mut self, major: u16, minor: u16) -> Self {
        self.since.redis = Some((major, minor));
        self
    }

    const fn redis(mut self, major: u16, minor: u16) -> Self {
        self.since = Since {
            redis: Some((major, minor)),
            valkey: None,
        };
        self
    }

    const fn valkey(mut self, major: u16, minor: u16) -> Self {
        self.since = Since {
            redis: None,
            valkey: Some((major, minor)),
        };
        self
    }

    const fn and_valkey(mut self, major: u16, minor: u16) -> Self {
        self.since.valkey = Some((major, minor));
        self
    }

    const fn fixed(mut self) -> Self {
        self.settable = NEVER;
        self
    }

    const fn settable_from_valkey(mut self, major: u16, minor: u16) -> Self {
        self.settable = Since {
            redis: None,
            valkey: Some((major, minor)),
        };
        self
    }
}

pub(super) const OPTIONS: &[Row] = &[
    // The cluster.
    option("cluster-allow-pubsubshard-when-down", YesNo).from(7, 0),
    option("cluster-allow-reads-when-down", YesNo),
    option("cluster-allow-replica-migration", YesNo),
    option("cluster-announce-human-nodename", Text).from(7, 2),
    option("cluster-blacklist-ttl", Time(Second)).valkey(8, 0),
    option("cluster-compatibility-sample-ratio", Number).redis(8, 0),
    option("cluster-config-save-behavior", Word).valkey(9, 0),
    option("cluster-databases", Number).valkey(9, 0).fixed(),
    option("cluster-link-sendbuf-limit", Size).from(7, 0),
    option("cluster-manual-failover-timeout", Time(Millisecond)).valkey(8, 1),
    option("cluster-migration-barrier", Number),
    option("cluster-node-timeout", Time(Millisecond)),
    option("cluster-preferred-endpoint-type", Word).from(7, 0),
    option("cluster-replica-no-failover", YesNo).or(&["cluster-slave-no-failover"]),
    option("cluster-replica-validity-factor", Number).or(&["cluster-slave-validity-factor"]),
    option("cluster-require-full-coverage", YesNo),
    option("cluster-slot-migration-handoff-max-lag-bytes", Size).redis(8, 4),
    option("cluster-slot-migration-log-max-len", Number).valkey(9, 0),
    option(
        "cluster-slot-migration-write-pause-timeout",
        Time(Millisecond),
    )
    .redis(8, 4),
    option("cluster-slot-stats-enabled", YesNo)
        .redis(8, 2)
        .and_valkey(8, 0),
    option("slot-migration-max-failover-repl-bytes", Size).valkey(9, 0),
    // Replication.
    option("dual-channel-replication-enabled", YesNo).valkey(8, 0),
    option("masterauth", Text).or(&["primaryauth"]),
    option("masteruser", Text).or(&["primaryuser"]),
    option("min-replicas-max-lag", Time(Second)).or(&["min-slaves-max-lag"]),
    option("min-replicas-to-write", Number).or(&["min-slaves-to-write"]),
    option("propagation-error-behavior", Word).from(7, 0),
    option("rdb-del-sync-files", YesNo),
    option("repl-backlog-size", Size),
    option("repl-backlog-ttl", Time(Second)),
    option("repl-disable-tcp-nodelay", YesNo),
    option("repl-diskless-load", Word),
    option("repl-diskless-sync", YesNo),
    option("repl-diskless-sync-delay", Time(Second)),
    option("repl-diskless-sync-max-replicas", Number).from(7, 0),
    option("repl-ping-replica-period", Time(Second)).or(&["repl-ping-slave-period"]),
    option("repl-timeout", Time(Second)),
    option("replica-announced", YesNo),
    option("replica-full-sync-buffer-limit", Size).redis(8, 0),
    option("replica-ignore-disk-write-errors", YesNo).from(7, 0),
    option("replica-ignore-maxmemory", YesNo).or(&["slave-ignore-maxmemory"]),
    option("replica-lazy-flush", YesNo).or(&["slave-lazy-flush"]),
    option("replica-priority", Number).or(&["slave-priority"]),
    option("replica-read-only", YesNo).or(&["slave-read-only"]),
    option("replica-serve-stale-data", YesNo).or(&["slave-serve-stale-data"]),
    // Memory.
    option("active-defrag-cycle-max", Number),
    option("active-defrag-cycle-min", Number),
    option("active-defrag-cycle-us", Time(Microsecond)).valkey(8, 1),
    option("active-defrag-ignore-bytes", Size),
    option("active-defrag-max-scan-fields", Number),
    option("active-defrag-threshold-lower", Number),
    option("active-defrag-threshold-upper", Number),
    option("active-expire-effort", Number),
    option("activedefrag", YesNo),
    option("activerehashing", YesNo),
    option("jemalloc-bg-thread", YesNo),
    option("lazyfree-lazy-eviction", YesNo),
    option("lazyfree-lazy-expire", YesNo),
    option("lazyfree-lazy-server-del", YesNo),
    option("lazyfree-lazy-user-del", YesNo),
    option("lazyfree-lazy-user-flush", YesNo),
    option("lfu-decay-time", Time(Minute)),
    option("lfu-log-factor", Number),
    option("maxmemory", Size),
    option("maxmemory-clients", SizeOrPercent).from(7, 0),
    option("maxmemory-eviction-tenacity", Number),
    option("maxmemory-policy", Word),
    option("maxmemory-samples", Number),
    option("oom-score-adj", Word),
    option("oom-score-adj-values", Words),
    // How values are kept.
    option("hash-max-ziplist-entries", Number).or(&["hash-max-listpack-entries"]),
    option("hash-max-ziplist-value", Size).or(&["hash-max-listpack-value"]),
    option("hll-sparse-max-bytes", Size),
    option("list-compress-depth", Number),
    option("list-max-ziplist-size", Number).or(&["list-max-listpack-size"]),
    option("set-max-intset-entries", Number),
    option("set-max-listpack-entries", Number).from(7, 2),
    option("set-max-listpack-value", Size).from(7, 2),
    option("stream-node-max-bytes", Size),
    option("stream-node-max-entries", Number),
    option("zset-max-ziplist-entries", Number).or(&["zset-max-listpack-entries"]),
    option("zset-max-ziplist-value", Size).or(&["zset-max-listpack-value"]),
    // Files.
    option("aof-load-truncated", YesNo),
    option("aof-rewrite-incremental-fsync", YesNo),
    option("aof-timestamp-enabled", YesNo).from(7, 0),
    option("aof-use-rdb-preamble", YesNo),
    option("appenddirname", Text).from(7, 0).fixed(),
    option("appendfilename", Text).fixed(),
    option("appendfsync", Word),
    option("appendonly", YesNo),
    option("auto-aof-rewrite-min-size", Size),
    option("auto-aof-rewrite-percentage", Number),
    // Protected since Redis 7.0: only `enable-protected-configs` would make it settable.
    option("dbfilename", Text).fixed(),
    option("no-appendfsync-on-rewrite", YesNo),
    option("rdb-save-incremental-fsync", YesNo),
    option("rdb-version-check", Word).valkey(8, 0),
    option("rdbchecksum", YesNo).fixed(),
    option("rdbcompression", YesNo),
    option("save", Words),
    option("shutdown-on-sigint", WordSet).from(7, 0),
    option("shutdown-on-sigterm", WordSet).from(7, 0),
    option("shutdown-timeout", Time(Second)).from(7, 0),
    option("stop-writes-on-bgsave-error", YesNo),
    // Clients and commands.
    option("acl-pubsub-default", Word),
    option("aclfile", Text).fixed(),
    option("acllog-max-len", Number),
    option("client-output-buffer-limit", BufferLimits),
    option("client-query-buffer-limit", Size),
    option("lua-time-limit", Time(Millisecond)).or(&["busy-reply-threshold"]),
    option("max-new-connections-per-cycle", Number).from(7, 2),
    option("max-new-tls-connections-per-cycle", Number).from(7, 2),
    option("maxclients", Number),
    option("notify-keyspace-events", KeyspaceEvents),
    option("protected-mode", YesNo),
    option("proto-max-bulk-len", Size),
    option("requirepass", Text),
    option("tcp-backlog", Number).fixed(),
    option("tcp-keepalive", Time(Second)),
    option("timeout", Time(Second)),
    option("tracking-table-max-keys", Number),
    // What is measured and logged.
    option("commandlog-large-reply-max-len", Number).valkey(8, 1),
    option("commandlog-large-request-max-len", Number).valkey(8, 1),
    option("commandlog-reply-larger-than", Size).valkey(8, 1),
    option("commandlog-request-larger-than", Size).valkey(8, 1),
    option("crash-log-enabled", YesNo),
    option("crash-memcheck-enabled", YesNo),
    option("hide-user-data-from-log", YesNo).from(7, 2),
    option("latency-monitor-threshold", Time(Millisecond)),
    option("latency-tracking", YesNo).from(7, 0),
    option("latency-tracking-info-percentiles", Words).from(7, 0),
    option("log-format", Word).valkey(8, 0),
    option("log-timestamp-format", Word).valkey(8, 0),
    option("loglevel", Word),
    option("slowlog-log-slower-than", Time(Microsecond)).or(&["commandlog-execution-slower-than"]),
    option("slowlog-max-len", Number).or(&["commandlog-slow-execution-max-len"]),
    option("syslog-enabled", YesNo).fixed(),
    // The process.
    option("availability-zone", Text).valkey(8, 0),
    option("databases", Number).fixed(),
    option("disable-thp", YesNo).fixed(),
    option("dynamic-hz", YesNo).redis(0, 0),
    option("enable-debug-command", Word).from(7, 0).fixed(),
    option("enable-module-command", Word).from(7, 0).fixed(),
    option("enable-protected-configs", Word).from(7, 0).fixed(),
    option("extended-redis-compatibility", YesNo).valkey(8, 0),
    option("hz", Number),
    option("import-mode", YesNo).valkey(8, 0),
    option("io-threads", Number).settable_from_valkey(9, 0),
    option("prefetch-batch-max-size", Number).valkey(8, 0),
    option("proc-title-template", Text),
    option("set-proc-title", YesNo).fixed(),
    option("socket-mark-id", Number).from(7, 0).fixed(),
    // TLS, where the server was built with it.
    option("tls-auth-clients", Word),
    option("tls-auto-reload-interval", Time(Second)).valkey(9, 0),
    option("tls-ca-cert-dir", Text),
    option("tls-ca-cert-file", Text),
    option("tls-cert-file", Text),
    option("tls-ciphers", Text),
    option("tls-ciphersuites", Text),
    option("tls-client-cert-file", Text),
    option("tls-client-key-file", Text),
    option("tls-client-key-file-pass", Text),
    option("tls-cluster", YesNo),
    option("tls-dh-params-file", Text),
    option("tls-key-file", Text),
    option("tls-key-file-pass", Text),
    option("tls-prefer-server-ciphers", YesNo),
    option("tls-protocols", Text),
    option("tls-replication", YesNo),
    option("tls-session-cache-size", Number),
    option("tls-session-cache-timeout", Time(Second)),
    option("tls-session-caching", YesNo),
];
