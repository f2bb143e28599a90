//! The options that the file holds on every node.

use crate::base::{Arg, NodeName, Secret};
use crate::desired::{Setting, readable_value, same_value, settable_at_runtime, wire_value};
use crate::observed::NodeView;

use super::{Blocked, Diff, Difference, Look, OptionChange, Scope, Severity};

/// Compares each answering node's options with the declared ones, by meaning.
pub(super) fn compare(look: &Look<'_>, diff: &mut Diff) {
    for (node, view) in look.comparable(diff) {
        for (option, setting) in &node.config {
            let Some(change) = changed(view, option, setting) else {
                continue;
            };
            if change.have.is_none() {
                diff.blocked.push(unknown_option(&node.name, view, option));
            } else if !settable_at_runtime(option, view.server) {
                diff.blocked.push(needs_restart(&node.name, &change));
            } else {
                diff.differences.push(Difference::Option {
                    node: node.name.clone(),
                    id: view.id,
                    change,
                });
            }
        }
    }
}

fn changed(view: &NodeView, option: &str, setting: &Setting) -> Option<OptionChange> {
    let option = option.to_owned();
    match setting {
        Setting::Plain(want) => {
            let have = view.config.get(&option);
            if have.is_some_and(|have| same_value(&option, have, want)) {
                return None;
            }
            let want = Arg::Plain(wire_value(&option, want));
            Some(OptionChange {
                have: have.cloned().map(Arg::Plain),
                want,
                option,
            })
        }
        Setting::Secret { value, .. } => {
            let want: &Secret = value.as_ref()?;
            let have = view.secrets.get(&option);
            if have == Some(want) {
                return None;
            }
            Some(OptionChange {
                have: have.cloned().map(Arg::Secret),
                want: Arg::Secret(want.clone()),
                option,
            })
        }
    }
}

fn unknown_option(node: &NodeName, view: &NodeView, option: &str) -> Blocked {
    Blocked {
        code: "unknown-option",
        severity: Severity::Blocked,
        subject: node.to_string(),
        why: format!("{node} runs {}, which has no option {option}", view.server),
        evidence: Vec::new(),
        way_out: format!("Take {option} out of the file, or out of what applies to this host."),
        scope: Scope::Alone,
    }
}

fn needs_restart(node: &NodeName, change: &OptionChange) -> Blocked {
    let shown = |value: &Arg| readable_value(&change.option, value.shown());
    let have = change.have.as_ref().map(shown).unwrap_or_default();
    Blocked {
        code: "needs-restart",
        severity: Severity::Blocked,
        subject: node.to_string(),
        why: format!("{} of {node} can't be changed while it runs", change.option),
        evidence: vec![format!(
            "it is {have:?}, the file says {:?}",
            shown(&change.want)
        )],
        way_out: format!("Change {} in its redis.conf and restart it.", change.option),
        scope: Scope::Alone,
    }
}
