//! What a server answered, free of the client library's types.

/// One reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Integer(i64),
    /// Simple and bulk strings; bytes that are not UTF-8 are replaced.
    Text(String),
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
            Self::Nil | Self::Integer(_) | Self::List(_) | Self::Error(_) => None,
        }
    }

    #[must_use]
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Nil | Self::Text(_) | Self::List(_) | Self::Error(_) => None,
        }
    }

    #[must_use]
    pub fn as_error(&self) -> Option<&str> {
        match self {
            Self::Error(words) => Some(words),
            Self::Nil | Self::Integer(_) | Self::Text(_) | Self::List(_) => None,
        }
    }
}
