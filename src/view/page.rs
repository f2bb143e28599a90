//! Text under construction. Whatever is put on a page is cleaned first, so that nothing that
//! a server says can send a code to the terminal or begin a line of its own.

use std::borrow::Cow;
use std::fmt::Display;

use super::styles::{Meaning, Styles};

/// Lines of styled text.
#[derive(Clone, Debug)]
pub(super) struct Page {
    styles: Styles,
    text: String,
}

/// One cell of aligned rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    parts: Vec<(Meaning, String)>,
}

impl Page {
    pub(super) fn new(styles: Styles) -> Self {
        Self {
            styles,
            text: String::new(),
        }
    }

    pub(super) fn put(&mut self, meaning: Meaning, text: impl Display) -> &mut Self {
        let text = text.to_string();
        self.text
            .push_str(&self.styles.paint(meaning, &clean(&text)));
        self
    }

    pub(super) fn plain(&mut self, text: impl Display) -> &mut Self {
        self.put(Meaning::Plain, text)
    }

    pub(super) fn end(&mut self) {
        self.text.push('\n');
    }

    /// An empty line, unless the page begins here or has one already.
    pub(super) fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.end();
        }
    }

    /// Rows whose cells stand below each other, two spaces apart. A row of one cell is a
    /// heading, which may be as long as it likes.
    pub(super) fn rows(&mut self, indent: &str, rows: &[Vec<Cell>]) {
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|column| {
                let tabular = rows.iter().filter(|row| row.len() > 1);
                let cells = tabular.filter_map(|row| row.get(column));
                cells.map(Cell::width).max().unwrap_or(0)
            })
            .collect();
        for row in rows {
            self.plain(indent);
            let last = row.iter().rposition(|cell| cell.width() > 0).unwrap_or(0);
            for (column, cell) in row.iter().enumerate().take(last + 1) {
                for (meaning, text) in &cell.parts {
                    self.put(*meaning, text);
                }
                if column < last && widths[column] > 0 {
                    let missing = (widths[column] + 2).saturating_sub(cell.width());
                    self.plain(" ".repeat(missing));
                }
            }
            self.end();
        }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }
}

impl Cell {
    pub(super) fn new(meaning: Meaning, text: impl Display) -> Self {
        Self::default().with(meaning, text)
    }

    pub(super) fn plain(text: impl Display) -> Self {
        Self::new(Meaning::Plain, text)
    }

    pub(super) fn with(mut self, meaning: Meaning, text: impl Display) -> Self {
        self.parts.push((meaning, text.to_string()));
        self
    }

    fn width(&self) -> usize {
        self.parts
            .iter()
            .map(|(_, text)| console::measure_text_width(&clean(text)))
            .sum()
    }
}

/// The text without anything that a terminal would obey: control characters, and those that
/// turn the direction of what follows.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_obeyed(character) {
            clean.extend(character.escape_default());
        } else {
            clean.push(character);
        }
    }
    Cow::Owned(clean)
}

pub(super) fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_on_a_page_is_obeyed_by_a_terminal() {
        let mut page = Page::new(Styles::plain());
        page.plain("ERR \u{1b}[2J\r\nPlan: 0 \u{9b}31m \u{202e}x")
            .end();
        assert_eq!(
            page.into_text(),
            "ERR \\u{1b}[2J\\r\\nPlan: 0 \\u{9b}31m \\u{202e}x\n"
        );
    }

    #[test]
    fn rows_stand_below_each_other_and_leave_no_blanks_behind() {
        let mut page = Page::new(Styles::coloured());
        page.rows(
            "  ",
            &[
                vec![
                    Cell::new(Meaning::Added, "+ ").with(Meaning::Plain, "join"),
                    Cell::plain(""),
                    Cell::plain("x"),
                ],
                vec![Cell::plain("é"), Cell::plain(""), Cell::plain("y")],
                vec![Cell::plain("a long heading")],
                vec![Cell::plain("alone"), Cell::default()],
            ],
        );
        let text = console::strip_ansi_codes(&page.into_text()).into_owned();
        assert_eq!(
            text,
            "  + join  x\n  é       y\n  a long heading\n  alone\n"
        );
    }
}
