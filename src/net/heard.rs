//! Who was asked and has not answered yet, for whoever runs out of time.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::time::Duration;

use crate::base::{Address, Command, Reply};

use super::{CallError, Wire};

/// Passes everything on and keeps account of the answers.
pub struct Heard<'a, W> {
    wire: &'a W,
    waiting: RefCell<BTreeSet<Address>>,
}

impl<'a, W> Heard<'a, W> {
    pub fn new(wire: &'a W) -> Self {
        Self {
            wire,
            waiting: RefCell::new(BTreeSet::new()),
        }
    }

    /// The nodes that gave no answer when they were last asked, or none yet.
    #[must_use]
    pub fn silent(&self) -> BTreeSet<Address> {
        self.waiting.borrow().clone()
    }
}

impl<W: Wire> Wire for Heard<'_, W> {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        self.waiting.borrow_mut().insert(node);
        let answer = self.wire.call(node, commands, within).await;
        if answer.is_ok() {
            self.waiting.borrow_mut().remove(&node);
        }
        answer
    }
}
