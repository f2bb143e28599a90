//! Talking to servers. The only room that imports the client library.
//!
//! A [`Wire`] sends native commands to one node and gives back its replies; [`Connections`]
//! does so over TCP or TLS and logs in (`open`, `tls`, with what [`Keyring`] holds), [`ReadOnly`] lets only
//! questions pass, [`Heard`] knows who is silent. An apply holds the lock (`lock`) on the connections that it
//! sends over.

mod access;
mod connections;
mod heard;
mod limit;
mod lock;
mod open;
mod read_only;
mod resolve;
mod stranger;
mod tls;

use std::time::Duration;

use thiserror::Error;

use crate::base::{Address, Command, Reply};

pub use access::{Access, Keyring};
pub use connections::{Connections, accepts};
pub use heard::Heard;
pub use lock::{Contended, Holding, holders, unique};
pub use read_only::ReadOnly;
pub use resolve::resolve;
pub use tls::{Tls, TlsError, TlsFault};

/// Something that carries commands to nodes.
pub trait Wire {
    /// Sends the commands in one go and gives their replies in order. What a server refuses
    /// is a [`Reply::Error`] among them.
    ///
    /// # Errors
    /// When there is no connection, or not every reply came `within` the time. Commands may
    /// have been run all the same.
    fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<Reply>, CallError>>;

    /// The same for commands whose order doesn't matter, and each of which keeps its connection
    /// waiting: they may go over several connections at once.
    ///
    /// # Errors
    /// As [`Self::call`].
    fn call_abreast(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<Reply>, CallError>> {
        self.call(node, commands, within)
    }

    /// Sends what steps of a plan send: for each command the number of its step. Whoever keeps a record of
    /// what was done keeps one of this. `abreast`: as [`Self::call_abreast`].
    ///
    /// # Errors
    /// As [`Self::call`].
    fn call_for(
        &self,
        steps: &[u32],
        abreast: bool,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> impl Future<Output = Result<Vec<Reply>, CallError>> {
        let _ = steps;
        async move {
            match abreast {
                true => self.call_abreast(node, commands, within).await,
                false => self.call(node, commands, within).await,
            }
        }
    }
}

/// How many connections a node gets for commands that wait: a server then waits for all of them at once.
pub const ABREAST: usize = 16;

/// Why a call gave no replies. The texts are the system's or the server's own words.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    #[error("{words}")]
    Unreachable { words: String },
    #[error("no answer within {}", humantime::format_duration(*.after))]
    Timeout { after: Duration },
    #[error("{words}")]
    Protocol { words: String },
    #[error("{words}")]
    Tls { fault: TlsFault, words: String },
    /// The connection that held the lock of this node: no other one may take its place.
    #[error("the connection that held the lock was lost")]
    LockLost,
    /// A write to a node that the lock doesn't cover.
    #[error("refused to send {command}: the lock of this node is not held")]
    NotHeld { command: String },
    /// A write on a connection that is for reading only: a mistake in rcl itself.
    #[error("refused to send {command}: this command only reads")]
    NotReadOnly { command: String },
}
