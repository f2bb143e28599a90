//! The parsers, and what must be so of whatever comes out of them.

use std::collections::BTreeSet;

use rcl::base::{Address, Key, Presence, Reply, Slot};
use rcl::desired::{Access, Desired, parse};
use rcl::diff::{Allowed, diff};
use rcl::export::{Wishes, export};
use rcl::layout::{Given, lay_out};
use rcl::lint::lint;
use rcl::observed::{Answer, Equipment, Job, NodeTable, NodeView, Observed, Questions, SizedKey};
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
pub(crate) fn nodes(input: &[u8]) -> String {
    match NodeTable::parse(&String::from_utf8_lossy(input)) {
        Ok(table) => {
            let slots: usize = table
                .members
                .values()
                .map(|member| member.slots.ranges().len())
                .sum();
            format!(
                "{} {} {}",
                table.members.len(),
                table.open.len(),
                slots.min(50)
            )
        }
        Err(error) => {
            clean(&human_text(&error.to_string(), Styles::plain()));
            "error".to_owned()
        }
    }
}

/// Some nodes' replies to all questions, INFO and CONFIG GET among them, and everything that is made of them: the merged
/// cluster, a comparison with a file, a plan, every text, and an export.
///
/// Nodes are parted by the byte 1d, replies by 1e, the parts of a list by 1f.
pub(crate) fn views(input: &[u8]) -> String {
    let desired = parse(FILE).unwrap();
    let mut questions = rcl::diff::questions(&desired);
    questions.options.extend(rcl::export::questions().options);
    let mut observed = Observed::default();
    let mut outcome = String::new();
    let mut names = desired.nodes.keys();
    for (node, number) in input.split(|byte| *byte == 0x1d).zip(1_u8..=6) {
        let replies: Vec<Reply> = node.split(|byte| *byte == 0x1e).map(reply).collect();
        let at = Address::new([127, 0, 0, number].into(), 7000);
        let name = names.next().unwrap().clone();
        match NodeView::parse(&questions, at, &replies, None) {
            Ok(view) => {
                observed.declared.insert(name, Answer::Node(view.id));
                observed.views.insert(view.id, view);
                outcome.push('+');
            }
            Err(error) => {
                clean(&human_text(&error.to_string(), Styles::plain()));
                outcome.push_str(&format!("{:?} ", error.kind()));
            }
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
    outcome + &all_that_follows(&desired, &observed)
}

fn all_that_follows(desired: &Desired, observed: &Observed) -> String {
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
    let mut codes: Vec<&str> = found.blocked.iter().map(|blocked| blocked.code).collect();
    codes.sort_unstable();
    codes.dedup();
    let exported = match export(observed, wishes) {
        Ok(exported) => {
            let remarks: Vec<String> = exported
                .remarks
                .iter()
                .map(|remark| remark.text.clone())
                .collect();
            let text = written::file(&exported.desired, &remarks);
            clean(&text);
            match parse(&text) {
                Ok(read) => {
                    assert_eq!(read, exported.desired);
                    format!("file {}", remarks.len().min(9))
                }
                Err(mistakes) => mistakes[0]
                    .message
                    .chars()
                    .filter(|letter| letter.is_ascii_lowercase())
                    .collect(),
            }
        }
        Err(refusal) => refusal.to_string(),
    };
    format!("{codes:?} {} {exported}", steps.steps.len().min(9))
}

/// A saved plan: whatever is read can be written and read again.
pub(crate) fn saved(input: &[u8]) -> String {
    match SavedPlan::decode(&String::from_utf8_lossy(input)) {
        Ok(plan) => {
            let text = plan.encode();
            assert_eq!(SavedPlan::decode(&text).unwrap().encode(), text);
            "fine".to_owned()
        }
        Err(error) => {
            let words = error.to_string();
            clean(&rcl::view::saved::unusable("plan.json", &words));
            words
                .chars()
                .filter(|letter| letter.is_ascii_lowercase())
                .take(40)
                .collect()
        }
    }
}

/// GETSLOTMIGRATIONS: jobs are parted by 1e, their parts by 1f.
pub(crate) fn jobs(input: &[u8]) -> String {
    let list = Reply::List(input.split(|byte| *byte == 0x1e).map(list).collect());
    match Job::parse_all(&list) {
        Some(jobs) => format!("{:?}", jobs.iter().map(|job| &job.side).collect::<Vec<_>>()),
        None => "none".to_owned(),
    }
}

/// The name of a channel, which makes somebody known who applies.
pub(crate) fn presence(input: &[u8]) -> String {
    match Presence::parse(&String::from_utf8_lossy(input)) {
        Some(presence) => {
            clean(&line_of(&presence.to_string()));
            let (pid, since) = (presence.pid(), presence.since());
            format!("{} {} {}", presence.holds, pid.is_some(), since.is_some())
        }
        None => "nobody".to_owned(),
    }
}

/// What a newcomer is compared by, and sizes of keys: libraries, users and sizes are parted by the byte 1e.
pub(crate) fn equipment(input: &[u8]) -> String {
    let parts: Vec<&[u8]> = input.split(|byte| *byte == 0x1e).collect();
    let part = |place: usize| parts.get(place).copied().unwrap_or_default();
    let libraries = Reply::List(part(0).split(|byte| *byte == 0x1d).map(list).collect());
    let told = Equipment::read(&[libraries, reply(part(1))]);
    let sizes: Vec<Reply> = part(2).split(|byte| *byte == 0x1f).map(scalar).collect();
    let slot: Slot = 7;
    let keys = vec![(slot, Key::new(part(1))); sizes.len()];
    let largest = SizedKey::largest(&keys, &sizes);
    assert!(largest.len() <= 3 && largest.is_sorted_by_key(|key| std::cmp::Reverse(key.bytes)));
    format!(
        "{:?} {:?} {}",
        told.libraries.known().map(|known| known.len().min(9)),
        told.users.known().map(|known| known.len().min(9)),
        largest.len()
    )
}

/// A file: whatever is understood can be written and read again, and whatever is not is told cleanly.
pub(crate) fn yaml(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    match parse(&text) {
        Ok(desired) => {
            let lints = lint(&desired);
            let again = written::file(&desired, &[]);
            clean(&again);
            match parse(&again) {
                Ok(read) => assert_eq!(read, desired, "{again}"),
                Err(mistakes) => panic!("{mistakes:?}\n{again}"),
            }
            format!("fine {} {}", lints.len().min(5), desired.nodes.len().min(9))
        }
        Err(mistakes) => {
            clean(&findings::render(&mistakes, "rcl.yaml", &text, false));
            let message = &mistakes[0].message;
            // Without what it quotes.
            message.split('`').step_by(2).collect()
        }
    }
}

/// Nodes for a new file: whatever is laid out is a file that can be used.
pub(crate) fn given(input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let _ = Given::from_list(&text);
    let given = match Given::from_lines(&text) {
        Ok(given) => given,
        Err(error) => {
            clean(&human_text(&error.to_string(), Styles::plain()));
            return error
                .to_string()
                .chars()
                .filter(|letter| letter.is_ascii_lowercase())
                .take(30)
                .collect();
        }
    };
    let nodes: usize = given.spots.iter().map(|spot| spot.ports.len()).sum();
    if nodes > 12 {
        return "many".to_owned();
    }
    let Ok(laid_out) = lay_out(&given, "fuzz", nodes % 3) else {
        return "few".to_owned();
    };
    let text = written::file(&laid_out.desired, &laid_out.unmet);
    clean(&text);
    match parse(&text) {
        Ok(read) => {
            assert_eq!(read, laid_out.desired, "{text}");
            let errors = lint(&read)
                .into_iter()
                .filter(|lint| lint.level == rcl::lint::Level::Error);
            assert_eq!(errors.count(), 0, "{text}");
            format!("{} {}", given.spots.len(), laid_out.unmet.len())
        }
        // Ports that clash with bus ports are a mistake of the person.
        Err(mistakes) => mistakes[0].message.split('`').step_by(2).collect(),
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
