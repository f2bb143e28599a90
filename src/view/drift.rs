//! Drift: one line a difference, prefixed by its file, as mail from cron wants it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::Presence;
use crate::diff::{Blocked, Diff, Difference, Note, Severity};

use super::alike;
use super::attention::note_text;
use super::json::{ApplyingJson, DiffJson, FORMAT_VERSION, line};
use super::lock;
use super::page::Page;
use super::styles::{Meaning, Styles};
use super::wording::{MOST_ALIKE, outage};

/// Lines of evidence that one line of drift takes in.
const MOST_EVIDENCE: usize = 4;

/// The differences and what is blocked; nothing when there is nothing to tell. Notes are no
/// drift and only told when everything is asked for; else many lines alike are one.
#[must_use]
pub fn human(file: &str, diff: &Diff, everything: bool, styles: Styles) -> String {
    let most = if everything { usize::MAX } else { MOST_ALIKE };
    let mut page = lines(file, diff, most, styles);
    notes(&mut page, file, diff.notes.iter().filter(|_| everything));
    page.into_text()
}

/// An apply that is under way is no drift, but may be why there is some.
#[must_use]
pub fn applying(file: &str, applying: &BTreeSet<Presence>, styles: Styles) -> String {
    let mut page = Page::new(styles);
    for presence in applying {
        begin(&mut page, file, Meaning::Note, "note")
            .plain(lock::under_way(presence))
            .end();
    }
    page.into_text()
}

/// What is left after an apply, which has told of each node what went wrong there: one line a
/// kind. And what goes on without rcl, as after a stop.
#[must_use]
pub fn left(file: &str, diff: &Diff, styles: Styles) -> String {
    let mut page = lines(file, diff, 1, styles);
    let goes_on = diff.notes.iter().filter(|note| note.code == "job-running");
    notes(&mut page, file, goes_on);
    page.into_text()
}

/// A line that says in a word what it is.
fn begin<'p>(page: &'p mut Page, file: &str, meaning: Meaning, word: &str) -> &'p mut Page {
    page.plain(file).plain(": ").put(meaning, word).plain(": ")
}

fn notes<'a>(page: &mut Page, file: &str, notes: impl Iterator<Item = &'a Note>) {
    for note in notes {
        begin(page, file, Meaning::Note, "note")
            .plain(note_text(note))
            .end();
    }
}

fn lines(file: &str, diff: &Diff, most: usize, styles: Styles) -> Page {
    let Diff {
        pairing,
        differences,
        blocked,
        notes: _,
        unserved,
    } = diff;
    let mut page = Page::new(styles);
    if !unserved.slots.is_empty() {
        begin(&mut page, file, Meaning::Blocked, "outage")
            .plain(outage(unserved))
            .end();
    }
    for group in alike::blocked(blocked, most) {
        let Some(first) = group.first() else { continue };
        begin(&mut page, file, Meaning::Blocked, heading(first.severity))
            .plain(why(first, differences))
            .plain(alike::others(&group))
            .end();
    }
    for line in alike::lines(differences, pairing, most) {
        page.plain(file).plain(": ").plain(line).end();
    }
    page
}

#[derive(Debug, Serialize)]
struct DriftJson<'a> {
    format_version: &'static str,
    kind: &'static str,
    cluster: &'a str,
    file: &'a str,
    matches: bool,
    #[serde(flatten)]
    diff: DiffJson<'a>,
    applying: Vec<ApplyingJson<'a>>,
}

/// The same on one line, so that several files make JSON lines.
#[must_use]
pub fn json(file: &str, cluster: &str, diff: &Diff, applying: &BTreeSet<Presence>) -> String {
    line(&DriftJson {
        format_version: FORMAT_VERSION,
        kind: "drift",
        cluster,
        file,
        matches: diff.is_empty(),
        diff: DiffJson::new(diff),
        applying: ApplyingJson::all(applying),
    })
}

fn heading(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Blocked => "blocked",
    }
}

/// Why, with the first of the evidence. What stands on a line of its own is no news.
fn why(blocked: &Blocked, differences: &[Difference]) -> String {
    let told = |line: &&String| {
        differences.iter().any(|difference| match difference {
            Difference::Down { node, .. } => line.starts_with(&format!("{node}: ")),
            Difference::NotJoined { .. }
            | Difference::Announced { .. }
            | Difference::Option { .. }
            | Difference::Unassigned { .. }
            | Difference::Misplaced { .. }
            | Difference::LeaderElsewhere(_)
            | Difference::HandOver(_)
            | Difference::LacksLibraries { .. }
            | Difference::GivenUp { .. }
            | Difference::Unclaimed { .. }
            | Difference::Stray(_)
            | Difference::LeftOpen { .. }
            | Difference::Untold(_)
            | Difference::NotReplicating { .. }
            | Difference::LinkDown { .. }
            | Difference::Undeclared { .. }
            | Difference::Ghost { .. } => false,
        })
    };
    let lines: Vec<&str> = blocked
        .evidence
        .iter()
        .filter(|line| !told(line))
        .map(String::as_str)
        .collect();
    match lines.get(..MOST_EVIDENCE) {
        _ if lines.is_empty() => blocked.why.clone(),
        Some(first) if lines.len() > MOST_EVIDENCE => format!(
            "{} ({}; and {} more)",
            blocked.why,
            first.join("; "),
            lines.len() - MOST_EVIDENCE
        ),
        Some(_) | None => format!("{} ({})", blocked.why, lines.join("; ")),
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::base::SLOT_COUNT;
    use crate::desired::Desired;
    use crate::view::json::outline;
    use crate::view::sample::{World, desired, id, planned, seed, with_option};

    /// Some of everything.
    fn drifted() -> Diff {
        let desired = with_option(seed(), "cluster-node-timeout", "5000");
        let mut world = World::formed(&desired);
        world.set_all(|server| {
            let timeout = "5000".to_owned();
            server
                .options
                .insert("cluster-node-timeout".to_owned(), timeout);
        });
        world.set("host2:7002", |server| server.link_up = false);
        world.set("host2:7000", |server| {
            server.group = 0;
            server.replica_of = None;
            server.keys = 0;
        });
        world.set("host2:7001", |server| {
            server.replica_of = Some("host1:7000".to_owned());
            server.keys = 0;
            server.seen_at = Some("127.0.0.1:7001");
        });
        world.set("host1:7001", |server| {
            server.slots = "none".to_owned();
            server.replica_of = None;
            let timeout = "1000".to_owned();
            server
                .options
                .insert("cluster-node-timeout".to_owned(), timeout);
        });
        world.set("host1:7002", |server| {
            server.open = format!("[11000->-{}]", id("host1:7000"))
        });
        world.add("host9:7009");
        world.set("host9:7009", |server| server.group = 1);
        planned(&desired, &world).plan.diff
    }

    /// So many shards of two nodes.
    fn many(shards: u16) -> Desired {
        let share = SLOT_COUNT / shards;
        let names: Vec<(String, [String; 2], String)> = (0..shards)
            .map(|shard| {
                let (port, first) = (7000 + shard, shard * share);
                let nodes = [format!("host1:{port}"), format!("host2:{port}")];
                let slots = format!("{first}-{}", first + share - 1);
                (format!("s{shard}"), nodes, slots)
            })
            .collect();
        let nodes: Vec<[&str; 2]> = names
            .iter()
            .map(|(_, [one, two], _)| [one.as_str(), two.as_str()])
            .collect();
        let shards: Vec<(&str, &[&str], &str)> = names
            .iter()
            .zip(&nodes)
            .map(|((name, _, slots), nodes)| (name.as_str(), nodes.as_slice(), slots.as_str()))
            .collect();
        desired(&shards)
    }

    #[test]
    fn one_line_a_difference() {
        let text = human("rcl.yaml", &drifted(), false, Styles::plain());
        assert_snapshot!(text, @"
        rcl.yaml: outage: nobody serves slots 5462-10922: clients get errors for them, and for all other slots too: cluster-require-full-coverage is yes
        rcl.yaml: blocked: a move of 1 slot was begun, and the marks that it left contradict each other (host1:7002 is giving to host1:7000: slot 11000)
        rcl.yaml: host2:7000 is not a member
        rcl.yaml: host2:7001 is announced as 127.0.0.1:7001, not 10.0.0.2:7001
        rcl.yaml: cluster-node-timeout of host1:7001 is 1s, the file says 5s
        rcl.yaml: slots 5462-10922 have no owner (shard b)
        rcl.yaml: host2:7000 is a primary without slots, the file makes it a replica of shard a
        rcl.yaml: host2:7001 replicates host1:7000, the file makes it a replica of shard b
        rcl.yaml: host2:7002 has no link to its primary host1:7002
        ");
        let with_notes = human("rcl.yaml", &drifted(), true, Styles::plain());
        assert_snapshot!(with_notes.strip_prefix(&text).unwrap(), @"rcl.yaml: note: 10.0.0.9:7009 (00097009) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members.");
    }

    #[test]
    fn one_line_of_json_a_file() {
        let text = json("rcl.yaml", "orders", &drifted(), &BTreeSet::new());
        assert_eq!(text.matches('\n').count(), 1);
        assert_snapshot!(outline(&text), @r#"
        applying: []
        blocked:
          {"code":"open-slots","evidence":["host1:7002 is giving to host1:7000: slot 11000"],"scope":"alone","severity":"blocked","subject":"slot 11000","way_out":"Count the keys on both sides (CLUSTER COUNTKEYSINSLOT). Closing a slot (CLUSTER SETSLOT with STABLE) loses nothing only where the taking side holds no key of it.","why":"a move of 1 slot was begun, and the marks that it left contradict each other"}
        cluster: "orders"
        differences:
          {"id":"0002700000000000000000000000000000000000","kind":"not_joined","node":"host2:7000","text":"host2:7000 is not a member","unknown_to":["0001700000000000000000000000000000000000","0001700100000000000000000000000000000000","0001700200000000000000000000000000000000","0002700100000000000000000000000000000000","0002700200000000000000000000000000000000","0009700900000000000000000000000000000000"]}
          {"id":"0002700100000000000000000000000000000000","kind":"announced","node":"host2:7001","seen":["127.0.0.1:7001"],"seen_by":["0001700000000000000000000000000000000000","0001700100000000000000000000000000000000","0001700200000000000000000000000000000000","0002700200000000000000000000000000000000","0009700900000000000000000000000000000000"],"set":[{"have":"","option":"cluster-announce-ip","want":"10.0.0.2"}],"text":"host2:7001 is announced as 127.0.0.1:7001, not 10.0.0.2:7001","want":{"bus_port":17001,"client":"10.0.0.2:7001"}}
          {"have":"1000","id":"0001700100000000000000000000000000000000","kind":"option","node":"host1:7001","option":"cluster-node-timeout","text":"cluster-node-timeout of host1:7001 is 1s, the file says 5s","want":"5000"}
          {"kind":"unassigned","primary":"host1:7001","primary_id":"0001700100000000000000000000000000000000","shard":"b","slots":"5462-10922","text":"slots 5462-10922 have no owner (shard b)"}
          {"id":"0002700000000000000000000000000000000000","kind":"not_replicating","node":"host2:7000","now":{"keys":0,"primary_id":null,"role":"primary"},"primary":"host1:7000","primary_id":"0001700000000000000000000000000000000000","shard":"a","text":"host2:7000 is a primary without slots, the file makes it a replica of shard a"}
          {"id":"0002700100000000000000000000000000000000","kind":"not_replicating","node":"host2:7001","now":{"keys":0,"primary_id":"0001700000000000000000000000000000000000","role":"replica"},"primary":"host1:7001","primary_id":"0001700100000000000000000000000000000000","shard":"b","text":"host2:7001 replicates host1:7000, the file makes it a replica of shard b"}
          {"id":"0002700200000000000000000000000000000000","kind":"link_down","node":"host2:7002","primary":"host1:7002","primary_id":"0001700200000000000000000000000000000000","text":"host2:7002 has no link to its primary host1:7002"}
        file: "rcl.yaml"
        format_version: "1.4"
        kind: "drift"
        matches: false
        notes:
          {"code":"undeclared","subject":"10.0.0.9:7009 (00097009)","text":"10.0.0.9:7009 (00097009) is a member that the file doesn't name: a primary without slots. With `prune: true` under `policy` rcl removes such members."}
        unserved: "5462-10922"
        "#);
    }

    /// One line a kind of difference, however many nodes have it; in full where that is asked for.
    #[test]
    fn many_alike_are_one_line() {
        let desired = with_option(many(16), "maxmemory", "120mb");
        let mut world = World::formed(&desired);
        world.set_all(|server| {
            let options = &mut server.options;
            options.insert("maxmemory".to_owned(), "1073741824".to_owned());
        });
        world.set("host1:7000", |server| {
            server
                .options
                .insert("maxmemory".to_owned(), "0".to_owned());
        });
        for port in 7000..7008 {
            world.set(&format!("host2:{port}"), |server| server.link_up = false);
        }
        for port in 7008..7015 {
            world.set(&format!("host2:{port}"), |server| server.up = false);
        }
        let diff = planned(&desired, &world).plan.diff;
        assert_snapshot!(human("rcl.yaml", &diff, false, Styles::plain()), @"
        rcl.yaml: 7 nodes do not answer (connection refused): host2:7008, host2:7009, host2:7010, host2:7011, host2:7012, host2:7013 and 1 more
        rcl.yaml: maxmemory of host1:7000 is 0, the file says 120mb
        rcl.yaml: maxmemory of 24 nodes is 1gb, the file says 120mb: host1:7001, host1:7002, host1:7003, host1:7004, host1:7005, host1:7006 and 18 more
        rcl.yaml: 8 nodes have no link to their primaries: host2:7000, host2:7001, host2:7002, host2:7003, host2:7004, host2:7005 and 2 more
        ");
        let all = human("rcl.yaml", &diff, true, Styles::plain());
        assert_eq!(
            all.lines().count(),
            diff.differences.len() + diff.notes.len()
        );
        let json = json("rcl.yaml", "orders", &diff, &BTreeSet::new());
        assert_eq!(json.matches("\"text\":").count(), all.lines().count());
    }

    #[test]
    fn a_cluster_that_is_not_there_yet_is_few_lines() {
        let desired = many(16);
        let diff = planned(&desired, &World::blank(&desired)).plan.diff;
        assert_snapshot!(human("rcl.yaml", &diff, false, Styles::plain()), @"
        rcl.yaml: 32 nodes are not members: host1:7000, host1:7001, host1:7002, host1:7003, host1:7004, host1:7005 and 26 more
        rcl.yaml: 16384 slots of 16 shards have no owner: shard s0, shard s1, shard s2, shard s3, shard s4, shard s5 and 10 more
        rcl.yaml: 16 nodes are primaries without slots, the file makes them replicas: host2:7000, host2:7001, host2:7002, host2:7003, host2:7004, host2:7005 and 10 more
        ");
    }

    /// What is blocked everywhere for one reason is told once.
    #[test]
    fn what_is_blocked_alike_is_one_line() {
        let desired = with_option(many(4), "databases", "32");
        let mut world = World::formed(&desired);
        world.set_all(|server| {
            server
                .options
                .insert("databases".to_owned(), "16".to_owned());
        });
        let diff = planned(&desired, &world).plan.diff;
        assert_snapshot!(human("rcl.yaml", &diff, false, Styles::plain()), @r#"
        rcl.yaml: blocked: databases of host1:7000 can't be changed while it runs (it is "16", the file says "32"); the same of host1:7001, host1:7002, host1:7003, host2:7000, host2:7001, host2:7002 and 1 more
        "#);
    }

    #[test]
    fn silent_when_all_is_as_declared() {
        let desired = seed();
        let diff = planned(&desired, &World::formed(&desired)).plan.diff;
        assert_eq!(human("rcl.yaml", &diff, true, Styles::plain()), "");
        assert_snapshot!(json("rcl.yaml", "orders", &diff, &BTreeSet::new()), @r#"{"format_version":"1.4","kind":"drift","cluster":"orders","file":"rcl.yaml","matches":true,"unserved":"none","differences":[],"blocked":[],"notes":[],"applying":[]}"#);
    }

    #[test]
    fn nobody_answers() {
        let desired = seed();
        let mut world = World::formed(&desired);
        world.set_all(|server| server.up = false);
        let diff = planned(&desired, &world).plan.diff;
        assert_snapshot!(human("rcl.yaml", &diff, false, Styles::plain()), @"
        rcl.yaml: error: no declared node answers
        rcl.yaml: host1:7000 does not answer (10.0.0.1:7000: connection refused)
        rcl.yaml: host1:7001 does not answer (10.0.0.1:7001: connection refused)
        rcl.yaml: host1:7002 does not answer (10.0.0.1:7002: connection refused)
        rcl.yaml: host2:7000 does not answer (10.0.0.2:7000: connection refused)
        rcl.yaml: host2:7001 does not answer (10.0.0.2:7001: connection refused)
        rcl.yaml: host2:7002 does not answer (10.0.0.2:7002: connection refused)
        ");
    }
}
