//! Asks every node, before anything is sent, whether rcl's user may do there what the plan wants.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::base::{Address, Command, Login, NodeId, Reply, counted};
use crate::desired::Desired;
use crate::diff::{Blocked, Note, Scope, Severity, has_login};
use crate::net::{Connections, Keyring, ReadOnly, Wire};
use crate::observe::ANSWER_WITHIN;
use crate::observed::Observed;
use crate::plan::{Engine, Plan, Transfer};

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
    desired: &Desired,
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
    let kept_out = kept_out(desired, plan, observed, keyring).await;
    plan.diff.blocked.extend(kept_out);
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

/// Atomic moves for which the source has no password to say, to targets that let nobody in without one. What a server
/// says of its passwords is not all: its default user may have been switched off.
async fn kept_out(
    desired: &Desired,
    plan: &Plan,
    observed: &Observed,
    keyring: &Keyring,
) -> Vec<Blocked> {
    let pairing = &plan.diff.pairing;
    let without_word = |transfer: &&Transfer| {
        let giving = observed.views.get(&transfer.source);
        transfer.engine == Engine::Atomic
            && giving.is_some_and(|view| !has_login(desired, pairing, view))
    };
    let transfers = plan.steps.iter().filter_map(|step| step.action.transfer());
    let connections = Connections::new(keyring.without_logins());
    let wire = &ReadOnly(&connections);
    let answers = join_all(transfers.filter(without_word).map(|transfer| async move {
        let place = plan.places.get(&transfer.target)?;
        let ping = [Command::new("PING")];
        let answer = wire.call(*place, &ping, ANSWER_WITHIN).await.ok()?;
        let words = answer.first().and_then(Reply::as_error)?;
        let refused = words.starts_with("NOAUTH");
        refused.then(|| (transfer, words.to_owned()))
    }))
    .await;
    let blocked = answers.into_iter().flatten().map(|(transfer, words)| {
        let (from, to) = (pairing.label(transfer.source), pairing.label(transfer.target));
        Blocked {
            code: "no-login",
            severity: Severity::Error,
            subject: from.clone(),
            why: format!(
                "in an atomic move {from} logs in to {to} by itself, and has no password for that (masterauth)"
            ),
            evidence: vec![format!("{to} to one who doesn't log in: {words}")],
            way_out: "Declare masterauth and masteruser under `config`, or write `engine: classic` under `policy.move`."
                .to_owned(),
            scope: Scope::Everything,
        }
    });
    blocked.collect()
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
