//! Who runs rcl, for the lock and the journal.

use std::time::SystemTime;

use crate::base::Presence;
use crate::net::unique;

/// As others see it from now on.
pub(super) fn presence() -> Presence {
    let since = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    Presence::new(&user(), &host(), std::process::id(), &since, unique())
}

/// The name that the environment gives, else the user's number.
fn user() -> String {
    let named = ["USER", "LOGNAME"].into_iter().find_map(|variable| {
        let name = std::env::var(variable).ok()?;
        (!name.is_empty()).then_some(name)
    });
    named.unwrap_or_else(|| format!("uid{}", rustix::process::getuid().as_raw()))
}

fn host() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}
