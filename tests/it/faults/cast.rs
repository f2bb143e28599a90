//! Who plays which part in a story.

/// The node that something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Gives something away, or is the first to be formed.
    Giver,
    /// Takes it.
    Taker,
    /// Neither.
    Bystander,
}

impl Part {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Giver => "giver",
            Self::Taker => "taker",
            Self::Bystander => "bystander",
        }
    }
}
