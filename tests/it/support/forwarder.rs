//! What a router or a container's network does: whoever connects to one address reaches another.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Forwards as long as it lives.
pub(crate) struct Forwarder {
    at: SocketAddr,
    ended: Arc<AtomicBool>,
}

impl Forwarder {
    #[track_caller]
    pub(crate) fn start(at: SocketAddr, to: SocketAddr) -> Self {
        let listener =
            TcpListener::bind(at).unwrap_or_else(|error| panic!("{at} is not free: {error}"));
        let ended = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&ended);
        thread::spawn(move || {
            for client in listener.incoming() {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                if let Ok(client) = client {
                    thread::spawn(move || {
                        // The other side may be gone; the client sees that as it would without us.
                        let _ = both_ways(&client, to);
                        let _ = client.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        Self { at, ended }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes it up.
        let _ = TcpStream::connect(self.at);
    }
}

fn both_ways(client: &TcpStream, to: SocketAddr) -> io::Result<()> {
    let server = TcpStream::connect(to)?;
    let (mut from_client, mut to_server) = (client.try_clone()?, server.try_clone()?);
    let (mut from_server, mut to_client) = (server, client.try_clone()?);
    let answers = thread::spawn(move || {
        let _ = io::copy(&mut from_server, &mut to_client);
        let _ = to_client.shutdown(Shutdown::Write);
    });
    io::copy(&mut from_client, &mut to_server)?;
    to_server.shutdown(Shutdown::Write)?;
    let _ = answers.join();
    Ok(())
}
