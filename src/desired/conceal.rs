//! The file's text for showing: with blanks where someone wrote a secret into it after all.

use std::ops::Range;

use super::option::is_secret;
use super::syntax::without_colon;
use super::yaml::{self, Tree, Value};

/// How many stars stand for a secret, whatever its length.
const STARS: usize = 8;

/// The text with every secret masked. Lines and bytes stay where they are, so that places hold.
#[must_use]
pub fn concealed(text: &str) -> String {
    let mut ranges = Vec::new();
    match yaml::parse(text) {
        Ok(tree) => secrets_in_tree(&tree, &mut ranges),
        Err(_) => secrets_in_lines(text, &mut ranges),
    }
    secrets_without_colon(text, &mut ranges);
    ranges.sort_by_key(|range| range.start);
    let mut shown = String::with_capacity(text.len());
    let mut next = 0;
    for range in ranges {
        if range.start < next {
            continue;
        }
        shown.push_str(&text[next..range.start]);
        mask(&text[range.clone()], &mut shown);
        next = range.end;
    }
    shown.push_str(&text[next..]);
    shown
}

/// As many bytes and lines as before.
fn mask(secret: &str, shown: &mut String) {
    for (index, letter) in secret.char_indices() {
        if letter == '\n' || letter == '\r' {
            shown.push(letter);
            continue;
        }
        for byte in index..index + letter.len_utf8() {
            shown.push(if byte < STARS { '*' } else { ' ' });
        }
    }
}

fn is_secret_key(key: &str) -> bool {
    is_secret(key) || key.eq_ignore_ascii_case("requirepass")
}

/// The word that stands where no secret does.
fn is_prompt(key: &str, value: &Tree) -> bool {
    key == "password" && matches!(&value.value, Value::Text(word) if word == "prompt")
}

fn secrets_in_tree(tree: &Tree, ranges: &mut Vec<Range<usize>>) {
    match &tree.value {
        Value::Text(text) if is_bare_secret(text) => ranges.push(tree.place.bytes()),
        Value::Nothing | Value::Text(_) => {}
        Value::List(items) => items.iter().for_each(|item| secrets_in_tree(item, ranges)),
        Value::Map(entries) => {
            for (key, value) in entries {
                match &key.value {
                    Value::Text(text) if is_bare_secret(text) => ranges.push(key.place.bytes()),
                    Value::Text(key) if is_secret_key(key) && !is_prompt(key, value) => {
                        whole(value, ranges);
                    }
                    Value::Text(_) | Value::Nothing | Value::List(_) | Value::Map(_) => {
                        secrets_in_tree(value, ranges);
                    }
                }
            }
        }
    }
}

/// Everything under the key of a secret but the names of its sources.
fn whole(tree: &Tree, ranges: &mut Vec<Range<usize>>) {
    match &tree.value {
        Value::Nothing => {}
        Value::Text(_) => ranges.push(tree.place.bytes()),
        Value::List(items) => items.iter().for_each(|item| whole(item, ranges)),
        Value::Map(entries) => {
            for (key, value) in entries {
                let source =
                    matches!(&key.value, Value::Text(key) if key == "env" || key == "file");
                if !source {
                    whole(value, ranges);
                }
            }
        }
    }
}

/// Whether this is a secret and its key, with the colon forgotten.
fn is_bare_secret(text: &str) -> bool {
    without_colon(text).is_some_and(|(key, value)| is_secret_key(key) && !value.is_empty())
}

/// The rest of each line that begins with the key of a secret and has no colon after it: such
/// lines can be part of a longer text to YAML.
fn secrets_without_colon(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((key, value)) = without_colon(line)
            && is_secret_key(key)
            && !value.is_empty()
        {
            let end = start + line.trim_end().len();
            ranges.push(end - value.len()..end);
        }
        start += line.len();
    }
}

/// For a text that isn't YAML: the rest of each line after the key of a secret.
fn secrets_in_lines(text: &str, ranges: &mut Vec<Range<usize>>) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some(from) = secret_in_line(line) {
            ranges.push(start + from..start + line.trim_end().len().max(from));
        }
        start += line.len();
    }
}

fn secret_in_line(line: &str) -> Option<usize> {
    let mut from = 0;
    for (colon, _) in line.match_indices(':') {
        let before = line[from..colon].trim_end_matches([' ', '"', '\'']);
        let key = before
            .rsplit(|letter: char| {
                !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
            })
            .next()
            .unwrap_or_default();
        let value = line[colon + 1..].trim_start();
        if is_secret_key(key) && !value.is_empty() && !value.starts_with('{') {
            return Some(line.len() - value.len());
        }
        from = colon + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_secrets_and_nothing_else() {
        for (text, shown) in [
            (
                "a: {masterauth: hunter2, b: c}",
                "a: {masterauth: *******, b: c}",
            ),
            ("masterauth: {env: X}\nb: c", "masterauth: {env: X}\nb: c"),
            (
                "password: \"a very long one\"\nb: c",
                "password: ********         \nb: c",
            ),
            (
                "primaryauth: |\n  two\n  lines\nb: c",
                "primaryauth: |\n  ***\n****   \nb: c",
            ),
            (
                "tls-key-file-pass: [x, {y: z}]",
                "tls-key-file-pass: [*, {y: *}]",
            ),
            ("masterauth: é", "masterauth: **"),
            (
                "a: {password: prompt, b: {password: Prompt}}",
                "a: {password: prompt, b: {password: ******}}",
            ),
            // Not YAML.
            (
                "b: [\nmasterauth: 'hunter2\nc: d",
                "b: [\nmasterauth: ********\nc: d",
            ),
            (
                "x: y: {requirepass : hunter2, a: b}",
                "x: y: {requirepass : ********      ",
            ),
            (
                "x: y: 1\nmasterauth: {env: X}\nmasterauth:\n",
                "x: y: 1\nmasterauth: {env: X}\nmasterauth:\n",
            ),
        ] {
            assert_eq!(concealed(text), shown, "{text}");
            assert_eq!(concealed(text).len(), text.len());
        }
    }
}
