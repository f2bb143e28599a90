//! What needs a person: differences that no step mends, blocked states, and notes.

use std::collections::BTreeSet;

use crate::diff::{Blocked, Diff, Difference, Note, Unserved};

use super::page::Page;
use super::styles::Meaning;
use super::wording::{FEW, MOST_ALIKE, outage as outage_words};
use super::{Commands, SHOWS_ALL, difference};

/// Something that a person has to see to.
struct Trouble<'a> {
    /// Troubles of one kind are folded together.
    kind: &'a str,
    what: String,
    evidence: &'a [String],
    way_out: &'a str,
}

/// Lines of evidence that one trouble shows.
const MOST_EVIDENCE: usize = 8;

/// That clients are not served.
pub(super) fn outage(page: &mut Page, unserved: &Unserved) {
    if !unserved.slots.is_empty() {
        page.put(Meaning::Blocked, "! ")
            .put(Meaning::Bad, "Outage: ")
            .plain(outage_words(unserved))
            .end();
    }
}

/// What differs and is not among what steps remove.
pub(super) fn left(page: &mut Page, diff: &Diff, removed: &BTreeSet<usize>, commands: Commands) {
    let left = diff
        .differences
        .iter()
        .enumerate()
        .filter(|(index, one)| !removed.contains(index) && !is_evidence(one, &diff.blocked));
    let left: Vec<(String, String)> = left
        .map(|(_, difference)| {
            (
                difference::sentence(difference, &diff.pairing),
                difference::way_out(difference, diff),
            )
        })
        .collect();
    let left: Vec<Trouble<'_>> = left
        .iter()
        .map(|(what, way_out)| Trouble {
            kind: way_out,
            what: what.clone(),
            evidence: &[],
            way_out,
        })
        .collect();
    troubles(page, &left, commands);
}

/// Whether something blocked tells already that this node is down.
fn is_evidence(difference: &Difference, blocked: &[Blocked]) -> bool {
    match difference {
        Difference::Down { node, .. } => {
            let told = format!("{node}: ");
            let mut evidence = blocked.iter().flat_map(|blocked| &blocked.evidence);
            evidence.any(|line| line.starts_with(&told))
        }
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
        | Difference::LinkDown { .. }
        | Difference::Undeclared { .. }
        | Difference::Ghost { .. } => false,
    }
}

/// What rcl does not touch, why, and what gets out of it.
pub(super) fn blocked(page: &mut Page, blocked: &[Blocked], commands: Commands) {
    let blocked: Vec<Trouble<'_>> = blocked
        .iter()
        .map(|blocked| Trouble {
            kind: blocked.code,
            what: blocked.why.clone(),
            evidence: &blocked.evidence,
            way_out: &blocked.way_out,
        })
        .collect();
    troubles(page, &blocked, commands);
}

fn troubles(page: &mut Page, troubles: &[Trouble<'_>], commands: Commands) {
    for run in troubles.chunk_by(|left, right| left.kind == right.kind) {
        page.gap();
        let shown = shown(run.len(), commands);
        for (place, trouble) in run[..shown].iter().enumerate() {
            page.put(Meaning::Blocked, "! ").plain(&trouble.what).end();
            evidence(page, trouble.evidence, commands);
            // The same advice once, below the last it is for.
            let next = run[..shown].get(place + 1);
            if next.is_none_or(|next| next.way_out != trouble.way_out) {
                page.put(Meaning::Note, "    → ")
                    .plain(trouble.way_out)
                    .end();
            }
        }
        folded(page, "  ", run.len() - shown, "more alike");
    }
}

fn evidence(page: &mut Page, lines: &[String], commands: Commands) {
    let most = match commands {
        Commands::Folded => MOST_EVIDENCE.min(lines.len()),
        Commands::All => lines.len(),
    };
    for line in &lines[..most] {
        page.plain("    ").plain(line).end();
    }
    folded(page, "    ", lines.len() - most, "more");
}

/// Worth knowing, and nothing to do about.
pub(super) fn notes(page: &mut Page, notes: &[Note], commands: Commands) {
    if !notes.is_empty() {
        page.gap();
    }
    for run in notes.chunk_by(|left, right| left.code == right.code) {
        let shown = shown(run.len(), commands);
        for note in &run[..shown] {
            page.put(Meaning::Note, "Note: ")
                .plain(note_text(note))
                .end();
        }
        folded(page, "  ", run.len() - shown, "more alike");
    }
}

/// The note, with what it is about where its text doesn't say so.
pub(super) fn note_text(note: &Note) -> String {
    let Note {
        code: _,
        subject,
        text,
    } = note;
    if text.contains(subject.as_str()) {
        text.clone()
    } else {
        format!("{subject}: {text}")
    }
}

fn shown(length: usize, commands: Commands) -> usize {
    match commands {
        Commands::Folded if length > MOST_ALIKE => FEW,
        Commands::Folded | Commands::All => length,
    }
}

fn folded(page: &mut Page, indent: &str, number: usize, what: &str) {
    if number > 0 {
        page.put(
            Meaning::Dim,
            format_args!("{indent}… and {number} {what} ({SHOWS_ALL})"),
        )
        .end();
    }
}
