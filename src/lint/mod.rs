//! What is allowed in a file but will hurt: one file a rule, all of them in [`RULES`].
//!
//! A rule is a pure function of the desired state. What breaks the file's own policy is an error,
//! everything else a warning.

mod empty_shard;
mod few_primaries;
mod loopback;
mod missing_zone;
mod misspelt_option;
mod no_replica;
mod password_alone;
mod quorum;
mod replicas_apart;
mod replicas_together;
mod uneven_shares;

use std::fmt;

use serde::Serialize;

use crate::desired::{Desired, Node, Shard, SlotShare, Subject};

/// A rule and what it looks for.
#[derive(Debug)]
pub struct Rule {
    pub code: &'static str,
    pub summary: &'static str,
    check: fn(&Desired) -> Vec<Remark>,
}

/// Every rule, those that find errors first.
pub const RULES: &[Rule] = &[
    replicas_apart::RULE,
    missing_zone::RULE,
    quorum::RULE,
    few_primaries::RULE,
    no_replica::RULE,
    replicas_together::RULE,
    uneven_shares::RULE,
    empty_shard::RULE,
    loopback::RULE,
    password_alone::RULE,
    misspelt_option::RULE,
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Warning,
    /// Makes `rcl check` fail.
    Error,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
}

/// What a rule has to say about a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Lint {
    pub code: &'static str,
    pub level: Level,
    pub message: String,
    /// What to do about it.
    pub help: String,
    pub subject: Subject,
}

/// A lint before its rule's code is added.
#[derive(Debug)]
struct Remark {
    level: Level,
    message: String,
    help: String,
    subject: Subject,
}

/// What all rules say about the desired state, in their order.
#[must_use]
pub fn lint(desired: &Desired) -> Vec<Lint> {
    RULES
        .iter()
        .flat_map(|rule| {
            (rule.check)(desired).into_iter().map(|remark| Lint {
                code: rule.code,
                level: remark.level,
                message: remark.message,
                help: remark.help,
                subject: remark.subject,
            })
        })
        .collect()
}

/// The shards that serve slots, each with its declared primary. Only these primaries vote.
fn serving(desired: &Desired) -> Vec<(&Shard, &Node)> {
    desired
        .shards
        .iter()
        .filter(|shard| shard.slots != SlotShare::None)
        .filter_map(|shard| Some((shard, desired.nodes.get(&shard.primary)?)))
        .collect()
}

/// The replicas of a shard.
fn replicas<'d>(desired: &'d Desired, shard: &'d Shard) -> impl Iterator<Item = &'d Node> {
    shard
        .replicas
        .iter()
        .filter_map(|name| desired.nodes.get(name))
}

/// The zone of the host that a node stands on.
fn zone<'d>(desired: &'d Desired, node: &Node) -> Option<&'d str> {
    desired.host_of(node)?.zone.as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said about a file, a line each.
    pub(super) fn said(text: &str) -> String {
        let desired = crate::desired::parse(text).unwrap();
        let lines: Vec<String> = lint(&desired)
            .iter()
            .map(|lint| {
                format!(
                    "{}[{}] {:?}: {}; {}",
                    lint.level, lint.code, lint.subject, lint.message, lint.help
                )
            })
            .collect();
        lines.join("\n")
    }

    /// Three hosts in two zones, `replicas_apart` as given.
    fn three_hosts(apart: &str, shards: &str) -> String {
        said(&format!(
            "cluster: orders\n\
             hosts: {{h1: {{address: 10.0.0.1, zone: a}}, h2: {{address: 10.0.0.2, zone: a}}, h3: {{address: 10.0.0.3, zone: b}}}}\n\
             policy: {{replicas_apart: {apart}}}\n\
             shards:\n{shards}"
        ))
    }

    #[test]
    fn codes_are_unique_and_plain() {
        let mut codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
        for code in &codes {
            assert!(
                code.bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
            );
        }
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), RULES.len());
    }

    #[test]
    fn nothing_is_said_about_a_good_file() {
        let shards = "  a: {primary: h1:1, replicas: [h2:1, h3:1]}\n  \
                      b: {primary: h2:2, replicas: [h3:2]}\n  \
                      c: {primary: h3:3, replicas: [h1:3]}\n";
        let said = said(&format!(
            "cluster: orders\nhosts: {{h1: 10.0.0.1, h2: 10.0.0.2, h3: 10.0.0.3}}\nshards:\n{shards}"
        ));
        assert_eq!(said, "");
    }

    #[test]
    fn most_primaries_in_one_place() {
        insta::assert_snapshot!(three_hosts("off", "  a: {primary: h1:1, replicas: [h3:1]}\n  b: {primary: h1:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [h2:3]}\n"), @r#"warning[quorum] Host(HostName("h1")): losing the host h1 takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three hosts or more, so that none has half of them"#);
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, replicas: [h3:1]}\n  b: {primary: h2:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [h2:3]}\n"), @r#"warning[quorum] Host(HostName("h1")): losing the zone a takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three zones or more, so that none has half of them"#);
        // Two hosts with half of the primaries each: either loss is one too many.
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, replicas: [h3:1]}\n  b: {primary: h1:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [h1:3]}\n  d: {primary: h3:4, replicas: [h1:4]}\n"), @r#"
        warning[quorum] Host(HostName("h1")): losing the host h1 takes 2 of 4 primaries; the other 2 are no majority, so no replica can take over; spread the primaries over three hosts or more, so that none has half of them
        warning[quorum] Host(HostName("h3")): losing the host h3 takes 2 of 4 primaries; the other 2 are no majority, so no replica can take over; spread the primaries over three hosts or more, so that none has half of them
        "#);
        // A primary without slots has no vote.
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, replicas: [h3:1]}\n  b: {primary: h1:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [h1:3]}\n  d: {primary: h2:4, slots: none}\n  e: {primary: h2:5, slots: none}\n"), @r#"
        warning[quorum] Host(HostName("h1")): losing the host h1 takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three hosts or more, so that none has half of them
        warning[no-slots] Shard(ShardName("d")): the primary h2:4 of the shard d serves no slots, so it holds no keys and has no vote; leave `slots: none` out to give it a share
        warning[no-slots] Shard(ShardName("e")): the primary h2:5 of the shard e serves no slots, so it holds no keys and has no vote; leave `slots: none` out to give it a share
        "#);
    }

    #[test]
    fn an_option_that_is_nearly_a_known_one() {
        let with = |config: &str| {
            let shards = "  a: {primary: h1:1, replicas: [h2:1]}\n  b: {primary: h2:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [h1:3]}\n";
            said(&format!(
                "cluster: orders\nhosts: {{h1: 10.0.0.1, h2: 10.0.0.2, h3: 10.0.0.3}}\nconfig: {{{config}}}\nshards:\n{shards}"
            ))
        };
        insta::assert_snapshot!(with("maxmemroy: 1gb"), @"warning[misspelt-option] Cluster: rcl knows no option maxmemroy, which is declared for h1:1, but maxmemory; one that a server doesn't have either is found by `rcl plan`; write maxmemory, if that is meant");
        assert_eq!(with("maxmemory: 1gb, some-new-option: 5"), "");
    }

    #[test]
    fn a_password_that_no_server_asks_for() {
        let with = |config: &str| {
            let shards = "  a: {primary: h1:1, replicas: [h2:1]}\n  b: {primary: h2:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [h1:3]}\n";
            said(&format!(
                "cluster: orders\nhosts: {{h1: 10.0.0.1, h2: 10.0.0.2, h3: 10.0.0.3}}\nconfig: {{{config}}}\nshards:\n{shards}"
            ))
        };
        assert_eq!(with("masterauth: {env: A}, masteruser: copier"), "");
        insta::assert_snapshot!(with("primaryauth: {env: A}"), @"warning[password-alone] Cluster: replicas such as h1:1 are to send the password `masterauth`, but the file declares no user for it; a primary whose default user has no password refuses it, and the replica gets no data; declare `masteruser` too, a user that the servers' own configuration or ACL file creates with this password, or leave `masterauth` out");
    }

    #[test]
    fn few_primaries() {
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, replicas: [h3:1]}\n"), @"warning[few-primaries] Cluster: only one primary serves slots; when it fails, nobody is left to let its replica take over; share the slots among three primaries or more");
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, replicas: [h3:1]}\n  b: {primary: h3:2, replicas: [h1:2]}\n"), @"warning[few-primaries] Cluster: only two primaries serve slots; when one fails, the other is no majority, so no replica can take over; share the slots among three primaries or more");
    }

    #[test]
    fn replicas_beside_their_primary_or_each_other() {
        let shards = "  a: {primary: h1:1, replicas: [h1:11, h2:1, h2:11]}\n  \
                      b: {primary: h2:2, replicas: [h3:2]}\n  \
                      c: {primary: h3:3, replicas: [h1:3]}\n";
        insta::assert_snapshot!(three_hosts("host", shards), @r#"
        error[replica-beside-primary] Node(NodeName("h1:11")): the replica h1:11 is on the host h1 like its primary h1:1, so that both are lost together; move it elsewhere, or allow it with `policy: {replicas_apart: off}`
        warning[quorum] Host(HostName("h1")): losing the zone a takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three zones or more, so that none has half of them
        warning[replicas-together] Node(NodeName("h2:11")): the replicas h2:1 and h2:11 of the shard a are both on the host h2; move one of them to another host
        "#);
        insta::assert_snapshot!(three_hosts("zone", shards), @r#"
        error[replica-beside-primary] Node(NodeName("h1:11")): the replica h1:11 is in the zone a like its primary h1:1, so that both are lost together; move it elsewhere, or allow it with `policy: {replicas_apart: off}`
        error[replica-beside-primary] Node(NodeName("h2:1")): the replica h2:1 is in the zone a like its primary h1:1, so that both are lost together; move it elsewhere, or allow it with `policy: {replicas_apart: off}`
        error[replica-beside-primary] Node(NodeName("h2:11")): the replica h2:11 is in the zone a like its primary h1:1, so that both are lost together; move it elsewhere, or allow it with `policy: {replicas_apart: off}`
        warning[quorum] Host(HostName("h1")): losing the zone a takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three zones or more, so that none has half of them
        warning[replicas-together] Node(NodeName("h2:11")): the replicas h2:1 and h2:11 of the shard a are both on the host h2; move one of them to another host
        "#);
        insta::assert_snapshot!(three_hosts("off", shards), @r#"warning[quorum] Host(HostName("h1")): losing the zone a takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three zones or more, so that none has half of them"#);
    }

    #[test]
    fn a_zone_for_every_host() {
        insta::assert_snapshot!(said("cluster: orders\nhosts: {h1: {address: 10.0.0.1, zone: a}, h2: {address: 10.0.0.2, zone: b}, h3: 10.0.0.3, unused: 10.0.0.9}\npolicy: {replicas_apart: zone}\nshards:\n  a: {primary: h1:1, replicas: [h2:1]}\n  b: {primary: h2:2, replicas: [h3:2]}\n  c: {primary: h3:3, replicas: [10.0.0.4:3]}\n"), @r#"
        error[missing-zone] Host(HostName("10.0.0.4")): the host 10.0.0.4 has no zone, but `replicas_apart` is `zone`; write it under `hosts`: {address: 192.168.81.100, zone: rack-a}
        error[missing-zone] Host(HostName("h3")): the host h3 has no zone, but `replicas_apart` is `zone`; write it under `hosts`: {address: 192.168.81.100, zone: rack-a}
        "#);
    }

    #[test]
    fn shards_that_look_odd() {
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, slots: 0-99, replicas: [h2:1]}\n  b: {primary: h2:2, slots: 100-8000}\n  c: {primary: h3:3, slots: 8001-16383, replicas: [h1:3]}\n  d: {primary: h3:4, slots: none}\n"), @r#"
        warning[quorum] Host(HostName("h1")): losing the zone a takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three zones or more, so that none has half of them
        warning[no-replica] Shard(ShardName("b")): the shard b has no replica; when h2:2 fails, nobody can take over its slots; add a replica on another host
        warning[uneven-shares] Shard(ShardName("c")): the shard c is to serve 8383 slots, but the shard a only 100; leave `slots` out for equal shares, or write a `weight` if the nodes differ
        warning[no-slots] Shard(ShardName("d")): the primary h3:4 of the shard d serves no slots, so it holds no keys and has no vote; leave `slots: none` out to give it a share
        "#);
        // Weights are meant.
        insta::assert_snapshot!(three_hosts("host", "  a: {primary: h1:1, weight: 9, replicas: [h2:1]}\n  b: {primary: h2:2, replicas: [h3:2]}\n  c: {primary: h3:3, slots: 0-5, replicas: [h1:3]}\n"), @r#"warning[quorum] Host(HostName("h1")): losing the zone a takes 2 of 3 primaries; the other 1 is no majority, so no replica can take over; spread the primaries over three zones or more, so that none has half of them"#);
    }

    #[test]
    fn loopback_among_others() {
        let with_hosts = |hosts: &str, at: &str| {
            said(&format!(
                "cluster: orders\nhosts: {hosts}\nshards:\n  a: {{primary: {at}, replicas: [h2:1]}}\n  b: {{primary: h2:2, replicas: [h3:2]}}\n  c: {{primary: h3:3, replicas: [h2:3]}}\n"
            ))
        };
        let mixed = "{h1: 127.0.0.1, h2: 10.0.0.2, h3: 10.0.0.3}";
        insta::assert_snapshot!(with_hosts(mixed, "h1:1"), @r#"warning[loopback] Host(HostName("h1")): the host h1 has a loopback address, by which the nodes and clients on other hosts can't reach h1:1; write the address under which the others reach it, or `announce` it for each node"#);
        insta::assert_snapshot!(with_hosts("{h1: localhost, h2: redis2, h3: redis3}", "h1:1"), @r#"warning[loopback] Host(HostName("h1")): the host h1 has a loopback address, by which the nodes and clients on other hosts can't reach h1:1; write the address under which the others reach it, or `announce` it for each node"#);
        assert_eq!(with_hosts(mixed, "{at: h1:1, announce: 10.0.0.1}"), "");
        assert_eq!(
            with_hosts("{h1: 127.0.0.1, h2: 127.0.0.2, h3: \"::1\"}", "h1:1"),
            ""
        );
    }
}
