//! Reading the tree: which kind of value stands somewhere, which keys a mapping has, and what is
//! said where something else was written.

use std::collections::BTreeMap;

use super::address::is_name;
use super::finding::{Findings, Place, Placed, nearest, quoted};
use super::syntax::misread;
use super::yaml::{Tree, Value};

/// Names stand in every line of output; a longer one would be a mistake.
const MAX_NAME: usize = 100;

/// What people write who know another tool or the servers' older words.
const SYNONYMS: &[(&str, &str)] = &[
    ("master", "primary"),
    ("slave", "replicas"),
    ("slaves", "replicas"),
    ("range", "slots"),
    ("ranges", "slots"),
    ("ip", "address"),
    ("host", "address"),
    ("name", "cluster"),
    ("nodes", "shards"),
    ("masters", "shards"),
    ("options", "config"),
    ("settings", "config"),
    ("node", "at"),
    ("address", "at"),
    ("rack", "zone"),
    ("user", "username"),
    ("pass", "password"),
    ("auth", "password"),
];

/// A key of a mapping and its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'t> {
    pub(super) key: Place,
    pub(super) value: &'t Tree,
}

/// What a value is for, in the words of messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    /// "`zone`", "a shard".
    pub(super) what: &'a str,
    /// What to write.
    pub(super) example: &'a str,
}

/// Reports a value of the wrong kind.
pub(super) fn mismatch(tree: &Tree, wanted: Wanted<'_>, findings: &mut Findings) {
    let problem = match &tree.value {
        Value::Nothing => "has no value",
        Value::Text(_) => "can't be a single value",
        Value::List(_) => "can't be a list",
        Value::Map(_) => "can't have keys of its own",
    };
    let mut help = format!("write {}", wanted.example);
    if let Some(misread) = misread(tree) {
        help = match tree.value {
            // What was meant is plain to see, an example would only be in the way.
            Value::List(_) => misread,
            Value::Nothing | Value::Text(_) | Value::Map(_) => format!("{help}; {misread}"),
        };
    }
    findings.add(tree.place, format!("{} {problem}", wanted.what), help);
}

/// The entries of a mapping with free names, each name once.
pub(super) fn entries<'t>(
    tree: &'t Tree,
    wanted: Wanted<'_>,
    findings: &mut Findings,
) -> Option<Vec<(Placed<&'t str>, &'t Tree)>> {
    let Value::Map(pairs) = &tree.value else {
        mismatch(tree, wanted, findings);
        return None;
    };
    let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
    let mut entries = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let Some(name) = key_text(key, findings) else {
            continue;
        };
        if let Some(first) = seen.get(name) {
            findings.add_related(
                key.place,
                format!("{} is written twice", quoted(name)),
                "leave one of the two out",
                (*first, "first written here"),
            );
            continue;
        }
        seen.insert(name, key.place);
        entries.push((Placed::new(name, key.place), value));
    }
    Some(entries)
}

fn key_text<'t>(key: &'t Tree, findings: &mut Findings) -> Option<&'t str> {
    match &key.value {
        Value::Text(text) if text.contains(char::is_control) => {
            findings.add(
                key.place,
                format!("the key {} holds a control character", quoted(text)),
                "write it without",
            );
            None
        }
        Value::Text(text) => Some(text),
        Value::Nothing => {
            findings.add(
                key.place,
                "a key is missing before the colon",
                "write the key, in quotes if it is meant to be `null` or `~`",
            );
            None
        }
        Value::List(_) => {
            findings.add(
                key.place,
                "a list stands where a key belongs",
                "quote an address that starts with a bracket: \"[::1]:7000\"",
            );
            None
        }
        Value::Map(_) => {
            findings.add(
                key.place,
                "braces stand where a key belongs",
                "write a plain text before the colon",
            );
            None
        }
    }
}

/// The values of the known keys, in the order of `known`. All others are reported.
pub(super) fn fields<'t, const N: usize>(
    tree: &'t Tree,
    wanted: Wanted<'_>,
    known: [&str; N],
    findings: &mut Findings,
) -> Option<[Option<Field<'t>>; N]> {
    let entries = entries(tree, wanted, findings)?;
    let mut fields = [None; N];
    let mut meant_fields = Vec::new();
    for (key, value) in entries {
        let field = Field {
            key: key.place,
            value,
        };
        if let Some(index) = known.iter().position(|name| *name == key.value) {
            fields[index] = Some(field);
            continue;
        }
        let meant = meant(key.value, &known);
        findings.add(
            key.place,
            format!("{} is not a key of {}", quoted(key.value), wanted.what),
            match meant {
                Some(index) => format!("write `{}`", known[index]),
                None => format!("the keys are {}", known.join(", ")),
            },
        );
        meant_fields.extend(meant.map(|index| (index, field)));
    }
    // Read on as if the key had been right: its value may hold more mistakes, and the key that
    // was meant isn't missing.
    for (index, field) in meant_fields {
        fields[index].get_or_insert(field);
    }
    Some(fields)
}

/// Which of the known keys was meant.
fn meant(text: &str, known: &[&str]) -> Option<usize> {
    let synonym = || {
        SYNONYMS
            .iter()
            .find(|(word, key)| text.eq_ignore_ascii_case(word) && known.contains(key))
            .map(|(_, key)| *key)
    };
    let meant = nearest(text, known).or_else(synonym)?;
    known.iter().position(|key| *key == meant)
}

/// A text that isn't empty and holds no control characters.
pub(super) fn text(
    tree: &Tree,
    wanted: Wanted<'_>,
    findings: &mut Findings,
) -> Option<Placed<String>> {
    let Value::Text(text) = &tree.value else {
        mismatch(tree, wanted, findings);
        return None;
    };
    let problem = if text.is_empty() {
        "is empty"
    } else if text.contains(char::is_control) {
        "holds a control character"
    } else {
        return Some(Placed::new(text.clone(), tree.place));
    };
    findings.add(
        tree.place,
        format!("{} {problem}", wanted.what),
        format!("write {}", wanted.example),
    );
    None
}

/// Whether a name can be one; reports it otherwise.
pub(super) fn check_name(name: &str, place: Place, what: &str, findings: &mut Findings) -> bool {
    let message = if !is_name(name) {
        format!("{} can't be the name of {what}", quoted(name))
    } else if name.len() > MAX_NAME {
        format!("the name of {what} is longer than {MAX_NAME} characters")
    } else {
        return true;
    };
    findings.add(
        place,
        message,
        "write letters, digits and the signs . _ - only",
    );
    false
}

/// `true` or `false`, or what YAML 1.1 takes for them.
pub(super) fn boolean(
    tree: &Tree,
    wanted: Wanted<'_>,
    findings: &mut Findings,
) -> Option<Placed<bool>> {
    let text = text(tree, wanted, findings)?;
    let value = match text.value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => true,
        "false" | "no" | "off" => false,
        _ => {
            findings.add(
                tree.place,
                format!(
                    "{} is true or false, but this is {}",
                    wanted.what,
                    quoted(&text.value)
                ),
                format!("write {}", wanted.example),
            );
            return None;
        }
    };
    Some(Placed::new(value, text.place))
}
