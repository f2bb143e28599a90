//! Errors for people: what went wrong, each cause on its own line, and what to do. Errors for
//! programs: a document like any other.

use std::error::Error;

use serde::Serialize;

use crate::desired::Finding;

use super::json::{FORMAT_VERSION, line, pretty};
use super::page::Page;
use super::styles::{Meaning, Styles};

/// The error, its causes and the hints. A cause that its error has told already is left out.
#[must_use]
pub fn human(error: &dyn Error, hints: &[&str], styles: Styles) -> String {
    let mut page = Page::new(styles);
    let mut told = error.to_string();
    lines(&mut page, (Meaning::Bad, "error: "), &told);
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !told.contains(&text) {
            lines(&mut page, (Meaning::Dim, "  because: "), &text);
        }
        told = text;
        cause = error.source();
    }
    for hint in hints {
        lines(&mut page, (Meaning::Note, "  → "), hint);
    }
    page.into_text()
}

/// An error that has nothing but its words.
#[must_use]
pub fn human_text(words: &str, styles: Styles) -> String {
    let mut page = Page::new(styles);
    lines(&mut page, (Meaning::Bad, "error: "), words);
    page.into_text()
}

/// One line of talk, whoever's words are in it.
#[must_use]
pub fn line_of(words: &str) -> String {
    let mut page = Page::new(Styles::plain());
    page.plain(words).end();
    page.into_text()
}

/// For programs: why there is nothing to tell of a file.
#[derive(Debug, Serialize)]
pub struct Unusable<'a> {
    format_version: &'static str,
    kind: &'static str,
    file: &'a str,
    error: &'a str,
    /// The mistakes of the file, if those are the error.
    findings: &'a [Finding],
}

impl<'a> Unusable<'a> {
    #[must_use]
    pub fn new(file: &'a str, error: &'a str, findings: &'a [Finding]) -> Self {
        Self {
            format_version: FORMAT_VERSION,
            kind: "error",
            file,
            error,
            findings,
        }
    }

    /// As a document of its own.
    #[must_use]
    pub fn document(&self) -> String {
        pretty(self)
    }

    /// As one of several lines.
    #[must_use]
    pub fn line(&self) -> String {
        line(self)
    }
}

/// Our own texts may have several lines; each is cleaned by itself.
fn lines(page: &mut Page, heading: (Meaning, &str), text: &str) {
    for (place, line) in text.lines().enumerate() {
        match place {
            0 => page.put(heading.0, heading.1),
            _ => page.plain("  "),
        };
        page.plain(line).end();
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_document_for_programs() {
        let findings = crate::desired::parse("cluster: [a]\nshards: {}").unwrap_err();
        let unusable = Unusable::new("rcl.yaml", "rcl.yaml has mistakes", &findings);
        insta::assert_snapshot!(unusable.line(), @r#"{"format_version":"1.4","kind":"error","file":"rcl.yaml","error":"rcl.yaml has mistakes","findings":[{"line":1,"column":10,"message":"`cluster` can't be a list","help":"write a name, such as `cluster: orders`"},{"line":2,"column":9,"message":"there are no shards","help":"write a line for each shard, such as `a: {primary: host1:7000, replicas: [host2:7000]}`"}]}"#);
        assert_eq!(unusable.document().lines().next(), Some("{"));
    }

    use super::*;
    use thiserror::Error;

    #[derive(Debug, Error)]
    #[error("can't read rcl.yaml")]
    struct Outer {
        #[source]
        cause: Middle,
    }

    #[derive(Debug, Error)]
    #[error("the disk answers: {cause}")]
    struct Middle {
        cause: Inner,
    }

    #[derive(Debug, Error)]
    #[error("ERR \u{1b}[31mred")]
    struct Inner;

    #[test]
    fn tells_each_cause_once_and_cleans_it() {
        let error = Outer {
            cause: Middle { cause: Inner },
        };
        let text = human(&error, &["Mount it."], Styles::plain());
        insta::assert_snapshot!(text, @r"
        error: can't read rcl.yaml
          because: the disk answers: ERR \u{1b}[31mred
          → Mount it.
        ");
    }
}
