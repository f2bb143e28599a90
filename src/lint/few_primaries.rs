//! Fewer than three primaries: the failure of one leaves no majority.

use super::{Level, Remark, Rule, serving};
use crate::desired::{Desired, Subject};

pub(super) const RULE: Rule = Rule {
    code: "few-primaries",
    summary: "fewer than three primaries serve slots",
    check,
};

fn check(desired: &Desired) -> Vec<Remark> {
    let message = match serving(desired).len() {
        1 => {
            "only one primary serves slots; when it fails, nobody is left to let its replica take over"
        }
        2 => {
            "only two primaries serve slots; when one fails, the other is no majority, so no replica can take over"
        }
        _ => return Vec::new(),
    };
    vec![Remark {
        level: Level::Warning,
        message: message.to_owned(),
        help: "share the slots among three primaries or more".to_owned(),
        subject: Subject::Cluster,
    }]
}
