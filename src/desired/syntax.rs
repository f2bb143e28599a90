//! What was probably meant by a line that isn't YAML, or that YAML takes for something else: a
//! missing colon, a tab, a bracket that isn't closed, an address in brackets.

use std::net::Ipv6Addr;

use super::finding::{Findings, Place, quoted};
use super::option::is_secret;
use super::yaml::{Tree, Value};

/// A mistake in the form of the text: where exactly, what, and what to write.
#[derive(Debug)]
pub(super) struct Slip {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) help: String,
}

/// Explains what the parser stumbled over at `place`, in `words` of its own.
pub(super) fn explain(text: &str, place: Place, words: &str) -> Slip {
    let lines = Lines::around(text, place);
    let slip = address(&lines)
        .or_else(|| tab(&lines, words))
        .or_else(|| quote(place, words))
        .or_else(|| space(place, words))
        .or_else(|| bracket(text, place, words))
        .or_else(|| colon(&lines, words))
        .or_else(|| deeper(&lines, words))
        .or_else(|| second_colon(&lines, words))
        .or_else(|| first_character(text, place, words));
    slip.unwrap_or_else(|| Slip {
        place,
        message: format!("this is not valid YAML: {words}"),
        help: "check indentation, brackets and quotes here and on the line before; quote a text that YAML would take for something else"
            .to_owned(),
    })
}

/// The lines of the text up to the one after the place.
struct Lines<'t> {
    /// Each with the byte at which it starts.
    all: Vec<(usize, &'t str)>,
    /// The line of the place.
    here: usize,
}

impl<'t> Lines<'t> {
    fn around(text: &'t str, place: Place) -> Self {
        let mut all = Vec::new();
        let (mut start, mut here) = (0, 0);
        for line in text.split_inclusive('\n') {
            if start <= place.start {
                here = all.len();
            }
            all.push((start, line.trim_end_matches(['\n', '\r'])));
            start += line.len();
            if start > place.end && all.len() > here + 1 {
                break;
            }
        }
        Self { all, here }
    }

    fn text(&self, line: usize) -> &'t str {
        self.all.get(line).map_or("", |(_, line)| line)
    }

    /// A stretch of a line.
    fn place(&self, line: usize, from: usize, length: usize) -> Place {
        let (start, text) = self.all.get(line).copied().unwrap_or_default();
        Place {
            line: line + 1,
            column: text[..from].chars().count() + 1,
            start: start + from,
            end: start + from + length,
        }
    }

    /// The last line before this one that says something.
    fn before(&self, line: usize) -> Option<usize> {
        (0..line)
            .rev()
            .find(|line| !said(self.text(*line)).is_empty())
    }
}

/// What a line says: without its comment and the blanks around it.
fn said(line: &str) -> &str {
    let comment = line
        .match_indices('#')
        .find(|(at, _)| *at == 0 || line[..*at].ends_with([' ', '\t']));
    comment.map_or(line, |(at, _)| &line[..at]).trim()
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start_matches(' ').len()
}

fn address(lines: &Lines<'_>) -> Option<Slip> {
    let (from, address) = bracketed_address(lines.text(lines.here))?;
    Some(Slip {
        place: lines.place(lines.here, from, address.len()),
        message: "YAML takes what starts with a bracket for a list".to_owned(),
        help: format!("quote an address that starts with a bracket: \"{address}\""),
    })
}

/// The first unquoted `[::1]:7000` in a line, and the byte at which it starts.
fn bracketed_address(line: &str) -> Option<(usize, &str)> {
    line.match_indices('[').find_map(|(start, _)| {
        let close = start + line[start..].find("]:")?;
        line[start + 1..close].parse::<Ipv6Addr>().ok()?;
        if line[..start].ends_with(['"', '\'']) {
            return None;
        }
        let port = line[close + 2..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        Some((start, &line[start..close + 2 + port]))
    })
}

fn tab(lines: &Lines<'_>, words: &str) -> Option<Slip> {
    // The parser may have read on to a line before it looked at the tab of the next.
    let last = lines.here + usize::from(words.contains("tab"));
    let (line, at) = (lines.here..=last).find_map(|line| {
        let text = lines.text(line);
        let blank = text.len() - text.trim_start_matches([' ', '\t']).len();
        Some((line, text[..blank].find('\t')?))
    })?;
    Some(Slip {
        place: lines.place(line, at, 1),
        message: "this line is indented with a tab".to_owned(),
        help: "indent with spaces, YAML takes no tabs there".to_owned(),
    })
}

fn quote(place: Place, words: &str) -> Option<Slip> {
    words.contains("unclosed quote").then(|| Slip {
        place,
        message: "a quote is opened here and never closed".to_owned(),
        help: "write the same quote at the end of the text".to_owned(),
    })
}

fn space(place: Place, words: &str) -> Option<Slip> {
    words.contains("':' may not precede").then(|| Slip {
        place,
        message: "a space is missing after this colon".to_owned(),
        help: "write a space between the colon and the bracket".to_owned(),
    })
}

fn bracket(text: &str, place: Place, words: &str) -> Option<Slip> {
    let signs = [
        "expected ','",
        "placement of ':'",
        "mismatched bracket",
        "unclosed bracket",
    ];
    if !signs.iter().any(|sign| words.contains(sign)) {
        return None;
    }
    // A mismatch is shown at the bracket that was opened.
    let (at, open) = if words.contains("mismatched") {
        let open = text[place.start..].chars().next()?;
        (place.start, open)
    } else {
        open_brackets(&text[..place.start]).pop()?
    };
    let close = match open {
        '[' => ']',
        '{' => '}',
        _ => return None,
    };
    let same_line = !text[at..place.start].contains('\n');
    if same_line && !words.contains("mismatched") && !words.contains("unclosed") {
        return Some(Slip {
            place,
            message: format!("a comma or the closing `{close}` is missing before this"),
            help:
                "write a comma between the parts, and quote a text that holds `:`, `,` or brackets"
                    .to_owned(),
        });
    }
    let before = &text[..at];
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    Some(Slip {
        place: Place {
            line: before.matches('\n').count() + 1,
            column: before[start..].chars().count() + 1,
            start: at,
            end: at + 1,
        },
        message: format!("the bracket `{open}` is not closed"),
        help: format!("write `{close}` where it ends"),
    })
}

/// The brackets that are open at the end of the text.
fn open_brackets(text: &str) -> Vec<(usize, char)> {
    let mut open = Vec::new();
    let mut inside: Option<char> = None;
    let mut before = '\n';
    for (at, letter) in text.char_indices() {
        match (inside, letter) {
            (Some('#'), '\n') => inside = None,
            (Some(quote), _) if quote == letter => inside = None,
            (Some(_), _) => {}
            (None, '#') if before.is_whitespace() => inside = Some('#'),
            (None, '"' | '\'') if before.is_whitespace() || "[{,:".contains(before) => {
                inside = Some(letter);
            }
            (None, '[' | '{') => open.push((at, letter)),
            (None, ']' | '}') => {
                open.pop();
            }
            (None, _) => {}
        }
        before = letter;
    }
    open
}

fn colon(lines: &Lines<'_>, words: &str) -> Option<Slip> {
    if !words.contains("mapping values are not allowed") && !words.contains("expected ':'") {
        return None;
    }
    let bare = |line: usize| without_colon(said(lines.text(line)));
    let mut line = match bare(lines.here) {
        Some(_) => lines.here,
        None => lines.before(lines.here)?,
    };
    bare(line)?;
    // Several such lines in a row are one text to YAML: the first is to be mended first.
    while let Some(before) = lines.before(line).filter(|before| bare(*before).is_some()) {
        line = before;
    }
    let (key, value) = bare(line)?;
    let text = lines.text(line);
    let from = text.find(key).unwrap_or_default();
    Some(Slip {
        place: lines.place(line, from, key.len()),
        message: missing(&text[from..], key),
        help: written(key, value),
    })
}

fn missing(text: &str, key: &str) -> String {
    if text[key.len()..].starts_with(':') {
        format!("a space is missing after {}", quoted(&format!("{key}:")))
    } else {
        format!("a colon and a space are missing after {}", quoted(key))
    }
}

/// What to write instead; of a secret only the key.
fn written(key: &str, value: &str) -> String {
    if value.is_empty() {
        format!("write `{key}:`")
    } else if is_secret(key) {
        format!("write {key}: {{env: NAME}} or {key}: {{file: PATH}}")
    } else {
        format!("write {}", quoted(&format!("{key}: {value}")))
    }
}

/// `primary host1:7000` or `primary:host1:7000` as what was meant: the key and its value.
pub(super) fn without_colon(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix("- ").unwrap_or(text).trim();
    let end = text
        .find(|letter: char| !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')))
        .unwrap_or(text.len());
    let (key, rest) = text.split_at(end);
    let starts = key.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let value = match rest.strip_prefix(':') {
        Some(value) if value.is_empty() || value.starts_with([' ', '\t']) => return None,
        // An address is no key: `host1:7000`, `::1`.
        Some(value) if value.bytes().all(|byte| byte.is_ascii_digit()) => return None,
        Some(value) => value,
        None if rest.is_empty() || rest.starts_with([' ', '\t']) => rest.trim(),
        None => return None,
    };
    let has_key = value.contains(": ") || value.ends_with(':');
    (starts && !has_key).then_some((key, value))
}

fn deeper(lines: &Lines<'_>, words: &str) -> Option<Slip> {
    if !words.contains("mapping values are not allowed") {
        return None;
    }
    let above = lines.text(lines.before(lines.here)?);
    let here = lines.text(lines.here);
    let (key, value) = said(above).split_once(": ")?;
    let from = indentation(here);
    if from <= indentation(above) || value.starts_with(['|', '>', '&']) {
        return None;
    }
    let key = key.trim_start_matches("- ");
    Some(Slip {
        place: lines.place(lines.here, from, said(here).len()),
        message: format!(
            "this line is indented deeper than {} above it, which has its value already",
            quoted(key)
        ),
        help: format!("begin it in the same column as {}", quoted(key)),
    })
}

fn second_colon(lines: &Lines<'_>, words: &str) -> Option<Slip> {
    if !words.contains("mapping values are not allowed") {
        return None;
    }
    let text = lines.text(lines.here);
    let (second, _) = text.match_indices(": ").nth(1)?;
    Some(Slip {
        place: lines.place(lines.here, second, 1),
        message: "this line has a second colon".to_owned(),
        help: "quote the text if the colon belongs to it, else write the second key on a line of its own"
            .to_owned(),
    })
}

fn first_character(text: &str, place: Place, words: &str) -> Option<Slip> {
    if !words.contains("unexpected character") {
        return None;
    }
    let letter = text[place.start..].chars().next()?;
    Some(Slip {
        place,
        message: format!(
            "a text can't start with {} in YAML",
            quoted(&letter.to_string())
        ),
        help: "put the text in quotes".to_owned(),
    })
}

/// Reads `{primary host1:7000}`, which is a key without a value to YAML, as what was meant, so
/// that nothing else is said to be missing.
pub(super) fn mend_colons(text: &str, tree: &mut Tree, findings: &mut Findings) {
    match &mut tree.value {
        Value::Nothing | Value::Text(_) => {}
        Value::List(items) => {
            for item in items {
                mend_colons(text, item, findings);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                mend_entry(text, key, value, findings);
                mend_colons(text, value, findings);
            }
        }
    }
}

fn mend_entry(text: &str, key: &mut Tree, value: &mut Tree, findings: &mut Findings) {
    let (Value::Text(written_key), Value::Nothing) = (&key.value, &value.value) else {
        return;
    };
    let as_written = text.get(key.place.bytes()) == Some(written_key.as_str());
    let Some((name, rest)) = without_colon(written_key).filter(|(_, rest)| !rest.is_empty()) else {
        return;
    };
    if !as_written || !written_key.starts_with(name) {
        return;
    }
    let skipped = written_key.len() - rest.len();
    let place = Place {
        column: key.place.column + written_key[..skipped].chars().count(),
        start: key.place.start + skipped,
        ..key.place
    };
    findings.add(key.place, missing(written_key, name), written(name, rest));
    *value = Tree {
        place,
        value: Value::Text(rest.to_owned()),
    };
    key.place.end = key.place.start + name.len();
    key.value = Value::Text(name.to_owned());
}

/// What is wrong with a value that YAML read as another kind than was meant, if that is to be
/// seen.
pub(super) fn misread(tree: &Tree) -> Option<String> {
    match &tree.value {
        Value::Text(text) => {
            let (key, _) = without_colon(text).filter(|(_, value)| !value.is_empty())?;
            Some(format!(
                "{} needs a colon and a space after it",
                quoted(key)
            ))
        }
        Value::List(items) => match items.as_slice() {
            [
                Tree {
                    value: Value::Text(text),
                    ..
                },
            ] if text.parse::<Ipv6Addr>().is_ok() => Some(format!(
                "YAML takes brackets for a list: an IPv6 address alone is written in quotes, \"{text}\""
            )),
            _ => None,
        },
        Value::Nothing | Value::Map(_) => None,
    }
}
