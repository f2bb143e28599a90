//! One connection a node, opened when first needed and kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{ErrorKind, Pipeline, RedisError, Value};
use tokio::time::{Instant, timeout, timeout_at};

use crate::base::{Address, Command, Reply};

use super::access::Keyring;
use super::open::{OpenError, open, plain_settings, without_limits};
use super::stranger::{self, Stranger};
use super::{CallError, Wire};

/// How many connections a node gets for commands that wait: a server then waits for all of them
/// at once.
const LANES: usize = 16;

/// A node and the number of the connection to it; the first one serves all but commands abreast.
type Lane = (Address, usize);

/// The connections of one run.
#[derive(Default)]
pub struct Connections {
    keyring: Keyring,
    open: RefCell<BTreeMap<Lane, MultiplexedConnection>>,
}

impl Connections {
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self {
            keyring,
            ..Self::default()
        }
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
        let mut connection = open(node, &access, &plain_settings(), without_limits()).await?;
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
            Ok(Err(error)) => {
                self.open.borrow_mut().remove(&lane);
                match error {
                    OpenError::Refused(words) => Ok(vec![Reply::Error(words); commands.len()]),
                    OpenError::Call(error) => Err(error),
                }
            }
            Err(_) => {
                // Replies that come later would be taken for those of the next call.
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
        self.call_on((node, 0), commands, within).await
    }

    async fn call_abreast(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        let each = commands.len().div_ceil(LANES).max(1);
        let parts = (0..).zip(commands.chunks(each));
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
    let words = error.to_string();
    if matches!(
        error.kind(),
        ErrorKind::Parse | ErrorKind::UnexpectedReturnType
    ) {
        CallError::Protocol { words }
    } else {
        CallError::Unreachable { words }
    }
}
