//! A cluster in memory: servers that gossip, refuse and forget as real ones do, behind rcl's
//! own [`Wire`]. Time is tokio's, so that with a paused clock seconds of gossip cost nothing.
//!
//! `world` holds the nodes and moves time on, `clockwork` is what a node does by itself, `bus`
//! and `receive` are what nodes tell each other, `state` what they conclude, `replication` how
//! copies come about, `roles` how they change, `commands`, `config` and `render` what people see of it.

mod bus;
mod clockwork;
mod commands;
mod config;
mod forgetting;
pub(crate) mod keys;
mod moving;
pub(crate) mod node;
mod quirks;
mod receive;
mod render;
mod replication;
pub(crate) mod rng;
mod roles;
mod state;
mod world;

use std::cell::{Cell, Ref, RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use rcl::base::{Address, Command, NodeId, Reply, SlotSet};
use rcl::net::{CallError, Wire};
use tokio::time::{Instant, sleep};

pub(crate) use keys::Keys;
pub(crate) use node::{Health, Open};
pub(crate) use world::{Spec, World};

/// The way from rcl to a node and back.
const ROUND_TRIP: Duration = Duration::from_millis(20);

/// The simulated cluster, and everything that was written to it through the wire.
pub(crate) struct Sim {
    world: RefCell<World>,
    began: Instant,
    began_at: u64,
    /// How far the world is ahead of tokio's clock.
    ahead: Cell<u64>,
    writes: RefCell<Vec<Write>>,
    baseline: RefCell<Baseline>,
}

/// A command that changes something, as rcl sent it.
#[derive(Clone)]
pub(crate) struct Write {
    pub(crate) node: usize,
    pub(crate) id: NodeId,
    pub(crate) command: Command,
    pub(crate) reply: Reply,
}

/// One line, without the thousands of slots that 6.2 needs.
impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let command: String = self.command.to_string().chars().take(100).collect();
        let reply = self.reply.as_error().unwrap_or("OK");
        write!(f, "{} {:?}: {command} -> {reply}", self.node, self.id)
    }
}

/// The keys that must not be lost, and those that clients must go on finding.
#[derive(Default)]
struct Baseline {
    all: Keys,
    served: Keys,
    /// Those that somebody must go on serving, and no more than two at any moment.
    slots: SlotSet,
    /// Replicas, each with the primaries that it may follow.
    replicas: BTreeMap<NodeId, Vec<NodeId>>,
}

impl Sim {
    pub(crate) fn new(seed: u64) -> Self {
        let world = World::new(seed);
        Self {
            began_at: world.now,
            world: RefCell::new(world),
            began: Instant::now(),
            ahead: Cell::new(0),
            writes: RefCell::new(Vec::new()),
            baseline: RefCell::new(Baseline::default()),
        }
    }

    pub(crate) fn add(&self, spec: Spec) -> usize {
        self.world_mut().add(spec)
    }

    /// The world as it is at this moment.
    pub(crate) fn world(&self) -> Ref<'_, World> {
        self.catch_up();
        self.world.borrow()
    }

    /// For what no command does: opening a scene in the middle, breaking things.
    pub(crate) fn world_mut(&self) -> RefMut<'_, World> {
        self.catch_up();
        self.world.borrow_mut()
    }

    fn catch_up(&self) {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap();
        let now = self.began_at + self.ahead.get() + passed;
        // Whoever looks at the world may look again meanwhile.
        if self.world.borrow().now < now {
            self.world.borrow_mut().advance(now);
        }
    }

    /// Lets time pass without waiting.
    pub(crate) fn elapse(&self, time: Duration) {
        self.ahead
            .set(self.ahead.get() + u64::try_from(time.as_millis()).unwrap());
        self.catch_up();
    }

    /// A native command as a person types it, not recorded as rcl's.
    pub(crate) fn command(&self, node: usize, words: &str) -> Reply {
        self.world_mut().run(node, &Command::new(words))
    }

    /// Like [`Self::command`], for what must be answered with OK.
    #[track_caller]
    pub(crate) fn ok(&self, node: usize, words: &str) {
        assert_eq!(
            self.command(node, words),
            Reply::ok(),
            "{words} at node {node}"
        );
    }

    pub(crate) fn kill(&self, node: usize) {
        self.world_mut().take_down(node);
    }

    /// The process ends and starts again with its files.
    pub(crate) fn restart(&self, node: usize) {
        let mut world = self.world_mut();
        world.take_down(node);
        world.start(node);
    }

    pub(crate) fn restart_blank(&self, node: usize) {
        let mut world = self.world_mut();
        world.take_down(node);
        world.start_blank(node);
    }

    pub(crate) fn freeze(&self, node: usize) {
        self.world_mut().freeze(node);
    }

    pub(crate) fn thaw(&self, node: usize) {
        self.world_mut().thaw(node);
    }

    /// What clients write.
    pub(crate) fn add_keys(&self, node: usize, keys: &Keys) {
        let mut world = self.world_mut();
        let mut all = world.nodes[node].keys.clone();
        all.extend(keys);
        world.set_keys(node, all);
    }

    /// What rcl has written so far.
    pub(crate) fn writes(&self) -> Ref<'_, [Write]> {
        Ref::map(self.writes.borrow(), Vec::as_slice)
    }

    pub(crate) fn forget_writes(&self) {
        self.writes.borrow_mut().clear();
    }

    /// From now on every key is to be kept, and found where it is served at this moment.
    pub(crate) fn guard_keys(&self) {
        let world = self.world();
        *self.baseline.borrow_mut() = Baseline {
            all: world.all_keys(),
            served: world.served_keys(),
            slots: SlotSet::new(),
            replicas: BTreeMap::new(),
        };
    }

    /// From now on these replicas follow one of these primaries, at every moment: no shard has fewer copies meanwhile.
    pub(crate) fn guard_replicas(&self, replicas: BTreeMap<NodeId, Vec<NodeId>>) {
        self.baseline.borrow_mut().replicas = replicas;
    }

    /// From now on every slot that is served stays so, by one node, or on its way by two.
    pub(crate) fn guard_slots(&self) {
        let slots = self.world().served_slots().0;
        self.baseline.borrow_mut().slots = slots;
    }

    /// Fails the test when a guarded key is gone, or no longer served.
    #[track_caller]
    pub(crate) fn assert_keys_kept(&self) {
        let world = self.world();
        self.assert_kept_in(&world);
    }

    #[track_caller]
    fn assert_kept_in(&self, world: &World) {
        let baseline = self.baseline.borrow();
        let lost = baseline.all.without(&world.all_keys());
        assert!(
            lost.is_empty(),
            "keys of slots {} are lost, after {:#?}",
            lost.slots(),
            self.writes()
        );
        let (once, thrice) = world.served_slots();
        let dropped = baseline.slots.difference(&once);
        assert!(
            baseline.slots.is_empty() || (dropped.is_empty() && thrice.is_empty()),
            "slots {dropped} are served by nobody, {thrice} by three, after {:#?}",
            self.writes()
        );
        for (replica, fine) in &baseline.replicas {
            let mut nodes = world.nodes.iter();
            let node = nodes.find(|node| node.id == *replica);
            let now = node.and_then(|node| node.myself().primary);
            assert!(
                now.is_some_and(|now| fine.contains(&now)),
                "{replica:?} follows {now:?}, and no step says so, after {:#?}",
                self.writes()
            );
        }
        let unserved = baseline.served.without(&world.served_keys());
        assert!(
            unserved.is_empty(),
            "keys of slots {} are not served any more, after {:#?}",
            unserved.slots(),
            self.writes()
        );
    }

    fn answer(&self, node: usize, commands: &[Command]) -> Vec<Reply> {
        let mut replies = Vec::with_capacity(commands.len());
        for (place, command) in commands.iter().enumerate() {
            let mut world = self.world.borrow_mut();
            let reply = world.run(node, command);
            if commands::writes(command) {
                let id = world.nodes[node].id;
                let write = Write {
                    node,
                    id,
                    command: command.clone(),
                    reply: reply.clone(),
                };
                self.writes.borrow_mut().push(write);
                // What comes in one piece is run before anybody else is served.
                let next = commands.get(place + 1);
                if !next.is_some_and(|next| commands::takes_over(command, next)) {
                    self.assert_kept_in(&world);
                }
            }
            replies.push(reply);
        }
        replies
    }
}

impl Wire for Sim {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        sleep(ROUND_TRIP).await;
        self.catch_up();
        let found = {
            let world = self.world.borrow();
            world
                .at(node)
                .map(|place| (place, world.nodes[place].health))
        };
        match found {
            Some((place, Health::Up)) => Ok(self.answer(place, commands)),
            Some((_, Health::Frozen)) => {
                sleep(within.saturating_sub(ROUND_TRIP)).await;
                Err(CallError::Timeout { after: within })
            }
            Some((_, Health::Down)) | None => Err(CallError::Unreachable {
                words: "connection refused".to_owned(),
            }),
        }
    }
}
