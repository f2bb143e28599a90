//! What the servers themselves set the options of the cluster to. All versions that have an
//! option agree; a test asks blank servers.

use super::{canonical, same_value};

/// The options of the cluster that a file can hold, with the servers' defaults.
pub(super) const CLUSTER: [(&str, &str); 19] = [
    ("cluster-allow-pubsubshard-when-down", "yes"),
    ("cluster-allow-reads-when-down", "no"),
    ("cluster-allow-replica-migration", "yes"),
    ("cluster-blacklist-ttl", "60"),
    ("cluster-compatibility-sample-ratio", "0"),
    ("cluster-config-save-behavior", "sync"),
    ("cluster-databases", "1"),
    ("cluster-link-sendbuf-limit", "0"),
    ("cluster-manual-failover-timeout", "5000"),
    ("cluster-migration-barrier", "1"),
    ("cluster-node-timeout", "15000"),
    ("cluster-preferred-endpoint-type", "ip"),
    ("cluster-replica-no-failover", "no"),
    ("cluster-replica-validity-factor", "10"),
    ("cluster-require-full-coverage", "yes"),
    ("cluster-slot-migration-handoff-max-lag-bytes", "1mb"),
    ("cluster-slot-migration-log-max-len", "1000"),
    ("cluster-slot-migration-write-pause-timeout", "10s"),
    ("cluster-slot-stats-enabled", "no"),
];

/// The options of the cluster that a file can hold and that nodes may share, by the spelling that
/// rcl keeps.
pub fn of_the_cluster() -> impl Iterator<Item = &'static str> {
    CLUSTER.iter().map(|(option, _)| *option)
}

/// Whether a value is the one that the servers set by themselves; `None` where rcl doesn't know.
#[must_use]
pub fn is_default(option: &str, value: &str) -> Option<bool> {
    let option = canonical(option);
    let (_, default) = CLUSTER.iter().find(|(name, _)| *name == option)?;
    Some(same_value(&option, value, default))
}
