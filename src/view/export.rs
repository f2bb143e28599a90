//! A live cluster as a file: what is wrong with it stands above, as comments.

use crate::diff::{Diff, Difference};
use crate::export::{Exported, Remark};

use super::alike;
use super::page::Page;
use super::status::{StatusView, troubles};
use super::styles::{Meaning, Styles};
use super::wording::MOST_ALIKE;
use super::yaml;

/// Everything that is to be said about an exported file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// What is wrong with the cluster.
    pub wrong: Vec<String>,
    /// What an apply of the file would do.
    pub differs: Vec<String>,
    /// What the file can't say.
    pub notes: Vec<String>,
}

impl Said {
    /// All of it. The status is that of the first look, the diff that of the file.
    #[must_use]
    pub fn new(exported: &Exported, seen: &StatusView<'_>, diff: Option<&Diff>) -> Self {
        let (ill, fine): (Vec<&Remark>, Vec<&Remark>) =
            exported.remarks.iter().partition(|remark| remark.ill);
        let text = |remark: &Remark| remark.text.clone();
        let mut wrong = troubles(seen);
        wrong.extend(ill.into_iter().map(text));
        let mut notes: Vec<String> = fine.into_iter().map(text).collect();
        if exported
            .desired
            .hosts
            .values()
            .all(|host| host.zone.is_none())
        {
            notes.push("Servers don't tell the zones of hosts: add them, such as {address: 10.0.0.1, zone: rack-a}, so that `rcl check` can tell what fails together.".to_owned());
        }
        Self {
            wrong,
            differs: diff.map(differs).unwrap_or_default(),
            notes,
        }
    }

    /// The file, with all of it above.
    #[must_use]
    pub fn file(&self, exported: &Exported, from: &str) -> String {
        let mut comments = vec![format!("From `rcl export {from}`.")];
        comments.extend(self.notes.iter().cloned());
        for (heading, lines) in self.sections() {
            comments.push(heading.to_owned());
            comments.extend(lines.iter().map(|line| format!("  {line}")));
        }
        yaml::file(&exported.desired, &comments)
    }

    /// For people, beside the file.
    #[must_use]
    pub fn human(&self, styles: Styles) -> String {
        let mut page = Page::new(styles);
        for (heading, lines) in self.sections() {
            page.put(Meaning::Blocked, "! ").plain(heading).end();
            for line in lines {
                page.plain("    ").plain(line).end();
            }
        }
        page.into_text()
    }

    fn sections(&self) -> Vec<(&'static str, &[String])> {
        let mut sections: Vec<(&str, &[String])> = Vec::new();
        if !self.wrong.is_empty() {
            sections.push(("Something is wrong with the cluster:", &self.wrong));
        }
        if !self.differs.is_empty() {
            sections.push(("The cluster is not as this file says:", &self.differs));
        }
        sections
    }
}

/// Without what the nodes themselves tell, which stands above.
fn differs(diff: &Diff) -> Vec<String> {
    let untold = diff
        .differences
        .iter()
        .filter(|difference| match difference {
            Difference::Down { .. }
            | Difference::LinkDown { .. }
            | Difference::Unassigned { .. }
            | Difference::Untold(_)
            | Difference::LeftOpen { .. } => false,
            Difference::NotJoined { .. }
            | Difference::Announced { .. }
            | Difference::Option { .. }
            | Difference::LacksLibraries { .. }
            | Difference::GivenUp { .. }
            | Difference::Unclaimed { .. }
            | Difference::Stray(_)
            | Difference::Misplaced(_)
            | Difference::LeaderElsewhere(_)
            | Difference::HandOver(_)
            | Difference::NotReplicating { .. }
            | Difference::Undeclared { .. }
            | Difference::Ghost { .. } => true,
        });
    let blocked = alike::blocked(&diff.blocked, MOST_ALIKE);
    let blocked = blocked.iter().filter_map(|group| {
        let first = group.first()?;
        Some(format!("{}{}", first.why, alike::others(group)))
    });
    blocked
        .chain(alike::lines(untold, &diff.pairing, MOST_ALIKE))
        .collect()
}
