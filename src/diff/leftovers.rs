//! What else the views show: handshakes, ghosts, members that the file doesn't name.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, counted};
use crate::observed::{FailureKind, LiveMember, groups};

use super::{Diff, Look, Note};

/// What else the views show: nodes that the file doesn't name, ghosts, handshakes.
pub(super) fn find(look: &Look<'_>, diff: &mut Diff) {
    let mut shaking: BTreeMap<String, BTreeSet<NodeId>> = BTreeMap::new();
    for group in groups(look.observed.views.values()) {
        for member in group.table.values().filter(|member| member.flags.handshake) {
            let ip = member
                .link_address
                .ip
                .map_or("?".to_owned(), |ip| ip.to_string());
            let place = format!(
                "{ip} port {} (bus port {})",
                member.link_address.port, member.link_address.bus_port
            );
            shaking
                .entry(place)
                .or_default()
                .extend(group.viewers.iter().copied());
        }
    }
    for (place, viewers) in shaking {
        diff.notes.push(Note {
            code: "handshake",
            subject: place.clone(),
            text: format!("{} can't finish shaking hands with {place}. The bus port must be open between them; if nothing runs there, the attempt ends by itself.", diff.pairing.label_all(&viewers)),
        });
    }
    let members = look.cluster.members.iter();
    let mut strangers: Vec<Note> = members
        .filter(|(id, member)| !diff.pairing.names.contains_key(id) && member.is_listed())
        .filter_map(|(id, member)| stranger(look, diff, *id, member))
        .collect();
    strangers.sort_by(|left, right| (left.code, &left.subject).cmp(&(right.code, &right.subject)));
    diff.notes.extend(strangers);
}

/// A member that the file doesn't name; none where a verdict says more about it.
fn stranger(look: &Look<'_>, diff: &Diff, id: NodeId, member: &LiveMember) -> Option<Note> {
    let label = diff.pairing.label(id);
    let replaced = look
        .observed
        .silent_members
        .get(&id)
        .is_some_and(|failure| failure.kind == FailureKind::OtherNode);
    let judged = !member.slots.is_empty()
        && (!member.answered
            || diff
                .pairing
                .primaries
                .values()
                .any(|primary| *primary == id));
    if judged {
        return None;
    }
    let (code, text) = if !member.answered && (member.failed || member.noaddr || replaced) {
        let state = if member.noaddr {
            "has no address any more"
        } else if replaced {
            "another node answers at its address"
        } else {
            "has failed"
        };
        (
            "ghost",
            format!(
                "{label} is still listed as a member, but {state}. Forgetting members is not supported yet."
            ),
        )
    } else {
        let what = match (member.role, member.slots.is_empty()) {
            (Role::Replica, _) => "a replica".to_owned(),
            (Role::Primary, true) => "a primary without slots".to_owned(),
            (Role::Primary, false) => {
                format!("the primary of {}", counted(member.slots.count(), "slot"))
            }
        };
        (
            "undeclared",
            format!(
                "{label} is a member that the file doesn't name: {what}. Removing members is not supported yet."
            ),
        )
    };
    Some(Note {
        code,
        subject: label,
        text,
    })
}
