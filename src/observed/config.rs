//! The replies of CONFIG GET: pairs of option and value.

use std::collections::BTreeMap;

use crate::base::Reply;

/// The pairs of a reply; `None` when it is no list of pairs. RESP3 servers answer with a
/// map, which arrives here as the same flat list.
#[must_use]
pub(super) fn parse(reply: &Reply) -> Option<BTreeMap<String, String>> {
    let Reply::List(parts) = reply else {
        return None;
    };
    let (pairs, []) = parts.as_chunks::<2>() else {
        return None;
    };
    pairs
        .iter()
        .map(|[name, value]| {
            Some((
                name.as_text()?.to_ascii_lowercase(),
                value.as_text()?.to_owned(),
            ))
        })
        .collect()
}
