//! How counts, slots, durations and commands are worded, the same everywhere.

use std::time::Duration;

use crate::base::{Arg, Command, Secret, SlotSet, counted, named};
use crate::diff::{Pairing, Unserved};

/// From how many ranges, or arguments, on the middle is left out.
const LONG: usize = 12;

/// More lines alike are folded,
pub(super) const MOST_ALIKE: usize = 6;

/// down to so many lines, or names in one line.
pub(super) const FEW: usize = 3;

pub(super) fn slot_count(slots: &SlotSet) -> String {
    counted(slots.count(), "slot")
}

/// `it` or `them`.
pub(super) fn them(slots: &SlotSet) -> &'static str {
    match slots.count() {
        1 => "it",
        _ => "them",
    }
}

/// The ranges of the set; of many the first few and the last.
pub(super) fn ranges(slots: &SlotSet) -> String {
    let ranges = slots.ranges();
    match ranges {
        [first, second, third, .., last] if ranges.len() > LONG => {
            format!("{first},{second},{third},…,{last}")
        }
        _ => slots.to_string(),
    }
}

/// What becomes of clients while nobody serves these slots.
pub(super) fn outage(unserved: &Unserved) -> String {
    let Unserved { slots, all } = unserved;
    let others = match all {
        Some(true) => ", and for all other slots too: cluster-require-full-coverage is yes",
        Some(false) => " alone: cluster-require-full-coverage is no",
        None => ", and for all other slots too unless cluster-require-full-coverage is no",
    };
    format!(
        "nobody serves {}: clients get errors for {}{others}",
        named(slots),
        them(slots)
    )
}

/// `0-5461 (5462 slots)`, `no slots`.
pub(super) fn slots(slots: &SlotSet) -> String {
    match slots.ranges().len() {
        0 => "no slots".to_owned(),
        number if number > LONG => format!(
            "{} ({} in {number} ranges)",
            ranges(slots),
            slot_count(slots)
        ),
        _ => format!("{} ({})", ranges(slots), slot_count(slots)),
    }
}

/// `12ms`, `1.2s`, `6m12s`, `2h05m`.
pub(super) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 if time.as_millis() < 100 => format!("{}ms", time.as_millis()),
        0..60 => format!("{:.1}s", time.as_secs_f64()),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
    }
}

/// The first of the things by name, and how many more there are.
pub(super) fn list(things: &[String], most: usize) -> String {
    match things.len() {
        0 => "none".to_owned(),
        length if length <= most => things.join(", "),
        length => format!("{} and {} more", things[..most].join(", "), length - most),
    }
}

/// The command as a person would type it; of thousands of slots the first few and the last.
pub(super) fn command(command: &Command) -> String {
    let args: Vec<&str> = command.args().iter().map(Arg::shown).collect();
    let (words, slots, step) = match args.as_slice() {
        ["CLUSTER", "ADDSLOTS", slots @ ..] => ("CLUSTER ADDSLOTS", slots, 1),
        ["CLUSTER", "ADDSLOTSRANGE", ends @ ..] => ("CLUSTER ADDSLOTSRANGE", ends, 2),
        _ => return command.to_string(),
    };
    let parts: Vec<String> = slots.chunks(step).map(|part| part.join(" ")).collect();
    let unit = if step == 1 { "slots" } else { "ranges" };
    match parts.as_slice() {
        [first, second, third, .., last] if parts.len() > LONG => {
            format!(
                "{words} {first} {second} {third} … {last}  ({} {unit})",
                parts.len()
            )
        }
        _ => command.to_string(),
    }
}

/// What a server answered to the command. Some repeat the value that they refuse, so what was
/// secret in the command is masked here too.
pub(super) fn answer(words: &str, command: &Command) -> String {
    let mut masked = words.to_owned();
    for arg in command.args() {
        match arg {
            Arg::Secret(secret) if !secret.expose().is_empty() => {
                masked = masked.replace(secret.expose(), Secret::MASK);
            }
            Arg::Secret(_) | Arg::Plain(_) | Arg::Key(_) | Arg::Long { .. } => {}
        }
    }
    masked
}

/// The text with nodes called by their labels where a short id stands.
pub(super) fn with_labels(text: &str, pairing: &Pairing) -> String {
    let told = pairing.labels.iter().filter(|(id, label)| {
        text.contains(id.short()) && !label.contains(id.short()) && !text.contains(label.as_str())
    });
    told.fold(text.to_owned(), |text, (id, label)| {
        text.replace(id.short(), label)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_a_secret_that_a_server_repeats() {
        let secret = Arg::Secret(Secret::new("hunter2".to_owned()));
        let command = Command::config_set([("masterauth".to_owned(), secret)]);
        let words = "ERR Invalid argument 'hunter2' for CONFIG SET 'masterauth'";
        assert_eq!(
            answer(words, &command),
            "ERR Invalid argument '********' for CONFIG SET 'masterauth'"
        );
    }

    #[test]
    fn leaves_out_the_middle_of_what_is_long() {
        let scattered: SlotSet = (0..100u16).map(|slot| slot * 2).collect();
        for (text, expected) in [
            (slots(&SlotSet::new()), "no slots"),
            (slots(&"7".parse().unwrap()), "7 (1 slot)"),
            (slots(&"0-5461".parse().unwrap()), "0-5461 (5462 slots)"),
            (slots(&"0-9,12".parse().unwrap()), "0-9,12 (11 slots)"),
            (slots(&scattered), "0,2,4,…,198 (100 slots in 100 ranges)"),
            (
                command(&Command::add_slots(&"0-5461".parse().unwrap())),
                "CLUSTER ADDSLOTS 0 1 2 … 5461  (5462 slots)",
            ),
            (
                command(&Command::add_slots_range(&scattered)),
                "CLUSTER ADDSLOTSRANGE 0 0 2 2 4 4 … 198 198  (100 ranges)",
            ),
            (
                command(&Command::add_slots(&"0-3".parse().unwrap())),
                "CLUSTER ADDSLOTS 0 1 2 3",
            ),
            (
                command(&Command::new("CLUSTER MEET 10.0.0.2 7000")),
                "CLUSTER MEET 10.0.0.2 7000",
            ),
        ] {
            assert_eq!(text, expected);
        }
    }

    #[test]
    fn words_durations() {
        for (millis, expected) in [
            (0, "0ms"),
            (99, "99ms"),
            (1_234, "1.2s"),
            (59_940, "59.9s"),
            (372_000, "6m12s"),
            (7_500_000, "2h05m"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), expected);
        }
    }
}
