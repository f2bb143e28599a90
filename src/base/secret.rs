//! A value that must never be seen.

use std::fmt;

use zeroize::Zeroizing;

/// A password or the like: masked in every rendering, wiped when dropped.
/// It has no `Serialize` on purpose, so that it can't enter a saved file.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// What a secret prints as, wherever one is printed.
    pub const MASK: &'static str = "********";

    #[must_use]
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for the wire and for comparing with what a server answers.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Who rcl says it is to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Without it the default user.
    pub user: Option<String>,
    pub password: Secret,
}

impl Login {
    /// The servers' name of the user.
    #[must_use]
    pub fn user(&self) -> &str {
        self.user.as_deref().unwrap_or(Self::DEFAULT_USER)
    }

    /// Who everybody is that doesn't log in.
    pub const DEFAULT_USER: &'static str = "default";
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}
