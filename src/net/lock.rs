//! One apply at a time: presence that others can see, on the very connections that send.
//!
//! Whoever applies listens to a channel of its own on every node and looks who else does. Being
//! alone is having the lock; anybody else there means to leave, and to try again a little later.
//! A server runs one connection's commands in order, so of two that meet on a node the later one
//! always sees the earlier. Nothing is written anywhere, and what was there goes with the connection.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::base::{Address, Command, Presence, Reply};

use super::{CallError, Connections, Wire};

/// How long others that only try are waited for. Who has the lock is not waited for at all.
const TRY_FOR: Duration = Duration::from_secs(2);

/// How long one node may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// The longest first pause between two tries; each further one may be twice as long, up to
const FIRST_PAUSE: Duration = Duration::from_millis(20);

/// this.
const LONGEST_PAUSE: Duration = Duration::from_millis(320);

/// Somebody else was there, up to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contended {
    pub by: Presence,
    pub at: Address,
}

/// What connections know of the lock that they hold.
pub(super) struct Lock {
    me: Presence,
    held: BTreeSet<Address>,
    lost: watch::Sender<BTreeSet<Address>>,
}

/// Where the lock is held, and why not elsewhere.
#[derive(Clone, Debug, Default)]
pub struct Holding {
    pub held: BTreeSet<Address>,
    pub failed: BTreeMap<Address, CallError>,
}

impl Lock {
    pub(super) fn new(me: Presence) -> Self {
        Self {
            me,
            held: BTreeSet::new(),
            lost: watch::Sender::new(BTreeSet::new()),
        }
    }

    pub(super) fn holds(&self, node: Address) -> bool {
        self.held.contains(&node)
    }

    pub(super) fn is_lost(&self, node: Address) -> bool {
        self.lost.borrow().contains(&node)
    }

    pub(super) fn lost(&self) -> &watch::Sender<BTreeSet<Address>> {
        &self.lost
    }
}

impl Connections {
    /// Takes the lock on all these nodes that can be reached. Until it is had, nothing else may be
    /// sent over these connections.
    ///
    /// # Errors
    /// When somebody else has it, or still tries for it when the time is up: then it is held nowhere.
    pub async fn hold(&self, nodes: &BTreeSet<Address>) -> Result<Holding, Contended> {
        let until = Instant::now() + TRY_FOR;
        let mut longest = FIRST_PAUSE;
        // All begin at the same node, where all but the first see that they are late. There they look before
        // they enter: whoever waits must not keep others out.
        let gate: BTreeSet<Address> = nodes.iter().take(1).copied().collect();
        let rest: BTreeSet<Address> = nodes.difference(&gate).copied().collect();
        loop {
            let mut holding = Holding::default();
            let mut other = self.look(&gate).await;
            for nodes in [&gate, &rest] {
                if other.is_none() {
                    other = self.enter(nodes, &mut holding).await;
                }
            }
            let Some(other) = other else {
                self.mark_held(&mut holding).await;
                return Ok(holding);
            };
            self.leave(&holding.held).await;
            let pause = longest.mul_f64(chance());
            if other.by.holds || Instant::now() + pause > until {
                return Err(other);
            }
            sleep(pause).await;
            longest = LONGEST_PAUSE.min(longest * 2);
        }
    }

    /// The nodes whose lock was had and is lost: others may have come in there.
    #[must_use]
    pub fn lost(&self) -> BTreeSet<Address> {
        let lock = self.lock().map(RefCell::borrow);
        lock.map_or_else(BTreeSet::new, |lock| {
            lock.held
                .intersection(&lock.lost.borrow())
                .copied()
                .collect()
        })
    }

    /// Waits until one is.
    pub async fn until_lost(&self) {
        let Some(lock) = self.lock() else {
            return std::future::pending().await;
        };
        let mut changes = lock.borrow().lost.subscribe();
        while self.lost().is_empty() {
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }

    /// Who is there, without being there oneself.
    async fn look(&self, nodes: &BTreeSet<Address>) -> Option<Contended> {
        let answers = self.tell(nodes, &[channels()]).await;
        answers.into_iter().find_map(|(node, answer)| {
            let by = first_of(answer.ok()?.iter().flat_map(present))?;
            Some(Contended { by, at: node })
        })
    }

    /// Listens on these nodes and looks who else does.
    async fn enter(&self, nodes: &BTreeSet<Address>, holding: &mut Holding) -> Option<Contended> {
        let me = self.lock()?.borrow().me.clone();
        let commands = [
            Command::new("CLIENT SETNAME").arg(me.client_name()),
            Command::new("SUBSCRIBE").arg(me.channel()),
            channels(),
        ];
        let mut other: Option<Contended> = None;
        for (node, answer) in self.tell(nodes, &commands).await {
            // The name is for people only.
            let entered = answer.and_then(|replies| match replies.as_slice() {
                [_, Reply::Error(words), ..] | [_, _, Reply::Error(words)] => Err(refused(words)),
                [_, _, listening] => Ok(present(listening)),
                _ => Err(refused("half an answer")),
            });
            match entered {
                Ok(everybody) => {
                    holding.held.insert(node);
                    let found = first_of(everybody.into_iter().filter(|one| !one.is(&me)));
                    let better = |by: &Presence| {
                        by.holds || other.as_ref().is_none_or(|other| !other.by.holds)
                    };
                    if let Some(by) = found.filter(better) {
                        other = Some(Contended { by, at: node });
                    }
                }
                Err(error) => {
                    holding.failed.insert(node, error);
                }
            }
        }
        other
    }

    /// From now on others needn't wait for an end, and a lost connection is not opened again.
    async fn mark_held(&self, holding: &mut Holding) {
        let Some(lock) = self.lock() else { return };
        let command = Command::new("SUBSCRIBE").arg(lock.borrow().me.held_channel());
        lock.borrow_mut().held.clone_from(&holding.held);
        for (node, answer) in self.tell(&holding.held.clone(), &[command]).await {
            if let Err(error) = answer {
                holding.held.remove(&node);
                holding.failed.insert(node, error);
            }
        }
        lock.borrow_mut().held.clone_from(&holding.held);
    }

    async fn leave(&self, nodes: &BTreeSet<Address>) {
        let Some(lock) = self.lock() else { return };
        let command = Command::new("UNSUBSCRIBE").arg(lock.borrow().me.channel());
        for (node, answer) in self.tell(nodes, &[command]).await {
            if answer.is_err() {
                self.close(node);
            }
        }
    }

    async fn tell(
        &self,
        nodes: &BTreeSet<Address>,
        commands: &[Command],
    ) -> Vec<(Address, Result<Vec<Reply>, CallError>)> {
        join_all(nodes.iter().map(async |node| {
            (
                *node,
                self.call_unheld(*node, commands, ANSWER_WITHIN).await,
            )
        }))
        .await
    }
}

/// Who applies right now, as these nodes tell. One that can't be asked tells of nobody.
pub async fn holders(wire: &impl Wire, nodes: &BTreeSet<Address>) -> BTreeSet<Presence> {
    let commands = [channels()];
    let asked = nodes
        .iter()
        .map(|node| wire.call(*node, &commands, ANSWER_WITHIN));
    let answers = join_all(asked).await.into_iter().flatten();
    let present = answers.flat_map(|replies| replies.iter().flat_map(present).collect::<Vec<_>>());
    present.filter(|one| one.holds).collect()
}

/// One that has it is worth more than one that tries.
fn first_of(everybody: impl Iterator<Item = Presence>) -> Option<Presence> {
    everybody.max_by_key(|one| one.holds)
}

fn channels() -> Command {
    Command::new("PUBSUB CHANNELS").arg(Presence::PATTERN)
}

fn present(reply: &Reply) -> Vec<Presence> {
    let channels = reply.as_list().unwrap_or_default().iter();
    channels
        .filter_map(|channel| Presence::parse(channel.as_text()?))
        .collect()
}

fn refused(words: &str) -> CallError {
    CallError::Unreachable {
        words: words.to_owned(),
    }
}

/// Between a quarter and the whole: those that met part, and nobody comes back at once.
fn chance() -> f64 {
    // Each state is seeded by the system.
    let drawn = RandomState::new().hash_one(0_u8);
    let part = u16::try_from(drawn % 1000).unwrap_or(0);
    0.25 + 0.75 * f64::from(part) / 1000.0
}

/// A number that no other apply has.
#[must_use]
pub fn unique() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
