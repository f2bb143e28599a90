//! What a piece of text means, and how that looks on a stream.
//!
//! Decided once per stream and passed along: no global state, so that tests run side by side.

use console::{Color, Style};

/// What a piece of text means. Only [`Styles`] knows how it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    Plain,
    Added,
    Changed,
    Removed,
    Blocked,
    Note,
    /// Secondary: reasons, ids, what is folded away.
    Dim,
    Good,
    Bad,
    Heading,
    /// A native command.
    Command,
    /// The place of a shard among its kind: neighbours look different.
    Shard(usize),
}

/// How meanings look on one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Styles {
    coloured: bool,
}

/// Colours that are told apart on dark and light grounds, in an order that keeps
/// neighbours distinct.
const SHARDS: [Color; 6] = [
    Color::Cyan,
    Color::Magenta,
    Color::Green,
    Color::Yellow,
    Color::Blue,
    Color::Red,
];

impl Styles {
    #[must_use]
    pub fn plain() -> Self {
        Self { coloured: false }
    }

    #[must_use]
    pub fn coloured() -> Self {
        Self { coloured: true }
    }

    /// Whether anything but text is written.
    #[must_use]
    pub fn are_coloured(self) -> bool {
        self == Self::coloured()
    }

    /// The text as it looks with this meaning. It must be clean already.
    pub(super) fn paint(self, meaning: Meaning, text: &str) -> String {
        let style = Style::new();
        let style = match meaning {
            Meaning::Plain => return text.to_owned(),
            Meaning::Added | Meaning::Good => style.green(),
            Meaning::Changed => style.yellow(),
            Meaning::Removed => style.red(),
            Meaning::Blocked | Meaning::Bad => style.red().bold(),
            Meaning::Note => style.cyan(),
            Meaning::Dim => style.dim(),
            Meaning::Heading => style.bold(),
            Meaning::Command => style.blue(),
            Meaning::Shard(place) => style.fg(SHARDS[place % SHARDS.len()]),
        };
        style
            .force_styling(self.coloured)
            .apply_to(text)
            .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_coloured_styles_send_codes() {
        assert_eq!(Styles::plain().paint(Meaning::Bad, "x"), "x");
        assert_eq!(Styles::coloured().paint(Meaning::Plain, "x"), "x");
        let painted = Styles::coloured().paint(Meaning::Added, "x");
        assert_eq!(painted, "\u{1b}[32mx\u{1b}[0m");
    }
}
