//! A network between the nodes, and between them and everybody else, that can be cut and slowed.
//!
//! Behind it a server listens on a hidden address and announces its usual one, where a forwarder listens: its
//! client port and its bus port. Servers that dial from their own hidden address (`bind-source-addr`, Redis 7.0
//! and later, Valkey) are told apart, so that the way between two nodes can be cut and no other; on Redis 6.2 all but
//! MIGRATE are. What is cut is silent, as on a real network: connections stay, nothing passes, and what was sent
//! comes later.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// What a server's hidden address has more than its usual one, in the last number.
const HIDDEN: u8 = 100;

const CHUNK: usize = 64 * 1024;

/// What is wrong with the network now.
#[derive(Clone, Debug, Default)]
struct Weather {
    /// Nothing passes to or from these.
    cut: BTreeSet<IpAddr>,
    /// Nothing passes between these two.
    parted: BTreeSet<(IpAddr, IpAddr)>,
    /// How long everything to or from these takes.
    slow: BTreeMap<IpAddr, Duration>,
}

impl Weather {
    fn passes(&self, from: IpAddr, to: IpAddr) -> bool {
        let parted = [(from, to), (to, from)];
        !self.cut.contains(&from)
            && !self.cut.contains(&to)
            && !parted.iter().any(|way| self.parted.contains(way))
    }

    fn delay(&self, from: IpAddr, to: IpAddr) -> Duration {
        let delays = [from, to].map(|end| self.slow.get(&end).copied());
        delays.into_iter().flatten().sum()
    }
}

pub(crate) struct Network {
    weather: Arc<watch::Sender<Weather>>,
    /// A way that is to be opened, and who waits for that.
    open: Option<mpsc::UnboundedSender<(SocketAddr, std::sync::mpsc::Sender<()>)>>,
    thread: Option<JoinHandle<()>>,
}

/// The address that the server at this one really listens on.
pub(super) fn hidden(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let [a, b, c, d] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d + HIDDEN))
        }
        IpAddr::V6(_) => panic!("the network is for 127.0.0.0/8"),
    }
}

/// The usual address of whoever dials from a hidden one.
fn usual(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(ip) if ip.octets()[3] > HIDDEN => {
            let [a, b, c, d] = ip.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d - HIDDEN))
        }
        IpAddr::V4(_) | IpAddr::V6(_) => address,
    }
}

impl Network {
    pub(super) fn start() -> Self {
        let weather = Arc::new(watch::Sender::new(Weather::default()));
        let (open, mut wanted) =
            mpsc::unbounded_channel::<(SocketAddr, std::sync::mpsc::Sender<()>)>();
        let seen = Arc::clone(&weather);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                // Ends with the sender, and everything that was spawned with it.
                while let Some((front, opened)) = wanted.recv().await {
                    let listener = bind(front).await;
                    tokio::spawn(forward(listener, front, seen.subscribe()));
                    opened.send(()).expect("somebody waits for it");
                }
            });
        });
        Self {
            weather,
            open: Some(open),
            thread: Some(thread),
        }
    }

    /// Begins to forward what comes to this address, to the same port of the hidden one.
    pub(super) fn open(&self, front: SocketAddr) {
        let (opened, wait) = std::sync::mpsc::channel();
        let open = self.open.as_ref().expect("the network stands");
        open.send((front, opened)).expect("the network stands");
        wait.recv().expect("the address is free");
    }

    /// Nothing passes to or from this node.
    pub(crate) fn cut(&self, node: IpAddr) {
        self.weather.send_modify(|weather| {
            weather.cut.insert(node);
        });
    }

    /// Nothing passes between these two.
    pub(crate) fn part(&self, one: IpAddr, other: IpAddr) {
        self.weather.send_modify(|weather| {
            weather.parted.insert((one, other));
        });
    }

    /// All to and from this node takes so much longer.
    pub(crate) fn slow(&self, node: IpAddr, by: Duration) {
        self.weather.send_modify(|weather| {
            weather.slow.insert(node, by);
        });
    }

    /// All is well again.
    pub(crate) fn heal(&self) {
        self.weather.send_replace(Weather::default());
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.open = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Another test may just be letting go of the address.
async fn bind(front: SocketAddr) -> TcpListener {
    let mut tries = 0;
    loop {
        match TcpListener::bind(front).await {
            Ok(listener) => return listener,
            Err(error) if tries == 100 => panic!("{front}: {error}"),
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
        tries += 1;
    }
}

async fn forward(listener: TcpListener, front: SocketAddr, weather: watch::Receiver<Weather>) {
    let back = SocketAddr::new(hidden(front.ip()), front.port());
    while let Ok((stream, peer)) = listener.accept().await {
        let (weather, from) = (weather.clone(), usual(peer.ip()));
        tokio::spawn(async move {
            // A server that is down refuses; so does its forwarder, by closing.
            if let Ok(server) = TcpStream::connect(back).await {
                // Small commands would wait for each other's acknowledgements.
                let _ = (stream.set_nodelay(true), server.set_nodelay(true));
                let (client_in, client_out) = stream.into_split();
                let (server_in, server_out) = server.into_split();
                let to = front.ip();
                // Each way ends by itself: what a server had sent when it was killed still arrives.
                let there = carry(client_in, server_out, (from, to), weather.clone());
                let back = carry(server_in, client_out, (to, from), weather);
                tokio::join!(there, back);
            }
        });
    }
}

/// Carries one direction until either side closes.
async fn carry(
    mut input: impl AsyncRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
    (from, to): (IpAddr, IpAddr),
    mut weather: watch::Receiver<Weather>,
) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = match input.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let delay = weather.borrow().delay(from, to);
        if !delay.is_zero() {
            sleep(delay).await;
        }
        let passes = weather.wait_for(|weather| weather.passes(from, to));
        if passes.await.is_err() || output.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
}
