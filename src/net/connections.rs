//! One plain TCP connection a node, opened when first needed and kept.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ErrorKind, IntoConnectionInfo, Pipeline,
    RedisError, Value,
};
use tokio::time::{Instant, timeout, timeout_at};

use crate::base::{Address, Command, Reply};

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
    open: RefCell<BTreeMap<Lane, MultiplexedConnection>>,
}

impl Connections {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    async fn connect(node: Address) -> Result<MultiplexedConnection, RedisError> {
        let address = ConnectionAddr::Tcp(node.ip.to_string(), node.port);
        // No CLIENT SETINFO: 6.2 and 7.0 don't know it, and it would cost a round trip.
        let info = address.into_connection_info()?;
        let settings = info.redis_settings().clone().set_skip_set_lib_name();
        let client = Client::open(info.set_redis_settings(settings))?;
        // The library's own limits are 1 s to connect and 0.5 s to answer; the caller's rule here.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn exchange(
        &self,
        lane: Lane,
        pipeline: &Pipeline,
        count: usize,
    ) -> Result<Vec<Value>, RedisError> {
        let known = self.open.borrow().get(&lane).cloned();
        let mut connection = match known {
            Some(connection) => connection,
            None => {
                let connection = Self::connect(lane.0).await?;
                self.open.borrow_mut().insert(lane, connection.clone());
                connection
            }
        };
        connection.req_packed_commands(pipeline, 0, count).await
    }

    async fn call_on(
        &self,
        lane: Lane,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        let (node, _) = lane;
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
        let known = self.open.borrow().contains_key(&lane);
        let result = timeout_at(
            Instant::now() + within,
            self.exchange(lane, &pipeline, commands.len()),
        )
        .await;
        match result {
            Ok(Ok(values)) => Ok(values.into_iter().map(to_reply).collect()),
            Ok(Err(error)) => {
                let opened = self.open.borrow_mut().remove(&lane).is_some();
                let stranger = match opened && !known {
                    true => stranger::look(node).await,
                    false => None,
                };
                match stranger {
                    Some(Stranger::Refusal(words)) => Ok(vec![Reply::Error(words); commands.len()]),
                    Some(Stranger::OtherProtocol(line)) => Err(CallError::Protocol {
                        words: format!("it answers {line:?}, as no Redis or Valkey server does"),
                    }),
                    Some(Stranger::Silent) => Err(CallError::Unreachable {
                        words: "it closes the connection without a word; perhaps it wants TLS"
                            .to_owned(),
                    }),
                    None => Err(to_error(&error)),
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

fn to_error(error: &RedisError) -> CallError {
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
