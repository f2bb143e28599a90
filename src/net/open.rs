//! Opens a connection to a node: TCP, TLS where it is asked for, and the login.
//!
//! The login is done here and not by the client library: the server's own words decide what people are told,
//! and the library keeps them to itself.

use std::io;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::client::TlsStream;
use zeroize::Zeroizing;

use crate::base::{Address, Command, Login};

use super::CallError;
use super::access::Access;
use super::connections::to_error;
use super::limit::Limited;
use super::stranger::{self, Stranger};
use super::tls::{Tls, TlsFault, fault};

/// After this long without an end of the handshake it is looked whether the server speaks TLS at all: one that
/// doesn't waits for more.
const DOUBTFUL_AFTER: Duration = Duration::from_millis(500);

/// Longer than any answer to a login.
const LONGEST_ANSWER: usize = 512;

/// Why there is no connection.
#[derive(Debug)]
pub(super) enum OpenError {
    Call(CallError),
    /// The server's own words.
    Refused(String),
}

/// Opens it for whoever says what it is to be beyond that: the protocol, and who hears what is pushed.
pub(super) async fn open(
    node: Address,
    access: &Access,
    settings: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, OpenError> {
    let stream = TcpStream::connect(node.socket())
        .await
        .map_err(|error| unreachable(&error))?;
    // Commands are small, and each is waited for.
    stream
        .set_nodelay(true)
        .map_err(|error| unreachable(&error))?;
    match (&access.tls, &access.login) {
        (None, None) => over(stream, settings, config).await,
        (None, Some(login)) => {
            let mut stream = stream;
            match greet(&mut stream, Some(login)).await {
                Ok(answer) => accepted(&answer)?,
                Err(error) => return Err(who_is_there(node, &error).await),
            }
            over(stream, settings, config).await
        }
        (Some(tls), login) => {
            let mut stream = encrypted(tls, stream, node).await?;
            // With TLS 1.3 a server tells only now what it thinks of rcl's certificate.
            let greeted = greet(&mut stream, login.as_ref()).await;
            let answer = greeted.map_err(|error| after_handshake(&error))?;
            if login.is_some() {
                accepted(&answer)?;
            }
            over(stream, settings, config).await
        }
    }
}

/// What connections of one request at a time are like.
pub(super) fn plain_settings() -> RedisConnectionInfo {
    // No CLIENT SETINFO: 6.2 and 7.0 don't know it, and it would cost a round trip.
    RedisConnectionInfo::default().set_skip_set_lib_name()
}

/// The library's own limits are 1 s to connect and 0.5 s to answer; the caller's rule here.
pub(super) fn without_limits() -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(None)
        .set_response_timeout(None)
}

async fn over<S>(
    stream: S,
    settings: &RedisConnectionInfo,
    config: AsyncConnectionConfig,
) -> Result<MultiplexedConnection, OpenError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Limited::new(stream);
    let made = MultiplexedConnection::new_with_config(settings, stream, config).await;
    let (connection, driver) = made.map_err(|error| OpenError::Call(to_error(&error)))?;
    // Ends with the connection.
    tokio::spawn(driver);
    Ok(connection)
}

/// The handshake. Where it doesn't come to an end, the other side is asked without TLS: for nothing that is a secret.
async fn encrypted(
    tls: &Tls,
    stream: TcpStream,
    node: Address,
) -> Result<TlsStream<TcpStream>, OpenError> {
    let handshake = tls.connect(stream, node.ip);
    let doubt = async {
        sleep(DOUBTFUL_AFTER).await;
        match speaks_plain(node).await {
            true => (),
            // The handshake may just be slow; the caller's limit is near enough.
            false => std::future::pending().await,
        }
    };
    tokio::select! {
        made = handshake => match made {
            Ok(stream) => Ok(stream),
            Err(error) => Err(no_handshake(node, &error).await),
        },
        () = doubt => Err(no_tls()),
    }
}

async fn no_handshake(node: Address, error: &io::Error) -> OpenError {
    match fault(error) {
        Some((fault @ (TlsFault::NoTls | TlsFault::Other), words)) => {
            match speaks_plain(node).await {
                true => no_tls(),
                false => broken(fault, words),
            }
        }
        Some((fault, words)) => broken(fault, words),
        None if speaks_plain(node).await => no_tls(),
        None => unreachable(error),
    }
}

/// A server that wants a certificate of rcl closes the connection, and not every one says why.
fn after_handshake(error: &io::Error) -> OpenError {
    match fault(error) {
        Some((fault, words)) => broken(fault, words),
        None => broken(
            TlsFault::Identity,
            format!(
                "it closes the connection after the TLS handshake, as servers do that want another client certificate, or one at all ({error})"
            ),
        ),
    }
}

fn no_tls() -> OpenError {
    broken(TlsFault::NoTls, "it answers without TLS".to_owned())
}

fn broken(fault: TlsFault, words: String) -> OpenError {
    OpenError::Call(CallError::Tls { fault, words })
}

fn unreachable(error: &io::Error) -> OpenError {
    OpenError::Call(CallError::Unreachable {
        words: error.to_string(),
    })
}

async fn speaks_plain(node: Address) -> bool {
    matches!(
        stranger::look(node).await,
        Some(Stranger::Refusal(_) | Stranger::Server)
    )
}

/// Why a login got no answer.
async fn who_is_there(node: Address, error: &io::Error) -> OpenError {
    match stranger::look(node).await {
        Some(stranger) => stranger.into_error().unwrap_or_else(|| unreachable(error)),
        None => unreachable(error),
    }
}

/// Says who rcl is, or only something, and returns the line that is answered.
async fn greet<S>(stream: &mut S, login: Option<&Login>) -> io::Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let command = match login {
        Some(login) => Command::auth(login),
        None => Command::new("PING"),
    };
    let mut packed = redis::Cmd::new();
    for arg in command.args() {
        packed.arg(arg.expose());
    }
    let bytes = Zeroizing::new(packed.get_packed_command());
    stream.write_all(&bytes).await?;
    stream.flush().await?;
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < LONGEST_ANSWER {
        line.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

fn accepted(answer: &str) -> Result<(), OpenError> {
    match answer.strip_prefix('-') {
        Some(words) => Err(OpenError::Refused(words.to_owned())),
        None if answer.starts_with('+') => Ok(()),
        None => Err(Stranger::OtherProtocol(answer.to_owned())
            .into_error()
            .unwrap_or_else(|| OpenError::Refused(answer.to_owned()))),
    }
}
