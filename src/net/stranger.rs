//! What is at an address that takes connections and then breaks them off: the client library
//! keeps what it could not read to itself.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::base::Address;

use super::CallError;
use super::open::OpenError;
use super::tls::{self, TlsFault};

/// Longer than any server takes to refuse a stranger.
const WITHIN: Duration = Duration::from_secs(1);

/// How much of an answer is looked at.
const GLANCE: usize = 120;

/// The first characters of everything that these servers say, refusals left out.
const RESP: &[u8] = b"+:$*_,#!=%~>(|";

/// How a connection ends that the other side closes at once.
const BROKEN_OFF: [ErrorKind; 2] = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];

/// What was found there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stranger {
    /// The server's own words of refusal: protected mode, too many clients.
    Refusal(String),
    /// Its first line, in another protocol.
    OtherProtocol(String),
    /// It closed the connection without a word: nothing tells whether a server is behind it.
    Silent,
    /// It understands nothing but TLS.
    Tls,
    /// It answers as these servers do.
    Server,
}

impl Stranger {
    /// What it means for a connection that was broken off; nothing when it explains nothing.
    pub(super) fn into_error(self) -> Option<OpenError> {
        let words = match self {
            Self::Server => return None,
            Self::Refusal(words) => return Some(OpenError::Refused(words)),
            Self::OtherProtocol(line) => {
                let words = format!("it answers {line:?}, as no Redis or Valkey server does");
                return Some(OpenError::Call(CallError::Protocol { words }));
            }
            Self::Silent => {
                let words = "it closes the connection without a word, as a proxy does before a server that is down";
                return Some(OpenError::Call(CallError::Unreachable {
                    words: words.to_owned(),
                }));
            }
            Self::Tls => "it speaks nothing but TLS there",
        };
        Some(OpenError::Call(CallError::Tls {
            fault: TlsFault::OnlyTls,
            words: words.to_owned(),
        }))
    }
}

/// The first byte of an alert of TLS.
const ALERT: u8 = 0x15;

/// The first byte of an answer to a greeting of TLS.
const HANDSHAKE: u8 = 0x16;

/// Says PING and looks at what comes back; nothing when nothing does.
pub(super) async fn look(node: Address) -> Option<Stranger> {
    let ping = b"*1\r\n$4\r\nPING\r\n";
    let found = match timeout(WITHIN, first_bytes(node, ping)).await.ok()? {
        Ok(bytes) => judge(&bytes),
        Err(error) if BROKEN_OFF.contains(&error.kind()) => Some(Stranger::Silent),
        Err(_) => None,
    };
    match found {
        // Some servers say nothing to those who don't speak TLS.
        Some(Stranger::Silent) if speaks_tls(node).await => Some(Stranger::Tls),
        other => other,
    }
}

async fn speaks_tls(node: Address) -> bool {
    let Some(hello) = tls::hello(node.ip) else {
        return false;
    };
    let answer = timeout(WITHIN, first_bytes(node, &hello)).await;
    matches!(answer, Ok(Ok(bytes)) if matches!(bytes.first(), Some(&(ALERT | HANDSHAKE))))
}

async fn first_bytes(node: Address, request: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(node.socket()).await?;
    stream.write_all(request).await?;
    let mut bytes = vec![0; GLANCE];
    let length = stream.read(&mut bytes).await?;
    bytes.truncate(length);
    Ok(bytes)
}

fn judge(bytes: &[u8]) -> Option<Stranger> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().next().unwrap_or_default();
    match bytes.first() {
        None => Some(Stranger::Silent),
        Some(b'-') => Some(Stranger::Refusal(line[1..].to_owned())),
        Some(first) if RESP.contains(first) => Some(Stranger::Server),
        Some(&ALERT) => Some(Stranger::Tls),
        Some(_) => Some(Stranger::OtherProtocol(line.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_servers_from_strangers() {
        let other = |text: &str| Some(Stranger::OtherProtocol(text.to_owned()));
        for (bytes, expected) in [
            (&b""[..], Some(Stranger::Silent)),
            (b"+PONG\r\n", Some(Stranger::Server)),
            (b"\x15\x03\x01\0\x02\x02\x46", Some(Stranger::Tls)),
            (
                b"-DENIED Redis is running in protected mode\r\n",
                Some(Stranger::Refusal(
                    "DENIED Redis is running in protected mode".to_owned(),
                )),
            ),
            (
                b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
                other("HTTP/1.1 400 Bad Request"),
            ),
            (b"SSH-2.0-OpenSSH_9.2\r\n", other("SSH-2.0-OpenSSH_9.2")),
            (b"\xff\xfe", other("\u{fffd}\u{fffd}")),
        ] {
            assert_eq!(judge(bytes), expected, "{bytes:?}");
        }
    }
}
