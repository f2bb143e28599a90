//! Which server a node runs, and every question of the form "does it support X?".

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The two families of servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    Redis,
    Valkey,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text
            .split('.')
            .map(|part| part.parse::<u16>().map_err(|_| ()));
        let (Some(major), Some(minor)) = (parts.next(), parts.next()) else {
            return Err(());
        };
        Ok(Self {
            major: major?,
            minor: minor?,
            patch: parts.next().unwrap_or(Ok(0))?,
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A server's family and version. Valkey keeps answering `redis_version:7.2.4`,
/// so the family has to be asked before the version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Server {
    pub flavor: Flavor,
    pub version: Version,
}

impl Server {
    #[must_use]
    pub const fn new(flavor: Flavor, major: u16, minor: u16, patch: u16) -> Self {
        Self {
            flavor,
            version: Version {
                major,
                minor,
                patch,
            },
        }
    }

    fn at_least(self, redis: (u16, u16), valkey: (u16, u16)) -> bool {
        let (major, minor) = match self.flavor {
            Flavor::Redis => redis,
            Flavor::Valkey => valkey,
        };
        self.version
            >= Version {
                major,
                minor,
                patch: 0,
            }
    }

    /// ADDSLOTSRANGE came with Redis 7.0; before, one argument a slot.
    #[must_use]
    pub fn supports_addslotsrange(self) -> bool {
        self.at_least((7, 0), (7, 2))
    }

    /// CONFIG SET takes several options at once, all or nothing, since Redis 7.0.
    #[must_use]
    pub fn supports_config_set_many(self) -> bool {
        self.at_least((7, 0), (7, 2))
    }

    /// ACL DRYRUN came with Redis 7.0.
    #[must_use]
    pub fn supports_acl_dryrun(self) -> bool {
        self.at_least((7, 0), (7, 2))
    }

    /// `cluster-announce-hostname` came with Redis 7.0.
    #[must_use]
    pub fn supports_announced_hostname(self) -> bool {
        self.at_least((7, 0), (7, 2))
    }

    /// FUNCTION came with Redis 7.0.
    #[must_use]
    pub fn supports_functions(self) -> bool {
        self.at_least((7, 0), (7, 2))
    }

    /// Whether REPLICATE with the present primary dials it anew; Valkey does nothing.
    #[must_use]
    pub fn dials_anew_on_replicate(self) -> bool {
        self.flavor == Flavor::Redis
    }

    /// CLUSTER MIGRATESLOTS and GETSLOTMIGRATIONS, Valkey 9.0.
    #[must_use]
    pub fn supports_migrateslots(self) -> bool {
        self.flavor == Flavor::Valkey && self.at_least((0, 0), (9, 0))
    }

    /// Whether slots can move from the one to the other by CLUSTER MIGRATESLOTS.
    #[must_use]
    pub fn moves_atomically_to(self, other: Self) -> bool {
        self.supports_migrateslots() && other.supports_migrateslots()
    }

    /// Whether one shard can fail over again at once. Elsewhere votes and an old election hold for
    /// up to four node timeouts: a failover before that fails, says nothing, and keeps writes waiting
    /// for five seconds.
    #[must_use]
    pub fn fails_over_again_at_once(self) -> bool {
        self.flavor == Flavor::Valkey && self.at_least((0, 0), (8, 1))
    }

    /// CLUSTER REPLICATE NO ONE, Valkey 9.0.
    #[must_use]
    pub fn supports_replicate_no_one(self) -> bool {
        self.flavor == Flavor::Valkey && self.at_least((0, 0), (9, 0))
    }

    /// Valkey 8.0 and later answers SETSLOT only once its replicas have it too.
    #[must_use]
    pub fn setslot_waits(self) -> bool {
        self.flavor == Flavor::Valkey && self.at_least((0, 0), (8, 0))
    }

    /// Whether it can restore what the other has dumped. The format only grows: a server reads
    /// what is as old as itself or older.
    #[must_use]
    pub fn reads_payloads_of(self, other: Self) -> bool {
        // Valkey counts from 80, and takes what lies between for a format that it doesn't know.
        let foreign = self.flavor == Flavor::Valkey && (12..80).contains(&other.payload());
        self.payload() >= other.payload() && !foreign
    }

    /// The version of the dump format: Redis 6.2 has 9, 7.0 10, 8.2 12; Valkey 8.1 has 11 and
    /// 9.1 has 80.
    fn payload(self) -> u32 {
        let Version { major, minor, .. } = self.version;
        match (self.flavor, major, minor) {
            (Flavor::Redis, 0..=6, _) => 9,
            (Flavor::Redis, 7, 0..=1) => 10,
            (Flavor::Redis, 7, 2..=3) | (Flavor::Valkey, 0..=8, _) => 11,
            (Flavor::Redis, 7, _) => 12,
            (Flavor::Redis, 8, 0..=2) => 12,
            // Versions that nobody has tried yet: newer counts as newer.
            (Flavor::Redis, _, _) => u32::from(major) + 5,
            (Flavor::Valkey, 9, _) => 80,
            (Flavor::Valkey, _, _) => u32::from(major) + 71,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.flavor {
            Flavor::Redis => "Redis",
            Flavor::Valkey => "Valkey",
        };
        write!(f, "{name} {}", self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_every_question_for_every_tested_version() {
        let table = [
            (
                Server::new(Flavor::Redis, 6, 2, 14),
                [false, false, false, false, false, false],
            ),
            (
                Server::new(Flavor::Redis, 7, 0, 15),
                [true, true, true, false, false, false],
            ),
            (
                Server::new(Flavor::Redis, 8, 2, 3),
                [true, true, true, false, false, false],
            ),
            (
                Server::new(Flavor::Valkey, 8, 1, 8),
                [true, true, true, false, true, false],
            ),
            (
                Server::new(Flavor::Valkey, 9, 1, 2),
                [true, true, true, true, true, true],
            ),
        ];
        for (server, expected) in table {
            let answers = [
                server.supports_addslotsrange(),
                server.supports_config_set_many(),
                server.supports_announced_hostname(),
                server.supports_migrateslots(),
                server.fails_over_again_at_once(),
                server.supports_replicate_no_one(),
            ];
            assert_eq!(answers, expected, "{server}");
        }
    }

    #[test]
    fn parses_versions() {
        assert_eq!(
            "7.0.15".parse(),
            Ok(Version {
                major: 7,
                minor: 0,
                patch: 15
            })
        );
        assert_eq!(
            "8.2".parse(),
            Ok(Version {
                major: 8,
                minor: 2,
                patch: 0
            })
        );
        assert_eq!("unstable".parse::<Version>(), Err(()));
    }

    #[test]
    fn payloads_go_from_older_to_newer() {
        let redis = |major, minor| Server::new(Flavor::Redis, major, minor, 0);
        let valkey = |major, minor| Server::new(Flavor::Valkey, major, minor, 0);
        for (from, to, works) in [
            (redis(6, 2), redis(7, 0), true),
            (redis(7, 0), redis(6, 2), false),
            (redis(7, 0), valkey(8, 1), true),
            (redis(8, 2), valkey(8, 1), false),
            (valkey(8, 1), redis(8, 2), true),
            (valkey(8, 1), redis(7, 0), false),
            (redis(8, 2), valkey(9, 1), false),
            (redis(7, 0), valkey(9, 1), true),
            (valkey(8, 1), valkey(9, 1), true),
            (valkey(9, 1), redis(8, 2), false),
            (valkey(9, 1), valkey(9, 1), true),
        ] {
            assert_eq!(to.reads_payloads_of(from), works, "{from} to {to}");
        }
    }
}
