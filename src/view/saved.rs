//! Saved plans in words: that one was saved, and why one can't be carried out any more.

use std::collections::BTreeSet;

use crate::base::{NodeId, Role};
use crate::desired::Desired;
use crate::diff::Pairing;
use crate::observed::{Change, Part};

use super::page::{Page, clean};
use super::styles::{Meaning, Styles};
use super::wording::slots;

/// So many changes are told one by one.
const MOST: usize = 12;

/// Why a plan is no longer the plan.
#[derive(Clone, Debug)]
pub struct Stale<'a> {
    /// The saved plan's file; none for a plan that was only shown.
    pub saved: Option<Saved<'a>>,
    /// The YAML file.
    pub file: &'a str,
    /// What changed, in words.
    pub changes: Vec<String>,
}

/// A plan on disk.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    pub path: &'a str,
    pub at: &'a str,
}

/// What was saved, and what it is for.
#[must_use]
pub fn saved(path: &str) -> String {
    let path = clean(path);
    format!("Saved to {path}. `rcl apply {path}` carries out exactly this, or nothing.\n")
}

#[must_use]
pub fn not_saved(path: &str, why: &str) -> String {
    format!(
        "error: the plan can't be saved to {}: {}\n",
        clean(path),
        clean(why)
    )
}

/// A file that begins as a saved plan and can't be used as one.
#[must_use]
pub fn unusable(path: &str, why: &str) -> String {
    clean(&format!("{path} can't be used as a saved plan: {why}")).into_owned()
}

/// A saved plan that loses data, which has to be said where it is carried out.
#[must_use]
pub fn unsaid(path: &str, leave: &[String]) -> String {
    let flags: Vec<String> = leave.iter().map(|it| format!("--allow {it}")).collect();
    let flags = flags.join(" ");
    clean(&format!(
        "{path} gives up data for good ({flags}), and a file alone is no leave for that. Nothing was done; if it is meant, run `rcl apply {flags} {path}`."
    ))
    .into_owned()
}

/// For programs.
#[must_use]
pub fn in_one_line(stale: &Stale<'_>) -> String {
    format!("{}: {}", stale_in_short(stale), stale.changes.join("; "))
}

fn stale_in_short(stale: &Stale<'_>) -> String {
    match stale.saved {
        Some(Saved { path, at }) => {
            format!("{path} no longer holds: it was saved at {at}, and things have changed since")
        }
        None => "the cluster has changed since the plan was shown".to_owned(),
    }
}

/// For people, with what changed.
#[must_use]
pub fn stale(stale: &Stale<'_>, styles: Styles) -> String {
    let mut page = Page::new(styles);
    page.put(Meaning::Bad, "error: ")
        .plain(stale_in_short(stale))
        .end();
    for change in stale.changes.iter().take(MOST) {
        page.plain(format_args!("  {change}")).end();
    }
    if stale.changes.len() > MOST {
        let more = stale.changes.len() - MOST;
        page.plain(format_args!("  … and {more} more")).end();
    }
    let file = stale.file;
    let again = match stale.saved {
        Some(Saved { path, .. }) => {
            format!("run `rcl plan --out {path} {file}` to save a new plan")
        }
        None => format!("run `rcl apply {file}` again to see the new plan"),
    };
    page.plain(format_args!("Nothing was done; {again}.")).end();
    page.into_text()
}

/// The file was there, and is another one now.
#[must_use]
pub fn file_changed(file: &str) -> String {
    format!("{file} has changed")
}

/// What changed, one sentence each.
#[must_use]
pub fn changes(changes: &[Change], desired: &Desired, pairing: &Pairing) -> Vec<String> {
    let namer = Namer { desired, pairing };
    changes
        .iter()
        .map(|change| namer.sentence(change))
        .collect()
}

struct Namer<'a> {
    desired: &'a Desired,
    pairing: &'a Pairing,
}

impl Namer<'_> {
    fn label(&self, id: NodeId) -> String {
        self.pairing.label(id)
    }

    fn sentence(&self, change: &Change) -> String {
        match change {
            Change::Answers { name, was, is } => match (was, is) {
                (Some(_), None) => format!("{name} answered, now it doesn't"),
                (None, Some(_)) => format!("{name} didn't answer, now it does"),
                (Some(was), Some(is)) => format!(
                    "{name} was node {}, now node {} answers there",
                    was.short(),
                    is.short()
                ),
                (None, None) => format!("{name} is not what it was"),
            },
            Change::Member { node, answers } => match answers {
                true => format!("{} didn't answer, now it does", self.label(*node)),
                false => format!("{} answered, now it doesn't", self.label(*node)),
            },
            Change::Role { node, was, is } => format!(
                "{} was {}, now it is {}",
                self.label(*node),
                self.part(*node, *was),
                self.part(*node, *is)
            ),
            Change::Slots { node, was, is } => format!(
                "{} owned {}, now it owns {}",
                self.label(*node),
                slots(was),
                slots(is)
            ),
            Change::Epoch { node, was, is } => format!(
                "{} had epoch {was}, now it has {is}: its slots were given away and came back",
                self.label(*node)
            ),
            Change::Open { node } => format!(
                "{} has other slots open for a move than before",
                self.label(*node)
            ),
            Change::Jobs { node } => format!(
                "{} moves other slots by itself than before",
                self.label(*node)
            ),
            Change::Members { node, new, gone } => self.members(*node, new, gone),
            Change::Option {
                node,
                option,
                was,
                is,
            } => {
                let shown = |value: &Option<String>| match value {
                    Some(value) => format!("{value:?}"),
                    None => "not there".to_owned(),
                };
                format!(
                    "{option} of {} was {}, now it is {}",
                    self.label(*node),
                    shown(was),
                    shown(is)
                )
            }
            Change::Address { node, was, is } => {
                format!("{} was reached at {was}, now at {is}", self.label(*node))
            }
            Change::Server { node, was, is } => {
                format!("{} ran {was}, now it runs {is}", self.label(*node))
            }
        }
    }

    fn members(&self, node: NodeId, new: &BTreeSet<NodeId>, gone: &BTreeSet<NodeId>) -> String {
        let parts = [(new, "lists new members"), (gone, "no longer lists")];
        let parts: Vec<String> = parts
            .into_iter()
            .filter(|(ids, _)| !ids.is_empty())
            .map(|(ids, verb)| format!("{verb}: {}", self.pairing.label_all(ids)))
            .collect();
        format!("{} {}", self.label(node), parts.join(", and "))
    }

    /// `the primary of shard b`, `a replica of host1:7001`.
    fn part(&self, node: NodeId, part: Part) -> String {
        let name = self.pairing.names.get(&node);
        let shard = name.and_then(|name| self.desired.shard_of(name));
        match (part.role, part.primary, shard) {
            (Role::Primary, _, _) if !part.owns_slots => "a primary without slots".to_owned(),
            (Role::Primary, _, Some(shard)) => format!("the primary of shard {}", shard.name),
            (Role::Primary, _, None) => "a primary".to_owned(),
            (Role::Replica, None, _) => "a replica".to_owned(),
            (Role::Replica, Some(primary), _) => format!("a replica of {}", self.label(primary)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Value, json};

    use crate::diff::Allowed;
    use crate::observed::Fingerprint;
    use crate::plan::plan;
    use crate::view::sample::{World, id, seed};

    use super::*;

    /// What is said when this member of a node's print was one value and is another.
    #[track_caller]
    fn said(node: &str, member: &str, was: &Value, is: &Value) -> String {
        let desired = seed();
        let observed = World::formed(&desired).observed(&desired);
        let found = plan(&desired, &observed, &Allowed::default());
        let seen = Fingerprint::of(&observed, &BTreeSet::new());
        let with = |value: &Value| -> Fingerprint {
            let mut text = serde_json::to_value(&seen).unwrap();
            let place = &mut text["nodes"][id(node).to_string()][member];
            assert!(!place.is_null() || member == "primary", "no {member}");
            *place = value.clone();
            serde_json::from_value(text).unwrap()
        };
        let seen = with(was).changes(&with(is));
        changes(&seen, &desired, &found.diff.pairing).join("; ")
    }

    /// A member of the print of host1:7000, what it was and is, and what is said. B, C and R are ids.
    const CHANGES: [(&str, &str, &str, &str); 11] = [
        (
            "epoch",
            "1",
            "4",
            "host1:7000 had epoch 1, now it has 4: its slots were given away and came back",
        ),
        (
            "slots",
            r#""0-5461""#,
            r#""0-99""#,
            "host1:7000 owned 0-5461 (5462 slots), now it owns 0-99 (100 slots)",
        ),
        (
            "open",
            "[]",
            r#"["5->-B"]"#,
            "host1:7000 has other slots open for a move than before",
        ),
        (
            "open",
            r#"["5->-B"]"#,
            r#"["5-<-B"]"#,
            "host1:7000 has other slots open for a move than before",
        ),
        (
            "jobs",
            "[]",
            r#"["0-9->B"]"#,
            "host1:7000 moves other slots by itself than before",
        ),
        (
            "members",
            r#"["B"]"#,
            r#"["B", "C"]"#,
            "host1:7000 lists new members: host1:7002",
        ),
        (
            "members",
            r#"["B", "R"]"#,
            r#"["B"]"#,
            "host1:7000 no longer lists: host2:7001",
        ),
        (
            "members",
            r#"["B"]"#,
            r#"["C"]"#,
            "host1:7000 lists new members: host1:7002, and no longer lists: host1:7001",
        ),
        (
            "address",
            r#""10.0.0.1:7000""#,
            r#""10.0.0.9:7000""#,
            "host1:7000 was reached at 10.0.0.1:7000, now at 10.0.0.9:7000",
        ),
        (
            "server",
            r#""Redis 7.0.15""#,
            r#""Redis 7.2.4""#,
            "host1:7000 ran Redis 7.0.15, now it runs Redis 7.2.4",
        ),
        (
            "config",
            "{}",
            r#"{"cluster-announce-ip": "1"}"#,
            "cluster-announce-ip of host1:7000 was not there, now it is \"1\"",
        ),
    ];

    fn value(text: &str) -> Value {
        let ids = [
            ("B", "host1:7001"),
            ("C", "host1:7002"),
            ("R", "host2:7001"),
        ];
        let text = ids.iter().fold(text.to_owned(), |text, (letter, node)| {
            match text.contains("Redis") {
                true => text,
                false => text.replace(letter, &id(node).to_string()),
            }
        });
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn each_change_has_its_words() {
        for (member, was, is, words) in CHANGES {
            let (was, is) = (value(was), value(is));
            assert_eq!(said("host1:7000", member, &was, &is), words, "{member}");
            assert_eq!(said("host1:7000", member, &is, &is), "", "{member}");
        }
        let [was, is] = ["host1:7000", "host1:7001"].map(|node| json!(id(node)));
        assert_eq!(
            said("host2:7000", "primary", &was, &is),
            "host2:7000 was a replica of host1:7000, now it is a replica of host1:7001"
        );
    }
}
