//! The lines with secrets that a node starts from: what the file keeps elsewhere, and what lets rcl in.

use super::Layout;
use crate::base::{Login, Secret, rules_for_applying};
use crate::desired::{Desired, Node, SecretSource, Setting};

/// A line of configuration with a secret in it: `OPTION "MARK…" REST`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretLine {
    /// With the words that come before the secret.
    pub option: String,
    /// Stands before the secret in the same word.
    pub mark: &'static str,
    pub rest: String,
    pub source: SecretSource,
    /// Where it is known already.
    pub value: Option<Secret>,
}

impl SecretLine {
    fn of_option(option: &str, source: &SecretSource, value: Option<&Secret>) -> Self {
        Self {
            option: option.to_owned(),
            mark: "",
            rest: String::new(),
            source: source.clone(),
            value: value.cloned(),
        }
    }

    /// The line around a word, which holds the mark and the secret.
    #[must_use]
    pub fn around(&self, word: &str) -> String {
        let Self { option, rest, .. } = self;
        match rest.is_empty() {
            true => format!("{option} {word}"),
            false => format!("{option} {word} {rest}"),
        }
    }
}

/// The secret lines of a node, in the order of their options.
pub(super) fn lines(desired: &Desired, node: &Node, layout: &Layout) -> Vec<SecretLine> {
    let mut lines: Vec<SecretLine> = node
        .config
        .iter()
        .filter_map(|(option, setting)| match setting {
            Setting::Plain(_) => None,
            Setting::Secret { source, value } => {
                Some(SecretLine::of_option(option, source, value.as_ref()))
            }
        })
        .collect();
    let access = desired.access_of(node);
    let Some(password) = &access.password else {
        return lines;
    };
    let (source, value) = (&password.source, password.value.as_ref());
    match access.username.as_deref() {
        None | Some(Login::DEFAULT_USER) => {
            // Replicas are clients of their primary, and would be kept out as well.
            if !node.config.contains_key("masterauth") {
                lines.push(SecretLine::of_option("masterauth", source, value));
            }
            lines.push(SecretLine::of_option("requirepass", source, value));
        }
        Some(user) => lines.push(SecretLine {
            option: format!("user {user} on"),
            mark: ">",
            rest: match layout.server {
                Some(server) => rules_for_applying(server).join(" "),
                None => "~* &* +@all".to_owned(),
            },
            ..SecretLine::of_option("", source, value)
        }),
    }
    lines.sort_by(|left, right| left.option.cmp(&right.option));
    lines
}
