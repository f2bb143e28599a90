//! What all JSON has in common: its version, how nodes and diffs are written, and that nothing in it is obeyed by a
//! terminal.

mod diff;

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::{Address, NodeId, NodeName, Presence};
use crate::observed::FailureKind;

use super::page::is_obeyed;

pub(super) use diff::{DiffJson, OptionJson};

/// The version of every JSON that rcl prints. The first number changes when something that
/// was there is gone or means something else, the second when something is added.
pub(super) const FORMAT_VERSION: &str = "1.4";

/// Indented, one document.
pub(super) fn pretty(value: &impl Serialize) -> String {
    finish(serde_json::to_string_pretty(value))
}

/// On one line.
pub(super) fn line(value: &impl Serialize) -> String {
    finish(serde_json::to_string(value))
}

/// JSON itself escapes only the first 32 control characters.
fn finish(written: serde_json::Result<String>) -> String {
    // Only maps with keys that are no strings, and failing writers, can't be written.
    let text = written.unwrap_or_default();
    let mut clean = String::with_capacity(text.len() + 1);
    for character in text.chars() {
        if is_obeyed(character) && character != '\n' {
            clean.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            clean.push(character);
        }
    }
    clean.push('\n');
    clean
}

/// A node: its id, and its name where the file has one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct NodeJson<'a> {
    pub(super) id: NodeId,
    pub(super) name: Option<&'a NodeName>,
    pub(super) address: Option<Address>,
}

/// An apply that is under way.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ApplyingJson<'a> {
    who: &'a str,
    pid: Option<u32>,
    since: Option<&'a str>,
}

impl<'a> ApplyingJson<'a> {
    pub(super) fn all(applying: &'a BTreeSet<Presence>) -> Vec<Self> {
        let one = |presence: &'a Presence| Self {
            who: presence.who(),
            pid: presence.pid(),
            since: presence.since(),
        };
        applying.iter().map(one).collect()
    }
}

/// A stable word for each kind of failure.
pub(super) fn failure_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Unreachable => "unreachable",
        FailureKind::Timeout => "timeout",
        FailureKind::NeedsPassword => "needs_password",
        FailureKind::WrongPassword => "wrong_password",
        FailureKind::NoPermission => "no_permission",
        FailureKind::Loading => "loading",
        FailureKind::NotClusterMode => "not_cluster_mode",
        FailureKind::Unintelligible => "unintelligible",
        FailureKind::OtherNode => "other_node",
        FailureKind::UnknownAuthority => "unknown_authority",
        FailureKind::CertificateExpired => "certificate_expired",
        FailureKind::OtherName => "other_name",
        FailureKind::ClientCertificate => "client_certificate",
        FailureKind::NoTls => "no_tls",
        FailureKind::OnlyTls => "only_tls",
        FailureKind::TlsFails => "tls_fails",
    }
}

/// For tests: JSON read back: a line a member, and a line an element of lists of objects.
#[cfg(test)]
pub(super) fn outline(json: &str) -> String {
    let read: serde_json::Value = serde_json::from_str(json).unwrap();
    let mut lines = String::new();
    for (name, value) in read.as_object().unwrap() {
        match value
            .as_array()
            .filter(|list| list.iter().any(|one| one.is_object()))
        {
            Some(list) => {
                lines.push_str(&format!("{name}:\n"));
                list.iter()
                    .for_each(|one| lines.push_str(&format!("  {one}\n")));
            }
            None => lines.push_str(&format!("{name}: {value}\n")),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_json_is_obeyed_by_a_terminal() {
        let text = "\u{1b}[2J \u{9b}31m \u{202e} \u{7f} é\n";
        let written = line(&text);
        assert_eq!(written, "\"\\u001b[2J \\u009b31m \\u202e \\u007f é\\n\"\n");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}
