//! A server that answers whatever a test wants: a plausible node but for one command, or something else altogether. Or
//! it stands before a real one, and passes on what it doesn't answer itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// More than rcl reads of anything; whoever reads on gets no more.
const ENDLESS: usize = 400 << 20;

/// What a command gets.
#[derive(Clone)]
pub(crate) enum Answer {
    Bytes(Vec<u8>),
    /// The first once, then the second again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// These, and nothing more, not even the end.
    ThenSilence(Vec<u8>),
    ThenClose(Vec<u8>),
}

/// Nothing for what the real server is to answer.
type Script = dyn Fn(&[String]) -> Option<Answer> + Send + Sync;

/// One such server. It ends with the test.
pub(crate) struct Hostile {
    pub(crate) address: SocketAddr,
    ended: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Hostile {
    pub(crate) fn start(script: impl Fn(&[String]) -> Answer + Send + Sync + 'static) -> Self {
        Self::listen(None, Arc::new(move |command| Some(script(command))))
    }

    /// Stands before a real server.
    pub(crate) fn before(
        server: SocketAddr,
        script: impl Fn(&[String]) -> Option<Answer> + Send + Sync + 'static,
    ) -> Self {
        Self::listen(Some(server), Arc::new(script))
    }

    fn listen(server: Option<SocketAddr>, script: Arc<Script>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        let ended = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&ended);
        let accept = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::SeqCst) {
                    return;
                }
                let (script, over) = (Arc::clone(&script), Arc::clone(&over));
                let Ok(stream) = stream else { continue };
                std::thread::spawn(move || serve(stream, server, &*script, &over));
            }
        });
        Self {
            address,
            ended,
            listener: Some(accept),
        }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        // One more connection wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(listener) = self.listener.take() {
            let _ = listener.join();
        }
    }
}

/// Until the other side goes, or the test does.
fn serve(mut stream: TcpStream, server: Option<SocketAddr>, script: &Script, over: &AtomicBool) {
    let Ok(server) = server.map(TcpStream::connect).transpose() else {
        return;
    };
    // Small commands would wait for each other's acknowledgements.
    let _ = stream.set_nodelay(true);
    let _ = server.as_ref().map(|server| server.set_nodelay(true));
    let mut server = server.map(BufReader::new);
    let _ = stream.set_read_timeout(Some(Duration::from_millis(100)));
    let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
    let mut waiting = Vec::new();
    let mut buffer = [0; 1 << 16];
    while !over.load(Ordering::SeqCst) {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => waiting.extend_from_slice(&buffer[..length]),
            Err(_) => continue,
        }
        while let Some((command, length)) = next(&waiting) {
            let sent: Vec<u8> = waiting.drain(..length).collect();
            let goes_on = match (script(&command), &mut server) {
                (Some(given), _) => answer(&mut stream, given, over),
                (None, Some(server)) => pass(&sent, server, &mut stream).is_ok(),
                (None, None) => false,
            };
            if !goes_on {
                return;
            }
        }
    }
}

/// Whether the connection goes on.
fn answer(stream: &mut TcpStream, answer: Answer, over: &AtomicBool) -> bool {
    match answer {
        Answer::Bytes(bytes) => stream.write_all(&bytes).is_ok(),
        Answer::Endless(first, again) => {
            let block = again.repeat((1 << 16) / again.len().max(1) + 1);
            let mut sent = first.len();
            let mut goes_on = stream.write_all(&first).is_ok();
            while goes_on && sent < ENDLESS && !over.load(Ordering::SeqCst) {
                goes_on = stream.write_all(&block).is_ok();
                sent += block.len();
            }
            false
        }
        Answer::ThenSilence(bytes) => {
            let mut goes_on = stream.write_all(&bytes).is_ok();
            let mut buffer = [0; 1 << 16];
            while goes_on && !over.load(Ordering::SeqCst) {
                goes_on = !matches!(stream.read(&mut buffer), Ok(0));
            }
            false
        }
        Answer::ThenClose(bytes) => {
            let _ = stream.write_all(&bytes);
            false
        }
    }
}

/// Asks the real server, and gives its whole answer.
fn pass(sent: &[u8], server: &mut BufReader<TcpStream>, client: &mut TcpStream) -> io::Result<()> {
    server.get_mut().write_all(sent)?;
    let mut answer = Vec::new();
    read_answer(server, &mut answer)?;
    client.write_all(&answer)
}

fn read_answer(server: &mut BufReader<TcpStream>, answer: &mut Vec<u8>) -> io::Result<()> {
    let from = answer.len();
    server.read_until(b'\n', answer)?;
    let line = String::from_utf8_lossy(&answer[from..])
        .trim_end()
        .to_owned();
    let Some((kind, count)) = line.split_at_checked(1) else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let count = || count.parse::<usize>().unwrap_or(0);
    match kind {
        // A nil has no end of its own.
        "$" | "=" | "!" if line != "$-1" => {
            let mut text = vec![0; count() + 2];
            server.read_exact(&mut text)?;
            answer.extend(text);
            Ok(())
        }
        "*" | "~" | ">" => (0..count()).try_for_each(|_| read_answer(server, answer)),
        "%" => (0..2 * count()).try_for_each(|_| read_answer(server, answer)),
        _ => Ok(()),
    }
}

/// The first whole command, and how many bytes it has.
fn next(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    let mut at = 0;
    let line = |at: &mut usize| -> Option<String> {
        let length = bytes[*at..].windows(2).position(|two| two == b"\r\n")?;
        let text = String::from_utf8_lossy(&bytes[*at..*at + length]).into_owned();
        *at += length + 2;
        Some(text)
    };
    let count: usize = line(&mut at)?.strip_prefix('*')?.parse().ok()?;
    let mut words = Vec::new();
    for _ in 0..count {
        let length: usize = line(&mut at)?.strip_prefix('$')?.parse().ok()?;
        let word = bytes.get(at..at + length)?;
        bytes.get(at + length..at + length + 2)?;
        words.push(String::from_utf8_lossy(word).into_owned());
        at += length + 2;
    }
    Some((words, at))
}

pub(crate) fn bulk(text: impl AsRef<[u8]>) -> Vec<u8> {
    let text = text.as_ref();
    [format!("${}\r\n", text.len()).as_bytes(), text, b"\r\n"].concat()
}

/// A node that owns all slots, as a real one tells of itself. `port` is where it listens.
pub(crate) fn plausible(command: &[String], nodes: &str) -> Answer {
    let words: Vec<String> = command
        .iter()
        .map(|word| word.to_ascii_uppercase())
        .collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    Answer::Bytes(match words.as_slice() {
        ["CLUSTER", "NODES"] => bulk(nodes),
        ["CLUSTER", "INFO"] => bulk(
            "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_known_nodes:1\r\ncluster_current_epoch:1\r\ncluster_my_epoch:1\r\n",
        ),
        ["INFO", ..] => bulk(
            "redis_version:7.0.15\r\nuptime_in_seconds:9\r\nconfig_file:/x\r\nused_memory:1000000\r\nused_memory_dataset:1000\r\nmaxmemory:0\r\nloading:0\r\nrole:master\r\nmaster_repl_offset:0\r\n",
        ),
        ["CONFIG", "GET", "CLUSTER-*"] => [
            b"*2\r\n".to_vec(),
            bulk("cluster-node-timeout"),
            bulk("15000"),
        ]
        .concat(),
        ["CONFIG", "GET", ..] => b"*0\r\n".to_vec(),
        ["CLUSTER", "COUNTKEYSINSLOT", _] => b":0\r\n".to_vec(),
        ["PING"] => b"+PONG\r\n".to_vec(),
        ["HELLO", ..] => b"-ERR unknown command\r\n".to_vec(),
        _ => b"+OK\r\n".to_vec(),
    })
}
