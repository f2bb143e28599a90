//! Mistakes of the file, each with the lines it is about.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::desired::{Finding, Place, concealed};

use super::page::is_obeyed;

/// The findings as text, with an empty line after each. `source_text` is the file as it was
/// parsed; secrets in it are masked.
#[must_use]
pub fn render(findings: &[Finding], source_name: &str, source_text: &str, colour: bool) -> String {
    let source = Source::new(source_name, source_text, colour);
    findings
        .iter()
        .map(|finding| {
            let related = finding.related.as_ref();
            source.annotated(&Note {
                level: Level::ERROR,
                code: None,
                place: Some(finding.place),
                related: related.map(|related| (related.place, related.label.as_str())),
                message: &finding.message,
                help: &finding.help,
            })
        })
        .collect()
}

/// Something to say about a place in the file.
pub(super) struct Note<'a> {
    pub(super) level: Level<'a>,
    pub(super) code: Option<&'a str>,
    pub(super) place: Option<Place>,
    pub(super) related: Option<(Place, &'a str)>,
    pub(super) message: &'a str,
    pub(super) help: &'a str,
}

/// The file that notes are about.
pub(super) struct Source<'a> {
    name: &'a str,
    shown: String,
    /// Where each line starts.
    lines: Vec<usize>,
    renderer: Renderer,
}

impl<'a> Source<'a> {
    pub(super) fn new(name: &'a str, text: &str, colour: bool) -> Self {
        let shown = harmless(&concealed(text));
        let lines = std::iter::once(0)
            .chain(shown.match_indices('\n').map(|(index, _)| index + 1))
            .collect();
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        Self {
            name,
            shown,
            lines,
            renderer,
        }
    }

    /// The note with the lines it is about and an empty line.
    pub(super) fn annotated(&self, note: &Note<'_>) -> String {
        let help = Level::HELP.message(clean(note.help));
        let mut title = note.level.clone().primary_title(clean(note.message));
        if let Some(code) = note.code {
            title = title.id(code.to_owned());
        }
        let mut group = Group::with_title(title);
        if let Some(place) = note.place {
            group = group.element(self.snippet(place, note.related));
        }
        let mut text = self.renderer.render(&[group.element(help)]);
        text.push_str("\n\n");
        text
    }

    fn snippet(
        &self,
        place: Place,
        related: Option<(Place, &str)>,
    ) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        // Only the lines in question: the renderer would look at the whole file for each note.
        let places = std::iter::once(place).chain(related.map(|(place, _)| place));
        let (mut first, mut last) = (usize::MAX, 0);
        for place in places {
            first = first.min(self.line_of(place.start));
            last = last.max(self.line_of(place.end));
        }
        let start = self.lines.get(first).copied().unwrap_or_default();
        let end = self
            .lines
            .get(last + 1)
            .copied()
            .unwrap_or(self.shown.len());
        let span = |place: Place| {
            let bytes = place.bytes();
            bytes.start - start..bytes.end - start
        };
        let mut snippet = Snippet::source(&self.shown[start..end])
            .path(self.name.to_owned())
            .line_start(first + 1)
            .annotation(AnnotationKind::Primary.span(span(place)));
        if let Some((place, label)) = related {
            snippet = snippet.annotation(
                AnnotationKind::Context
                    .span(span(place))
                    .label(label.to_owned()),
            );
        }
        snippet
    }

    /// Counted from 0.
    fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte) - 1
    }
}

/// Texts repeat parts of the file, which could hold escapes for the terminal.
fn clean(text: &str) -> String {
    annotate_snippets::normalize_untrusted_str(&harmless(text))
}

/// The renderer shows the first 32 control characters as signs, and lets the others pass. Whatever
/// stands in for them has as many bytes, so that places stay where they are.
fn harmless(text: &str) -> String {
    let stand_in = |letter: char| match letter.len_utf8() {
        2 if is_obeyed(letter) => '·',
        3 if is_obeyed(letter) => char::REPLACEMENT_CHARACTER,
        _ => letter,
    };
    text.chars().map(stand_in).collect()
}
