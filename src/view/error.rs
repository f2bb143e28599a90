//! Errors for people: what went wrong, each cause on its own line, and what to do.

use std::error::Error;

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
