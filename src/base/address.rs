//! Where a node is reached: by clients, and by its peers on the cluster bus.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An IP address and the port that serves clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub ip: IpAddr,
    pub port: u16,
}

impl Address {
    #[must_use]
    pub fn new(ip: IpAddr, port: u16) -> Self {
        Self { ip, port }
    }

    #[must_use]
    pub fn socket(self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }
}

/// `10.0.0.1:7000`, `[::1]:7000`.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.socket().to_string())
    }
}

impl FromStr for Address {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let socket: SocketAddr = text.parse()?;
        Ok(Self::new(socket.ip(), socket.port()))
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// An address with the port of the cluster bus, as MEET takes it and NODES shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BusAddress {
    pub client: Address,
    pub bus_port: u16,
}

impl BusAddress {
    /// How far the bus port is from the client port unless it is set otherwise.
    pub const BUS_OFFSET: u16 = 10000;

    /// The address with the default bus port; a client port over 55535 has none and saturates.
    #[must_use]
    pub fn with_default_bus(client: Address) -> Self {
        Self {
            client,
            bus_port: client.port.saturating_add(Self::BUS_OFFSET),
        }
    }

    #[must_use]
    pub fn has_default_bus(self) -> bool {
        self == Self::with_default_bus(self.client)
    }
}

/// `10.0.0.1:7000@17000`.
impl fmt::Display for BusAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.client, self.bus_port)
    }
}
