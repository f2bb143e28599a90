//! Makes output the same in every run, for snapshots: node ids, addresses, measured times.

use std::collections::BTreeMap;

use super::servers::Servers;

/// Replacements that hold for a whole test, so that one node keeps its name in all of its outputs.
#[derive(Default)]
pub(crate) struct Redactions {
    texts: BTreeMap<String, String>,
    ids: Vec<String>,
}

impl Redactions {
    /// Node ids, also in short, become ID1, ID2, … in the order of the nodes' names, addresses become host names.
    #[track_caller]
    pub(crate) fn new(servers: &Servers) -> Self {
        let mut redactions = Self::default();
        for name in servers.running() {
            redactions.ids.push(servers.id(&name));
        }
        for (host, address) in servers.hosts() {
            redactions.texts.insert(address.to_string(), host);
        }
        if servers.stand_in() {
            // Who plays the part is called by it.
            redactions
                .texts
                .insert("Valkey 9.1.2".to_owned(), "Redis 7.0.15".to_owned());
        }
        redactions
    }

    /// One more text to replace, such as a path.
    pub(crate) fn with(mut self, text: &str, name: &str) -> Self {
        self.texts.insert(text.to_owned(), name.to_owned());
        self
    }

    /// Ids that are new to it are numbered on, as they come.
    pub(crate) fn apply(&mut self, text: &str) -> String {
        let mut text = self.replace_ids(text);
        // The longest first: 127.0.0.11 before 127.0.0.1.
        let mut texts: Vec<(&String, &String)> = self.texts.iter().collect();
        texts.sort_by_key(|(from, _)| std::cmp::Reverse(from.len()));
        for (from, to) in texts {
            text = text.replace(from, to);
        }
        replace_times(&text)
    }

    fn replace_ids(&mut self, text: &str) -> String {
        words(text)
            .map(|word| {
                if !is_id(word) {
                    return word.to_owned();
                }
                let known = self
                    .ids
                    .iter()
                    .position(|id| id.starts_with(&word[..SHORT]));
                let place = known.unwrap_or_else(|| {
                    self.ids.push(word.to_owned());
                    self.ids.len() - 1
                });
                format!("ID{}", place + 1)
            })
            .collect()
    }
}

/// rcl shows the first digits of an id where people read it.
const SHORT: usize = 8;

fn is_id(word: &str) -> bool {
    [SHORT, 40].contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A measured time has a decimal point (`1.2s`, `0.4 ms` not) or follows "in" or "after" (`in 15s`); the
/// declared `15s` of a config value stays.
fn replace_times(text: &str) -> String {
    let mut before = "";
    let mut replaced = String::new();
    for word in words(text) {
        let number = word.strip_suffix("ms").or_else(|| word.strip_suffix('s'));
        let measured = number.is_some_and(|number| {
            number.parse::<f64>().is_ok()
                && (number.contains('.') || ["in", "after"].contains(&before))
        });
        replaced.push_str(if measured { "[time]" } else { word });
        if !word.trim().is_empty() {
            before = word;
        }
    }
    replaced
}

/// Runs of letters, digits and inner dots, and what stands between them. Joined they are the text again.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let inside = |character: char| character.is_ascii_alphanumeric() || character == '.';
        let end = rest
            .find(|character| inside(character) != inside(first))
            .unwrap_or(rest.len());
        let run = &rest[..end];
        // A full stop ends a sentence, not the word before it.
        let end = match run.trim_end_matches('.').len() {
            0 => end,
            trimmed => trimmed,
        };
        let (word, after) = rest.split_at(end);
        rest = after;
        Some(word)
    })
}

#[test]
fn the_same_run_after_run() {
    let id = "0123456789abcdef0123456789abcdef01234567";
    let other = "fedcba9876543210fedcba9876543210fedcba98";
    let mut redactions = Redactions::default()
        .with("127.0.0.1", "host1")
        .with("127.0.0.11", "host2");
    let text = format!(
        "{id} [5->-{other}] {id}, 127.0.0.11:7000 127.0.0.1:7000 in 1.2s. in 15s, timeout: 15s."
    );
    let plain = "ID1 [5->-ID2] ID1, host2:7000 host1:7000 in [time]. in [time], timeout: 15s.";
    assert_eq!(redactions.apply(&text), plain);
    assert_eq!(redactions.apply(other), "ID2");
    assert_eq!(redactions.apply("(fedcba98) (abcdef01)"), "(ID2) (ID3)");
}
