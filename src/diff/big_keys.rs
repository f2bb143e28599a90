//! Keys that are too big to be moved beside clients.

use std::time::Duration;

use crate::base::NodeId;
use crate::observed::SizedKey;

use super::{Note, Pairing};

/// What a MIGRATE carries in a second, at least: a hash of many fields keeps its server busy for ten
/// milliseconds a megabyte, texts and lists for a part of that.
const BYTES_A_SECOND: u64 = 100_000_000;

/// How long a key may keep its source from serving anybody.
#[must_use]
fn stands_still(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / BYTES_A_SECOND)
}

/// A key that a MIGRATE of this limit may be too short for.
#[must_use]
pub fn big_key(
    pairing: &Pairing,
    source: NodeId,
    key: &SizedKey,
    limit: Duration,
    atomic: bool,
) -> Option<Note> {
    let takes = stands_still(key.bytes);
    let source = pairing.label(source);
    let servers = match atomic {
        true => "let the servers move the slots by themselves (`engine: auto`), ",
        false => "",
    };
    let rounded = |time: Duration| {
        humantime::format_duration(Duration::from_millis(
            u64::try_from(time.as_millis() / 100 * 100).unwrap_or(u64::MAX),
        ))
    };
    (takes > limit).then(|| Note {
        code: "big-key",
        subject: source.clone(),
        text: format!(
            "key {:?} of slot {} takes {} bytes: moving it may keep {source} from serving anybody for {}, and the move gives it {} (half the node timeout, 5 seconds at most). Before the move, {servers}raise cluster-node-timeout, or split the key.",
            key.name,
            key.slot,
            key.bytes,
            rounded(takes),
            rounded(limit),
        ),
    })
}
