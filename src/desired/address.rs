//! The addresses of the file: `host1:7000`, `[::1]:7000`, a host's address, an announced one.
//!
//! Each parser returns the value, or the mistake with what to write instead.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::finding::quoted;
use super::{Announce, HostAddress, HostName};

/// A message and what to write instead.
pub(super) type Mistake = (String, String);

/// The longest DNS name.
const MAX_DNS_NAME: usize = 253;

/// A node as the file names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeAddress {
    pub(super) host: NodeHost,
    pub(super) port: u16,
}

/// What stands before the port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NodeHost {
    Named(HostName),
    /// An address without an entry under `hosts`.
    Bare(IpAddr),
}

/// A node by the address of its host: `10.0.0.1:7000`, `redis1.example.net:7000`, `[::1]:7000`.
///
/// # Errors
/// What is wrong, and what to write instead.
pub fn dialled_node(text: &str) -> Result<(HostAddress, u16), (String, String)> {
    let NodeAddress { host, port } = node_address(text)?;
    let address = match host {
        NodeHost::Bare(ip) => HostAddress::Ip(ip.to_canonical()),
        NodeHost::Named(HostName(name)) => host_address(&name)?,
    };
    Ok((address, port))
}

/// Letters, digits, `.`, `_` and `-`.
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_' | '-'))
}

/// A port from 1 to 65535, written without sign or leading zero.
pub(super) fn port(text: &str) -> Option<u16> {
    let port: u16 = text.parse().ok()?;
    (port > 0 && port.to_string() == text).then_some(port)
}

fn wrong_port(text: &str) -> Mistake {
    let message = if text.is_empty() {
        "the port is missing".to_owned()
    } else {
        format!("{} is not a port", quoted(text))
    };
    (message, "write a number from 1 to 65535".to_owned())
}

/// `host1:7000`, `10.0.0.1:7000`, `[::1]:7000`.
pub(super) fn node_address(text: &str) -> Result<NodeAddress, Mistake> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        // `fd00::1:7000` is an address as a whole, but the end was probably meant as the port.
        let help = match text.rsplit_once(':') {
            Some((host, end)) if host.parse::<Ipv6Addr>().is_ok() && port(end).is_some() => {
                format!("write \"[{host}]:{end}\" if {end} is the port")
            }
            Some(_) | None => format!("write {}", with_port(ip, "7000")),
        };
        return Err((format!("the node {} has no port", quoted(text)), help));
    }
    let Some((host, port_text)) = text.rsplit_once(':') else {
        return Err((
            format!("the node {} has no port", quoted(text)),
            "write the host and the port, such as host1:7000".to_owned(),
        ));
    };
    let port = port(port_text).ok_or_else(|| wrong_port(port_text))?;
    let host = if let Some(inner) = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let ip: Ipv6Addr = inner.parse().map_err(|_| {
            (
                format!("{} is not an IPv6 address", quoted(inner)),
                "write an address such as \"[fd00::1]:7000\", or the name of a host without brackets"
                    .to_owned(),
            )
        })?;
        NodeHost::Bare(IpAddr::V6(ip))
    } else if let Ok(ip) = host.parse::<Ipv6Addr>() {
        return Err((
            format!("the address in {} has no brackets", quoted(text)),
            format!("write {}", with_port(IpAddr::V6(ip), port_text)),
        ));
    } else if let Ok(ip) = host.parse::<IpAddr>() {
        NodeHost::Bare(ip)
    } else if is_name(host) {
        NodeHost::Named(HostName(host.to_owned()))
    } else {
        return Err((
            format!("{} is not the name of a host", quoted(host)),
            "write the name of an entry under `hosts`, or an address".to_owned(),
        ));
    };
    if let NodeHost::Bare(ip) = host {
        dialled(ip)?;
    }
    Ok(NodeAddress { host, port })
}

/// As it has to be written in YAML.
fn with_port(ip: IpAddr, port: &str) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{ip}:{port}"),
        IpAddr::V6(ip) => format!("\"[{ip}]:{port}\""),
    }
}

/// A host's address: an IP address or a DNS name.
pub(super) fn host_address(text: &str) -> Result<HostAddress, Mistake> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    if let Ok(ip) = bare.parse::<IpAddr>() {
        dialled(ip)?;
        return Ok(HostAddress::Ip(ip));
    }
    if let Some((host, port_text)) = text.rsplit_once(':')
        && port(port_text).is_some()
        && (host.parse::<IpAddr>().is_ok() || is_dns_name(host))
    {
        return Err((
            format!("the address {} has a port", quoted(text)),
            format!("write {host} here, ports belong to the nodes"),
        ));
    }
    let numeric = text
        .chars()
        .all(|letter| letter.is_ascii_digit() || letter == '.');
    if numeric || !is_dns_name(text) {
        return Err((
            format!("{} is not an address", quoted(text)),
            "write an IP address, or a DNS name such as redis1.example.net".to_owned(),
        ));
    }
    Ok(HostAddress::Dns(text.to_owned()))
}

/// An address that can be dialled and told to others.
fn dialled(ip: IpAddr) -> Result<(), Mistake> {
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    if ip.is_unspecified() || ip.is_multicast() || broadcast {
        return Err((
            format!("{ip} is no address of a single host"),
            "write the address under which the others reach it".to_owned(),
        ));
    }
    Ok(())
}

pub(super) fn is_dns_name(text: &str) -> bool {
    let name = text.strip_suffix('.').unwrap_or(text);
    !name.is_empty()
        && name.len() <= MAX_DNS_NAME
        && name.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// What servers take for `cluster-announce-hostname`: letters, digits, `-` and `.`.
pub fn is_announced_hostname(text: &str) -> bool {
    is_dns_name(text) && !text.contains('_')
}

/// `203.0.113.7`, `203.0.113.7:7002`, `203.0.113.7:7002@17002`, `[2001:db8::1]:7002@17002`.
pub(super) fn announce(text: &str) -> Result<Announce, Mistake> {
    let (address, bus_port) = match text.rsplit_once('@') {
        Some((address, bus)) => (address, Some(port(bus).ok_or_else(|| wrong_port(bus))?)),
        None => (text, None),
    };
    if let Ok(ip) = address.parse::<Ipv6Addr>() {
        return Err((
            format!("the address in {} has no brackets", quoted(text)),
            format!(
                "write \"[{ip}]\", or with the port {}",
                with_port(ip.into(), "7000")
            ),
        ));
    }
    let (host, client_port) = match address.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => {
            (host, Some(port(number).ok_or_else(|| wrong_port(number))?))
        }
        Some(_) | None => (address, None),
    };
    let bracketed = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    let ip = match bracketed {
        Some(inner) => inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        None => host.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
    };
    let Some(ip) = ip else {
        let help = if is_dns_name(host) {
            "write an IP address; a name is announced by `hostname`"
        } else {
            "write an IP address, IPv6 in brackets, and the ports if they differ: \
             \"203.0.113.7:7000@17000\""
        };
        return Err((
            format!("{} is not an IP address", quoted(host)),
            help.to_owned(),
        ));
    };
    dialled(ip)?;
    Ok(Announce {
        ip,
        port: client_port,
        bus_port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(result: Result<String, Mistake>) -> String {
        match result {
            Ok(value) => value,
            Err((message, help)) => format!("{message} => {help}"),
        }
    }

    #[test]
    fn reads_nodes() {
        let mut lines = Vec::new();
        for text in [
            "host1:7000",
            "rack-1.host_2:65535",
            "10.0.0.1:7000",
            "[::1]:7000",
            "::1",
            "10.0.0.1",
            "fd00::1:7000",
            "fd00:0:0:0:0:0:0:1:7000",
            "host1",
            "host1:",
            "host1:0",
            "host1:65536",
            "host1:07000",
            "host1:+7000",
            "host 1:7000",
            ":7000",
            "[host1]:7000",
            "0.0.0.0:7000",
            "[ff02::1]:7000",
            "",
        ] {
            let node = node_address(text).map(|node| format!("{:?} {}", node.host, node.port));
            lines.push(format!("{text}: {}", shown(node)));
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        host1:7000: Named(HostName("host1")) 7000
        rack-1.host_2:65535: Named(HostName("rack-1.host_2")) 65535
        10.0.0.1:7000: Bare(10.0.0.1) 7000
        [::1]:7000: Bare(::1) 7000
        ::1: the node `::1` has no port => write "[::1]:7000"
        10.0.0.1: the node `10.0.0.1` has no port => write 10.0.0.1:7000
        fd00::1:7000: the node `fd00::1:7000` has no port => write "[fd00::1]:7000" if 7000 is the port
        fd00:0:0:0:0:0:0:1:7000: the address in `fd00:0:0:0:0:0:0:1:7000` has no brackets => write "[fd00::1]:7000"
        host1: the node `host1` has no port => write the host and the port, such as host1:7000
        host1:: the port is missing => write a number from 1 to 65535
        host1:0: `0` is not a port => write a number from 1 to 65535
        host1:65536: `65536` is not a port => write a number from 1 to 65535
        host1:07000: `07000` is not a port => write a number from 1 to 65535
        host1:+7000: `+7000` is not a port => write a number from 1 to 65535
        host 1:7000: `host 1` is not the name of a host => write the name of an entry under `hosts`, or an address
        :7000: `` is not the name of a host => write the name of an entry under `hosts`, or an address
        [host1]:7000: `host1` is not an IPv6 address => write an address such as "[fd00::1]:7000", or the name of a host without brackets
        0.0.0.0:7000: 0.0.0.0 is no address of a single host => write the address under which the others reach it
        [ff02::1]:7000: ff02::1 is no address of a single host => write the address under which the others reach it
        : the node `` has no port => write the host and the port, such as host1:7000
        "#);
    }

    #[test]
    fn reads_host_addresses() {
        let mut lines = Vec::new();
        for text in [
            "10.0.0.1",
            "::1",
            "[::1]",
            "redis1.example.net",
            "redis1.example.net.",
            "localhost",
            "10.0.0.256",
            "10.0.0",
            "10.0.0.1:7000",
            "redis1:7000",
            "fe80::1%eth0",
            "-a.example.net",
            "a..b",
            "host name",
            "0.0.0.0",
            "255.255.255.255",
        ] {
            let address = host_address(text).map(|address| format!("{address:?}"));
            lines.push(format!("{text}: {}", shown(address)));
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        10.0.0.1: Ip(10.0.0.1)
        ::1: Ip(::1)
        [::1]: Ip(::1)
        redis1.example.net: Dns("redis1.example.net")
        redis1.example.net.: Dns("redis1.example.net.")
        localhost: Dns("localhost")
        10.0.0.256: `10.0.0.256` is not an address => write an IP address, or a DNS name such as redis1.example.net
        10.0.0: `10.0.0` is not an address => write an IP address, or a DNS name such as redis1.example.net
        10.0.0.1:7000: the address `10.0.0.1:7000` has a port => write 10.0.0.1 here, ports belong to the nodes
        redis1:7000: the address `redis1:7000` has a port => write redis1 here, ports belong to the nodes
        fe80::1%eth0: `fe80::1%eth0` is not an address => write an IP address, or a DNS name such as redis1.example.net
        -a.example.net: `-a.example.net` is not an address => write an IP address, or a DNS name such as redis1.example.net
        a..b: `a..b` is not an address => write an IP address, or a DNS name such as redis1.example.net
        host name: `host name` is not an address => write an IP address, or a DNS name such as redis1.example.net
        0.0.0.0: 0.0.0.0 is no address of a single host => write the address under which the others reach it
        255.255.255.255: 255.255.255.255 is no address of a single host => write the address under which the others reach it
        "#);
    }

    #[test]
    fn reads_announced_addresses() {
        let mut lines = Vec::new();
        for text in [
            "203.0.113.7",
            "203.0.113.7:7002",
            "203.0.113.7:7002@17002",
            "203.0.113.7@17002",
            "2001:db8::1",
            "[2001:db8::1]",
            "[2001:db8::1]:7002@17002",
            "2001:db8::1:7002",
            "2001:db8:0:0:0:0:0:1:7002",
            "redis1.example.net:7000",
            "203.0.113.7:7002@",
            "203.0.113.7:x",
            "0.0.0.0",
            "",
        ] {
            let announced = announce(text).map(|announce| {
                format!(
                    "{} {:?} {:?}",
                    announce.ip, announce.port, announce.bus_port
                )
            });
            lines.push(format!("{text}: {}", shown(announced)));
        }
        insta::assert_snapshot!(lines.join("\n"), @r#"
        203.0.113.7: 203.0.113.7 None None
        203.0.113.7:7002: 203.0.113.7 Some(7002) None
        203.0.113.7:7002@17002: 203.0.113.7 Some(7002) Some(17002)
        203.0.113.7@17002: 203.0.113.7 None Some(17002)
        2001:db8::1: the address in `2001:db8::1` has no brackets => write "[2001:db8::1]", or with the port "[2001:db8::1]:7000"
        [2001:db8::1]: 2001:db8::1 None None
        [2001:db8::1]:7002@17002: 2001:db8::1 Some(7002) Some(17002)
        2001:db8::1:7002: the address in `2001:db8::1:7002` has no brackets => write "[2001:db8::1:7002]", or with the port "[2001:db8::1:7002]:7000"
        2001:db8:0:0:0:0:0:1:7002: `2001:db8:0:0:0:0:0:1` is not an IP address => write an IP address, IPv6 in brackets, and the ports if they differ: "203.0.113.7:7000@17000"
        redis1.example.net:7000: `redis1.example.net` is not an IP address => write an IP address; a name is announced by `hostname`
        203.0.113.7:7002@: the port is missing => write a number from 1 to 65535
        203.0.113.7:x: `x` is not a port => write a number from 1 to 65535
        0.0.0.0: 0.0.0.0 is no address of a single host => write the address under which the others reach it
        : `` is not an IP address => write an IP address, IPv6 in brackets, and the ports if they differ: "203.0.113.7:7000@17000"
        "#);
    }
}
