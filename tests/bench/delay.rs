//! Makes a network slower: in front of every server a listener that passes all bytes on, each after a while.
//!
//! Nodes announce the listener's port instead of their own, so that tools, clients and MIGRATE all come by it.
//! Threads, since the kernel wakes a thread within some microseconds, and tokio's clock counts whole milliseconds.
//! What is under way waits together: a round trip takes longer, and not one byte less fits into it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::support::{Servers, judge, wait};

/// The listener's port is so much higher than the server's.
pub(crate) const OFFSET: u16 = 100;

/// Where the servers' own ports begin.
const FIRST_PORT: u16 = 7000;

/// Bytes that are taken at once.
const PORTION: usize = 64 << 10;

/// Puts a listener in front of each server and lets the nodes announce them. They end with the process.
pub(crate) fn put_before(servers: &Servers, round_trip: Duration) -> Result<(), String> {
    for name in servers.names() {
        let to = servers.address(&name);
        let at = SocketAddr::new(to.ip(), to.port() + OFFSET);
        let listener = TcpListener::bind(at).map_err(|error| format!("{at}: {error}"))?;
        std::thread::spawn(move || {
            for taken in listener.incoming().flatten() {
                // Whoever came is sent away when the server is gone.
                let _ = pass_on(taken, to, round_trip / 2);
            }
        });
        let port = at.port().to_string();
        servers.ok(&name, &["CONFIG", "SET", "cluster-announce-port", &port]);
    }
    for name in servers.names() {
        wait::until(&format!("{name} to know the announced ports"), || {
            let lines = judge::cluster_nodes(servers.address(&name));
            let late = lines.iter().find(|line| {
                let address = line.address.parse::<SocketAddr>();
                address.is_ok_and(|address| address.port() < FIRST_PORT + OFFSET)
            });
            late.map_or(Ok(()), |line| Err(format!("{line:?}")))
        });
    }
    Ok(())
}

fn pass_on(client: TcpStream, to: SocketAddr, after: Duration) -> std::io::Result<()> {
    let server = TcpStream::connect(to)?;
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    one_way(client.try_clone()?, server.try_clone()?, after);
    one_way(server, client, after);
    Ok(())
}

/// One thread reads and notes when, another one writes when the time has come.
fn one_way(mut from: TcpStream, to: TcpStream, after: Duration) {
    let (sender, receiver) = channel();
    std::thread::spawn(move || write(to, &receiver));
    std::thread::spawn(move || read(&mut from, &sender, after));
}

fn read(from: &mut TcpStream, sender: &Sender<(Instant, Vec<u8>)>, after: Duration) {
    let mut bytes = vec![0; PORTION];
    while let Ok(count) = from.read(&mut bytes) {
        let due = Instant::now() + after;
        if count == 0 || sender.send((due, bytes[..count].to_vec())).is_err() {
            return;
        }
    }
}

fn write(mut to: TcpStream, receiver: &Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in receiver {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        if to.write_all(&bytes).is_err() {
            break;
        }
    }
    // The other side learns that this one has ended.
    let _ = to.shutdown(std::net::Shutdown::Both);
}
