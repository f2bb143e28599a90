//! Steps that keep replicas where they are while slots move, and let them go again.

use crate::base::Arg;
use crate::desired::{Setting, wire_value};
use crate::observed::NodeView;

use super::config::set_options;
use super::order::Terms;
use super::{Action, Condition, Step};

/// With this on, a primary that loses its last slot becomes a replica of whoever got it, and its
/// replicas follow; a third shard may get them too.
const MIGRATION: &str = "cluster-allow-replica-migration";

/// The steps that turn the option off on every member, and those that put it back. It is never
/// written to disk.
pub(super) fn pins(terms: &Terms<'_>) -> (Vec<Step>, Vec<Step>) {
    let (mut pins, mut unpins) = (Vec::new(), Vec::new());
    if !terms.diff.tempts_replicas(terms.desired, terms.views) {
        return (pins, unpins);
    }
    let mut members: Vec<&NodeView> = terms
        .diff
        .pairing
        .joinable
        .iter()
        .filter_map(|id| terms.views.get(id))
        .collect();
    members.sort_by_key(|view| terms.diff.pairing.label(view.id));
    for view in members {
        let Some((value, declared)) = kept_at(terms, view).filter(|(value, _)| value != "no")
        else {
            continue;
        };
        let node = view.id;
        let off = vec![(MIGRATION.to_owned(), Arg::Plain("no".to_owned()))];
        let back = vec![(MIGRATION.to_owned(), Arg::Plain(value))];
        pins.push(Step {
            sends: set_options(node, view.server, off.clone(), false),
            done_when: Condition::Options {
                node,
                values: off.clone(),
            },
            ..terms.step(Action::Pin { node, options: off })
        });
        unpins.push(Step {
            sends: set_options(node, view.server, back.clone(), false),
            done_when: Condition::Options {
                node,
                values: back.clone(),
            },
            always: true,
            ..terms.step(Action::Unpin {
                node,
                options: back,
                declared,
            })
        });
    }
    (pins, unpins)
}

/// The declared value, which earlier steps set; else the one that was seen. And whether it is declared.
fn kept_at(terms: &Terms<'_>, view: &NodeView) -> Option<(String, bool)> {
    let name = terms.diff.pairing.names.get(&view.id);
    let node = name.and_then(|name| terms.desired.nodes.get(name));
    let live = view.config.get(MIGRATION)?;
    match node.and_then(|node| node.config.get(MIGRATION)) {
        Some(Setting::Plain(text)) => Some((wire_value(MIGRATION, text), true)),
        Some(Setting::Secret { .. }) | None => Some((live.clone(), false)),
    }
}
