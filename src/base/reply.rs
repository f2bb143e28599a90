//! What a server answered, free of the client library's types.

/// One reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Integer(i64),
    /// Simple and bulk strings.
    Text(String),
    /// A bulk string that is not UTF-8, as keys may be.
    Bytes(Vec<u8>),
    List(Vec<Reply>),
    /// The server's own words, its code first: `ERR Unknown node …`.
    Error(String),
}

impl Reply {
    #[must_use]
    pub fn ok() -> Self {
        Self::Text("OK".to_owned())
    }

    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Nil | Self::Integer(_) | Self::Bytes(_) | Self::List(_) | Self::Error(_) => None,
        }
    }

    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Nil | Self::Text(_) | Self::Bytes(_) | Self::List(_) | Self::Error(_) => None,
        }
    }

    /// An integer that can be a number of keys or of bytes. No server has so many as it takes to overflow the sum of
    /// all that it is asked for.
    #[must_use]
    pub fn as_count(&self) -> Option<u64> {
        const MOST: u64 = 1 << 44;
        let count = u64::try_from(self.as_integer()?).ok()?;
        (count <= MOST).then_some(count)
    }

    #[must_use]
    pub fn as_error(&self) -> Option<&str> {
        match self {
            Self::Error(words) => Some(words),
            Self::Nil | Self::Integer(_) | Self::Text(_) | Self::Bytes(_) | Self::List(_) => None,
        }
    }

    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        match self {
            Self::List(parts) => Some(parts),
            Self::Nil | Self::Integer(_) | Self::Text(_) | Self::Bytes(_) | Self::Error(_) => None,
        }
    }

    /// The bytes of a string, as a key's name must be kept.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text.as_bytes()),
            Self::Bytes(bytes) => Some(bytes),
            Self::Nil | Self::Integer(_) | Self::List(_) | Self::Error(_) => None,
        }
    }

    /// The reply as text to read: bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn legible(self) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Text(String::from_utf8_lossy(&bytes).into_owned()),
            Self::List(parts) => Self::List(parts.into_iter().map(Self::legible).collect()),
            Self::Nil | Self::Integer(_) | Self::Text(_) | Self::Error(_) => self,
        }
    }
}
