//! The text of a node's `redis.conf`: every line known to Redis 6.2 and all later servers, unless the file declares more.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use super::quote::option_lines;
use super::{ConfError, Layout, Secrets, secrets_of, wire_value};
use crate::base::{BusAddress, Login};
use crate::desired::{Access, Desired, HostAddress, Node, SecretSource, Setting};

/// What belongs to a single node and so can't be declared: two nodes that share one of these spoil each other's data.
const PLACED: [&str; 12] = [
    "cluster-announce-bus-port",
    "cluster-announce-hostname",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-config-file",
    "cluster-enabled",
    "daemonize",
    "dir",
    "logfile",
    "pidfile",
    "port",
    "supervised",
];

/// Options that show that a node asks for a password.
const PASSWORDS: [&str; 3] = ["aclfile", "masterauth", "requirepass"];

pub(super) fn conf(
    desired: &Desired,
    node: &Node,
    layout: &Layout,
    folder: &Path,
) -> Result<String, ConfError> {
    if let Some(option) = node
        .config
        .keys()
        .find(|key| PLACED.contains(&key.as_str()))
    {
        return Err(ConfError::Placed {
            node: node.name.clone(),
            option: option.clone(),
        });
    }
    let mut text = Text::default();
    text.paragraph(&format!(
        "Node {} of cluster {}, written by `rcl conf`. The server rewrites this file itself when it is told to (CONFIG \
         REWRITE), so the server's user needs the right to write it and its folder.",
        node.name, desired.cluster
    ));
    listening(&mut text, desired, node);
    text.gap();
    text.option("dir", &folder.to_string_lossy());
    text.option("logfile", &folder.join("redis.log").to_string_lossy());
    text.gap();
    text.option("cluster-enabled", "yes");
    text.option("cluster-config-file", &format!("nodes-{}.conf", node.port));
    announced(&mut text, desired, node, layout);
    declared(&mut text, node);
    secrets(&mut text, desired, node, layout);
    Ok(text.0)
}

/// The addresses and ports that the server listens on, and who may use them.
fn listening(text: &mut Text, desired: &Desired, node: &Node) {
    text.gap();
    let access = desired.access_of(node);
    match access.tls {
        None => text.option("port", &node.port.to_string()),
        Some(_) => tls(text, node),
    }
    let address = desired.host_of(node).map(|host| &host.address);
    if !node.config.contains_key("bind") {
        text.gap();
        bind(text, address);
    }
    let on_loopback = matches!(address, Some(HostAddress::Ip(ip)) if ip.is_loopback());
    if !on_loopback && !node.config.contains_key("protected-mode") {
        text.gap();
        protected_mode(text, node, access);
    }
}

/// The file says that rcl speaks TLS, so the node's port is the one for TLS, and there is no other.
fn tls(text: &mut Text, node: &Node) {
    text.paragraph(
        "Clients, peers and replicas speak TLS. The server wants a certificate of each client unless tls-auth-clients \
         says otherwise.",
    );
    text.option("port", "0");
    text.option("tls-port", &node.port.to_string());
    for option in ["tls-cluster", "tls-replication"] {
        if !node.config.contains_key(option) {
            text.option(option, "yes");
        }
    }
    if !node.config.contains_key("tls-cert-file") {
        text.paragraph(
            "Without these three the server does not start: tls-ca-cert-file, tls-cert-file and tls-key-file. Declare \
             them under `config`, or write them here.",
        );
    }
}

fn bind(text: &mut Text, address: Option<&HostAddress>) {
    let ip = match address {
        Some(HostAddress::Ip(ip)) => ip,
        Some(HostAddress::Dns(name)) => {
            text.paragraph(&format!(
                "No `bind`: the file names the host as {name}, and a server takes only addresses here. So it listens on \
                 all of the host's. To narrow that, write: bind ADDRESS 127.0.0.1"
            ));
            return;
        }
        None => return,
    };
    if ip.is_loopback() {
        text.option("bind", &ip.to_string());
        return;
    }
    let loopback = match ip {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::LOCALHOST),
    };
    text.paragraph(
        "The host's own address stands first: Redis 6.2 dials its peers from the first one, and a peer takes the address \
         that it is dialled from for the node's.",
    );
    text.option("bind", &format!("{ip} {loopback}"));
}

/// The servers from Redis 7.0 on, and 6.2 without `bind`, answer only loopback clients while protected-mode is on and
/// the default user has no password. Replicas are clients of their primary, so a cluster of several hosts then gets no
/// replica in sync. With a password the option does nothing, until the password is missing: then it is what is left.
fn protected_mode(text: &mut Text, node: &Node, access: &Access) {
    let of_default_user = access.password.is_some()
        && [None, Some(Login::DEFAULT_USER)].contains(&access.username.as_deref());
    if of_default_user
        || PASSWORDS
            .iter()
            .any(|option| node.config.contains_key(*option))
    {
        text.paragraph(
            "The file declares a password. protected-mode stays on: a server that has none yet then refuses clients from \
             other hosts instead of serving everybody.",
        );
        text.option("protected-mode", "yes");
        return;
    }
    let bus = bus_port(node);
    text.paragraph(&format!(
        "The file declares no password, and without one protected-mode refuses every client on another host, replicas \
         among them: the cluster could not work. So it is off, and whoever reaches port {} or the bus port {bus} controls \
         this node. Let only the cluster's own hosts and its clients through the firewall (the bus port: only the hosts).",
        node.port
    ));
    text.option("protected-mode", "no");
}

fn bus_port(node: &Node) -> u16 {
    node.port.saturating_add(BusAddress::BUS_OFFSET)
}

/// What peers and clients are told instead of what the server would find out.
fn announced(text: &mut Text, desired: &Desired, node: &Node, layout: &Layout) {
    if let Some(announce) = node.announce {
        text.gap();
        text.option("cluster-announce-ip", &announce.ip.to_string());
        if let Some(port) = announce.port {
            let option = match desired.access_of(node).tls {
                Some(_) => "cluster-announce-tls-port",
                None => "cluster-announce-port",
            };
            text.option(option, &port.to_string());
        }
        if let Some(port) = announce.bus_port {
            text.option("cluster-announce-bus-port", &port.to_string());
        }
    } else if let Some(HostAddress::Ip(ip)) = desired.host_of(node).map(|host| &host.address)
        && *ip != Ipv4Addr::LOCALHOST
        && *ip != Ipv6Addr::LOCALHOST
    {
        text.gap();
        text.paragraph(
            "A peer takes the address that it is dialled from for the node's, and that is another one on a host with \
             several (on 127.0.0.0/8 it is always 127.0.0.1), unless the node announces its own.",
        );
        text.option("cluster-announce-ip", &ip.to_string());
    }
    if let Some(hostname) = &node.hostname {
        text.gap();
        match layout.server {
            Some(server) if !server.supports_announced_hostname() => text.paragraph(&format!(
                "Left out, since {server} does not know it: cluster-announce-hostname {hostname}"
            )),
            Some(_) => text.option("cluster-announce-hostname", hostname),
            None => {
                text.paragraph("Redis 6.2 does not know this option and refuses to start with it.");
                text.option("cluster-announce-hostname", hostname);
            }
        }
    }
}

/// The options of the file, in the order of their names.
fn declared(text: &mut Text, node: &Node) {
    let mut plain = node
        .config
        .iter()
        .filter_map(|(option, setting)| match setting {
            Setting::Plain(value) => Some((option, value)),
            Setting::Secret { .. } => None,
        });
    let Some(first) = plain.next() else { return };
    text.gap();
    text.paragraph("As declared in the file.");
    for (option, value) in std::iter::once(first).chain(plain) {
        text.option(option, &wire_value(option, value));
    }
}

/// Where the secrets come from. Their values are never written here.
fn secrets(text: &mut Text, desired: &Desired, node: &Node, layout: &Layout) {
    let Some(file) = secrets_of(desired, node, layout) else {
        return;
    };
    text.gap();
    match layout.secrets {
        Secrets::Included => text.paragraph(
            "Secrets are kept out of this file. The one below has to hold a line for each of these, readable for the \
             server's user only; without the file the server does not start.",
        ),
        Secrets::Stdin => text.paragraph(
            "Secrets are kept out of this file. The server reads them from its standard input.",
        ),
    }
    for line in &file.lines {
        text.comment(&format!(
            "  {}: the value of {}",
            line.option,
            source_words(&line.source)
        ));
    }
    match layout.secrets {
        Secrets::Included => text.option("include", &file.path.to_string_lossy()),
        Secrets::Stdin => {}
    }
}

/// How a secret's source is named to people.
#[must_use]
pub fn source_words(source: &SecretSource) -> String {
    match source {
        SecretSource::Env(name) => format!("the environment variable {name}"),
        SecretSource::File(path) => format!("the file {}", path.display()),
        SecretSource::Prompt => "what you type when asked".to_owned(),
    }
}

/// A configuration under construction.
#[derive(Default)]
struct Text(String);

impl Text {
    /// The width at which comments wrap.
    const WIDTH: usize = 100;

    fn option(&mut self, option: &str, value: &str) {
        for line in option_lines(option, value) {
            self.line(&line);
        }
    }

    /// An empty line between two groups.
    fn gap(&mut self) {
        if !self.0.is_empty() {
            self.line("");
        }
    }

    fn comment(&mut self, text: &str) {
        self.line(&format!("# {text}"));
    }

    /// A comment over as many lines as it takes.
    fn paragraph(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split_whitespace() {
            if !line.is_empty() && line.len() + word.len() + 3 > Self::WIDTH {
                self.comment(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.comment(&line);
    }

    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }
}
