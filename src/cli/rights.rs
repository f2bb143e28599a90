//! Asks every node, before anything is sent, whether rcl's user may do there what the plan wants.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::base::{Address, Command, Login, NodeId, Reply, counted};
use crate::diff::{Blocked, Note, Scope, Severity};
use crate::net::{Keyring, Wire};
use crate::observe::ANSWER_WITHIN;
use crate::observed::Observed;
use crate::plan::Plan;

/// How many refusals are shown of one kind.
const SHOWN: usize = 8;

/// What came of asking one node.
enum Told {
    /// What it refuses, with its words.
    Refuses(Vec<(Command, String)>),
    /// It doesn't say.
    Nothing(String),
}

/// A user, and the rules that it lacks.
type Missing = (String, BTreeSet<String>);

/// Where they are missing, and what the last of these nodes said.
#[derive(Default)]
struct Refused {
    nodes: BTreeSet<NodeId>,
    words: Vec<(Command, String)>,
}

/// Blocks the whole plan where a user lacks a right that it needs. Redis 6.2 can't be asked.
pub(super) async fn check(
    wire: &impl Wire,
    plan: &mut Plan,
    observed: &Observed,
    keyring: &Keyring,
) {
    let asked: Vec<(NodeId, Address, String, Vec<Command>)> = plan
        .trials()
        .into_iter()
        .filter_map(|(node, commands)| {
            let view = observed.views.get(&node)?;
            let address = *plan.places.get(&node)?;
            let access = keyring.of(address);
            let user = access
                .login
                .as_ref()
                .map_or(Login::DEFAULT_USER, Login::user);
            let asks = view.server.supports_acl_dryrun();
            asks.then(|| (node, address, user.to_owned(), commands))
        })
        .collect();
    let answers = join_all(asked.iter().map(|(_, address, user, commands)| async move {
        let trials: Vec<Command> = commands
            .iter()
            .map(|command| Command::new("ACL DRYRUN").arg(user).followed_by(command))
            .collect();
        let answer = wire.call(*address, &trials, ANSWER_WITHIN).await;
        match answer {
            Ok(replies) => judge(commands, &replies),
            Err(error) => Told::Nothing(error.to_string()),
        }
    }))
    .await;
    let mut missing: BTreeMap<Missing, Refused> = BTreeMap::new();
    let mut silent: BTreeMap<(String, String), BTreeSet<NodeId>> = BTreeMap::new();
    for ((node, _, user, _), told) in asked.into_iter().zip(answers) {
        match told {
            Told::Refuses(refused) if refused.is_empty() => {}
            Told::Refuses(refused) => {
                let rules = refused.iter().map(|(command, words)| rule(command, words));
                let entry = missing.entry((user, rules.collect())).or_default();
                entry.nodes.insert(node);
                entry.words = refused;
            }
            Told::Nothing(words) => {
                silent.entry((user, words)).or_default().insert(node);
            }
        }
    }
    for ((user, rules), refused) in missing {
        let blocked = lacks(plan, &user, &rules, refused);
        plan.diff.blocked.push(blocked);
    }
    if plan.diff.everything_blocked() {
        plan.steps.clear();
    }
    for ((user, words), nodes) in silent {
        let subject = plan.diff.pairing.label_all(&nodes);
        plan.diff.notes.push(Note {
            code: "rights-unknown",
            text: format!(
                "Whether the user {user} may do all this on {subject} can't be told beforehand ({words}); a command that it may not send stops the run. +acl|dryrun lets rcl ask."
            ),
            subject,
        });
    }
}

fn judge(commands: &[Command], replies: &[Reply]) -> Told {
    let mut refused = Vec::new();
    for (command, reply) in commands.iter().zip(replies) {
        match reply.clone().legible() {
            Reply::Text(words) if words != "OK" => refused.push((command.clone(), words)),
            // A command that the server doesn't know, or that was renamed, is none that it would take.
            Reply::Error(words) if words.starts_with("ERR Command ") => {
                refused.push((command.clone(), words));
            }
            Reply::Error(words) => return Told::Nothing(words),
            Reply::Text(_) | Reply::Nil | Reply::Integer(_) | Reply::Bytes(_) | Reply::List(_) => {}
        }
    }
    Told::Refuses(refused)
}

/// The rule of an ACL that is missing.
fn rule(command: &Command, words: &str) -> String {
    match words.contains("key") {
        true => "~*".to_owned(),
        false => format!("+{}", command.kind().replace(' ', "|").to_ascii_lowercase()),
    }
}

fn lacks(plan: &Plan, user: &str, rules: &BTreeSet<String>, refused: Refused) -> Blocked {
    let subject = plan.diff.pairing.label_all(&refused.nodes);
    let shown = refused.words.iter().take(SHOWN);
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    Blocked {
        code: "lacks-rights",
        severity: Severity::Error,
        why: format!(
            "the user {user} lacks {} that the plan needs on {subject}",
            counted(rules.len(), "right")
        ),
        evidence: shown
            .map(|(command, words)| format!("{}: {words}", command.kind()))
            .collect(),
        way_out: format!(
            "Give it these on each of them (ACL SETUSER {user} {}), and to its lasting definition too: the ACL file or the configuration file.",
            rules.join(" ")
        ),
        scope: Scope::Everything,
        subject,
    }
}
