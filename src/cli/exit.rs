//! Exit codes, derived from the same values as the texts.

use crate::diff::{Diff, Difference, Severity, passes};

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// 0
    Fine,
    /// 1: unreadable file, unreachable nodes, declined, interrupted, deadline.
    Error,
    /// 2: changes are pending.
    Pending,
    /// 3: blocked, missing what no apply brings back, changed meanwhile, or nobody to ask.
    Blocked,
    /// 4: another apply holds the cluster.
    Held,
    /// 64: the command line makes no sense.
    Usage,
}

impl Exit {
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Error => 1,
            Self::Pending => 2,
            Self::Blocked => 3,
            Self::Held => 4,
            Self::Usage => 64,
        }
    }

    /// What a diff amounts to. Something blocked, a node that is down and a link that is down
    /// weigh more than changes that an apply would make.
    #[must_use]
    pub fn of_diff(diff: &Diff) -> Self {
        if diff
            .blocked
            .iter()
            .any(|blocked| blocked.severity == Severity::Error)
        {
            Self::Error
        } else if !diff.blocked.is_empty() || diff.differences.iter().any(Difference::is_loss) {
            Self::Blocked
        } else if !diff.differences.is_empty() {
            Self::Pending
        } else {
            Self::Fine
        }
    }

    /// What a diff says of the cluster as it is: an outage doesn't wait, though an apply may end it. And marks and keys
    /// that an apply under way has just on their way are nothing for a person.
    #[must_use]
    pub fn of_state(diff: &Diff, applying: bool) -> Self {
        let exit = Self::of_diff(diff);
        let down = diff.differences.iter().any(Difference::is_loss);
        match exit {
            Self::Pending if !diff.unserved.slots.is_empty() => Self::Blocked,
            Self::Blocked
                if applying
                    && !down
                    && diff.unserved.slots.is_empty()
                    && diff.blocked.iter().all(|blocked| passes(blocked.code)) =>
            {
                Self::Pending
            }
            Self::Fine | Self::Error | Self::Pending | Self::Blocked | Self::Held | Self::Usage => {
                exit
            }
        }
    }

    /// Of several files: the first of 1, 4, 3, 2, 0 that is present.
    #[must_use]
    pub fn worst(exits: impl IntoIterator<Item = Self>) -> Self {
        let rank = |exit: &Self| match exit {
            Self::Fine => 0,
            Self::Pending => 1,
            Self::Blocked => 2,
            Self::Held => 3,
            Self::Error => 4,
            Self::Usage => 5,
        };
        exits.into_iter().max_by_key(rank).unwrap_or(Self::Fine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_files_wins() {
        use Exit::{Blocked, Error, Fine, Held, Pending};
        for (exits, worst) in [
            (vec![], Fine),
            (vec![Fine, Pending], Pending),
            (vec![Blocked, Pending, Fine], Blocked),
            (vec![Blocked, Held], Held),
            (vec![Held, Error, Blocked], Error),
        ] {
            assert_eq!(Exit::worst(exits.clone()), worst, "{exits:?}");
        }
    }
}
