//! The one line that a plan comes to. Its wording is a promise: scripts and people search for it.

use crate::base::counted;
use crate::diff::{Diff, Difference};
use crate::plan::Plan;
use crate::view::wording::list;

/// `Plan: 6 to join, …`, `No changes. …`, or why nothing can be done.
#[must_use]
pub fn summary(plan: &Plan, file: &str) -> String {
    let Plan {
        cluster,
        diff,
        steps,
        places: _,
        absent: _,
    } = plan;
    if diff.is_empty() && steps.is_empty() {
        return format!("No changes. Cluster \"{cluster}\" matches {file}.");
    }
    if steps.is_empty() {
        return format!(
            "Nothing to do, but {}. Cluster \"{cluster}\" does not match {file}.",
            in_the_way(diff)
        );
    }
    let totals = plan.totals(|_| true);
    let mut parts = vec![
        format!("{} to join", totals.joins),
        format!("{} to assign", counted(totals.slots, "slot")),
        format!("{} to move", totals.moves),
        format!("{} to attach", counted(totals.attached, "replica")),
        format!("{} to remove", totals.removed),
    ];
    let rest = [
        (totals.given_up, "slots to give up EMPTY, their data lost"),
        (plan.awaited().count(), "to wait for"),
        (totals.detached, "to detach"),
        (totals.failed_over, "to fail over"),
        (totals.forgotten, "to forget"),
        (totals.announced, "to announce"),
        (totals.configured, "to configure"),
        (diff.blocked.len(), "blocked"),
    ];
    if totals.closed > 0 {
        parts.push(format!("{} to close", counted(totals.closed, "slot")));
    }
    if totals.brought_home > 0 {
        let slots = counted(totals.brought_home, "slot");
        parts.push(format!("keys of {slots} to bring home"));
    }
    let rest = rest.into_iter().filter(|(number, _)| *number > 0);
    parts.extend(rest.map(|(number, what)| format!("{number} {what}")));
    format!("Plan: {}.", parts.join(", "))
}

/// What keeps a plan without steps from being a match.
fn in_the_way(diff: &Diff) -> String {
    let (mut down, mut links, mut others) = (Vec::new(), Vec::new(), 0);
    for difference in &diff.differences {
        match difference {
            Difference::Down { node, .. } => down.push(node.to_string()),
            Difference::LinkDown { node, .. } => links.push(node.to_string()),
            Difference::NotJoined { .. }
            | Difference::Announced { .. }
            | Difference::Option { .. }
            | Difference::Unassigned { .. }
            | Difference::Misplaced { .. }
            | Difference::LeaderElsewhere(_)
            | Difference::HandOver(_)
            | Difference::LacksLibraries { .. }
            | Difference::GivenUp { .. }
            | Difference::Unclaimed { .. }
            | Difference::Stray(_)
            | Difference::LeftOpen { .. }
            | Difference::Untold(_)
            | Difference::NotReplicating { .. }
            | Difference::Undeclared { .. }
            | Difference::Ghost { .. } => others += 1,
        }
    }
    let mut parts = Vec::new();
    if !diff.blocked.is_empty() {
        parts.push(format!("{} blocked", diff.blocked.len()));
    }
    if !down.is_empty() {
        let verb = if down.len() == 1 { "does" } else { "do" };
        parts.push(format!("{} {verb} not answer", list(&down, 3)));
    }
    if !links.is_empty() {
        let what = match links.len() {
            1 => "has no link to its primary",
            _ => "have no link to their primaries",
        };
        parts.push(format!("{} {what}", list(&links, 3)));
    }
    if others > 0 {
        parts.push(counted(others, "other difference"));
    }
    parts.join("; ")
}
