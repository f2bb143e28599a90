//! A cluster to look at: the slot space as a bar, the shards as a tree, and what is wrong.

mod bar;
mod health;
mod json;
mod node;
mod seen;

#[cfg(test)]
mod tests;

use crate::base::{Role, ShardName, SlotSet, counted};
use crate::desired::Desired;
use crate::diff::{Diff, Difference, passes};
use crate::observed::{Failure, Observed};

use super::page::{Cell, Page};
use super::styles::{Meaning, Styles};
use super::wording::{MOST_ALIKE, list, slots};
use super::{Commands, alike, attention, lock};

use health::{HALF_KNOWN, Wrong};
use node::NodeFacts;
use seen::Seen;

pub use json::json;

/// What was seen, and the file it is held against, if there is one.
#[derive(Clone, Copy, Debug)]
pub struct StatusView<'a> {
    pub observed: &'a Observed,
    /// What was asked for: a file or an address.
    pub asked: &'a str,
    pub file: Option<FileView<'a>>,
}

/// The file, and how the cluster differs from it.
#[derive(Clone, Copy, Debug)]
pub struct FileView<'a> {
    pub desired: &'a Desired,
    pub diff: &'a Diff,
}

/// How bad it is what the nodes themselves tell, whatever a file may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    Well,
    Ill,
}

#[must_use]
pub fn health(view: &StatusView<'_>) -> Health {
    let seen = Seen::new(view);
    // What an apply under way has just on its way is nothing for a person.
    let applying = !view.observed.applying.is_empty();
    let mut wrong = seen.wrong.iter();
    let well = wrong.all(|wrong| applying && (passes(wrong.code) || wrong.code == HALF_KNOWN));
    match seen.silent.is_empty() && seen.unserved.slots.is_empty() && well {
        true => Health::Well,
        false => Health::Ill,
    }
}

/// What is wrong, a line each: who does not answer, then the rest with its evidence.
#[must_use]
pub fn troubles(view: &StatusView<'_>) -> Vec<String> {
    let seen = Seen::new(view);
    let silent = seen.silent.iter().map(|silent| {
        let words = &silent.failure.words;
        format!("{} does not answer: {words}", silent.title)
    });
    let wrong = seen.wrong.iter().map(|wrong| match wrong.evidence.len() {
        0 => wrong.what.clone(),
        _ => format!("{} ({})", wrong.what, list(&wrong.evidence, MOST_ALIKE)),
    });
    silent.chain(wrong).collect()
}

/// The cluster for people, as wide as `width`.
#[must_use]
pub fn human(view: &StatusView<'_>, styles: Styles, width: usize) -> String {
    let seen = Seen::new(view);
    let mut page = Page::new(styles);
    header(&mut page, view, &seen);
    let shards = &seen.topology.shards;
    let letters = bar::letters(shards);
    if !shards.is_empty() {
        let disputed = seen
            .cluster
            .islands
            .iter()
            .flat_map(|island| &island.disagreements)
            .fold(SlotSet::new(), |all, disagreement| {
                all.union(&disagreement.slots)
            });
        page.gap();
        bar::print(&mut page, shards, &letters, &disputed, width);
        page.gap();
        tree(&mut page, &seen, &letters);
    }
    outside(&mut page, view, &seen);
    no_answer(&mut page, &seen);
    wrong(&mut page, view, &seen);
    page.into_text()
}

fn header(page: &mut Page, view: &StatusView<'_>, seen: &Seen<'_>) {
    let name = match view.file {
        Some(file) => format!("Cluster \"{}\"", file.desired.cluster),
        None => format!("Cluster at {}", view.asked),
    };
    let (word, state) = seen.state();
    let meaning = match word {
        "ok" => Meaning::Good,
        "none" => Meaning::Note,
        _ => Meaning::Bad,
    };
    page.put(Meaning::Heading, format_args!("{name}: "))
        .put(meaning, state);
    let shards = seen.topology.shards.len();
    let mut parts = vec![counted(shards, "shard"), counted(seen.facts.len(), "node")];
    if !seen.servers.is_empty() {
        let servers: Vec<String> = seen.servers.iter().map(ToString::to_string).collect();
        parts.push(list(&servers, 3));
    }
    page.plain(format_args!(", {}", parts.join(", "))).end();
    lock::applying(page, &view.observed.applying);
}

fn tree(page: &mut Page, seen: &Seen<'_>, letters: &[char]) {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for (place, shard) in seen.topology.shards.iter().enumerate() {
        let letter = letters.get(place).copied().unwrap_or('#');
        let mut heading = Cell::new(Meaning::Shard(place), letter).with(Meaning::Plain, "  ");
        if let Some(name) = &shard.name {
            heading = heading.with(Meaning::Heading, format_args!("shard {name}  "));
        }
        heading = heading.with(Meaning::Plain, slots(&shard.slots));
        let keys = seen.facts.get(&shard.primary).and_then(|facts| facts.keys);
        if let Some(keys) = keys {
            heading = heading.with(Meaning::Plain, format_args!(", {}", counted_keys(keys)));
        }
        rows.push(vec![heading]);
        let last = shard.replicas.len();
        for (below, id) in shard.nodes().enumerate() {
            let branch = if below == last { "└─ " } else { "├─ " };
            let role = if below == 0 {
                Role::Primary
            } else {
                Role::Replica
            };
            let mut row = vec![Cell::new(Meaning::Dim, branch).with(Meaning::Plain, role)];
            if let Some(facts) = seen.facts.get(&id) {
                row.extend(cells(facts, seen));
            }
            rows.push(row);
        }
    }
    page.rows("", &rows);
}

/// `1 key`, `12,345 keys`.
fn counted_keys(keys: u64) -> String {
    let unit = if keys == 1 { "key" } else { "keys" };
    format!("{} {unit}", indicatif::HumanCount(keys))
}

/// A node's title, address, zone, state and, where they differ, version.
fn cells(facts: &NodeFacts<'_>, seen: &Seen<'_>) -> Vec<Cell> {
    let title = facts.title();
    let address = facts.address.map_or(String::new(), |at| at.to_string());
    let address = if address == title {
        String::new()
    } else {
        address
    };
    let (well, state) = facts.state();
    let meaning = if well { Meaning::Plain } else { Meaning::Bad };
    let version = facts.server.filter(|_| seen.servers.len() > 1);
    vec![
        Cell::plain(title),
        Cell::new(Meaning::Dim, address),
        Cell::new(Meaning::Dim, facts.zone.unwrap_or_default()),
        Cell::new(meaning, state),
        Cell::new(
            Meaning::Dim,
            version.map_or(String::new(), |server| server.to_string()),
        ),
    ]
}

/// Nodes in no shard: members without a task, and those that are no members.
fn outside(page: &mut Page, view: &StatusView<'_>, seen: &Seen<'_>) {
    let loose = seen.topology.loose.iter().map(|id| (id, true));
    let apart = seen.topology.apart.iter().map(|id| (id, false));
    let rows: Vec<Vec<Cell>> = loose
        .chain(apart)
        .filter_map(|(id, member)| {
            let facts = seen.facts.get(id)?;
            let what = Cell::plain(what_outside(view, facts, member));
            let mut row = cells(facts, seen);
            row.insert(1, what);
            Some(row)
        })
        .collect();
    if !rows.is_empty() {
        page.gap();
        page.put(Meaning::Heading, "Outside the shards").end();
        page.rows("  ", &rows);
    }
}

fn what_outside(view: &StatusView<'_>, facts: &NodeFacts<'_>, member: bool) -> String {
    let own = view.observed.views.get(&facts.id);
    match (member, facts.role, own) {
        (true, Role::Primary, _) => match shard_in_file(view, facts) {
            Some(shard) => format!("of shard {shard}, without slots"),
            None => "member without slots".to_owned(),
        },
        (true, Role::Replica, _) => "replica of nobody known".to_owned(),
        (false, _, Some(own)) if own.is_blank() => "blank, not a member".to_owned(),
        (false, _, Some(own)) => {
            let peers = own.peers().count();
            format!(
                "not a member: knows {}, {}, {}",
                counted(peers, "other node"),
                counted(own.own_slots().count(), "slot"),
                counted_keys(own.keys)
            )
        }
        (false, _, None) => "member of another cluster".to_owned(),
    }
}

/// The shard that the file has the node in.
fn shard_in_file<'a>(view: &StatusView<'a>, facts: &NodeFacts<'_>) -> Option<&'a ShardName> {
    let (file, name) = view.file.zip(facts.name)?;
    let mut shards = file.desired.shards.iter();
    let shard = shards.find(|shard| shard.nodes().any(|node| node == name))?;
    Some(&shard.name)
}

fn no_answer(page: &mut Page, seen: &Seen<'_>) {
    if seen.silent.is_empty() {
        return;
    }
    page.gap();
    page.put(Meaning::Heading, "No answer").end();
    let rows: Vec<Vec<Cell>> = seen
        .silent
        .iter()
        .map(|silent| {
            let Failure { tried, words, .. } = silent.failure;
            let called_by_it = matches!(tried.as_slice(), [at] if at.to_string() == silent.title);
            let why = match called_by_it {
                true => words.clone(),
                false => silent.failure.to_string(),
            };
            let member = silent.id.and_then(|id| seen.cluster.members.get(&id));
            let owner = member.filter(|member| !member.slots.is_empty());
            let owned = owner.map_or(String::new(), |owner| {
                format!("the owner of {}", counted(owner.slots.count(), "slot"))
            });
            vec![
                Cell::plain(&silent.title),
                Cell::new(Meaning::Bad, why),
                Cell::new(Meaning::Bad, owned),
            ]
        })
        .collect();
    page.rows("  ", &rows);
}

fn wrong(page: &mut Page, view: &StatusView<'_>, seen: &Seen<'_>) {
    let untold: Vec<&Wrong> = seen.untold(view).collect();
    page.gap();
    attention::outage(page, &seen.unserved);
    for wrong in &untold {
        page.put(Meaning::Blocked, "! ").plain(&wrong.what).end();
        for line in &wrong.evidence {
            page.plain("    ").plain(line).end();
        }
    }
    let Some(FileView { desired, diff }) = view.file else {
        if untold.is_empty() && seen.silent.is_empty() {
            page.put(Meaning::Good, "Nothing is wrong.").end();
        }
        return;
    };
    attention::notes(page, &diff.notes, Commands::Folded);
    attention::blocked(page, &diff.blocked, Commands::Folded);
    // Who does not answer has been told above.
    let told = |difference: &&Difference| matches!(difference, Difference::Down { .. });
    let differences: Vec<&Difference> = diff.differences.iter().filter(|one| !told(one)).collect();
    if !differences.is_empty() {
        page.gap();
        page.put(
            Meaning::Heading,
            format_args!("Differs from {}", view.asked),
        )
        .end();
        for line in alike::lines(differences, &diff.pairing, MOST_ALIKE) {
            page.put(Meaning::Changed, "~ ").plain(line).end();
        }
    }
    if diff.is_empty() {
        page.gap();
        page.put(
            Meaning::Good,
            format_args!("Cluster \"{}\" matches {}.", desired.cluster, view.asked),
        )
        .end();
    }
}
