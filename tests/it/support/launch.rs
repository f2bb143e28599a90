//! What servers to start and with which settings.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::certs::Certs;
use super::kind::ServerKind;
use super::least;
use super::loopback::Loopback;
use super::network;
use super::servers::Servers;

pub(crate) const FIRST_PORT: u16 = 7000;
pub(super) const BUS_OFFSET: u16 = 10000;
pub(crate) const TLS_OFFSET: u16 = 100;

/// Ports that are claimed beyond those started, for tests that grow the cluster.
const SPARE_PORTS: u16 = 3;

/// Fast clocks, and a log of every command with its arguments (see the recorder).
const TEST_SETTINGS: [(&str, &str); 4] = [
    ("cluster-node-timeout", "2000"),
    ("repl-diskless-sync-delay", "0"),
    ("slowlog-log-slower-than", "0"),
    ("slowlog-max-len", "100000"),
];

/// Options of a start; [`Servers::start`] takes the defaults.
pub(crate) struct Launch {
    pub(super) kind: ServerKind,
    /// The kind that the test is written for.
    pub(super) asked: ServerKind,
    pub(super) config_file: bool,
    hosts: u8,
    ports: u16,
    announce: bool,
    pub(super) behind_network: bool,
    pub(super) with_clocks: bool,
    address: Option<IpAddr>,
    settings: BTreeMap<String, String>,
    pub(super) tls: Option<Certs>,
}

impl Launch {
    pub(super) fn new(kind: ServerKind) -> Self {
        Self {
            kind: kind.or_its_stand_in(),
            asked: kind,
            config_file: true,
            hosts: 2,
            ports: 3,
            announce: true,
            behind_network: false,
            with_clocks: false,
            address: None,
            settings: TEST_SETTINGS
                .map(|(option, value)| (option.to_owned(), value.to_owned()))
                .into(),
            tls: None,
        }
    }

    pub(super) fn replicates_over_tls(&self) -> bool {
        let plain = self.settings.get("tls-replication");
        self.tls.is_some() && plain.is_none_or(|value| value != "no")
    }

    /// A second port for TLS, a hundred higher, and everything among the nodes over TLS. Only builds of Debian can.
    pub(crate) fn tls(mut self) -> Self {
        self.tls = Some(Certs::new());
        self
    }

    /// `hosts` times `ports` nodes: ports 7000, 7001, … on host1, host2, ….
    pub(crate) fn grid(mut self, hosts: u8, ports: u16) -> Self {
        self.hosts = hosts;
        self.ports = ports;
        self
    }

    /// Without `cluster-announce-ip` nodes dial each other from 127.0.0.1 and are recorded there, where
    /// nobody listens: what a host with several addresses does to its peers.
    pub(crate) fn without_announce(mut self) -> Self {
        self.announce = false;
        self
    }

    /// With forwarders between all of them, that can be cut and slowed: see the network.
    pub(crate) fn behind_network(mut self) -> Self {
        self.behind_network = true;
        self
    }

    /// Each with a clock of its own, that can be set. Debian's 7.0 doesn't start with one: its allocator asks for the time
    /// before libfaketime can tell it.
    pub(crate) fn with_clocks(mut self) -> Self {
        self.with_clocks = true;
        self
    }

    /// All nodes on this one address, as host1. Tests share it, so the ports differ from run to run: take the
    /// nodes' names from the servers.
    pub(crate) fn on(mut self, address: &str, nodes: u16) -> Self {
        self.address = Some(address.parse().expect("an IP address"));
        self.grid(1, nodes)
    }

    /// All settings as arguments, so that CONFIG REWRITE has no file to write to.
    pub(crate) fn without_config_file(mut self) -> Self {
        self.config_file = false;
        self
    }

    /// One more line of the config file. It wins over the tests' own settings.
    pub(crate) fn set(mut self, option: &str, value: &str) -> Self {
        self.settings.insert(option.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn node_timeout_ms(self, node_timeout_ms: u32) -> Self {
        self.set("cluster-node-timeout", &node_timeout_ms.to_string())
    }

    /// The server's own defaults for time and logging instead of the tests'. For measuring.
    pub(crate) fn server_defaults(mut self) -> Self {
        for (option, _) in TEST_SETTINGS {
            self.settings.remove(option);
        }
        self
    }

    #[track_caller]
    pub(crate) fn start(self) -> Servers {
        let loopback = self.claim();
        let first = loopback.first_port();
        let names: Vec<String> = (1..=self.hosts)
            .flat_map(|host| {
                (0..self.ports).map(move |port| format!("host{host}:{}", first + port))
            })
            .collect();
        Servers::launch(self, loopback, &names)
    }

    fn claim(&self) -> Loopback {
        if let Some(address) = self.address {
            return Loopback::share(address, self.ports + SPARE_PORTS);
        }
        let wanted: Vec<(u8, u16)> = (1..=self.hosts)
            .flat_map(|host| {
                let ports = FIRST_PORT..FIRST_PORT + self.ports + SPARE_PORTS;
                ports.flat_map(move |port| [(host, port), (host, port + BUS_OFFSET)])
            })
            .collect();
        Loopback::claim(&wanted)
    }

    /// The settings of one node.
    pub(super) fn settings(&self, ip: &str, port: u16) -> BTreeMap<String, String> {
        let mut settings: BTreeMap<String, String> = [
            ("port", port.to_string().as_str()),
            ("bind", ip),
            ("cluster-enabled", "yes"),
            ("cluster-config-file", "nodes.conf"),
            ("logfile", "server.log"),
            ("save", ""),
        ]
        .map(|(option, value)| (option.to_owned(), value.to_owned()))
        .into();
        if self.announce {
            settings.insert("cluster-announce-ip".to_owned(), ip.to_owned());
        }
        if let Some(certs) = &self.tls {
            let own = [
                ("tls-port", (port + TLS_OFFSET).to_string()),
                ("tls-cluster", "yes".to_owned()),
                ("tls-replication", "yes".to_owned()),
                ("tls-auth-clients", "optional".to_owned()),
                (
                    "tls-ca-cert-file",
                    certs.path("ca.pem").display().to_string(),
                ),
                ("tls-cert-file", "server.pem".to_owned()),
                ("tls-key-file", "server.key".to_owned()),
            ];
            settings.extend(own.map(|(option, value)| (option.to_owned(), value)));
        }
        if self.behind_network {
            let hidden = network::hidden(ip.parse().expect("an IP address")).to_string();
            settings.insert("bind".to_owned(), hidden.clone());
            if self.kind.has_source_addr() {
                settings.insert("bind-source-addr".to_owned(), hidden);
            }
        }
        settings.extend(self.settings.clone());
        if least::asked_for() {
            let others = settings.remove("user").map(|user| format!("\nuser {user}"));
            let user = least::user(self.kind) + &others.unwrap_or_default();
            settings.insert("user".to_owned(), user);
        }
        settings
    }
}

/// A `redis.conf` of these settings.
pub(super) fn config_file(settings: &BTreeMap<String, String>) -> String {
    settings
        .iter()
        .map(|(option, value)| match value.as_str() {
            "" => format!("{option} \"\"\n"),
            value => format!("{option} {value}\n"),
        })
        .collect()
}
