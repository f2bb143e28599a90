//! Primaries that are to take their first slots: clients will call the functions that the members
//! have, as the users that the members know.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, NodeName, ShardName, counted};
use crate::observed::{Libraries, NodeView, Told};

use super::{Blocked, Diff, Difference, Look, Note, Ownership, Scope, Severity};

/// Compares what newcomers bring along with what the owners of slots have. One that must not take
/// slots yet keeps what it has: nothing.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff, ownership: &mut Ownership) {
    let owners: Vec<&NodeView> = ownership
        .owners
        .keys()
        .filter_map(|id| look.observed.views.get(id))
        .collect();
    if owners.is_empty() {
        return;
    }
    for share in &mut ownership.shares {
        let primary = diff.pairing.primaries.get(&share.shard);
        let Some(view) = primary.and_then(|id| look.observed.views.get(id)) else {
            continue;
        };
        let first = view.own_slots().is_empty() && !share.target.is_empty();
        let Some(name) = diff.pairing.names.get(&view.id).cloned().filter(|_| first) else {
            continue;
        };
        let newcomer = Newcomer {
            name,
            shard: share.shard.clone(),
            view,
            owners: &owners,
        };
        let blocked: Vec<Blocked> = [newcomer.users(diff), newcomer.libraries(diff)]
            .into_iter()
            .flatten()
            .collect();
        if !blocked.is_empty() {
            share.target = share.held.clone();
            diff.blocked.extend(blocked);
        }
    }
}

struct Newcomer<'a> {
    name: NodeName,
    shard: ShardName,
    view: &'a NodeView,
    owners: &'a [&'a NodeView],
}

impl Newcomer<'_> {
    fn users(&self, diff: &mut Diff) -> Option<Blocked> {
        let have = match &self.view.equipment.users {
            Told::Is(users) => users,
            Told::NotAsked => return None,
            Told::Refused(words) => {
                self.untold(diff, "ACL users", words);
                return None;
            }
        };
        // Those that every member has that may be asked: one that a single member has is nobody's rule.
        let known = self
            .owners
            .iter()
            .filter_map(|view| view.equipment.users.known());
        let common = known.cloned().reduce(|all, users| &all & &users)?;
        let missing: Vec<String> = common.difference(have).cloned().collect();
        if missing.is_empty() {
            return None;
        }
        let what = match missing.len() {
            1 => "ACL user",
            _ => "ACL users",
        };
        let (name, users) = (&self.name, missing.join(", "));
        Some(self.blocked(
            "lacks-users",
            format!(
                "{name} is to take its first slots and lacks the {what} {users}, which the members have: it would refuse clients that log in so"
            ),
            vec![format!(
                "{name} knows {}: {}",
                counted(have.len(), "user"),
                have.iter().cloned().collect::<Vec<_>>().join(", ")
            )],
            format!(
                "Give {name} these users, the same way that the members got them (users.acl, or ACL SETUSER and ACL SAVE), and plan again. rcl doesn't copy passwords. Its replicas need them too."
            ),
        ))
    }

    fn libraries(&self, diff: &mut Diff) -> Option<Blocked> {
        let have = match &self.view.equipment.libraries {
            Told::Is(libraries) => libraries,
            Told::NotAsked => return None,
            Told::Refused(words) => {
                self.untold(diff, "function libraries", words);
                return None;
            }
        };
        let mut codes: BTreeMap<&str, BTreeMap<&str, Vec<NodeId>>> = BTreeMap::new();
        let members = self.owners.iter().copied().chain([self.view]);
        for view in members {
            for (name, code) in view.equipment.libraries.known().into_iter().flatten() {
                let versions = codes.entry(name).or_default();
                versions.entry(code).or_default().push(view.id);
            }
        }
        let differ: BTreeSet<&str> = codes
            .iter()
            .filter(|(_, versions)| versions.len() > 1)
            .map(|(name, _)| *name)
            .collect();
        if !differ.is_empty() {
            return Some(self.differing(diff, &codes, &differ));
        }
        let missing: Libraries = codes
            .into_iter()
            .filter(|(name, _)| !have.contains_key(*name))
            .filter_map(|(name, versions)| {
                let code = versions.into_keys().next()?;
                Some((name.to_owned(), code.to_owned()))
            })
            .collect();
        if !missing.is_empty() {
            diff.differences.push(Difference::LacksLibraries {
                node: self.name.clone(),
                id: self.view.id,
                libraries: missing,
            });
        }
        None
    }

    fn differing(
        &self,
        diff: &Diff,
        codes: &BTreeMap<&str, BTreeMap<&str, Vec<NodeId>>>,
        differ: &BTreeSet<&str>,
    ) -> Blocked {
        let evidence = differ.iter().map(|name| {
            let versions = codes.get(name).into_iter().flatten();
            let who: Vec<String> = versions
                .map(|(_, who)| diff.pairing.label_all(who))
                .collect();
            format!(
                "library {name} is one thing on {}",
                who.join(", another on ")
            )
        });
        let evidence = evidence.collect();
        let name = &self.name;
        self.blocked(
            "functions-differ",
            format!(
                "{name} is to take its first slots, and it can't be told which functions it needs: nodes have libraries of one name and different code"
            ),
            evidence,
            "Load the right version everywhere (FUNCTION LOAD REPLACE), and plan again.".to_owned(),
        )
    }

    fn untold(&self, diff: &mut Diff, what: &str, words: &str) {
        diff.notes.push(Note {
            code: "not-compared",
            subject: self.name.to_string(),
            text: format!(
                "{} is to take its first slots, and whether it has the members' {what} can't be told: {words}",
                self.name
            ),
        });
    }

    fn blocked(
        &self,
        code: &'static str,
        why: String,
        evidence: Vec<String>,
        way_out: String,
    ) -> Blocked {
        Blocked {
            code,
            severity: Severity::Blocked,
            subject: format!("shard {}", self.shard),
            why,
            evidence,
            way_out,
            scope: Scope::Alone,
        }
    }
}
