//! A mistake in the file: where it is, what is wrong, and what to write instead.

use std::ops::Range;

use serde::Serialize;

/// How many findings are shown; a file with more is better mended from the top.
pub const FINDINGS_SHOWN: usize = 100;

/// How many findings are kept for sorting. Bounds the memory that a hostile file can take.
const FINDINGS_KEPT: usize = 10_000;

/// How much of the file's own text a message repeats.
const SHOWN_CHARS: usize = 60;

/// A stretch of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
    /// Where it starts and ends, in bytes.
    #[serde(skip)]
    pub start: usize,
    #[serde(skip)]
    pub end: usize,
}

impl Place {
    #[must_use]
    pub fn bytes(self) -> Range<usize> {
        self.start..self.end
    }

    /// The first character of a file.
    #[must_use]
    pub fn top() -> Self {
        Self {
            line: 1,
            column: 1,
            start: 0,
            end: 0,
        }
    }
}

/// A value and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T> Placed<T> {
    pub(super) fn new(value: T, place: Place) -> Self {
        Self { value, place }
    }
}

/// A mistake in the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(flatten)]
    pub place: Place,
    pub message: String,
    /// What to write instead.
    pub help: String,
    /// The other place that the mistake is about, and what stands there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related: Option<Related>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    #[serde(flatten)]
    pub place: Place,
    pub label: String,
}

/// Collects the mistakes of a whole file.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<Finding>,
    dropped: usize,
}

impl Findings {
    pub(super) fn add(
        &mut self,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(Finding {
            place,
            message: message.into(),
            help: help.into(),
            related: None,
        });
    }

    pub(super) fn add_related(
        &mut self,
        place: Place,
        message: impl Into<String>,
        help: impl Into<String>,
        related: (Place, &str),
    ) {
        self.push(Finding {
            place,
            message: message.into(),
            help: help.into(),
            related: Some(Related {
                place: related.0,
                label: related.1.to_owned(),
            }),
        });
    }

    fn push(&mut self, finding: Finding) {
        if self.list.len() < FINDINGS_KEPT {
            self.list.push(finding);
        } else {
            self.dropped += 1;
        }
    }

    /// Whether there are more than will be shown, so that details would be for nothing.
    pub(super) fn is_crowded(&self) -> bool {
        self.list.len() > FINDINGS_SHOWN
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The findings in the order of the file; what goes beyond the limit becomes one of its own.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.list.sort_by_key(|finding| finding.place);
        let total = self.list.len() + self.dropped;
        if let Some(next) = self.list.get(FINDINGS_SHOWN) {
            let rest = Finding {
                place: next.place,
                message: format!("{} more mistakes are not shown", total - FINDINGS_SHOWN),
                help: "mend those above and check the file again".to_owned(),
                related: None,
            };
            self.list.truncate(FINDINGS_SHOWN);
            self.list.push(rest);
        }
        self.list
    }
}

/// A text of the file as a message repeats it: quoted, on one line, not too long.
pub(super) fn quoted(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS)
        .flat_map(|letter| {
            let control = letter.is_control();
            let escaped = letter.escape_default().filter(move |_| control);
            let plain = (!control).then_some(letter);
            escaped.chain(plain)
        })
        .collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

/// The known word that was probably meant, if one is near.
pub(super) fn nearest<'a>(text: &str, known: &[&'a str]) -> Option<&'a str> {
    // A long text is no typo, and the distance takes time in proportion to its length.
    if text.len() > 2 * SHOWN_CHARS {
        return None;
    }
    let text = text.to_lowercase();
    known
        .iter()
        .map(|word| (distance(&text, word), *word))
        .filter(|(edits, word)| *edits <= 2 && *edits * 3 <= word.chars().count() + 1)
        .min()
        .map(|(_, word)| word)
}

/// How many letters have to be added, left out, replaced or swapped with their neighbour.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let changed = usize::from(left[i - 1] != right[j - 1]);
            let mut best = (rows[i - 1][j - 1] + changed)
                .min(rows[i - 1][j] + 1)
                .min(row[j - 1] + 1);
            if i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = [
            "primary", "replicas", "slots", "weight", "at", "id", "announce",
        ];
        for (text, meant) in [
            ("primry", Some("primary")),
            ("Primary", Some("primary")),
            ("replica", Some("replicas")),
            ("slot", Some("slots")),
            ("wieght", Some("weight")),
            ("ta", Some("at")),
            ("anounce", Some("announce")),
            ("address", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, &known), meant, "{text}");
        }
        assert_eq!(nearest(&"a".repeat(1_000_000), &known), None);
    }

    #[test]
    fn quotes_on_one_line_and_not_at_length() {
        assert_eq!(quoted("a\nb\u{1b}[0m"), r"`a\nb\u{1b}[0m`");
        assert_eq!(quoted("é"), "`é`");
        assert_eq!(quoted(&"x".repeat(80)), format!("`{}…`", "x".repeat(60)));
    }

    #[test]
    fn shows_a_hundred_and_counts_the_rest() {
        let mut findings = Findings::default();
        for line in (1..=12_345).rev() {
            let place = Place {
                line,
                ..Place::default()
            };
            findings.add(place, "wrong", "right");
        }
        let shown = findings.finish();
        assert_eq!(shown.len(), 101);
        assert_eq!(shown[100].message, "12245 more mistakes are not shown");
    }
}
