//! What is known about the servers' options: their spellings, what their values mean, since
//! when there is an option, and whether a running server takes it.
//!
//! Options that aren't in the table are the file's business: they compare as text.

mod default;
mod refusal;
mod table;
mod value;

use crate::base::{Flavor, Server};

pub use default::{is_default, of_the_cluster};
pub(super) use refusal::refusal;
pub(super) use value::Mistake;

use super::finding::nearest;
use table::{OPTIONS, Row};
pub use table::{Since, Unit};

/// What the value of an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A time; a bare number counts the unit.
    Time(Unit),
    /// Bytes: `8gb`, `64mb`, `1000`.
    Size,
    /// Bytes or a share of `maxmemory`: `5%`.
    SizeOrPercent,
    YesNo,
    Number,
    /// One of a few words, in upper or lower case. Which ones differs between versions.
    Word,
    /// Words in a given order, `3600 1 300 100`.
    Words,
    /// Words in any order.
    WordSet,
    /// `CLASS HARD SOFT SECONDS`, once for each class of clients.
    BufferLimits,
    /// The letters of `notify-keyspace-events`, in any order.
    KeyspaceEvents,
    Text,
}

fn row(option: &str) -> Option<&'static Row> {
    let option = option.to_ascii_lowercase();
    OPTIONS
        .iter()
        .find(|row| row.name == option || row.other.contains(&option.as_str()))
}

/// The spelling that rcl keeps for an option: lower case, `replica-` for `slave-`, and where a
/// newer name isn't known to all servers the older one, such as `masterauth` for `primaryauth`.
#[must_use]
pub fn canonical(option: &str) -> String {
    row(option).map_or_else(|| option.to_ascii_lowercase(), |row| row.name.to_owned())
}

/// The known option that an unknown one is perhaps meant to be.
#[must_use]
pub fn near_option(option: &str) -> Option<&'static str> {
    let known: Vec<&'static str> = OPTIONS
        .iter()
        .flat_map(|row| row.other.iter().copied().chain([row.name]))
        .collect();
    match row(option) {
        Some(_) => None,
        None => nearest(&option.to_ascii_lowercase(), &known),
    }
}

/// What the option's values are; the value of an unknown option is a text.
#[must_use]
pub fn kind(option: &str) -> Kind {
    row(option).map_or(Kind::Text, |row| row.kind)
}

/// Whether two values of an option mean the same: `15s` and `15000`, `8gb` and `8589934592`.
#[must_use]
pub fn same_value(option: &str, left: &str, right: &str) -> bool {
    value::same(kind(option), left, right)
}

/// How a value is sent to a server: times in the option's unit, sizes in bytes.
#[must_use]
pub fn wire_value(option: &str, text: &str) -> String {
    value::wire(kind(option), text)
}

/// How a value is shown to people, with its unit: `15s` for 15000, `120mb` for 125829120. It
/// means the same.
#[must_use]
pub fn readable_value(option: &str, text: &str) -> String {
    value::readable(kind(option), text)
}

/// Whether a value can be the option's at all.
/// The value as a server takes it, where it is one of that kind.
pub(super) fn checked_value(key: &str, kind: Kind, text: &str) -> Result<String, Mistake> {
    value::check(key, kind, text)?;
    Ok(value::wire(kind, text))
}

pub(super) fn check_value(option: &str, text: &str) -> Result<(), Mistake> {
    value::check(option, kind(option), text)
}

/// Whether CONFIG SET takes the option. Of an unknown one it is assumed, and the server says.
#[must_use]
pub fn settable_at_runtime(option: &str, server: Server) -> bool {
    row(option).is_none_or(|row| row.settable.reaches(server))
}

/// Since which versions the option exists, `None` for an option that isn't known.
#[must_use]
pub fn since(option: &str) -> Option<Since> {
    row(option).map(|row| row.since)
}

/// Whether the server can know the option. Of an unknown one it is assumed, and the server says.
#[must_use]
pub fn exists_on(option: &str, server: Server) -> bool {
    since(option).is_none_or(|since| since.reaches(server))
}

/// Whether the value must not be seen, and so must not stand in the file.
#[must_use]
pub fn is_secret(option: &str) -> bool {
    let option = canonical(option);
    option == "masterauth" || option.contains("pass") || option.contains("secret")
}

impl Since {
    /// Whether the server is of such a version or later.
    #[must_use]
    pub fn reaches(self, server: Server) -> bool {
        let from = match server.flavor {
            Flavor::Redis => self.redis,
            Flavor::Valkey => self.valkey,
        };
        from.is_some_and(|from| (server.version.major, server.version.minor) >= from)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const REDIS_62: Server = server(Flavor::Redis, 6, 2);
    const REDIS_70: Server = server(Flavor::Redis, 7, 0);
    const REDIS_82: Server = server(Flavor::Redis, 8, 2);
    const VALKEY_81: Server = server(Flavor::Valkey, 8, 1);
    const VALKEY_91: Server = server(Flavor::Valkey, 9, 1);

    const fn server(flavor: Flavor, major: u16, minor: u16) -> Server {
        Server {
            flavor,
            version: crate::base::Version {
                major,
                minor,
                patch: 0,
            },
        }
    }

    #[test]
    fn every_spelling_is_there_once_and_in_lower_case() {
        let mut seen = BTreeSet::new();
        for row in OPTIONS {
            for name in std::iter::once(&row.name).chain(row.other) {
                assert!(seen.insert(*name), "{name} is there twice");
                assert_eq!(*name, name.to_ascii_lowercase());
            }
            assert!(!row.name.contains("slave"), "{}", row.name);
        }
    }

    #[test]
    fn keeps_one_spelling() {
        for (written, kept) in [
            ("slave-priority", "replica-priority"),
            ("Cluster-Node-Timeout", "cluster-node-timeout"),
            ("cluster-slave-no-failover", "cluster-replica-no-failover"),
            ("repl-ping-slave-period", "repl-ping-replica-period"),
            ("min-slaves-to-write", "min-replicas-to-write"),
            ("primaryauth", "masterauth"),
            ("primaryuser", "masteruser"),
            ("busy-reply-threshold", "lua-time-limit"),
            ("hash-max-listpack-entries", "hash-max-ziplist-entries"),
            ("Search-Timeout", "search-timeout"),
        ] {
            assert_eq!(canonical(written), kept);
        }
    }

    #[test]
    fn compares_by_meaning() {
        for (option, left, right, same) in [
            ("cluster-node-timeout", "15s", "15000", true),
            ("cluster-node-timeout", "15000ms", "15s", true),
            ("cluster-node-timeout", "15", "15s", false),
            ("repl-timeout", "1m", "60", true),
            ("repl-timeout", "60s", "60000", false),
            ("slowlog-log-slower-than", "10ms", "10000", true),
            ("slowlog-log-slower-than", "-1", "-1", true),
            ("maxmemory", "8gb", "8589934592", true),
            ("maxmemory", "8GB", "8192mb", true),
            ("maxmemory", "1k", "1000", true),
            ("maxmemory", "1kb", "1024", true),
            ("maxmemory", "1m", "1mb", false),
            ("maxmemory-clients", "5%", "5%", true),
            ("maxmemory-clients", "1gb", "1073741824", true),
            ("cluster-require-full-coverage", "NO", "no", true),
            ("appendonly", "yes", "no", false),
            ("maxmemory-policy", "allkeys-LRU", "allkeys-lru", true),
            ("hz", "10", "10", true),
            ("save", "3600 1  300 100", "3600 1 300 100", true),
            ("save", "", "", true),
            ("save", "300 100 3600 1", "3600 1 300 100", false),
            ("notify-keyspace-events", "KEA", "AKE", true),
            ("notify-keyspace-events", "KEg$lshztxed", "AKE", true),
            ("notify-keyspace-events", "Kx", "xE", false),
            ("notify-keyspace-events", "", "", true),
            (
                "client-output-buffer-limit",
                "replica 256mb 64mb 60",
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
                true,
            ),
            (
                "client-output-buffer-limit",
                "normal 1 0 0",
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
                false,
            ),
            ("shutdown-on-sigterm", "now save", "save now", true),
            ("primaryauth", "a", "a", true),
            ("masterauth", "a", "A", false),
            ("some-module.option", "10", "10", true),
            ("some-module.option", "1kb", "1024", false),
        ] {
            assert_eq!(
                same_value(option, left, right),
                same,
                "{option} {left} {right}"
            );
            assert_eq!(
                same_value(option, right, left),
                same,
                "{option} {right} {left}"
            );
        }
    }

    #[test]
    fn sends_what_servers_take() {
        for (option, text, sent) in [
            ("cluster-node-timeout", "15s", "15000"),
            ("cluster-node-timeout", "15000", "15000"),
            ("repl-timeout", "1m", "60"),
            ("maxmemory", "8gb", "8589934592"),
            ("maxmemory-clients", "5%", "5%"),
            ("appendonly", "YES", "yes"),
            ("slowlog-log-slower-than", "-1", "-1"),
            ("save", "3600 1  300 100 ", "3600 1 300 100"),
            ("save", "", ""),
            ("masterauth", "15s", "15s"),
            ("unknown", "15s", "15s"),
            ("maxmemory", "not a size", "not a size"),
        ] {
            assert_eq!(wire_value(option, text), sent, "{option} {text}");
        }
    }

    #[test]
    fn shows_values_with_their_units() {
        for (option, text, shown) in [
            ("cluster-node-timeout", "15000", "15s"),
            ("cluster-node-timeout", "1000", "1s"),
            ("cluster-node-timeout", "1500", "1500ms"),
            ("cluster-node-timeout", "0", "0"),
            ("repl-timeout", "60", "60s"),
            ("repl-timeout", "120", "2m"),
            ("repl-timeout", "90", "90s"),
            ("repl-timeout", "3600", "60m"),
            ("slowlog-log-slower-than", "10000", "10ms"),
            ("slowlog-log-slower-than", "-1", "-1"),
            ("maxmemory", "125829120", "120mb"),
            ("maxmemory", "8589934592", "8gb"),
            ("maxmemory", "1000", "1000"),
            ("maxmemory", "0", "0"),
            ("maxmemory-clients", "5%", "5%"),
            ("maxmemory-clients", "1073741824", "1gb"),
            ("maxclients", "10000", "10000"),
            (
                "client-output-buffer-limit",
                "slave 268435456 67108864 60",
                "replica 256mb 64mb 60",
            ),
            ("save", "3600 1", "3600 1"),
            ("unknown", "15000", "15000"),
        ] {
            assert_eq!(readable_value(option, text), shown, "{option} {text}");
            assert!(same_value(option, text, shown), "{option} {text} {shown}");
        }
    }

    #[test]
    fn knows_versions_and_what_can_be_set() {
        let servers = [REDIS_62, REDIS_70, REDIS_82, VALKEY_81, VALKEY_91];
        for (option, exists, settable) in [
            ("cluster-node-timeout", [true; 5], [true; 5]),
            ("slave-priority", [true; 5], [true; 5]),
            (
                "cluster-allow-pubsubshard-when-down",
                [false, true, true, true, true],
                [true; 5],
            ),
            (
                "commandlog-reply-larger-than",
                [false, false, false, true, true],
                [true; 5],
            ),
            (
                "cluster-compatibility-sample-ratio",
                [false, false, true, false, false],
                [true; 5],
            ),
            ("databases", [true; 5], [false; 5]),
            ("dbfilename", [true; 5], [false; 5]),
            ("io-threads", [true; 5], [false, false, false, false, true]),
            ("never-heard-of", [true; 5], [true; 5]),
        ] {
            assert_eq!(
                servers.map(|server| exists_on(option, server)),
                exists,
                "{option}"
            );
            // Of an option that isn't there nobody asks whether it can be set.
            for (server, wanted) in servers.into_iter().zip(settable) {
                if exists_on(option, server) {
                    assert_eq!(
                        settable_at_runtime(option, server),
                        wanted,
                        "{option} {server}"
                    );
                }
            }
        }
    }

    #[test]
    fn knows_secrets() {
        for (option, secret) in [
            ("masterauth", true),
            ("primaryauth", true),
            ("requirepass", true),
            ("tls-key-file-pass", true),
            ("tls-client-key-file-pass", true),
            ("some-module.secret-key", true),
            ("tls-key-file", false),
            ("masteruser", false),
        ] {
            assert_eq!(is_secret(option), secret, "{option}");
        }
    }
}
