//! Host names to addresses. Servers take literal addresses only, so rcl looks names up.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::timeout;

/// The addresses of a host, lowest first. A literal address is its own answer.
///
/// # Errors
/// When the name is unknown, or its look-up takes longer than `within`: the system's words.
pub async fn resolve(name: &str, within: Duration) -> Result<Vec<IpAddr>, String> {
    if let Ok(ip) = name.parse() {
        return Ok(vec![ip]);
    }
    match timeout(within, tokio::net::lookup_host((name, 0))).await {
        Ok(Ok(found)) => {
            let addresses: BTreeSet<IpAddr> = found.map(|socket| socket.ip()).collect();
            if addresses.is_empty() {
                Err(format!("{name} has no address"))
            } else {
                Ok(addresses.into_iter().collect())
            }
        }
        Ok(Err(error)) => Err(format!("can't look up {name}: {error}")),
        Err(_) => Err(format!(
            "can't look up {name}: no answer within {}",
            humantime::format_duration(within)
        )),
    }
}
