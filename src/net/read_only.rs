//! The guard of the commands that only look: anything that isn't on the list isn't sent.

use std::time::Duration;

use crate::base::{Address, Command, LOOKING, Reply, SAMPLING};

use super::{CallError, Wire};

/// Passes questions on and refuses everything else.
pub struct ReadOnly<'a, W>(pub &'a W);

impl<W: Wire> Wire for ReadOnly<'_, W> {
    async fn call(
        &self,
        node: Address,
        commands: &[Command],
        within: Duration,
    ) -> Result<Vec<Reply>, CallError> {
        match commands.iter().find(|command| !reads_only(command)) {
            Some(command) => Err(CallError::NotReadOnly {
                command: command.to_string(),
            }),
            None => self.0.call(node, commands, within).await,
        }
    }
}

/// Whether a command is one of those.
pub(super) fn reads_only(command: &Command) -> bool {
    let mut rights = LOOKING.iter().chain(&SAMPLING);
    rights.any(|right| right.covers(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lets_questions_pass_and_nothing_else() {
        for (text, allowed) in [
            ("CLUSTER NODES", true),
            ("cluster info", true),
            ("CONFIG GET cluster-*", true),
            ("CLUSTER COUNTKEYSINSLOT 7", true),
            ("FUNCTION LIST WITHCODE", true),
            ("ACL USERS", true),
            ("ACL LIST", false),
            ("FUNCTION LOAD x", false),
            ("MEMORY USAGE key", true),
            ("MEMORY PURGE", false),
            ("CONFIG SET cluster-node-timeout 1", false),
            ("CLUSTER MEET 127.0.0.1 7000", false),
            ("CLUSTER", false),
            ("CONFIG", false),
            ("CLUSTER RESET", false),
            ("ACL DRYRUN rcl CLUSTER MEET", true),
            ("ACL SETUSER rcl on", false),
            ("DEBUG SLEEP 1", false),
            ("MULTI", false),
            ("PUBSUB CHANNELS rcl.lock.*", true),
            ("SUBSCRIBE rcl.lock.x", false),
        ] {
            assert_eq!(reads_only(&Command::new(text)), allowed, "{text}");
        }
    }
}
