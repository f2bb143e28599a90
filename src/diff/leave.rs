//! Leave that somebody gave for what isn't there.

use std::collections::BTreeSet;

use super::{Diff, Look, Note, removal};

/// A misspelt name would else be found out only by what doesn't happen. No error: after a run that did what
/// was asked for, the same command line names members that have gone.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff) {
    let members = look.cluster.members.keys();
    let members: BTreeSet<String> = members
        .flat_map(|id| removal::spellings(look, diff, *id))
        .collect();
    let shards = look.desired.shards.iter();
    let shards: BTreeSet<String> = shards.map(|shard| shard.name.to_string()).collect();
    let allowed = look.allowed;
    for (kind, given, shards, what) in [
        ("remove", &allowed.remove, None, "member"),
        ("forget", &allowed.forget, None, "member"),
        ("lose-data", &allowed.lose_data, Some(&shards), "shard"),
    ] {
        let known = |name: &String| {
            members.contains(name) || shards.is_some_and(|shards| shards.contains(name))
        };
        for name in given.iter().filter(|name| !known(name)) {
            diff.notes.push(Note {
                code: "leave-for-nobody",
                subject: name.clone(),
                text: format!("No {what} is called {name}: --allow {kind}={name} changes nothing."),
            });
        }
    }
}
