//! A move of slots with their keys, as it is agreed on before it begins: from where to where,
//! by which engine, within which bounds.

use std::time::Duration;

use crate::base::{Address, Command, Login, NodeId, SlotSet};

/// Slots that go from one primary to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    pub source: NodeId,
    pub target: NodeId,
    /// Where the source reaches the target.
    pub address: Address,
    /// What the source says to the target to be let in.
    pub login: Option<Login>,
    pub slots: SlotSet,
    /// Those that were opened before on both sides: a move that was begun and not finished. Their
    /// owner has been sending clients on to the target, so that its keys are the newer ones.
    pub open: SlotSet,
    /// Those of which one side has lost its mark: of a key on both sides neither is known to be
    /// the newer one.
    pub torn: SlotSet,
    pub engine: Engine,
}

/// How slots move.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Engine {
    /// One command to the source; the servers do the rest and hand over at once.
    Atomic,
    /// Slot by slot: open on both sides, keys in batches, new owner.
    Classic(Bounds),
    /// The source is gone for good, and its slots with it: only the new owner is told.
    Orphaned {
        /// Whether it answers SETSLOT only once its replicas have it.
        waits: bool,
    },
    /// Keys of slots that the target owns already, from one that holds them all the same.
    Homeward(Bounds),
}

/// What keeps a classic move from getting in the way of clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most keys in one MIGRATE.
    pub batch: u32,
    /// The most bytes in one MIGRATE, unless a single key has more.
    pub bytes: u64,
    /// Waited after each MIGRATE.
    pub pause: Duration,
    /// The source stands still while a MIGRATE runs: no longer than this.
    pub limit: Duration,
    /// Whether a server answers SETSLOT only once its replicas have it.
    pub waits: bool,
}

impl Transfer {
    /// Those whose move was begun before.
    #[must_use]
    pub fn begun(&self) -> SlotSet {
        self.open.union(&self.torn)
    }

    /// The nodes that take part. One that is gone doesn't.
    pub fn ends(&self) -> impl Iterator<Item = NodeId> + use<> {
        let gone = matches!(self.engine, Engine::Orphaned { .. });
        let source = (!gone).then_some(self.source);
        source.into_iter().chain([self.target])
    }

    /// How long the source may stand still for one command.
    #[must_use]
    pub fn limit(&self) -> Duration {
        match self.engine {
            Engine::Atomic | Engine::Orphaned { .. } => Duration::ZERO,
            Engine::Classic(bounds) | Engine::Homeward(bounds) => bounds.limit,
        }
    }

    fn homeward(&self, bounds: Bounds) -> Vec<(NodeId, String)> {
        let (holder, owner) = (self.source, self.target);
        let migrate = Command::migrate(self.address, self.login.as_ref(), bounds.limit, false, []);
        [
            format!("CLUSTER SETSLOT <slot> IMPORTING {owner}"),
            format!("{migrate} <{} keys at most>", bounds.batch),
            "CLUSTER SETSLOT <slot> STABLE".to_owned(),
        ]
        .map(|command| (holder, command))
        .to_vec()
    }

    /// What will be sent, each with its node. A word in angle brackets stands for what is only
    /// known while it runs.
    #[must_use]
    pub fn templates(&self) -> Vec<(NodeId, String)> {
        let Self {
            source,
            target,
            address,
            login,
            slots,
            open: _,
            torn,
            engine,
        } = self;
        let set = |word: &str, id: &NodeId| format!("CLUSTER SETSLOT <slot> {word} {id}");
        let bounds = match engine {
            Engine::Atomic => {
                let command = Command::migrate_slots(slots, *target);
                return vec![(*source, command.to_string())];
            }
            Engine::Homeward(bounds) => return self.homeward(*bounds),
            Engine::Orphaned { .. } => {
                return vec![
                    (*target, set("IMPORTING", source)),
                    (*target, set("NODE", target)),
                ];
            }
            Engine::Classic(bounds) => bounds,
        };
        let migrate = Command::migrate(*address, login.as_ref(), bounds.limit, false, []);
        let owner = (!torn.is_empty()).then(|| (*target, set("NODE", source)));
        let quietly = !bounds.waits && slots.count() > 2;
        let unmarked = quietly.then(|| (*target, "CLUSTER SETSLOT <slot> STABLE".to_owned()));
        let marks = [
            (*target, set("IMPORTING", source)),
            (*source, set("MIGRATING", target)),
            (
                *source,
                format!("{migrate} <{} keys at most>", bounds.batch),
            ),
        ];
        let owners = [
            (*target, set("NODE", target)),
            (*source, set("NODE", target)),
        ];
        let marks = owner.into_iter().chain(marks);
        marks.chain(unmarked).chain(owners).collect()
    }
}
