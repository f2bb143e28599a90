//! Keys that lie where no client finds them: at a node that doesn't own their slots.

use crate::base::{Role, SlotSet, counted, named};
use crate::observed::NodeView;

use super::moves::Pair;
use super::{Blocked, Diff, Difference, Look, Scope, Severity, Stray};

/// Keys of slots that others own and nobody gave to their holder. Where neither the owner nor anybody else holds a key
/// of any of them they are all that is left of these slots, and go home; else they may be older than
/// what clients have written or removed since.
pub(super) fn stray(look: &Look<'_>, diff: &mut Diff, (holder, owner): Pair, slots: &SlotSet) {
    let views = &look.observed.views;
    let (Some(giving), Some(taking)) = (views.get(&holder), views.get(&owner)) else {
        return;
    };
    let (here, there) = (giving.count_in(slots), taking.count_in(slots));
    let all = taking.has_counted(slots);
    let legible = taking.server.reads_payloads_of(giving.server);
    let elsewhere = [giving, taking]
        .into_iter()
        .find(|view| view.keys_elsewhere > 0);
    let others: Vec<&NodeView> = views
        .values()
        .filter(|view| view.role() == Role::Primary && ![holder, owner].contains(&view.id))
        .filter(|view| view.count_in(slots) > 0)
        .collect();
    if all && there == 0 && legible && elsewhere.is_none() && others.is_empty() {
        diff.differences.push(Difference::Stray(Stray {
            holder,
            owner,
            slots: slots.clone(),
            keys: here,
        }));
        return;
    }
    let (holds, owns) = (diff.pairing.label(holder), diff.pairing.label(owner));
    let mut evidence = Vec::new();
    if !giving.open.is_empty() {
        evidence.push(format!(
            "{holds} has slots open as importing; Redis does so when it starts with old data"
        ));
    }
    evidence.extend(others.iter().map(|view| {
        let keys = counted(view.count_in(slots), "key");
        format!("{} holds {keys} of them too", diff.pairing.label(view.id))
    }));
    if let Some(view) = elsewhere {
        evidence.push(format!(
            "{} holds {} in databases other than 0, whose slots can't be told",
            diff.pairing.label(view.id),
            counted(view.keys_elsewhere, "key")
        ));
    }
    if !legible {
        evidence.push(format!(
            "{owns} ({}) can't read keys of {holds} ({})",
            taking.server, giving.server
        ));
    }
    old_keys(look, diff, (holder, owner), slots, evidence);
}

/// Keys that may be older than what their owner has, and how a person gets rid of them.
pub(super) fn old_keys(
    look: &Look<'_>,
    diff: &mut Diff,
    (holder, owner): Pair,
    slots: &SlotSet,
    more: Vec<String>,
) {
    let views = &look.observed.views;
    let (Some(giving), Some(taking)) = (views.get(&holder), views.get(&owner)) else {
        return;
    };
    let (here, there) = (giving.count_in(slots), taking.count_in(slots));
    let (holds, owns) = (diff.pairing.label(holder), diff.pairing.label(owner));
    let slots = named(slots);
    let mut evidence = vec![format!(
        "{owns}, the owner, holds {} of {slots}",
        counted(there, "key")
    )];
    evidence.extend(more);
    let way_out = match look.observed.applying.is_empty() {
        false => "An apply is under way and may just be moving them. Look again once it has ended."
            .to_owned(),
        true => format!(
            "Compare the keys of both (CLUSTER GETKEYSINSLOT). What {owns} lacks may be the only copy, or a key that clients have removed since: to bring it there could bring old values back. Of each slot, at {holds} and over one connection: CLUSTER SETSLOT with IMPORTING {owner}, MIGRATE to {owns} what you need (with REPLACE where both have a key and this one is right), ASKING and DEL for each key that you don't, CLUSTER SETSLOT with STABLE."
        ),
    };
    diff.blocked.push(Blocked {
        code: "stray-keys",
        severity: Severity::Blocked,
        subject: slots.clone(),
        why: format!(
            "{holds} holds {} of {slots}, which {owns} owns and does not give away",
            counted(here, "key")
        ),
        evidence,
        way_out,
        scope: Scope::Alone,
    });
}
