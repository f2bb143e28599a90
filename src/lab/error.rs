//! Why a lab can't do what it was asked. Each sentence says what, where and what to do.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::base::{Address, NodeName};
use crate::conf::ConfError;
use crate::desired::HostName;

#[derive(Debug, Error)]
pub enum LabError {
    #[error(
        "{host} is at {address}, and `rcl lab` starts nodes only on this machine's loopback addresses (127.0.0.0/8, \
         ::1); for nodes on hosts of their own use `rcl conf`"
    )]
    NotLocal { host: HostName, address: String },
    #[error(
        "{node} announces {ip}, where its peers would not find it: nodes of a lab are only on loopback addresses; \
         take `announce` out, or use `rcl conf` and start the node yourself"
    )]
    AnnouncedElsewhere { node: NodeName, ip: IpAddr },
    #[error(
        "`rcl lab` tells its own processes from others by /proc, which this system does not have"
    )]
    NoProc,
    #[error(
        "no redis-server or valkey-server is on PATH; install one, or name one with --server PATH or RCL_SERVER"
    )]
    NoServer,
    #[error("{path} can't be used as the server: {why}", path = path.display())]
    BadServer { path: PathBuf, why: String },
    #[error(
        "nothing was started, since {node} needs {socket}{purpose}, and another program listens there; \
         `ss -ltnp sport = :{port}` names it",
        purpose = if *bus { " for the cluster bus" } else { "" },
        port = socket.port()
    )]
    PortTaken {
        node: NodeName,
        socket: SocketAddr,
        bus: bool,
    },
    #[error("nothing was started, since {node} can't listen on {socket}: {source}")]
    Listen {
        node: NodeName,
        socket: SocketAddr,
        source: io::Error,
    },
    #[error(
        "nothing was started: port {port} of {node} leaves no bus port, which is 10000 higher; choose one up to 55535"
    )]
    NoBusPort { node: NodeName, port: u16 },
    #[error(
        "{node} runs at {running}, but the file now puts it at {wanted}; end it with `rcl lab down` first"
    )]
    Moved {
        node: NodeName,
        running: Address,
        wanted: Address,
    },
    #[error(
        "{dir} holds files of something else and no lab; name another folder with --dir",
        dir = dir.display()
    )]
    ForeignFolder { dir: PathBuf },
    #[error(
        "{dir} is the lab of cluster {cluster}; name another folder with --dir",
        dir = dir.display()
    )]
    OtherCluster { dir: PathBuf, cluster: String },
    #[error("another `rcl lab` is at work in {dir}; wait for it to end", dir = dir.display())]
    Busy { dir: PathBuf },
    #[error(
        "{path} is not readable as the record of a lab ({why}); if no node of it runs any more, remove it",
        path = path.display()
    )]
    State { path: PathBuf, why: String },
    #[error(
        "{node} needs a certificate to speak TLS: declare tls-cert-file, tls-key-file and tls-ca-cert-file under `config`, or `cert` and `key` under `access`"
    )]
    NoCertificate { node: NodeName },
    #[error("the {option} of {node} is to come from {from}, which gave no value")]
    SecretMissing {
        node: NodeName,
        option: String,
        from: String,
    },
    #[error("{node} (pid {pid}) did not end, not even when killed; look at it with `ps -fp {pid}`")]
    Unkillable { node: NodeName, pid: u32 },
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error("can't {doing} {what}: {source}")]
    Io {
        doing: &'static str,
        what: String,
        source: io::Error,
    },
}

impl LabError {
    pub(super) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let what = path.display().to_string();
        move |source| Self::Io {
            doing,
            what,
            source,
        }
    }

    pub(super) fn process(
        doing: &'static str,
        what: impl fmt::Display,
    ) -> impl FnOnce(io::Error) -> Self {
        let what = what.to_string();
        move |source| Self::Io {
            doing,
            what,
            source,
        }
    }
}
