//! What the values of options mean.

use std::collections::{BTreeMap, BTreeSet};

use super::Kind;
use super::table::Unit;
use crate::desired::finding::quoted;

/// A value that can't be the option's, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::desired) struct Mistake {
    pub(in crate::desired) message: String,
    pub(in crate::desired) help: String,
}

/// A value as it is compared.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Number(i128),
    Word(String),
    Words(Vec<String>),
    WordSet(BTreeSet<String>),
    Letters(BTreeSet<char>),
    Limits(BTreeMap<String, [i128; 3]>),
    Text(String),
}

pub(super) fn same(kind: Kind, left: &str, right: &str) -> bool {
    match (meaning(kind, left), meaning(kind, right)) {
        // A server tells the limits of every class, the file those that matter to it.
        (Some(Meaning::Limits(left)), Some(Meaning::Limits(right))) => {
            let (few, many) = if left.len() <= right.len() {
                (left, right)
            } else {
                (right, left)
            };
            few.iter()
                .all(|(class, limits)| many.get(class) == Some(limits))
        }
        (Some(left), Some(right)) => left == right,
        (Some(_), None) | (None, Some(_)) | (None, None) => left == right,
    }
}

pub(super) fn wire(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Time(_) | Kind::Size | Kind::SizeOrPercent => {
            if let Some(Meaning::Number(number)) = meaning(kind, text) {
                number.to_string()
            } else {
                text.to_owned()
            }
        }
        Kind::YesNo => text.to_ascii_lowercase(),
        // Servers refuse a `save` with two spaces in a row.
        Kind::Words | Kind::WordSet | Kind::BufferLimits => {
            let words: Vec<&str> = text.split_whitespace().collect();
            words.join(" ")
        }
        Kind::Number | Kind::Word | Kind::KeyspaceEvents | Kind::Text => text.to_owned(),
    }
}

/// The value with the largest unit that it is a whole number of: `15s`, `120mb`.
pub(super) fn readable(kind: Kind, text: &str) -> String {
    match (kind, meaning(kind, text)) {
        (Kind::Time(unit), Some(Meaning::Number(number))) => readable_time(number, unit),
        (Kind::Size | Kind::SizeOrPercent, Some(Meaning::Number(bytes))) => readable_size(bytes),
        (Kind::BufferLimits, Some(Meaning::Limits(limits))) => {
            let classes = limits.iter().map(|(class, [hard, soft, seconds])| {
                let (hard, soft) = (readable_size(*hard), readable_size(*soft));
                format!("{class} {hard} {soft} {seconds}")
            });
            classes.collect::<Vec<_>>().join(" ")
        }
        (
            Kind::Time(_)
            | Kind::Size
            | Kind::SizeOrPercent
            | Kind::YesNo
            | Kind::Number
            | Kind::Word
            | Kind::Words
            | Kind::WordSet
            | Kind::BufferLimits
            | Kind::KeyspaceEvents
            | Kind::Text,
            _,
        ) => text.to_owned(),
    }
}

/// Nothing, and what is below it, is often a word of its own: no unit makes it clearer.
fn readable_time(number: i128, unit: Unit) -> String {
    let units = [
        (86_400_000_000, "d"),
        (3_600_000_000, "h"),
        (60_000_000, "m"),
        (1_000_000, "s"),
        (1_000, "ms"),
        (1, "us"),
    ];
    let micros = number.saturating_mul(unit.micros());
    // People say 60s and 1500ms, but not 1d for 24h.
    let fits = |(size, name): &(i128, &str)| {
        let least = if matches!(*name, "d" | "h" | "m") {
            2
        } else {
            1
        };
        micros >= size * least && micros % size == 0
    };
    match units.into_iter().find(fits) {
        Some((size, name)) => format!("{}{name}", micros / size),
        None => number.to_string(),
    }
}

fn readable_size(bytes: i128) -> String {
    let units = [(1 << 30, "gb"), (1 << 20, "mb"), (1 << 10, "kb")];
    let fits = |(size, _): &(i128, &str)| bytes > 0 && bytes % size == 0;
    match units.into_iter().find(fits) {
        Some((size, name)) => format!("{}{name}", bytes / size),
        None => bytes.to_string(),
    }
}

/// The meaning of a text, `None` if it has none for an option of this kind.
fn meaning(kind: Kind, text: &str) -> Option<Meaning> {
    match kind {
        Kind::Time(unit) => time(text, unit).ok().map(Meaning::Number),
        Kind::Size => size(text).map(Meaning::Number),
        Kind::SizeOrPercent => match text.strip_suffix('%') {
            Some(share) => number(share).map(|_| Meaning::Text(text.to_owned())),
            None => size(text).map(Meaning::Number),
        },
        Kind::YesNo => {
            let word = text.to_ascii_lowercase();
            (word == "yes" || word == "no").then_some(Meaning::Word(word))
        }
        Kind::Number => number(text).map(Meaning::Number),
        Kind::Word => Some(Meaning::Word(text.to_ascii_lowercase())),
        Kind::Words => Some(Meaning::Words(
            text.split_whitespace().map(str::to_owned).collect(),
        )),
        Kind::WordSet => Some(Meaning::WordSet(
            text.split_whitespace()
                .map(str::to_ascii_lowercase)
                .collect(),
        )),
        Kind::BufferLimits => buffer_limits(text).map(Meaning::Limits),
        Kind::KeyspaceEvents => Some(Meaning::Letters(keyspace_events(text))),
        Kind::Text => Some(Meaning::Text(text.to_owned())),
    }
}

/// A whole number as servers read it: no leading zero, no plus sign.
fn number(text: &str) -> Option<i128> {
    let parsed: i128 = text.parse().ok()?;
    (parsed.to_string() == text).then_some(parsed)
}

/// Bytes as servers read them: `k` is 1000, `kb` is 1024, in upper or lower case.
fn size(text: &str) -> Option<i128> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '-')
        .unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let factor: i128 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    let bytes = number(count)?.checked_mul(factor)?;
    (bytes <= i128::from(u64::MAX)).then_some(bytes)
}

enum TimeError {
    Malformed,
    /// Not a whole number of the option's unit.
    Fraction,
}

/// How many of the unit a time has.
fn time(text: &str, unit: Unit) -> Result<i128, TimeError> {
    let digits = text
        .find(|letter: char| !letter.is_ascii_digit() && letter != '-')
        .unwrap_or(text.len());
    let (count, suffix) = text.split_at(digits);
    let count = number(count).ok_or(TimeError::Malformed)?;
    if suffix.is_empty() {
        return Ok(count);
    }
    let micros: i128 = match suffix {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        "d" => 86_400_000_000,
        _ => return Err(TimeError::Malformed),
    };
    let total = count.checked_mul(micros).ok_or(TimeError::Malformed)?;
    if total < 0 {
        return Err(TimeError::Malformed);
    }
    let per_unit = unit.micros();
    if total % per_unit != 0 {
        return Err(TimeError::Fraction);
    }
    Ok(total / per_unit)
}

impl Unit {
    fn micros(self) -> i128 {
        match self {
            Self::Microsecond => 1,
            Self::Millisecond => 1_000,
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Microsecond => "microseconds",
            Self::Millisecond => "milliseconds",
            Self::Second => "seconds",
            Self::Minute => "minutes",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::Microsecond => "10ms",
            Self::Millisecond => "15s",
            Self::Second => "60s",
            Self::Minute => "1m",
        }
    }
}

/// `A` stands for all events of a key; it is what a server answers where all of them are on.
fn keyspace_events(text: &str) -> BTreeSet<char> {
    text.chars()
        .flat_map(|letter| match letter {
            'A' => "g$lshztxed".chars().collect::<Vec<char>>(),
            other => vec![other],
        })
        .collect()
}

/// The limits of each class. Servers still answer `slave` for replicas.
fn buffer_limits(text: &str) -> Option<BTreeMap<String, [i128; 3]>> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.is_empty() || !words.len().is_multiple_of(4) {
        return None;
    }
    words
        .chunks(4)
        .map(|group| {
            let class = match group[0].to_ascii_lowercase().as_str() {
                "slave" | "replica" => "replica",
                "normal" => "normal",
                "pubsub" => "pubsub",
                _ => return None,
            };
            let limits = [size(group[1])?, size(group[2])?, number(group[3])?];
            Some((class.to_owned(), limits))
        })
        .collect()
}

pub(super) fn check(option: &str, kind: Kind, text: &str) -> Result<(), Mistake> {
    if meaning(kind, text).is_some() {
        return Ok(());
    }
    let (needs, help) = match kind {
        Kind::Time(unit) => {
            if let Err(TimeError::Fraction) = time(text, unit) {
                return Err(Mistake {
                    message: format!(
                        "{} is no whole number of {}, which `{option}` counts",
                        quoted(text),
                        unit.plural()
                    ),
                    help: format!("write whole {}, such as {}", unit.plural(), unit.example()),
                });
            }
            (
                "a time",
                format!(
                    "write a whole number and its unit (us, ms, s, m, h, d), such as {}; a bare number counts {}",
                    unit.example(),
                    unit.plural()
                ),
            )
        }
        Kind::Size => (
            "a size",
            "write a whole number and its unit, such as 8gb (kb, mb, gb count 1024; k, m, g count 1000)".to_owned(),
        ),
        Kind::SizeOrPercent => ("a size or a share", "write a size such as 1gb, or a share such as 5%".to_owned()),
        Kind::YesNo => ("yes or no", format!("write {}", yes_or_no(text))),
        Kind::Number => (
            "a whole number",
            text.parse::<i128>()
                .map_or_else(|_| "write digits only, such as 10".to_owned(), |number| format!("write {number}")),
        ),
        Kind::BufferLimits => (
            "a class of clients and three limits",
            "write CLASS HARD SOFT SECONDS, such as \"replica 256mb 64mb 60\", for the classes normal, replica, pubsub".to_owned(),
        ),
        Kind::Word | Kind::Words | Kind::WordSet | Kind::KeyspaceEvents | Kind::Text => return Ok(()),
    };
    Err(Mistake {
        message: format!("`{option}` needs {needs}, but this is {}", quoted(text)),
        help,
    })
}

fn yes_or_no(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "y" | "1" => "yes",
        "false" | "off" | "n" | "0" => "no",
        _ => "yes or no",
    }
}
