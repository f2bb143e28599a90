//! One connection a node, opened when first needed and kept. Where it holds the lock of its node it is never
//! opened again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, ErrorKind, Pipeline, ProtocolVersion, PushInfo, PushKind,
    RedisConnectionInfo, RedisError, RedisResult, Value,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::base::{Address, Command, Presence, Reply};

use super::access::Keyring;
use super::lock::Lock;
use super::open::{OpenError, open, plain_settings, without_limits};
use super::read_only::reads_only;
use super::stranger::{self, Stranger};
use super::{ABREAST, CallError, Wire};

/// A node and the number of the connection to it; the first one serves all but commands abreast.
type Lane = (Address, usize);

/// The connection of a node that its lock is held on.
const MAIN: usize = 0;

/// The connections of one run.
#[derive(Default)]
pub struct Connections {
    keyring: Keyring,
    open: RefCell<BTreeMap<Lane, MultiplexedConnection>>,
    /// Whoever applies holds the lock on them.
    lock: Option<RefCell<Lock>>,
}

impl Connections {
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            ..Self::default()
        }
    }

    /// Connections on which the lock of their nodes can be held.
    #[must_use]
    pub fn locking(keyring: Keyring, me: Presence) -> Self {
        Self {
            lock: Some(RefCell::new(Lock::new(me))),
            ..Self::new(keyring)
        }
    }

    /// Whether the lock of nodes can be held on them.
    #[must_use]
    pub fn are_locking(&self) -> bool {
        self.lock.is_some()
    }

    pub(super) fn lock(&self) -> Option<&RefCell<Lock>> {
        self.lock.as_ref()
    }

    pub(super) fn close(&self, node: Address) {
        self.open.borrow_mut().remove(&(node, MAIN));
    }

    /// What a connection is to be like: the one that the lock is held on tells when it breaks off.
    fn settings(&self, (node, lane): Lane) -> (RedisConnectionInfo, AsyncConnectionConfig) {
        let (settings, config) = (plain_settings(), without_limits());
        let Some(lock) = self.lock.as_ref().filter(|_| lane == MAIN) else {
            return (settings, config);
        };
        let lost = lock.borrow().lost().clone();
        lost.send_modify(|lost| _ = lost.remove(&node));
        let told = move |push: PushInfo| -> RedisResult<()> {
            if push.kind == PushKind::Disconnection {
                lost.send_modify(|lost| _ = lost.insert(node));
            }
            Ok(())
        };
        // Only with this protocol does a connection that listens take commands too.
        let settings = settings.set_protocol(ProtocolVersion::RESP3);
        (settings, config.set_push_sender(told))
    }

    async fn exchange(
        &self,
        lane: Lane,
        pipeline: &Pipeline,
        count: usize,
    ) -> Result<Vec<Value>, OpenError> {
        let known = self.open.borrow().get(&lane).cloned();
        let (node, _) = lane;
        if let Some(mut connection) = known {
            let sent = connection.req_packed_commands(pipeline, 0, count).await;
            return sent.map_err(|error| OpenError::Call(to_error(&error)));
        }
        let access = self.keyring.of(node);
        let (settings, config) = self.settings(lane);
        let mut connection = open(node, &access, &settings, config).await?;
        self.open.borrow_mut().insert(lane, connection.clone());
        match connection.req_packed_commands(pipeline, 0, count).await {
            Ok(values) => Ok(values),
            // The library keeps what it could not read to itself. A login has been answered before.
            Err(error) => {
                let stranger = match access.is_open() {
                    true => stranger::look(node).await.and_then(Stranger::into_error),
                    false => None,
                };
                Err(stranger.unwrap_or_else(|| OpenError::Call(to_error(&error))))
            }
        }
    }

    /// Whether the lock of a node is held on this connection.
    fn carries_lock(&self, (node, lane): Lane) -> bool {
        let lock = self.lock.as_ref().filter(|_| lane == MAIN);
        lock.is_some_and(|lock| lock.borrow().holds(node))
    }

    /// What must be so before anything is sent to a node by one that applies.
    fn may_send(&self, node: Address, commands: &[Command]) -> Result<(), CallError> {
        let Some(lock) = &self.lock else {
            return Ok(());
        };
        let lock = lock.borrow();
        match commands.iter().find(|command| !reads_only(command)) {
            _ if lock.holds(node) && lock.is_lost(node) => Err(CallError::LockLost),
            Some(command) if !lock.holds(node) => Err(CallError::NotHeld {
                command: command.to_string(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// Whatever the lock says: to take it.
    pub(super) async fn call_unheld(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        self.call_on((node, MAIN), commands, within).await
    }

    async fn call_on(
        &self,
        lane: Lane,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = Pipeline::with_capacity(commands.len());
        for command in commands {
            let mut packed = redis::Cmd::new();
            for arg in command.args() {
                packed.arg(arg.expose());
            }
            pipeline.add_command(packed);
        }
        let result = timeout_at(
            Instant::now() + within,
            self.exchange(lane, &pipeline, commands.len()),
        )
        .await;
        match result {
            Ok(Ok(values)) => Ok(values.into_iter().map(to_reply).collect()),
            Ok(Err(_)) if self.carries_lock(lane) => {
                if let Some(lock) = &self.lock {
                    let lock = lock.borrow();
                    lock.lost().send_modify(|lost| _ = lost.insert(lane.0));
                }
                Err(CallError::LockLost)
            }
            Ok(Err(error)) => {
                self.open.borrow_mut().remove(&lane);
                match error {
                    OpenError::Refused(words) => Ok(vec![Reply::Error(words); commands.len()]),
                    OpenError::Call(error) => Err(error),
                }
            }
            // A node that is slow still knows who holds its lock, and the library throws late replies away.
            Err(_) if self.carries_lock(lane) => Err(CallError::Timeout { after: within }),
            Err(_) => {
                self.open.borrow_mut().remove(&lane);
                Err(CallError::Timeout { after: within })
            }
        }
    }
}

impl Wire for Connections {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        self.may_send(node, commands)?;
        self.call_on((node, MAIN), commands, within).await
    }

    async fn call_abreast(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        self.may_send(node, commands)?;
        let each = commands.len().div_ceil(ABREAST).max(1);
        let parts = (MAIN..).zip(commands.chunks(each));
        let calls = parts.map(|(lane, part)| self.call_on((node, lane), part, within));
        let parts: Vec<Vec<Reply>> = try_join_all(calls).await?;
        Ok(parts.into_iter().flatten().collect())
    }
}

/// Whether something accepts TCP connections at an address, such as a bus port.
pub async fn accepts(node: Address, within: Duration) -> bool {
    matches!(
        timeout(within, tokio::net::TcpStream::connect(node.socket())).await,
        Ok(Ok(_))
    )
}

fn to_reply(value: Value) -> Reply {
    match value {
        Value::Nil => Reply::Nil,
        Value::Int(number) => Reply::Integer(number),
        Value::Boolean(yes) => Reply::Integer(i64::from(yes)),
        Value::BulkString(bytes) | Value::BigNumber(bytes) => String::from_utf8(bytes)
            .map_or_else(|error| Reply::Bytes(error.into_bytes()), Reply::Text),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => Reply::Text(text),
        Value::Okay => Reply::ok(),
        Value::Double(number) => Reply::Text(number.to_string()),
        Value::Array(parts) | Value::Set(parts) => {
            Reply::List(parts.into_iter().map(to_reply).collect())
        }
        Value::Map(pairs) => Reply::List(
            pairs
                .into_iter()
                .flat_map(|(key, value)| [to_reply(key), to_reply(value)])
                .collect(),
        ),
        Value::Attribute { data, .. } => to_reply(*data),
        Value::Push { data, .. } => Reply::List(data.into_iter().map(to_reply).collect()),
        Value::ServerError(error) => Reply::Error(match error.details() {
            Some(details) => format!("{} {details}", error.code()),
            None => error.code().to_owned(),
        }),
        _ => Reply::Nil,
    }
}

pub(super) fn to_error(error: &RedisError) -> CallError {
    let words = match error.is_connection_dropped() || error.is_io_error() {
        // The library keeps to itself how it ended.
        true if error.to_string() == "broken pipe" => {
            "it breaks off in the middle of an answer, or gives a longer one than rcl takes"
                .to_owned()
        }
        true | false => error.to_string(),
    };
    if matches!(
        error.kind(),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType
    ) {
        CallError::Protocol { words }
    } else {
        CallError::Unreachable { words }
    }
}
