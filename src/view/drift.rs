//! Drift: one line a difference, prefixed by its file, as mail from cron wants it.

use serde::Serialize;

use crate::diff::{Blocked, Diff, Difference, Severity};

use super::attention::note_text;
use super::difference::sentence;
use super::json::{DiffJson, FORMAT_VERSION, line};
use super::page::Page;
use super::styles::{Meaning, Styles};

/// Lines of evidence that one line of drift takes in.
const MOST_EVIDENCE: usize = 4;

/// The differences and what is blocked; nothing when there is nothing to tell. Notes are no
/// drift and only told when asked for.
#[must_use]
pub fn human(file: &str, diff: &Diff, with_notes: bool, styles: Styles) -> String {
    let Diff {
        pairing,
        differences,
        blocked,
        notes,
    } = diff;
    let mut page = Page::new(styles);
    for blocked in blocked {
        page.plain(file)
            .plain(": ")
            .put(Meaning::Blocked, heading(blocked.severity))
            .plain(": ")
            .plain(why(blocked, differences))
            .end();
    }
    for difference in differences {
        page.plain(file)
            .plain(": ")
            .plain(sentence(difference, pairing))
            .end();
    }
    for note in notes.iter().filter(|_| with_notes) {
        page.plain(file)
            .plain(": ")
            .put(Meaning::Note, "note")
            .plain(": ")
            .plain(note_text(note))
            .end();
    }
    page.into_text()
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
}

/// The same on one line, so that several files make JSON lines.
#[must_use]
pub fn json(file: &str, cluster: &str, diff: &Diff) -> String {
    line(&DriftJson {
        format_version: FORMAT_VERSION,
        kind: "drift",
        cluster,
        file,
        matches: diff.is_empty(),
        diff: DiffJson::new(diff),
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
            | Difference::LeftOpen { .. }
            | Difference::NotReplicating { .. }
            | Difference::LinkDown { .. } => false,
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
    use crate::view::json::outline;
    use crate::view::sample::{World, id, planned, seed, with_option};

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

    #[test]
    fn one_line_a_difference() {
        let text = human("rcl.yaml", &drifted(), false, Styles::plain());
        assert_snapshot!(text, @"
        rcl.yaml: blocked: a move of 1 slot was begun and not finished; finishing a move is not supported yet (host1:7002 is giving to host1:7000: slot 11000)
        rcl.yaml: host2:7000 is not a member
        rcl.yaml: host2:7001 is announced as 127.0.0.1:7001, not 10.0.0.2:7001
        rcl.yaml: cluster-node-timeout of host1:7001 is 1000, the file says 5000
        rcl.yaml: slots 5462-10922 have no owner (shard b)
        rcl.yaml: host2:7000 is a primary without slots, the file makes it a replica of shard a
        rcl.yaml: host2:7001 replicates host1:7000, the file makes it a replica of shard b
        rcl.yaml: host2:7002 has no link to its primary host1:7002
        ");
        let with_notes = human("rcl.yaml", &drifted(), true, Styles::plain());
        assert_snapshot!(with_notes.strip_prefix(&text).unwrap(), @"rcl.yaml: note: 10.0.0.9:7009 (00097009) is a member that the file doesn't name: a primary without slots. Removing members is not supported yet.");
    }

    #[test]
    fn one_line_of_json_a_file() {
        let text = json("rcl.yaml", "orders", &drifted());
        assert_eq!(text.matches('\n').count(), 1);
        assert_snapshot!(outline(&text), @r#"
        blocked:
          {"code":"open-slots","evidence":["host1:7002 is giving to host1:7000: slot 11000"],"scope":"alone","severity":"blocked","subject":"slot 11000","way_out":"Finish the move with the tool that began it. Closing it (CLUSTER SETSLOT with STABLE) loses nothing only where the taking side holds no key of the slots.","why":"a move of 1 slot was begun and not finished; finishing a move is not supported yet"}
        cluster: "orders"
        differences:
          {"id":"0002700000000000000000000000000000000000","kind":"not_joined","node":"host2:7000","text":"host2:7000 is not a member","unknown_to":["0001700000000000000000000000000000000000","0001700100000000000000000000000000000000","0001700200000000000000000000000000000000","0002700100000000000000000000000000000000","0002700200000000000000000000000000000000","0009700900000000000000000000000000000000"]}
          {"id":"0002700100000000000000000000000000000000","kind":"announced","node":"host2:7001","seen":["127.0.0.1:7001"],"seen_by":["0001700000000000000000000000000000000000","0001700100000000000000000000000000000000","0001700200000000000000000000000000000000","0002700200000000000000000000000000000000","0009700900000000000000000000000000000000"],"set":[{"have":"","option":"cluster-announce-ip","want":"10.0.0.2"}],"text":"host2:7001 is announced as 127.0.0.1:7001, not 10.0.0.2:7001","want":{"bus_port":17001,"client":"10.0.0.2:7001"}}
          {"have":"1000","id":"0001700100000000000000000000000000000000","kind":"option","node":"host1:7001","option":"cluster-node-timeout","text":"cluster-node-timeout of host1:7001 is 1000, the file says 5000","want":"5000"}
          {"kind":"unassigned","primary":"host1:7001","primary_id":"0001700100000000000000000000000000000000","shard":"b","slots":"5462-10922","text":"slots 5462-10922 have no owner (shard b)"}
          {"id":"0002700000000000000000000000000000000000","kind":"not_replicating","node":"host2:7000","now":{"keys":0,"primary_id":null,"role":"primary"},"primary":"host1:7000","primary_id":"0001700000000000000000000000000000000000","shard":"a","text":"host2:7000 is a primary without slots, the file makes it a replica of shard a"}
          {"id":"0002700100000000000000000000000000000000","kind":"not_replicating","node":"host2:7001","now":{"keys":0,"primary_id":"0001700000000000000000000000000000000000","role":"replica"},"primary":"host1:7001","primary_id":"0001700100000000000000000000000000000000","shard":"b","text":"host2:7001 replicates host1:7000, the file makes it a replica of shard b"}
          {"id":"0002700200000000000000000000000000000000","kind":"link_down","node":"host2:7002","primary":"host1:7002","primary_id":"0001700200000000000000000000000000000000","text":"host2:7002 has no link to its primary host1:7002"}
        file: "rcl.yaml"
        format_version: "1.0"
        kind: "drift"
        matches: false
        notes:
          {"code":"undeclared","subject":"10.0.0.9:7009 (00097009)","text":"10.0.0.9:7009 (00097009) is a member that the file doesn't name: a primary without slots. Removing members is not supported yet."}
        "#);
    }

    #[test]
    fn silent_when_all_is_as_declared() {
        let desired = seed();
        let diff = planned(&desired, &World::formed(&desired)).plan.diff;
        assert_eq!(human("rcl.yaml", &diff, true, Styles::plain()), "");
        assert_snapshot!(json("rcl.yaml", "orders", &diff), @r#"{"format_version":"1.0","kind":"drift","cluster":"orders","file":"rcl.yaml","matches":true,"differences":[],"blocked":[],"notes":[]}"#);
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
