//! What else the views show: handshakes, ghosts, members that the file doesn't name.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{NodeId, Role, SlotSet, counted, named};
use crate::observed::{Direction, JobState, LiveMember, OpenSlot, groups};

use super::removal::{Removals, is_replaced, spelling, state};
use super::{Blocked, Diff, Difference, Look, Note, Scope, Severity};

/// What else the views show: nodes that the file doesn't name, ghosts, handshakes.
pub(super) fn find(look: &Look<'_>, diff: &mut Diff, removals: &Removals) {
    unwell(look, diff);
    stray_keys(look, diff);
    jobs(look, diff);
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
    let mut strangers: Vec<(bool, Note)> = members
        .filter(|(id, _)| !removals.tells_of(**id))
        .filter(|(id, member)| !diff.pairing.names.contains_key(id) && member.is_listed())
        .filter_map(|(id, member)| {
            let note = stranger(look, diff, *id, member)?;
            Some((member.usual_address().is_none(), note))
        })
        .collect();
    // Those that have but an id come last: ids are random, and some look like addresses to a sort.
    strangers.sort_by(|(left_bare, left), (right_bare, right)| {
        (left.code, left_bare, &left.subject).cmp(&(right.code, right_bare, &right.subject))
    });
    let strangers = strangers.into_iter().map(|(_, note)| note);
    diff.notes.extend(strangers);
}

/// Moves that servers carry out by themselves, whoever began them.
fn jobs(look: &Look<'_>, diff: &mut Diff) {
    for (source, jobs) in &look.observed.jobs {
        for job in jobs {
            let JobState::Running(state) = &job.state else {
                continue;
            };
            let from = diff.pairing.label(*source);
            let to = job
                .target
                .map_or("another node".to_owned(), |id| diff.pairing.label(id));
            diff.notes.push(Note {
                code: "job-running",
                subject: from.clone(),
                text: format!(
                    "{from} is moving {} to {to} by itself now ({state}). rcl lets it end.",
                    named(&job.slots)
                ),
            });
        }
    }
}

/// A member that the file doesn't name; none where a verdict says more about it.
fn stranger(look: &Look<'_>, diff: &Diff, id: NodeId, member: &LiveMember) -> Option<Note> {
    let label = diff.pairing.label(id);
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
    let gone = member.failed || member.noaddr;
    let (code, text) = if !member.answered && (gone || is_replaced(look, id)) {
        let state = state(member);
        let way_out = match gone {
            true => format!(
                " --allow forget={} makes rcl forget it.",
                spelling(look, diff, id)
            ),
            false => String::new(),
        };
        (
            "ghost",
            format!("{label} is still listed as a member, but {state}.{way_out}"),
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
                "{label} is a member that the file doesn't name: {what}. With `prune: true` under `policy` rcl removes such members."
            ),
        )
    };
    Some(Note {
        code,
        subject: label,
        text,
    })
}

/// A cluster that is whole, and yet says that it is down: nothing that is sent here would help.
fn unwell(look: &Look<'_>, diff: &mut Diff) {
    let Some(main) = look.cluster.main() else {
        return;
    };
    let whole = main.silent.is_empty() && main.assigned() == SlotSet::full();
    // Members that look for each other in the wrong places hold each other for failed too, and
    // one that takes slots of a node that failed over knows no owner of them.
    let mended = diff.differences.iter().any(|difference| {
        matches!(
            difference,
            Difference::Announced { .. }
                | Difference::NotJoined { .. }
                | Difference::LeftOpen { .. }
                | Difference::Untold(_)
                | Difference::GivenUp { .. }
                | Difference::Unclaimed { .. }
                | Difference::Misplaced(_)
        )
    });
    if !whole || mended || !diff.pairing.cut_off.is_empty() {
        return;
    }
    let views = main
        .answered
        .iter()
        .filter_map(|id| look.observed.views.get(id));
    let down: BTreeSet<NodeId> = views
        // A newcomer without slots says so for its first seconds, and serves nobody.
        .filter(|view| {
            let serves = !view.own_slots().is_empty() || view.role() == Role::Replica;
            serves && !view.state_ok
        })
        .map(|view| view.id)
        .collect();
    if down.is_empty() {
        return;
    }
    diff.blocked.push(Blocked {
        code: "unwell",
        severity: Severity::Blocked,
        subject: format!("cluster {}", look.desired.cluster),
        why: "every slot has an owner that answers, and yet nodes say that the cluster is down"
            .to_owned(),
        evidence: vec![format!(
            "cluster_state:fail on {}",
            diff.pairing.label_all(&down)
        )],
        way_out: "Open the bus ports between the nodes, both ways, and look at the logs of these nodes: once most primaries reach each other they say ok by themselves."
            .to_owned(),
        scope: Scope::Alone,
    });
}

/// Whether it is told already what becomes of a holder's keys.
fn strays_told(diff: &Diff, holder: NodeId, label: &str) -> bool {
    let goes_home = diff
        .differences
        .iter()
        .any(|difference| matches!(difference, Difference::Stray(stray) if stray.holder == holder));
    let begins = format!("{label} holds ");
    let mut blocked = diff.blocked.iter();
    goes_home || blocked.any(|one| one.code == "stray-keys" && one.why.starts_with(&begins))
}

/// Members that serve nothing and hold keys all the same: no client finds them there. While slots
/// have no owner they are told of with these.
fn stray_keys(look: &Look<'_>, diff: &mut Diff) {
    let Some(main) = look.cluster.main() else {
        return;
    };
    if main.assigned() != SlotSet::full() {
        return;
    }
    for id in &main.answered {
        let view = look.observed.views.get(id);
        let stray = view.filter(|view| {
            // What a move has carried over so far waits for its slot; the marks are judged with the moves.
            let takes = |open: &OpenSlot| open.direction == Direction::Importing;
            view.role() == Role::Primary
                && view.own_slots().is_empty()
                && view.keys > 0
                && !view.open.iter().any(takes)
        });
        let label = diff.pairing.label(*id);
        let told = diff.blocked.iter().any(|blocked| blocked.subject == label)
            || strays_told(diff, *id, &label);
        if let Some(view) = stray.filter(|_| !told) {
            diff.blocked.push(Blocked {
                code: "stray-keys",
                severity: Severity::Blocked,
                why: format!("{label} owns no slot and holds keys, which no client finds there"),
                evidence: vec![counted(view.keys, "key")],
                way_out: format!("Save what you need of them, and empty {label} yourself."),
                subject: label,
                scope: Scope::Alone,
            });
        }
    }
}
