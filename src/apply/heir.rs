//! Gives the slots of an owner that is gone for good to a living primary: the replies of the last
//! commands in, the next commands out.
//!
//! IMPORTING comes first: SETSLOT NODE gives the taker a new epoch only with that mark, and without
//! one an owner that comes back would be believed again.

use std::collections::VecDeque;

use crate::base::{Command, NodeId, Reply, Slot, SlotSet};
use crate::plan::Transfer;

use super::classic::BREATH;
use super::mover::{Failure, Todo, table};

/// Slots in one go. A run that dies leaves no more marks than these.
const WINDOW: usize = 128;

/// How often commands that got no answer, or that a replica was late for, are sent again.
const TRIES: u32 = 5;

/// What the last commands asked.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Whether the slots are still the lost owner's.
    Look,
    Import,
    Take,
}

#[derive(Debug)]
pub(super) struct Heir<'a> {
    transfer: &'a Transfer,
    left: VecDeque<Slot>,
    window: Vec<Slot>,
    stage: Option<Stage>,
    tries: u32,
    stopping: bool,
    pub(super) moved: SlotSet,
}

impl<'a> Heir<'a> {
    pub(super) fn new(transfer: &'a Transfer) -> Self {
        Self {
            transfer,
            left: transfer.slots.iter().collect(),
            window: Vec::new(),
            stage: None,
            tries: 0,
            stopping: false,
            moved: SlotSet::new(),
        }
    }

    pub(super) fn stop(&mut self) {
        self.stopping = true;
    }

    pub(super) fn open(&self) -> SlotSet {
        self.window.iter().copied().collect()
    }

    pub(super) fn next(&mut self, replies: &[Reply]) -> Result<Todo, Failure> {
        match self.stage.take() {
            None => Ok(self.look()),
            Some(Stage::Look) => {
                self.looked(replies)?;
                Ok(self.ask(Stage::Import))
            }
            Some(Stage::Import) => match self.late(Stage::Import, replies)? {
                Some(again) => Ok(again),
                None => Ok(self.ask(Stage::Take)),
            },
            Some(Stage::Take) => match self.late(Stage::Take, replies)? {
                Some(again) => Ok(again),
                None => {
                    self.moved = self.moved.union(&self.open());
                    self.window.clear();
                    Ok(self.look())
                }
            },
        }
    }

    /// All of these commands may be sent twice.
    pub(super) fn unanswered(
        &mut self,
        words: &str,
        node: NodeId,
        commands: &[Command],
    ) -> Result<Todo, Failure> {
        self.tries += 1;
        match self.tries > TRIES {
            true => Err(Failure::unanswered(node, commands, words)),
            false => Ok(self.again(commands.to_vec())),
        }
    }

    fn look(&mut self) -> Todo {
        if self.stopping || self.left.is_empty() {
            return Todo::Done;
        }
        let count = self.left.len().min(WINDOW);
        self.window = self.left.drain(..count).collect();
        self.ask(Stage::Look)
    }

    fn ask(&mut self, stage: Stage) -> Todo {
        self.stage = Some(stage);
        Todo::Call {
            node: self.transfer.target,
            commands: self.commands(stage),
        }
    }

    fn again(&self, commands: Vec<Command>) -> Todo {
        Todo::Repeat {
            after: BREATH,
            node: self.transfer.target,
            commands,
        }
    }

    fn commands(&self, stage: Stage) -> Vec<Command> {
        let (lost, taker) = (self.transfer.source, self.transfer.target);
        let slots = self.window.iter().copied();
        match stage {
            Stage::Look => vec![Command::new("CLUSTER NODES")],
            Stage::Import => slots.map(|slot| Command::importing(slot, lost)).collect(),
            Stage::Take => slots.map(|slot| Command::set_owner(slot, taker)).collect(),
        }
    }

    /// Somebody else may have taken them meanwhile, or the lost one be back.
    fn looked(&mut self, replies: &[Reply]) -> Result<(), Failure> {
        let (lost, taker) = (self.transfer.source, self.transfer.target);
        let table = table(taker, replies.last())?;
        let window = self.open();
        let others = table.members.iter().filter(|(id, _)| **id != lost);
        let taken: SlotSet = others
            .flat_map(|(_, member)| {
                member
                    .slots
                    .intersection(&window)
                    .iter()
                    .collect::<Vec<_>>()
            })
            .collect();
        let back = table.members.get(&lost).is_some_and(|member| {
            let flags = member.flags;
            member.connected && !flags.fail && !flags.maybe_fail && !flags.noaddr
        });
        let words = match (taken.is_empty(), back) {
            (true, false) => return Ok(()),
            (false, _) => format!("knows another owner of slots {taken} by now"),
            (true, true) => format!("hears {} again, which was gone", lost.short()),
        };
        self.window.clear();
        Err(Failure::state(taker, words))
    }

    /// Valkey waits for its replicas, and says NOREPLICAS when one is late. Sent once more, it is
    /// the same.
    fn late(&mut self, stage: Stage, replies: &[Reply]) -> Result<Option<Todo>, Failure> {
        let commands = self.commands(stage);
        let refused = replies.iter().zip(&commands);
        let mut refused = refused.filter_map(|(reply, one)| Some((reply.as_error()?, one)));
        let Some((words, command)) = refused.next() else {
            self.tries = 0;
            return Ok(None);
        };
        self.tries += 1;
        if !words.starts_with("NOREPLICAS") || self.tries > TRIES {
            let taker = self.transfer.target;
            return Err(Failure::refused(taker, command.clone(), words));
        }
        self.stage = Some(stage);
        Ok(Some(self.again(commands)))
    }
}
