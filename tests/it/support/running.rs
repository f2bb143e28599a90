//! rcl under way, one line at a time: a write to standard error waits until the test has read the one before
//! the last. So a test ends the program, or changes the cluster, at a point that it knows, and may take its
//! time there.

use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};
use rustix::process::{Pid, Signal, kill_process};

use super::rcl::Ran;

/// The smallest pipe is a page, and holds one write when writes are kept apart.
const PAGE: usize = 4096;

/// Longer than any deadline of rcl's own in a test.
const DEADLINE: Duration = Duration::from_secs(90);

#[must_use = "a program that nobody waits for is killed"]
pub(crate) struct Running {
    command: String,
    child: Child,
    talk: File,
    said: String,
    data: Option<JoinHandle<Vec<u8>>>,
}

impl Running {
    #[track_caller]
    pub(super) fn spawn(command_line: String, mut command: Command) -> Self {
        let (talk, inside) = pipe_with(PipeFlags::DIRECT | PipeFlags::CLOEXEC).expect("a pipe");
        fcntl_setpipe_size(&talk, PAGE).expect("a small pipe");
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(inside);
        let mut child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{command_line} doesn't start: {error}"));
        let mut stdout = child.stdout.take().expect("it has standard output");
        let data = std::thread::spawn(move || {
            let mut data = Vec::new();
            // What came before an error is still shown.
            let _ = stdout.read_to_end(&mut data);
            data
        });
        Self {
            command: command_line,
            child,
            talk: talk.into(),
            said: String::new(),
            data: Some(data),
        }
    }

    /// What it says next on standard error; nothing when it has ended.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<String> {
        let within = Timespec::try_from(DEADLINE).expect("a number of seconds");
        let mut polled = [PollFd::from_borrowed_fd(self.talk.as_fd(), PollFlags::IN)];
        // A signal to the test process, such as the end of a child, is no answer.
        let ready = loop {
            match poll(&mut polled, Some(&within)) {
                Ok(ready) => break ready,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => panic!("the pipe can't be polled: {error}"),
            }
        };
        assert!(
            ready > 0,
            "{} says nothing more:\n{}",
            self.command,
            self.said
        );
        let mut packet = [0; PAGE];
        let length = self.talk.read(&mut packet).expect("the pipe is read");
        let said = String::from_utf8_lossy(&packet[..length]).into_owned();
        self.said.push_str(&said);
        (length > 0).then_some(said)
    }

    /// Reads on until it says this.
    #[track_caller]
    pub(crate) fn expect(&mut self, text: &str) -> &mut Self {
        loop {
            match self.next() {
                Some(said) if said.contains(text) => return self,
                Some(_) => {}
                None => panic!("{} never said {text:?}:\n{}", self.command, self.said),
            }
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// As Ctrl-C does.
    #[track_caller]
    pub(crate) fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    #[track_caller]
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a process id"), signal).expect("the signal is sent");
    }

    /// As a crash does: SIGKILL.
    #[track_caller]
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it is killed");
        self.child.wait().expect("it ends");
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ran {
        while self.next().is_some() {}
        let status = self.child.wait().expect("it ends");
        let data = self.data.take().expect("only the end takes it");
        let output = Output {
            status,
            stdout: data.join().expect("standard output is read"),
            stderr: std::mem::take(&mut self.said).into_bytes(),
        };
        Ran::new(std::mem::take(&mut self.command), output)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Does nothing to a program that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
