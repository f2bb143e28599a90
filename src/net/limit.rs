//! How much a server may send in answer to one request. A reply is kept in memory whole before it is looked at, so
//! whatever it claims to be long, it must not be longer than any real one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The table of a thousand nodes has a quarter of a megabyte; the names of ten thousand keys may have more.
const MOST_BYTES: usize = 16 << 20;

/// Every part of a reply has a line of its own, and each of them takes many times the memory that its line has.
const MOST_LINES: usize = 400_000;

/// Passes on what is sent and what is answered, up to the limits.
pub(super) struct Limited<S> {
    stream: S,
    /// Since the last request.
    bytes: usize,
    lines: usize,
}

impl<S> Limited<S> {
    pub(super) fn new(stream: S) -> Self {
        Self {
            stream,
            bytes: 0,
            lines: 0,
        }
    }

    fn count(&mut self, answer: &[u8]) -> io::Result<()> {
        self.bytes += answer.len();
        self.lines += answer.iter().filter(|byte| **byte == b'\n').count();
        if self.bytes > MOST_BYTES || self.lines > MOST_LINES {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "its answer is longer than any that rcl waits for",
            ));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Limited<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match read {
            Poll::Ready(Ok(())) => Poll::Ready(self.count(&buffer.filled()[before..])),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Limited<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes = 0;
        self.lines = 0;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Reads so many bytes of an answer after a request.
    async fn read(answer: &[u8], requests: usize) -> io::Result<usize> {
        let (near, mut far) = tokio::io::duplex(1 << 20);
        let mut limited = Limited::new(near);
        let mut seen = 0;
        for _ in 0..requests {
            limited.write_all(b"x").await?;
            far.read_exact(&mut [0]).await?;
            let talk = far.write_all(answer);
            let listen = async {
                let mut left = answer.len();
                let mut buffer = vec![0; 1 << 16];
                while left > 0 {
                    let length = limited.read(&mut buffer).await?;
                    left -= length;
                    seen += length;
                }
                Ok::<_, io::Error>(())
            };
            tokio::try_join!(talk, listen)?;
        }
        Ok(seen)
    }

    #[tokio::test]
    async fn long_answers_pass_and_endless_ones_do_not() {
        let bulk = vec![b'a'; MOST_BYTES];
        assert_eq!(read(&bulk, 3).await.unwrap(), 3 * MOST_BYTES);
        assert!(read(&[bulk.as_slice(), b"a"].concat(), 1).await.is_err());
        let lines = b":1\r\n".repeat(MOST_LINES);
        assert!(read(&lines, 2).await.is_ok());
        assert!(read(&[lines.as_slice(), b"\n"].concat(), 1).await.is_err());
    }
}
