//! The lock in words: who applies, and why this apply doesn't.

use std::collections::BTreeSet;

use crate::base::Presence;

use super::page::{Page, clean};
use super::styles::Meaning;

/// `bob@ops1 (process 4711) since …` in one sentence.
pub(super) fn under_way(presence: &Presence) -> String {
    format!("an apply is under way: {presence}")
}

/// A line for each apply that is under way.
pub(super) fn applying(page: &mut Page, applying: &BTreeSet<Presence>) {
    for presence in applying {
        page.put(Meaning::Note, "Note: ")
            .plain(under_way(presence))
            .end();
    }
}

/// Somebody else has the cluster.
#[must_use]
pub fn held(cluster: &str, by: &Presence, at: &str) -> String {
    let doing = match by.holds {
        true => "holds",
        false => "tries for",
    };
    clean(&format!(
        "error: another apply {doing} cluster \"{cluster}\": {by}, seen at {at}. Nothing was done; run it again when that one has ended."
    ))
    .into_owned()
        + "\n"
}

/// A node that is to be written to, or too many of those that own slots.
#[must_use]
pub fn not_to_be_had(nodes: &[(String, String)]) -> String {
    let nodes: Vec<String> = nodes
        .iter()
        .map(|(node, words)| format!("  {}: {}\n", clean(node), clean(words)))
        .collect();
    format!(
        "error: the lock that keeps a second apply away can't be had on every node that it takes. Nothing was done.\n{}",
        nodes.concat()
    )
}

/// Connections that broke off while the run went on.
#[must_use]
pub fn lost(nodes: &[String], file: &str) -> String {
    let (connections, them) = match nodes {
        [_] => ("connection", "its lock"),
        _ => ("connections", "their locks"),
    };
    clean(&format!(
        "error: the {connections} to {} broke off, and with {them} the certainty that nobody else applies. So the run has stopped; run `rcl apply {file}` again.",
        super::named(nodes)
    ))
    .into_owned()
        + "\n"
}
