//! The parsers, and what must be so of whatever comes out of them.

use std::collections::BTreeSet;

use rcl::base::{Address, Key, Presence, Reply, Slot, SlotSet};
use rcl::desired::{Access, Desired, parse};
use rcl::diff::{Allowed, diff};
use rcl::export::{Wishes, export};
use rcl::layout::{Given, lay_out};
use rcl::lint::{Level, lint};
use rcl::observed::{Answer, Equipment, Job, NodeTable, NodeView, Observed, Questions, Sample};
use rcl::plan::{SavedPlan, check, plan};
use rcl::view::Styles;
use rcl::view::error::{human_text, line_of};
use rcl::view::status::StatusView;
use rcl::view::{drift, findings, status, yaml as written};

/// Three shards of two nodes at 127.0.0.1 to 127.0.0.6.
const FILE: &str = "cluster: fuzz\nconfig: {cluster-node-timeout: 15s}\nshards:\n  \
    a: {primary: 127.0.0.1:7000, replicas: [127.0.0.4:7000], slots: 0-5461}\n  \
    b: {primary: 127.0.0.2:7000, replicas: [127.0.0.5:7000], slots: 5462-10922}\n  \
    c: {primary: 127.0.0.3:7000, replicas: [127.0.0.6:7000], slots: 10923-16383}\n";

/// CLUSTER NODES.
pub fn nodes(input: &[u8]) {
    match NodeTable::parse(&String::from_utf8_lossy(input)) {
        Ok(table) => assert!(table.members.values().all(|member| within(&member.slots))),
        Err(error) => clean(&human_text(&error.to_string(), Styles::plain())),
    }
}

/// There are 16384 slots, and each is in one range at most.
fn within(slots: &SlotSet) -> bool {
    let apart = slots
        .ranges()
        .windows(2)
        .all(|two| two[0].last < two[1].first);
    apart && slots.difference(&SlotSet::full()).is_empty()
}

/// Some nodes' replies to all questions, INFO and CONFIG GET among them, and everything that is made of them: the merged
/// cluster, a comparison with a file, a plan, every text, and an export.
///
/// Nodes are parted by the byte 1d, replies by 1e, the parts of a list by 1f.
pub fn views(input: &[u8]) {
    let desired = parse(FILE).expect("a file");
    let mut questions = rcl::diff::questions(&desired);
    questions.options.extend(rcl::export::questions().options);
    let mut observed = Observed::default();
    let mut names = desired.nodes.keys();
    for (node, number) in input.split(|byte| *byte == 0x1d).zip(1_u8..=6) {
        let replies: Vec<Reply> = node.split(|byte| *byte == 0x1e).map(reply).collect();
        let at = Address::new([127, 0, 0, number].into(), 7000);
        let name = names.next().expect("as many as nodes").clone();
        match NodeView::parse(&questions, at, &replies, None) {
            Ok(view) => {
                observed.declared.insert(name, Answer::Node(view.id));
                observed.views.insert(view.id, view);
            }
            Err(error) => clean(&human_text(&error.to_string(), Styles::plain())),
        }
        // Brief replies are completed by earlier ones.
        let brief = Questions {
            brief: true,
            ..Questions::default()
        };
        let earlier = observed.views.values().next();
        let _ = NodeView::parse(&brief, at, &replies, earlier);
    }
    observed.share_tables();
    all_that_follows(&desired, &observed);
}

fn all_that_follows(desired: &Desired, observed: &Observed) {
    let found = diff(desired, observed, &Allowed::default());
    clean(&drift::human("rcl.yaml", &found, true, Styles::plain()));
    clean(&drift::json("rcl.yaml", "fuzz", &found, &BTreeSet::new()));
    let seen = StatusView {
        observed,
        asked: "127.0.0.1:7000",
        file: None,
    };
    clean(&status::human(&seen, Styles::plain(), 100));
    clean(&status::json(&seen));
    let steps = plan(desired, observed, &Allowed::default());
    let broken = check(&steps, observed);
    assert!(broken.is_empty(), "{broken:?}");
    let wishes = Wishes {
        cluster: "fuzz",
        pin_ids: true,
        access: &Access::default(),
    };
    if let Ok(exported) = export(observed, wishes) {
        let remarks = exported.remarks.iter().map(|remark| remark.text.clone());
        let remarks: Vec<String> = remarks.collect();
        let text = written::file(&exported.desired, &remarks);
        clean(&text);
        // What servers say may be a file that nobody may write.
        if let Ok(read) = parse(&text) {
            assert_eq!(read, exported.desired);
        }
    }
}

/// A saved plan: whatever is read can be written and read again.
pub fn saved(input: &[u8]) {
    match SavedPlan::decode(&String::from_utf8_lossy(input)) {
        Ok(plan) => {
            let text = plan.encode();
            assert_eq!(
                SavedPlan::decode(&text).expect("what was written").encode(),
                text
            );
        }
        Err(error) => clean(&rcl::view::saved::unusable("plan.json", &error.to_string())),
    }
}

/// GETSLOTMIGRATIONS: jobs are parted by 1e, their parts by 1f.
pub fn jobs(input: &[u8]) {
    let list = Reply::List(input.split(|byte| *byte == 0x1e).map(list).collect());
    if let Some(jobs) = Job::parse_all(&list) {
        assert!(jobs.iter().all(|job| within(&job.slots)));
    }
}

/// The name of a channel, which makes somebody known who applies.
pub fn presence(input: &[u8]) {
    if let Some(presence) = Presence::parse(&String::from_utf8_lossy(input)) {
        clean(&line_of(&presence.to_string()));
        let _ = (presence.pid(), presence.since());
    }
}

/// What a newcomer is compared by, and sizes of keys: libraries, users and sizes are parted by the byte 1e.
pub fn equipment(input: &[u8]) {
    let parts: Vec<&[u8]> = input.split(|byte| *byte == 0x1e).collect();
    let part = |place: usize| parts.get(place).copied().unwrap_or_default();
    let libraries = Reply::List(part(0).split(|byte| *byte == 0x1d).map(list).collect());
    let _ = Equipment::read(&[libraries, reply(part(1))]);
    let sizes: Vec<Reply> = part(2).split(|byte| *byte == 0x1f).map(scalar).collect();
    let slot: Slot = 7;
    let keys = vec![(slot, Key::new(part(1))); sizes.len()];
    let largest = Sample::new(&keys, &sizes).largest;
    assert!(largest.len() <= 3 && largest.is_sorted_by_key(|key| std::cmp::Reverse(key.bytes)));
}

/// A file: whatever is understood can be written and read again, and whatever is not is told cleanly.
pub fn yaml(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match parse(&text) {
        Ok(desired) => {
            let _ = lint(&desired);
            let again = written::file(&desired, &[]);
            clean(&again);
            match parse(&again) {
                Ok(read) => assert_eq!(read, desired, "{again}"),
                Err(mistakes) => panic!("{mistakes:?}\n{again}"),
            }
        }
        Err(mistakes) => clean(&findings::render(&mistakes, "rcl.yaml", &text, false)),
    }
}

/// Nodes for a new file: whatever is laid out is a file that can be used.
pub fn given(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let _ = Given::from_list(&text);
    let given = match Given::from_lines(&text) {
        Ok(given) => given,
        Err(error) => return clean(&human_text(&error.to_string(), Styles::plain())),
    };
    let nodes: usize = given.spots.iter().map(|spot| spot.ports.len()).sum();
    if nodes > 12 {
        return;
    }
    let Ok(laid_out) = lay_out(&given, "fuzz", nodes % 3) else {
        return;
    };
    let text = written::file(&laid_out.desired, &laid_out.unmet);
    clean(&text);
    // Ports that clash with bus ports are a mistake of the person.
    if let Ok(read) = parse(&text) {
        assert_eq!(read, laid_out.desired, "{text}");
        let lints = lint(&read);
        let wrong = lints.iter().any(|lint| lint.level == Level::Error);
        assert!(!wrong, "{text}");
    }
}

fn reply(bytes: &[u8]) -> Reply {
    match bytes {
        [0x1f, parts @ ..] => list(parts),
        bytes => scalar(bytes).legible(),
    }
}

fn list(bytes: &[u8]) -> Reply {
    if bytes.is_empty() {
        return Reply::List(Vec::new());
    }
    Reply::List(bytes.split(|byte| *byte == 0x1f).map(scalar).collect())
}

/// `-…` is an error, `:7` a number, `_` nothing; else a text.
fn scalar(bytes: &[u8]) -> Reply {
    let text = String::from_utf8_lossy(bytes);
    match (
        bytes.first(),
        text.get(1..).and_then(|rest| rest.parse().ok()),
    ) {
        (Some(b'-'), _) => Reply::Error(text.get(1..).unwrap_or_default().to_owned()),
        (Some(b':'), Some(number)) => Reply::Integer(number),
        (Some(b'_'), _) if bytes.len() == 1 => Reply::Nil,
        (_, _) => match String::from_utf8(bytes.to_vec()) {
            Ok(text) => Reply::Text(text),
            Err(error) => Reply::Bytes(error.into_bytes()),
        },
    }
}

/// Nothing in a text is obeyed by a terminal.
#[track_caller]
fn clean(text: &str) {
    let obeyed = |letter: char| {
        (letter.is_control() && letter != '\n')
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!text.contains(obeyed), "{text:?}");
}
