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
