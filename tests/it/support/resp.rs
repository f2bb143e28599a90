//! A small blocking RESP2 client, so that the judges don't depend on rcl's own network code.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// A server on loopback answers in microseconds; only a stopped one takes this long.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Simple(String),
    Error(String),
    Integer(i64),
    Bulk(String),
    Nil,
    Array(Vec<Value>),
}

impl Value {
    /// The text of a simple or bulk string.
    #[track_caller]
    pub(crate) fn text(self) -> String {
        match self {
            Self::Simple(text) | Self::Bulk(text) => text,
            Self::Error(_) | Self::Integer(_) | Self::Nil | Self::Array(_) => {
                panic!("expected a text, got {self:?}")
            }
        }
    }

    #[track_caller]
    pub(crate) fn integer(self) -> i64 {
        match self {
            Self::Integer(number) => number,
            Self::Simple(_) | Self::Error(_) | Self::Bulk(_) | Self::Nil | Self::Array(_) => {
                panic!("expected an integer, got {self:?}")
            }
        }
    }

    #[track_caller]
    pub(crate) fn array(self) -> Vec<Self> {
        match self {
            Self::Array(values) => values,
            Self::Simple(_) | Self::Error(_) | Self::Integer(_) | Self::Bulk(_) | Self::Nil => {
                panic!("expected an array, got {self:?}")
            }
        }
    }
}

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::connect_within(address, TIMEOUT)
    }

    pub(crate) fn connect_within(address: SocketAddr, timeout: Duration) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        stream.set_read_timeout(Some(timeout))?;
        stream.set_write_timeout(Some(timeout))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// One command, one reply. An error reply is a value too.
    pub(crate) fn call(&mut self, argv: &[impl AsRef<str>]) -> io::Result<Value> {
        let words: Vec<&str> = argv.iter().map(AsRef::as_ref).collect();
        self.stream.get_mut().write_all(&encode(&words))?;
        self.read()
    }

    /// The same with words that are no text.
    pub(crate) fn call_raw(&mut self, argv: &[&[u8]]) -> io::Result<Value> {
        self.stream.get_mut().write_all(&encode(argv))?;
        self.read()
    }

    /// Several commands in one round trip.
    pub(crate) fn pipeline(&mut self, commands: &[&[&str]]) -> io::Result<Vec<Value>> {
        let bytes: Vec<u8> = commands.iter().flat_map(|argv| encode(argv)).collect();
        self.stream.get_mut().write_all(&bytes)?;
        commands.iter().map(|_| self.read()).collect()
    }

    fn read(&mut self) -> io::Result<Value> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        if line.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line.trim_end().split_at(1);
        match kind {
            "+" => Ok(Value::Simple(rest.to_owned())),
            "-" => Ok(Value::Error(rest.to_owned())),
            ":" => Ok(Value::Integer(number(rest)?)),
            "$" => self.read_bulk(number(rest)?),
            "*" => match number(rest)? {
                -1 => Ok(Value::Nil),
                count => (0..count)
                    .map(|_| self.read())
                    .collect::<io::Result<_>>()
                    .map(Value::Array),
            },
            other => Err(invalid(format!("unknown reply type {other:?}"))),
        }
    }

    fn read_bulk(&mut self, length: i64) -> io::Result<Value> {
        let Ok(length) = usize::try_from(length) else {
            return Ok(Value::Nil);
        };
        let mut bytes = vec![0; length + 2];
        self.stream.read_exact(&mut bytes)?;
        bytes.truncate(length);
        Ok(Value::Bulk(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

fn encode(argv: &[impl AsRef<[u8]>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", argv.len()).into_bytes();
    for argument in argv {
        let argument = argument.as_ref();
        bytes.extend(format!("${}\r\n", argument.len()).bytes());
        bytes.extend([argument, b"\r\n"].concat());
    }
    bytes
}

fn number(text: &str) -> io::Result<i64> {
    text.parse()
        .map_err(|_| invalid(format!("not a number: {text:?}")))
}

fn invalid(text: impl fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_string())
}
