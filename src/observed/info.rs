//! The replies of INFO and CLUSTER INFO: lines of `name:value`.

use std::collections::BTreeMap;

use crate::base::{Flavor, Server};

/// The `name:value` lines of a reply; headings and blank lines are left out.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Fields<'a> {
    #[must_use]
    pub(super) fn parse(text: &'a str) -> Self {
        Self(
            text.lines()
                .filter_map(|line| line.split_once(':'))
                .collect(),
        )
    }

    /// Takes in another section of the same reply.
    pub(super) fn extend(&mut self, text: &'a str) {
        self.0.extend(Self::parse(text).0);
    }

    #[must_use]
    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).copied()
    }

    #[must_use]
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        self.text(name)?.parse().ok()
    }

    /// The server's family and version. Valkey reports `redis_version:7.2.4` beside its own.
    #[must_use]
    pub(super) fn server(&self) -> Option<Server> {
        let (flavor, version) = match self.text("valkey_version") {
            Some(version) => (Flavor::Valkey, version),
            None => (Flavor::Redis, self.text("redis_version")?),
        };
        Some(Server {
            flavor,
            version: version.parse().ok()?,
        })
    }

    /// Keys in all databases, from the lines `db0:keys=12,expires=0,…`.
    #[must_use]
    pub(super) fn keys(&self) -> u64 {
        self.keys_where(|_| true)
    }

    /// Keys in databases other than 0, which clusters of Valkey 9.0 and later may have.
    pub(super) fn keys_elsewhere(&self) -> u64 {
        self.keys_where(|database| database != "0")
    }

    fn keys_where(&self, counts: impl Fn(&str) -> bool) -> u64 {
        self.0
            .iter()
            .filter(|(name, _)| {
                name.strip_prefix("db").is_some_and(|rest| {
                    !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()) && counts(rest)
                })
            })
            .filter_map(|(_, value)| {
                value
                    .split(',')
                    .find_map(|part| part.strip_prefix("keys=")?.parse::<u64>().ok())
            })
            // What a server claims need not add up.
            .fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_the_family_before_the_version() {
        let valkey = Fields::parse("# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\n");
        assert_eq!(valkey.server(), Some(Server::new(Flavor::Valkey, 9, 1, 2)));
        assert_eq!(
            Fields::parse("redis_version:6.2.14\r\n").server(),
            Some(Server::new(Flavor::Redis, 6, 2, 14))
        );
        assert_eq!(Fields::parse("nothing:1").server(), None);
    }

    #[test]
    fn adds_up_the_keys_of_all_databases() {
        let fields = Fields::parse(
            "db0:keys=12,expires=0,avg_ttl=0\r\ndb7:keys=3,expires=1\r\ndbsize:9\r\n",
        );
        assert_eq!(fields.keys(), 15);
    }
}
