//! YAML text → a tree whose nodes know their place and keep scalars as they were written.
//!
//! The only importer of the YAML crate. A tree, not structs: a struct would stop at the first
//! wrong type or unknown key, and would have taken `no` for a boolean on the way.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Options, Spanned};

use super::finding::{Finding, Place, quoted};
use super::syntax;

/// The format nests six levels deep; the rest is room for one's own mistakes.
const MAX_DEPTH: usize = 16;

/// Nodes that aliases may add: a few lines of them could otherwise stand for gigabytes.
const MAX_REPLAYED: usize = 100_000;

/// A YAML node.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) place: Place,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    /// Nothing was written, or `~` or `null`.
    Nothing,
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Tree, Tree)>),
}

/// Parses one YAML document.
pub(super) fn parse(text: &str) -> Result<Tree, Box<Finding>> {
    let raw: Spanned<Raw> = serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| Box::new(explain(text, &error)))?;
    tree(text, raw)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: MAX_REPLAYED },
        // Reported by whoever reads the mapping, together with the other mistakes.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // A node id such as 12e456… looks like a number that is too big.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// What the YAML crate hands over. It reads a plain scalar as the type that it looks like, so
/// anything but a string is taken from the source text again.
enum Raw {
    Plain,
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

macro_rules! visit_plain {
    ($($method:ident: $type:ty),*) => {
        $(fn $method<E>(self, _: $type) -> Result<Raw, E> {
            Ok(Raw::Plain)
        })*
    };
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    visit_plain!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_i128: i128, visit_u128: u128, visit_f64: f64);

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Plain)
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = access.next_entry()? {
            entries.push(entry);
        }
        Ok(Raw::Map(entries))
    }
}

fn tree(text: &str, raw: Spanned<Raw>) -> Result<Tree, Box<Finding>> {
    // Both differ for an alias: it is to be mended where it is used, but is written elsewhere.
    let (mut place, written) = (place(text, raw.referenced), place(text, raw.defined));
    let value = match raw.value {
        Raw::Text(scalar) => Value::Text(scalar),
        Raw::Plain => match text.get(written.bytes()).unwrap_or_default() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Nothing,
            scalar if scalar.starts_with(['"', '\'']) => {
                return Err(Box::new(Finding {
                    place,
                    message: "the value carries a YAML tag".to_owned(),
                    help: "leave the tag out and write the value alone".to_owned(),
                    related: None,
                }));
            }
            scalar => Value::Text(scalar.to_owned()),
        },
        Raw::List(items) => Value::List(
            items
                .into_iter()
                .map(|item| tree(text, item))
                .collect::<Result<_, _>>()?,
        ),
        Raw::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Ok((tree(text, key)?, tree(text, value)?)))
                .collect::<Result<_, Box<Finding>>>()?,
        ),
    };
    let last = match &value {
        Value::Nothing | Value::Text(_) => None,
        Value::List(items) => items.last(),
        Value::Map(entries) => entries.last().map(|(_, value)| value),
    };
    place.end = bracket_end(text, place, last.map_or(place.end, |last| last.place.end));
    Ok(Tree { place, value })
}

/// The crate's place of a list or mapping in brackets is the opening one. This is the end of the
/// closing one, if it stands on the same line.
fn bracket_end(text: &str, place: Place, last: usize) -> usize {
    let close = match text.as_bytes().get(place.start) {
        Some(b'[') => ']',
        Some(b'{') => '}',
        Some(_) | None => return place.end,
    };
    let inside = place.start + 1..last.max(place.start + 1);
    let Some(rest) = text.get(inside.end..) else {
        return place.end;
    };
    let after = rest.trim_start_matches([' ', ',']);
    if text[inside.clone()].contains('\n') || !after.starts_with(close) {
        return place.end;
    }
    inside.end + rest.len() - after.len() + 1
}

/// The crate counts bytes for values, but only characters where it found an error.
fn place(text: &str, location: Location) -> Place {
    let span = location.span();
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let start = span.byte_offset().map_or_else(
        || {
            text.char_indices()
                .nth(count(span.offset()))
                .map_or(text.len(), |(index, _)| index)
        },
        count,
    );
    let end = start.saturating_add(span.byte_len().map_or(0, count));
    Place {
        line: count(location.line()).max(1),
        column: count(location.column()).max(1),
        start: start.min(text.len()),
        end: end.min(text.len()),
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the crate's errors are many and will be more; they explain themselves"
)]
fn explain(text: &str, error: &Error) -> Finding {
    let mut place = error
        .location()
        .map_or_else(Place::top, |location| place(text, location));
    let cause = match error {
        Error::AliasError { error, .. } => error,
        other => other,
    };
    let (message, help) = match cause {
        Error::MultipleDocuments { .. } => (
            "the file holds a second YAML document".to_owned(),
            "leave out the line `---` and what follows, one file describes one cluster".to_owned(),
        ),
        Error::Budget { breach, .. } => budget_breach(breach),
        Error::AliasReplayLimitExceeded { .. } => (
            format!("the aliases stand for more than {MAX_REPLAYED} values"),
            "write the values out where they are needed".to_owned(),
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => (
            "an alias stands inside the value that it repeats".to_owned(),
            "write the value out".to_owned(),
        ),
        Error::UnknownAnchor { .. } => (
            "the alias has no anchor before it".to_owned(),
            "write the value itself, or quote the text if its `*` is meant".to_owned(),
        ),
        Error::UnsupportedTag { tag, .. } => (
            format!("the value carries the YAML tag {}", quoted(tag)),
            "leave the tag out, or quote the text if its `!` is meant".to_owned(),
        ),
        // The parser's own limit, which is the first to be reached in a pile of brackets.
        other if parser_words(other) == "recursion limit exceeded" => too_deep(),
        other => {
            let slip = syntax::explain(text, place, &parser_words(other));
            place = slip.place;
            (slip.message, slip.help)
        }
    };
    Finding {
        place,
        message,
        help,
        related: None,
    }
}

fn budget_breach(breach: &BudgetBreach) -> (String, String) {
    if let BudgetBreach::Depth { .. } = breach {
        too_deep()
    } else {
        (
            "the file holds more values than rcl reads".to_owned(),
            "describe one cluster in one file".to_owned(),
        )
    }
}

fn too_deep() -> (String, String) {
    (
        format!("values are nested more than {MAX_DEPTH} levels deep"),
        "the format needs no more than six levels, look for brackets too many".to_owned(),
    )
}

/// The parser's sentence without the place, which is shown anyway.
fn parser_words(error: &Error) -> String {
    let words = error.to_string();
    words
        .rsplit_once(" at line ")
        .map_or(words.as_str(), |(sentence, _)| sentence)
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree on one line: `{key: value}` with every scalar as kept, `-` for nothing.
    fn shown(tree: &Tree) -> String {
        match &tree.value {
            Value::Nothing => "-".to_owned(),
            Value::Text(text) => format!("{text:?}"),
            Value::List(items) => {
                format!(
                    "[{}]",
                    items.iter().map(shown).collect::<Vec<_>>().join(" ")
                )
            }
            Value::Map(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{}={}", shown(key), shown(value)))
                    .collect();
                format!("{{{}}}", entries.join(" "))
            }
        }
    }

    #[test]
    fn scalars_keep_their_written_text() {
        for (text, kept) in [
            ("no", "\"no\""),
            ("off # why", "\"off\""),
            ("'yes'", "\"yes\""),
            ("true", "\"true\""),
            ("0x10", "\"0x10\""),
            ("07", "\"07\""),
            ("1_000", "\"1_000\""),
            ("8gb", "\"8gb\""),
            ("15s", "\"15s\""),
            ("-1", "\"-1\""),
            ("1.50", "\"1.50\""),
            (".inf", "\".inf\""),
            ("12e4567890", "\"12e4567890\""),
            (
                "1234567890123456789012345678901234567890",
                "\"1234567890123456789012345678901234567890\"",
            ),
            ("2026-11-22", "\"2026-11-22\""),
            ("host1:7000", "\"host1:7000\""),
            ("::1", "\"::1\""),
            ("{a: [no, 5,0-7 ], b: }", r#"{"a"=["no" "5" "0-7"] "b"=-}"#),
            ("{5: 6, no: y}", r#"{"5"="6" "no"="y"}"#),
            ("{a: 1, a: 2}", r#"{"a"="1" "a"="2"}"#),
            ("~", "-"),
            ("\"\"", "\"\""),
            ("!!str no", "\"no\""),
            ("\u{feff}no", "\"no\""),
            ("é", "\"é\""),
            ("a: no\r\nb: 7\r\n", r#"{"a"="no" "b"="7"}"#),
            (
                "a: &x {b: no}\nc: *x\n",
                r#"{"a"={"b"="no"} "c"={"b"="no"}}"#,
            ),
            (
                "a: &x {b: no}\nc: {<<: *x, d: 07}\n",
                r#"{"a"={"b"="no"} "c"={"d"="07" "b"="no"}}"#,
            ),
            ("", "-"),
        ] {
            assert_eq!(shown(&parse(text).unwrap()), kept, "{text}");
        }
    }

    #[test]
    fn explains_what_is_not_yaml() {
        let mut lines = Vec::new();
        for text in [
            "primary: [::1]:7000",
            "a: b: c",
            "a:\n\t- b",
            "a: 'x",
            "a: [1, 2\nb: 3",
            "a: @x",
            "a b\nc: d",
            "a:b\nc: d",
            "a 1\nb 2\nc: d",
            "a:\n  - b c\n    d: e",
            "- é b\n  masterauth hunter2\n  b: c",
            "a\nb: c",
            "a: 1\n  b: 2",
            "a: {b: c, d: [1, 2]\ne: 3",
            "a: {b: c d: 3}",
            "a: 1\nb: x\n  \tc: 3",
            "a: *x",
            "a: &x [*x]",
            "a: 1\n---\nb: 2",
            "a: !foo 1",
            "a: !!int \"5\"",
            "a: [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]",
            "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e]",
        ] {
            let finding = parse(text).unwrap_err();
            lines.push(format!(
                "{}:{} {} => {}",
                finding.place.line, finding.place.column, finding.message, finding.help
            ));
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        1:10 YAML takes what starts with a bracket for a list => quote an address that starts with a bracket: "[::1]:7000"
        1:5 this line has a second colon => quote the text if the colon belongs to it, else write the second key on a line of its own
        2:1 this line is indented with a tab => indent with spaces, YAML takes no tabs there
        1:4 a quote is opened here and never closed => write the same quote at the end of the text
        1:4 the bracket `[` is not closed => write `]` where it ends
        1:4 a text can't start with `@` in YAML => put the text in quotes
        1:1 a colon and a space are missing after `a` => write `a: b`
        1:1 a space is missing after `a:` => write `a: b`
        1:1 a colon and a space are missing after `a` => write `a: 1`
        2:5 a colon and a space are missing after `b` => write `b: c`
        2:3 a colon and a space are missing after `masterauth` => write masterauth: {env: NAME} or masterauth: {file: PATH}
        1:1 a colon and a space are missing after `a` => write `a:`
        2:3 this line is indented deeper than `a` above it, which has its value already => begin it in the same column as `a`
        1:4 the bracket `{` is not closed => write `}` where it ends
        1:11 a comma or the closing `}` is missing before this => write a comma between the parts, and quote a text that holds `:`, `,` or brackets
        3:3 this line is indented with a tab => indent with spaces, YAML takes no tabs there
        1:4 the alias has no anchor before it => write the value itself, or quote the text if its `*` is meant
        1:8 an alias stands inside the value that it repeats => write the value out
        3:1 the file holds a second YAML document => leave out the line `---` and what follows, one file describes one cluster
        1:9 the value carries the YAML tag `!foo` => leave the tag out, or quote the text if its `!` is meant
        1:10 the value carries a YAML tag => leave the tag out and write the value alone
        1:19 values are nested more than 16 levels deep => the format needs no more than six levels, look for brackets too many
        5:29 the aliases stand for more than 100000 values => write the values out where they are needed
        "#);
    }
}
