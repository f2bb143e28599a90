//! Output as a page shows it, against output as it came: what differs from run to run is left out, and a line of three
//! dots stands for any number of lines.

/// The line that stands for lines left out.
pub(super) const DOTS: &str = "...";

/// Whether the shown lines are what came.
pub(super) fn matches(shown: &[String], came: &[String]) -> bool {
    let Some((first, rest)) = shown.split_first() else {
        return came.is_empty();
    };
    if first == DOTS {
        return (0..=came.len()).any(|skipped| matches(rest, &came[skipped..]));
    }
    match came.split_first() {
        Some((line, others)) => plain(first) == plain(line) && matches(rest, others),
        None => false,
    }
}

/// What to show instead: as many lines around the dots as were shown before. A part between dots is found by the
/// words that its first line begins with.
pub(super) fn renewed(shown: &[String], came: &[String]) -> Option<Vec<String>> {
    let parts: Vec<&[String]> = shown.split(|line| line == DOTS).collect();
    if parts.len() == 1 {
        return Some(came.to_vec());
    }
    let mut lines: Vec<String> = Vec::new();
    let mut at = 0;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            lines.push(DOTS.to_owned());
        }
        let Some(first) = part.first() else { continue };
        let start = if index == 0 {
            0
        } else if index + 1 == parts.len() {
            came.len()
                .checked_sub(part.len())
                .filter(|start| *start >= at)?
        } else {
            at + came[at..]
                .iter()
                .position(|line| same_beginning(line, first))?
        };
        let end = came.len().min(start + part.len());
        lines.extend_from_slice(&came[start..end]);
        at = end;
    }
    Some(lines)
}

fn same_beginning(left: &str, right: &str) -> bool {
    let words = |line: &str| {
        line.split_whitespace()
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    words(left) == words(right)
}

/// A line without node ids, versions, measured times, process ids, and the width of its gaps.
fn plain(line: &str) -> String {
    let mut words: Vec<&str> = Vec::new();
    for word in line.split_whitespace() {
        let bare = word.trim_matches(|char: char| "().,:;".contains(char));
        let before = words.last().copied().unwrap_or_default();
        words.push(
            if bare.len() == 40 && bare.chars().all(|char| char.is_ascii_hexdigit()) {
                "ID"
            } else if is_time(bare) {
                "TIME"
            } else if ["Redis", "Valkey"].contains(&before) {
                "VERSION"
            } else if before == "pid" {
                "PID"
            } else {
                word
            },
        );
    }
    words.join(" ").replace("Valkey VERSION", "Redis VERSION")
}

fn is_time(word: &str) -> bool {
    let number = word.strip_suffix("ms").or_else(|| word.strip_suffix('s'));
    number.is_some_and(|number| number.parse::<f64>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn dots_stand_for_any_lines() {
        let came = lines("one\ntwo  in 1.5s.\nthree\nfour");
        for (shown, fits) in [
            ("one\n...\nfour", true),
            ("...", true),
            ("one\n...\ntwo in 20ms.\n...", true),
            ("one\n...\nthree", false),
            ("one\ntwo in 1.5s.\nthree\nfour", true),
            ("one\ntwo in 1.5s.\nthree", false),
            ("", false),
        ] {
            assert_eq!(matches(&lines(shown), &came), fits, "{shown}");
        }
    }

    #[test]
    fn what_is_left_out_stays_left_out() {
        let came = lines("head\nb\n+ join x # new\n  sent\nd\ntail in 2s");
        let renew = |shown: &str| renewed(&lines(shown), &came).map(|lines| lines.join("\n"));
        assert_eq!(
            renew("old\n...\nold tail"),
            Some("head\n...\ntail in 2s".to_owned())
        );
        assert_eq!(
            renew("old\n...\n+ join x (old)\n  old\n...\nt"),
            Some("head\n...\n+ join x # new\n  sent\n...\ntail in 2s".to_owned())
        );
        assert_eq!(renew("old\n...\n+ attach y\n...\nt"), None);
        assert_eq!(renew("all"), Some(came.join("\n")));
    }
}
