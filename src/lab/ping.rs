//! Asks a server whether it is there, in the fewest bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::base::Address;

/// How long one attempt may take. A server that is busy loading still answers at once.
const ATTEMPT: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It serves, perhaps only with a password or over TLS.
    Ready,
    /// It is there, but still reads its data.
    Loading,
    Silent,
}

pub(super) fn ping(address: Address) -> Answer {
    let Ok(mut stream) = TcpStream::connect_timeout(&address.socket(), ATTEMPT) else {
        return Answer::Silent;
    };
    let limited = stream
        .set_read_timeout(Some(ATTEMPT))
        .and_then(|()| stream.set_write_timeout(Some(ATTEMPT)));
    if limited.is_err() || stream.write_all(b"PING\r\n").is_err() {
        return Answer::Silent;
    }
    let mut reply = [0_u8; 8];
    match stream.read(&mut reply) {
        // A port for TLS ends what is none.
        Ok(0) => Answer::Ready,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Answer::Ready,
        Err(_) => Answer::Silent,
        Ok(_) if reply.starts_with(b"-LOADING") => Answer::Loading,
        Ok(_) => Answer::Ready,
    }
}
