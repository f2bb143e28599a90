//! A program on a pseudo-terminal: reads what a person would see, types what a person would type.

use std::io::{Read, Write};
use std::process::Child;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command, Pty};

use super::rcl::COLUMNS;
use super::wait::DEADLINE;

const ROWS: u16 = 50;

const CTRL_C: &[u8] = b"\x03";
const CTRL_D: &[u8] = b"\x04";

#[must_use = "a program that nobody waits for is killed"]
pub(crate) struct Terminal {
    command: String,
    keyboard: Arc<Pty>,
    child: Child,
    screen: Receiver<Vec<u8>>,
    output: Vec<u8>,
    /// Where the next [`Self::expect`] starts to look.
    read: usize,
}

impl Terminal {
    #[track_caller]
    pub(crate) fn spawn(command_line: String, command: Command) -> Self {
        let (pty, inside) = pty_process::blocking::open().expect("a pseudo-terminal");
        pty.resize(Size::new(ROWS, COLUMNS)).expect("it has a size");
        let child = command
            .spawn(inside)
            .unwrap_or_else(|error| panic!("{command_line} doesn't start: {error}"));
        let keyboard = Arc::new(pty);
        let (sender, screen) = channel();
        let reader = Arc::clone(&keyboard);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Linux ends a terminal whose program is gone with an error instead of an end of file.
            while let Ok(count) = (&*reader).read(&mut buffer) {
                if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            command: command_line,
            keyboard,
            child,
            screen,
            output: Vec::new(),
            read: 0,
        }
    }

    /// Waits until this text has come, after all that was expected before; colours don't matter to it.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> &mut Self {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let plain = self.plain();
            let unread = plain.get(self.read..).unwrap_or_default();
            if let Some(place) = unread.find(text) {
                self.read += place + text.len();
                return self;
            }
            assert!(
                self.receive(deadline),
                "expected {text:?} on the terminal of `{}`, which shows:\n{plain}",
                self.command
            );
        }
    }

    /// Types a line and presses return.
    #[track_caller]
    pub(crate) fn type_line(&mut self, line: &str) -> &mut Self {
        self.press(format!("{line}\r").as_bytes())
    }

    #[track_caller]
    pub(crate) fn ctrl_c(&mut self) -> &mut Self {
        self.press(CTRL_C)
    }

    /// Ctrl-D.
    #[track_caller]
    pub(crate) fn end_of_input(&mut self) -> &mut Self {
        self.press(CTRL_D)
    }

    /// Waits for the end of the program; panics if it doesn't come, or not with this exit code.
    #[track_caller]
    pub(crate) fn code(&mut self, wanted: i32) -> &mut Self {
        let deadline = Instant::now() + DEADLINE;
        while self.receive(deadline) {}
        // The terminal is closed, but the program may still be ending.
        let status = loop {
            let status = self.child.try_wait().expect("the program is waited for");
            if status.is_some() || Instant::now() > deadline {
                break status;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        assert_eq!(
            status.and_then(|status| status.code()),
            Some(wanted),
            "{} ended with {status:?}, showing:\n{}",
            self.command,
            self.plain()
        );
        self
    }

    /// All that came, with its escape codes.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.output).replace("\r\n", "\n")
    }

    /// All that came, without colours and cursor movements.
    pub(crate) fn plain(&self) -> String {
        console::strip_ansi_codes(&self.raw()).into_owned()
    }

    #[track_caller]
    fn press(&mut self, keys: &[u8]) -> &mut Self {
        (&*self.keyboard)
            .write_all(keys)
            .expect("the terminal takes keys");
        self
    }

    /// Takes in what came; false when nothing more can come, or not in time.
    fn receive(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.screen.recv_timeout(left) {
            Ok(bytes) => {
                self.output.extend(bytes);
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Does nothing to a program that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
