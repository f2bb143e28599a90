//! Asks every node, all at once, what `observed` parses.

mod doubles;
mod sizes;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep};

use crate::base::{Address, BusAddress, Command, NodeId, NodeName, Reply, Role, Slot, SlotSet};
use crate::net::{CallError, TlsFault, Wire};
use crate::observed::{
    Answer, Cluster, Equipment, Failure, FailureKind, Job, Member, NodeView, Observed, Questions,
    Side, Usurper,
};

pub use sizes::sample_sizes;

/// How long one node may take to connect and answer its questions.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// How long a cluster that is still settling is given before its state is taken as it is:
/// slots given to a member reach the others within eight seconds at the default node timeout.
pub const SETTLE_WITHIN: Duration = Duration::from_secs(10);

/// How often members are asked for further ones.
const MOST_ROUNDS: u32 = 8;

/// How often a cluster that is still settling is looked at again.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// Where to look: each declared node with the addresses its host has.
#[derive(Clone, Debug, Default)]
pub struct Targets {
    pub nodes: BTreeMap<NodeName, Result<Vec<Address>, String>>,
    /// Where nodes are to be announced, each with its bus port where the file gives one.
    pub announced: BTreeMap<NodeName, (Address, Option<u16>)>,
    pub questions: Questions,
}

/// Looks once: the declared nodes, then the members they name that nobody stands for yet,
/// then, where somebody may be met at an announced address, who answers there, and where slots
/// have no owner, what keys lie in them. Each of these asks all its nodes at once, so that a dead one costs its own time limit and nobody else's.
pub async fn look(wire: &impl Wire, targets: &Targets) -> Observed {
    let mut observed = look_around(wire, targets).await;
    look_closer(wire, &targets.questions, &mut observed).await;
    observed
}

/// All of [`look`] but the keys, which are one question a slot.
async fn look_around(wire: &impl Wire, targets: &Targets) -> Observed {
    let mut observed = Observed::default();
    let asked = join_all(targets.nodes.iter().map(|(name, addresses)| async {
        (
            name.clone(),
            ask_any(wire, addresses, &targets.questions).await,
        )
    }))
    .await;
    for (name, answer) in asked {
        match answer {
            Ok(view) => {
                observed.declared.insert(name, Answer::Node(view.id));
                observed.views.insert(view.id, view);
            }
            Err(failure) => {
                observed.declared.insert(name, Answer::Failed(failure));
            }
        }
    }
    look_at_members(wire, &targets.questions, &mut observed).await;
    look_behind_announced(wire, targets, &mut observed).await;
    observed.share_tables();
    observed
}

/// Looks until the nodes agree on the slots and no handshake is under way, or until the
/// time is up: gossip needs seconds after a change, and what it hasn't delivered yet is no
/// drift. `waiting` is called once, before the first wait.
pub async fn look_until_settled(
    wire: &impl Wire,
    targets: &Targets,
    within: Duration,
    waiting: impl FnMut(&Cluster),
) -> Observed {
    look_until(wire, targets, within, Cluster::is_settled, waiting).await
}

/// Members that were reached at another address than their peers have for them are asked there
/// too: what leads to the same node under an address that all share is the better one to keep.
pub async fn look_where_peers_do(wire: &impl Wire, questions: &Questions, observed: &mut Observed) {
    let cluster = Cluster::merge(observed);
    let elsewhere: Vec<(NodeId, Address)> = observed
        .views
        .values()
        .filter_map(|view| {
            let seen = cluster.members.get(&view.id)?.usual_address()?;
            // On the node's own machine a loopback address answers too, and elsewhere it misleads.
            let misleads = seen.ip.is_loopback() && !view.dialled.ip.is_loopback();
            (seen != view.dialled && !misleads).then_some((view.id, seen))
        })
        .collect();
    let answers = join_all(
        elsewhere
            .iter()
            .map(|(_, address)| ask(wire, *address, questions)),
    )
    .await;
    for ((id, address), answer) in elsewhere.into_iter().zip(answers) {
        if let (Ok(there), Some(view)) = (answer, observed.views.get_mut(&id))
            && there.id == id
        {
            view.dialled = address;
        }
    }
}

/// After a run, until the links of replicas are up too: one whose primary got its address back
/// tries it again after a second. A copy under way is not waited for.
pub async fn look_until_linked(wire: &impl Wire, targets: &Targets, within: Duration) -> Observed {
    let linked = |cluster: &Cluster, observed: &Observed| {
        cluster.is_settled(observed) && observed.views.values().all(NodeView::is_linked)
    };
    look_until(wire, targets, within, linked, |_| {}).await
}

async fn look_until(
    wire: &impl Wire,
    targets: &Targets,
    within: Duration,
    done: impl Fn(&Cluster, &Observed) -> bool,
    mut waiting: impl FnMut(&Cluster),
) -> Observed {
    let until = Instant::now() + within;
    let mut told = false;
    loop {
        let mut observed = look_around(wire, targets).await;
        let cluster = Cluster::merge(&observed);
        if done(&cluster, &observed) || Instant::now() + LOOK_AGAIN_AFTER > until {
            look_closer(wire, &targets.questions, &mut observed).await;
            return observed;
        }
        if !told {
            waiting(&cluster);
            told = true;
        }
        sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// Members are asked at the address most of their peers have for them; the answer counts
/// only when it comes from the very node, not from another behind the same address.
async fn look_at_members(wire: &impl Wire, questions: &Questions, observed: &mut Observed) {
    let mut asked: BTreeSet<NodeId> = BTreeSet::new();
    // A member may name further members. Members know each other, so that more than a few rounds
    // lead to no cluster, but to somebody who makes them up.
    for round in 0_u32.. {
        let members = Cluster::merge(observed).members;
        let missing: Vec<(NodeId, Option<Address>)> = members
            .iter()
            .filter(|(id, member)| !member.answered && !asked.contains(id))
            .map(|(id, member)| (*id, member.usual_address()))
            .collect();
        if missing.is_empty() {
            return;
        }
        asked.extend(missing.iter().map(|(id, _)| *id));
        if round == MOST_ROUNDS {
            observed
                .silent_members
                .extend(missing.into_iter().map(|(id, _)| (id, not_asked())));
            return;
        }
        // A declared node that gave no answer there costs no second time limit.
        let (known, missing): (Vec<_>, Vec<_>) = missing
            .into_iter()
            .map(|(id, address)| (id, address, failure_at(observed, address)))
            .partition(|(.., failure)| failure.is_some());
        for (id, _, failure) in known {
            observed
                .silent_members
                .extend(failure.map(|failure| (id, failure)));
        }
        let answers = join_all(missing.into_iter().map(|(id, address, _)| async move {
            let Some(address) = address else {
                let words = "its peers have no address for it".to_owned();
                return (
                    id,
                    Err(Failure {
                        tried: Vec::new(),
                        kind: FailureKind::Unreachable,
                        words,
                    }),
                );
            };
            let answer = ask(wire, address, questions).await;
            (
                id,
                answer.map_err(|(kind, words)| Failure {
                    tried: vec![address],
                    kind,
                    words,
                }),
            )
        }))
        .await;
        for (id, answer) in answers {
            let failure = match answer {
                Ok(view) if view.id == id => {
                    observed.views.insert(id, view);
                    continue;
                }
                Ok(view) => Failure {
                    tried: vec![view.dialled],
                    kind: FailureKind::OtherNode,
                    words: answers_there(view.id),
                },
                Err(failure) => failure,
            };
            observed.silent_members.insert(id, failure);
        }
    }
}

/// Asks who answers where declared nodes are to be announced: others meet them there, and a
/// wrong address would lead into another cluster. Not in a cluster in which nobody is to be
/// met: an address behind NAT, where rcl hears nothing, costs the whole time limit.
async fn look_behind_announced(wire: &impl Wire, targets: &Targets, observed: &mut Observed) {
    let asked: Vec<(&NodeName, &NodeView, Address, Option<u16>)> = targets
        .announced
        .iter()
        .filter_map(|(name, (address, bus_port))| {
            Some((name, observed.view_of(name)?, *address, *bus_port))
        })
        .collect();
    let known = |id: NodeId, at: Address| {
        let others = observed.views.values().filter(|other| other.id != id);
        let mut lines = others.map(|other| other.table.get(&id));
        lines.all(|line| line.and_then(Member::address) == Some(at))
    };
    let one = Cluster::merge(observed).islands.len() == 1;
    if one && asked.iter().all(|(_, view, at, _)| known(view.id, *at)) {
        return;
    }
    let answers = join_all(asked.into_iter().map(async |(name, view, at, bus_port)| {
        let usurper = usurper(wire, &targets.questions, view, at, bus_port).await;
        Some((name.clone(), usurper?))
    }))
    .await;
    observed.usurped = answers.into_iter().flatten().collect();
}

/// Who else answers at the address, or owns the bus port there. A node's client port is its
/// bus port less ten thousand, unless it was told otherwise.
async fn usurper(
    wire: &impl Wire,
    questions: &Questions,
    view: &NodeView,
    at: Address,
    bus_port: Option<u16>,
) -> Option<Usurper> {
    let bus_port = bus_port
        .or(view.bus_port())
        .unwrap_or(BusAddress::with_default_bus(at).bus_port);
    let behind = bus_port
        .checked_sub(BusAddress::BUS_OFFSET)
        .map(|port| Address::new(at.ip, port))
        .filter(|behind| *behind != at && *behind != view.dialled);
    let of_the_bus = async {
        let other = ask(wire, behind?, questions).await.ok()?;
        Some(other.id).filter(|id| *id != view.id)
    };
    let (at_client, at_bus) = join(
        async {
            match at == view.dialled {
                true => None,
                false => Some(ask(wire, at, questions).await),
            }
        },
        of_the_bus,
    )
    .await;
    let who = match at_client {
        Some(Ok(other)) if other.id != view.id => Some(Ok(other.id)),
        // The node itself has answered the same questions elsewhere.
        Some(Err((kind, words))) if !kind.is_down() => Some(Err(words)),
        Some(Ok(_) | Err(_)) | None => None,
    };
    match (who, at_bus, behind) {
        (Some(who), ..) => Some(Usurper { at, who }),
        (None, Some(id), Some(behind)) => Some(Usurper {
            at: behind,
            who: Ok(id),
        }),
        (None, Some(_) | None, _) => None,
    }
}

fn not_asked() -> Failure {
    Failure {
        tried: Vec::new(),
        kind: FailureKind::Unreachable,
        words: "it was not asked: only members that were named by other members one after the other know it".to_owned(),
    }
}

/// Why no declared node answered at an address.
fn failure_at(observed: &Observed, address: Option<Address>) -> Option<Failure> {
    observed.declared.values().find_map(|answer| match answer {
        Answer::Failed(failure) if failure.tried.contains(&address?) => Some(failure.clone()),
        Answer::Failed(_) | Answer::Node(_) => None,
    })
}

/// What is asked in certain states only.
async fn look_closer(wire: &impl Wire, questions: &Questions, observed: &mut Observed) {
    count_keys_in_doubtful(wire, questions, observed).await;
    doubles::find(wire, observed).await;
    compare_newcomers(wire, observed).await;
    ask_for_jobs(wire, observed).await;
}

/// Asks declared primaries without slots, and those that have some, for what clients expect
/// wherever they are sent. One that doesn't answer is not compared.
async fn compare_newcomers(wire: &impl Wire, observed: &mut Observed) {
    let primaries = observed.views.values();
    let primaries = primaries.filter(|view| view.role() == Role::Primary);
    let (owners, newcomers): (Vec<&NodeView>, Vec<&NodeView>) =
        primaries.partition(|view| !view.own_slots().is_empty());
    let declared = |view: &&NodeView| {
        let mut answers = observed.declared.values();
        answers.any(|answer| *answer == Answer::Node(view.id))
    };
    let newcomers: Vec<&NodeView> = newcomers.into_iter().filter(declared).collect();
    if owners.is_empty() || newcomers.is_empty() {
        return;
    }
    let asked = owners.into_iter().chain(newcomers);
    let answers = join_all(asked.map(async |view| {
        let answer = wire
            .call(view.dialled, &Equipment::questions(), ANSWER_WITHIN)
            .await;
        (view.id, answer)
    }))
    .await;
    for (id, answer) in answers {
        if let (Ok(replies), Some(view)) = (answer, observed.views.get_mut(&id)) {
            view.equipment = Equipment::read(&replies);
        }
    }
}

/// Moves that servers carry out by themselves show in no CLUSTER NODES. One that may not be
/// asked, or doesn't answer, tells of none.
async fn ask_for_jobs(wire: &impl Wire, observed: &mut Observed) {
    let movers = observed.views.values().filter(|view| {
        view.server.supports_migrateslots()
            && view.role() == Role::Primary
            && !view.own_slots().is_empty()
    });
    let question = [Command::new("CLUSTER GETSLOTMIGRATIONS")];
    let answers = join_all(movers.map(async |view| {
        let answer = wire.call(view.dialled, &question, ANSWER_WITHIN).await;
        (view.id, answer)
    }))
    .await;
    for (id, answer) in answers {
        let jobs = answer
            .ok()
            .as_deref()
            .and_then(<[Reply]>::first)
            .and_then(Job::parse_all);
        let running = jobs.into_iter().flatten().filter(Job::is_running);
        let running: Vec<Job> = running.filter(|job| job.side == Side::Export).collect();
        if !running.is_empty() {
            observed.jobs.insert(id, running);
        }
    }
}

/// Counts the keys that any node holds in slots without an owner that answers and in open ones; nodes
/// without keys need not be asked.
async fn count_keys_in_doubtful(wire: &impl Wire, questions: &Questions, observed: &mut Observed) {
    let cluster = Cluster::merge(observed);
    let lost = cluster.members.values().filter(|member| !member.answered);
    let lost: SlotSet = lost.map(|member| &member.slots).collect();
    let assigned: SlotSet = cluster
        .islands
        .iter()
        .fold(SlotSet::new(), |all, island| all.union(&island.assigned()));
    let open = observed.views.values().flat_map(|view| &view.open);
    let open: SlotSet = open.map(|open| open.slot).collect();
    let strays = slots_of_strays(wire, questions, observed).await;
    let doubtful = SlotSet::full().difference(&assigned);
    let doubtful = doubtful.union(&open).union(&lost).union(&strays);
    if doubtful.is_empty() {
        return;
    }
    let questions = Questions {
        count_keys_in: doubtful,
        ..questions.clone()
    };
    let holders: Vec<(NodeId, Address)> = observed
        .views
        .values()
        .filter(|view| view.keys > 0)
        .map(|view| (view.id, view.dialled))
        .collect();
    let answers = join_all(
        holders
            .iter()
            .map(|(_, address)| ask(wire, *address, &questions)),
    )
    .await;
    for ((id, address), answer) in holders.into_iter().zip(answers) {
        // A node that won't say what it holds must not pass for one that holds nothing.
        match answer {
            Ok(view) if view.id == id => {
                observed.views.insert(id, view);
            }
            Ok(view) => observed.lose(address, (FailureKind::OtherNode, answers_there(view.id))),
            Err(failure) => observed.lose(address, failure),
        }
    }
}

/// The slots of keys that primaries hold and don't own: clients look for them elsewhere. Each is asked
/// for what it owns, all together every slot once, and for the rest only where that isn't all it holds.
async fn slots_of_strays(wire: &impl Wire, questions: &Questions, observed: &Observed) -> SlotSet {
    let count = async |view: &NodeView, slots: SlotSet| {
        let questions = Questions {
            count_keys_in: slots,
            ..questions.clone()
        };
        ask(wire, view.dialled, &questions).await.ok()
    };
    let primaries = observed.views.values().filter(|view| {
        view.role() == Role::Primary && view.keys > 0 && view.peers().next().is_some()
    });
    let answers = join_all(primaries.map(async |view| {
        let own = view.own_slots();
        let foreign = SlotSet::full().difference(own);
        if !own.is_empty() {
            let held = count(view, own.clone()).await?;
            if held.keys_in_slot.values().sum::<u64>() >= held.keys {
                return None;
            }
        }
        count(view, foreign).await
    }))
    .await;
    let views = answers.into_iter().flatten();
    views
        .flat_map(|view| view.keys_in_slot.into_keys())
        .collect()
}

/// Counts the keys of slots at nodes, so that a plan can tell what it will carry. A node that
/// doesn't answer is left with an estimate.
pub async fn count_keys(
    wire: &impl Wire,
    observed: &mut Observed,
    slots: BTreeMap<NodeId, SlotSet>,
) {
    let nodes: Vec<(NodeId, Address, SlotSet)> = slots
        .into_iter()
        .filter_map(|(node, slots)| Some((node, observed.views.get(&node)?.dialled, slots)))
        .collect();
    let answers = join_all(nodes.iter().map(|(_, address, slots)| {
        let commands: Vec<_> = slots.iter().map(Command::count_keys).collect();
        async move { wire.call(*address, &commands, ANSWER_WITHIN).await }
    }))
    .await;
    for ((node, _, slots), answer) in nodes.iter().zip(answers) {
        let (Ok(replies), Some(view)) = (answer, observed.views.get_mut(node)) else {
            continue;
        };
        // What is no number counts as not told.
        let counts = slots.iter().zip(&replies);
        let counts: BTreeMap<Slot, u64> = counts
            .filter_map(|(slot, reply)| Some((slot, reply.as_count()?)))
            .collect();
        let told: SlotSet = counts.keys().copied().collect();
        let some = counts.into_iter().filter(|(_, count)| *count > 0);
        view.keys_in_slot.extend(some);
        view.counted = view.counted.union(&told);
    }
}

fn answers_there(id: NodeId) -> String {
    format!("node {} answers there", id.short())
}

async fn ask_any(
    wire: &impl Wire,
    addresses: &Result<Vec<Address>, String>,
    questions: &Questions,
) -> Result<NodeView, Failure> {
    let addresses = addresses.as_ref().map_err(|words| Failure {
        tried: Vec::new(),
        kind: FailureKind::Unreachable,
        words: words.clone(),
    })?;
    // All at once, so that a dead address before the living one costs no time; the first in
    // order wins, so that the same answers always give the same plan.
    let answers = join_all(
        addresses
            .iter()
            .map(|address| ask(wire, *address, questions)),
    )
    .await;
    let mut failed = None;
    for answer in answers {
        match answer {
            Ok(view) => return Ok(view),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    let (kind, words) =
        failed.unwrap_or((FailureKind::Unreachable, "no address to try".to_owned()));
    Err(Failure {
        tried: addresses.clone(),
        kind,
        words,
    })
}

fn tls_failure(fault: TlsFault) -> FailureKind {
    match fault {
        TlsFault::UnknownAuthority => FailureKind::UnknownAuthority,
        TlsFault::Expired => FailureKind::CertificateExpired,
        TlsFault::OtherName => FailureKind::OtherName,
        TlsFault::Identity => FailureKind::ClientCertificate,
        TlsFault::NoTls => FailureKind::NoTls,
        TlsFault::OnlyTls => FailureKind::OnlyTls,
        TlsFault::Other => FailureKind::TlsFails,
    }
}

/// Asks one node.
///
/// # Errors
/// The kind of failure and the words that came with it.
pub async fn ask(
    wire: &impl Wire,
    address: Address,
    questions: &Questions,
) -> Result<NodeView, (FailureKind, String)> {
    ask_again(wire, address, questions, None).await
}

/// Asks one node whose earlier view completes brief answers.
///
/// # Errors
/// The kind of failure and the words that came with it.
pub async fn ask_again(
    wire: &impl Wire,
    address: Address,
    questions: &Questions,
    earlier: Option<&NodeView>,
) -> Result<NodeView, (FailureKind, String)> {
    let replies = wire
        .call(address, &questions.commands(), ANSWER_WITHIN)
        .await
        .map_err(|error| {
            let kind = match &error {
                CallError::Unreachable { .. } | CallError::LockLost | CallError::NotHeld { .. } => {
                    FailureKind::Unreachable
                }
                CallError::Timeout { .. } => FailureKind::Timeout,
                CallError::Tls { fault, .. } => tls_failure(*fault),
                CallError::Protocol { .. } | CallError::NotReadOnly { .. } => {
                    FailureKind::Unintelligible
                }
            };
            (kind, error.to_string())
        })?;
    let replies: Vec<Reply> = replies.into_iter().map(Reply::legible).collect();
    NodeView::parse(questions, address, &replies, earlier)
        .map_err(|error| (error.kind(), error.to_string()))
}
