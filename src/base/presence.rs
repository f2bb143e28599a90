//! Who applies: the words by which an apply makes itself known to others while it runs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An apply, as it makes itself known: by the name of a channel that it listens to on every node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Presence {
    /// Without the prefix and the last word: `bob@ops1/4711/2026-11-25T19:06:18Z/9f3c…`.
    words: String,
    /// Whether it has the cluster, or only tries for it.
    pub holds: bool,
}

impl Presence {
    /// What the channels of all applies have in common.
    pub const PATTERN: &'static str = "rcl.lock.*";

    const PREFIX: &'static str = "rcl.lock.";

    const HOLDS: &'static str = "/holds";

    /// Names that people gave are as long as they like.
    const MOST: usize = 64;

    /// `unique` keeps two of the same process apart, and a process from one that has its number later.
    #[must_use]
    pub fn new(user: &str, host: &str, pid: u32, since: &str, unique: u64) -> Self {
        let (user, host) = (plain(user), plain(host));
        Self {
            words: format!("{user}@{host}/{pid}/{since}/{unique:016x}"),
            holds: false,
        }
    }

    /// The channel of one that tries.
    #[must_use]
    pub fn channel(&self) -> String {
        format!("{}{}", Self::PREFIX, self.words)
    }

    /// What it listens to as well once it has the cluster.
    #[must_use]
    pub fn held_channel(&self) -> String {
        format!("{}{}", self.channel(), Self::HOLDS)
    }

    /// The name of its connections in CLIENT LIST.
    #[must_use]
    pub fn client_name(&self) -> String {
        let words = self.words.rsplit_once('/').map_or("", |(words, _)| words);
        format!("rcl-apply/{words}")
    }

    /// Whose channel this is. One of another form is somebody too.
    #[must_use]
    pub fn parse(channel: &str) -> Option<Self> {
        let words = channel.strip_prefix(Self::PREFIX)?;
        let (words, holds) = match words.strip_suffix(Self::HOLDS) {
            Some(words) => (words, true),
            None => (words, false),
        };
        Some(Self {
            words: words.to_owned(),
            holds,
        })
    }

    /// Whether it is the same apply.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.words == other.words
    }

    /// User and host.
    #[must_use]
    pub fn who(&self) -> &str {
        self.words.split('/').next().unwrap_or_default()
    }

    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.words.split('/').nth(1)?.parse().ok()
    }

    /// When it began, in UTC.
    #[must_use]
    pub fn since(&self) -> Option<&str> {
        self.words.split('/').nth(2)
    }
}

/// `bob@ops1 (process 4711) since 2026-11-25T19:06:18Z`
impl fmt::Display for Presence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let short: String = self.who().chars().take(2 * Self::MOST + 1).collect();
        f.write_str(&short)?;
        if let Some(pid) = self.pid() {
            write!(f, " (process {pid})")?;
        }
        if let Some(since) = self.since() {
            let since: String = since.chars().take(Self::MOST).collect();
            write!(f, " since {since}")?;
        }
        Ok(())
    }
}

/// Neither names of channels nor of clients hold every character.
fn plain(name: &str) -> String {
    let known = |char: char| char.is_ascii_alphanumeric() || "._-".contains(char);
    let chars = name.chars().take(Presence::MOST);
    let plain: String = chars
        .map(|char| if known(char) { char } else { '-' })
        .collect();
    match plain.is_empty() {
        true => "unknown".to_owned(),
        false => plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_was_written() {
        let me = Presence::new(
            "bob",
            "ops1.example.net",
            4711,
            "2026-11-25T19:06:18Z",
            0xf3,
        );
        assert_eq!(
            me.channel(),
            "rcl.lock.bob@ops1.example.net/4711/2026-11-25T19:06:18Z/00000000000000f3"
        );
        assert_eq!(
            me.client_name(),
            "rcl-apply/bob@ops1.example.net/4711/2026-11-25T19:06:18Z"
        );
        assert_eq!(Presence::parse(&me.channel()), Some(me.clone()));
        let held = Presence::parse(&me.held_channel()).unwrap();
        assert!(held.holds && held.is(&me));
        assert_eq!(
            held.to_string(),
            "bob@ops1.example.net (process 4711) since 2026-11-25T19:06:18Z"
        );
    }

    #[test]
    fn strange_names_and_channels_are_somebody_too() {
        let me = Presence::new("é b/c", "", 1, "now", 0);
        assert_eq!(me.who(), "--b-c@unknown");
        assert!(!me.client_name().contains(' '));
        for (channel, shown) in [
            ("rcl.lock.", Some("")),
            ("rcl.lock.someone", Some("someone")),
            ("rcl.lock.a/b/c", Some("a since c")),
            ("rcl.locks", None),
        ] {
            let shown = shown.map(str::to_owned);
            let read = Presence::parse(channel).map(|one| one.to_string());
            assert_eq!(read, shown, "{channel}");
        }
    }
}
