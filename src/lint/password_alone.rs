//! A password for replicas to send that the file gives no user to, and no server asks for.

use super::{Level, Remark, Rule};
use crate::desired::{Desired, Subject};

pub(super) const RULE: Rule = Rule {
    code: "password-alone",
    summary: "`masterauth` is declared without `masteruser`",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    let mut nodes = desired.nodes.values();
    let alone = nodes.find(|node| {
        let has = |option| node.config.contains_key(option);
        has("masterauth") && !has("masteruser")
    });
    // The file can't declare the default user's password yet, and rcl couldn't connect with one: so
    // the default user has none, and servers refuse any password for it.
    alone
        .into_iter()
        .map(|node| Remark {
            level: Level::Warning,
            message: format!(
                "replicas such as {} are to send the password `masterauth`, but the file declares no user for it; a primary whose default user has no password refuses it, and the replica gets no data",
                node.name
            ),
            help: "declare `masteruser` too, a user that the servers' own configuration or ACL file creates with this password, or leave `masterauth` out"
                .to_owned(),
            subject: Subject::Cluster,
        })
        .collect()
}
