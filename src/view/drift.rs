//! Drift: one line a difference, prefixed by its file, as mail from cron wants it.

use serde::Serialize;

use crate::diff::{Blocked, Diff, Severity};

use super::attention::note_text;
use super::difference::sentence;
use super::json::{DiffJson, FORMAT_VERSION, line};
use super::page::Page;
use super::styles::{Meaning, Styles};

/// The differences and what is blocked; nothing when there is nothing to tell. Notes are no
/// drift and only told when asked for.
#[must_use]
pub fn human(file: &str, diff: &Diff, with_notes: bool, styles: Styles) -> String {
    let Diff {
        pairing,
        differences,
        blocked,
        notes,
    } = diff;
    let mut page = Page::new(styles);
    for blocked in blocked {
        page.plain(file)
            .plain(": ")
            .put(Meaning::Blocked, heading(blocked.severity))
            .plain(": ")
            .plain(why(blocked))
            .end();
    }
    for difference in differences {
        page.plain(file)
            .plain(": ")
            .plain(sentence(difference, pairing))
            .end();
    }
    for note in notes.iter().filter(|_| with_notes) {
        page.plain(file)
            .plain(": ")
            .put(Meaning::Note, "note")
            .plain(": ")
            .plain(note_text(note))
            .end();
    }
    page.into_text()
}

#[derive(Debug, Serialize)]
struct DriftJson<'a> {
    format_version: &'static str,
    kind: &'static str,
    cluster: &'a str,
    file: &'a str,
    matches: bool,
    #[serde(flatten)]
    diff: DiffJson<'a>,
}

/// The same on one line, so that several files make JSON lines.
#[must_use]
pub fn json(file: &str, cluster: &str, diff: &Diff) -> String {
    line(&DriftJson {
        format_version: FORMAT_VERSION,
        kind: "drift",
        cluster,
        file,
        matches: diff.is_empty(),
        diff: DiffJson::new(diff),
    })
}

fn heading(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Blocked => "blocked",
    }
}

/// Why, with the evidence where it is short.
fn why(blocked: &Blocked) -> String {
    match blocked.evidence.as_slice() {
        [evidence] => format!("{} ({evidence})", blocked.why),
        _ => blocked.why.clone(),
    }
}
