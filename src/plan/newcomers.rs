//! Steps that give newcomers the function libraries of the members, before their first slots.

use crate::base::Command;
use crate::diff::Difference;

use super::order::Terms;
use super::{Action, Condition, Send, Step};

/// FUNCTION LOAD without REPLACE, a library each: a server refuses to overwrite one by itself, and
/// takes the code of a server of any version. FUNCTION RESTORE is all or nothing, and knows the
/// payloads of older servers only.
pub(super) fn copy_libraries(terms: &Terms<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, difference) in terms.diff.differences.iter().enumerate() {
        let Difference::LacksLibraries {
            node,
            id,
            libraries,
        } = difference
        else {
            continue;
        };
        let sends = libraries.iter().map(|(library, code)| Send {
            node: *id,
            command: Command::load_functions(library, code),
        });
        steps.push(Step {
            because: vec![index],
            sends: sends.collect(),
            done_when: Condition::HasLibraries {
                node: *id,
                libraries: libraries.clone(),
            },
            ..terms.step(Action::CopyLibraries {
                node: *id,
                name: node.clone(),
                libraries: libraries.keys().cloned().collect(),
            })
        });
    }
    steps
}
