//! A process of this machine, known by its pid and the moment it started. A pid alone goes to another process
//! some time after the first one ended, so nothing is ever signalled by it.

use std::fs;
use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// Which process, among all that ever ran here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    pub pid: u32,
    /// Clock ticks from the machine's start to the process's.
    pub started: u64,
    /// The machine's start, since ticks begin anew with it.
    pub boot: String,
}

/// What the kernel tells of a process.
struct Stat {
    state: char,
    started: u64,
}

impl Identity {
    /// The identity of a process that runs now.
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        Ok(Self {
            pid,
            started: stat(pid)?.started,
            boot: boot()?,
        })
    }

    /// Whether it still runs. One that ended but was not yet collected by its parent does not.
    #[must_use]
    pub fn runs(&self) -> bool {
        boot().is_ok_and(|boot| boot == self.boot)
            && stat(self.pid).is_ok_and(|stat| {
                stat.started == self.started && !matches!(stat.state, 'Z' | 'X' | 'x')
            })
    }

    /// Asks it to end in its own way. A stopped process is set going, since it could not hear the request.
    pub(super) fn terminate(&self) -> io::Result<()> {
        self.signal(Signal::TERM)?;
        self.signal(Signal::CONT)
    }

    /// Ends it at once.
    pub(super) fn kill(&self) -> io::Result<()> {
        self.signal(Signal::KILL)
    }

    /// Does nothing when the process is gone. The handle is taken before the identity is compared: from then on it
    /// names one process, whatever becomes of the pid.
    fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(());
        };
        let sent = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) if self.runs() => pidfd_send_signal(&handle, signal),
            // Kernels before 5.3 have no such handle.
            Err(Errno::NOSYS) if self.runs() => kill_process(pid, signal),
            Ok(_) | Err(Errno::NOSYS | Errno::SRCH) => Ok(()),
            Err(error) => Err(error),
        };
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn stat(pid: u32) -> io::Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    parse_stat(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, text.clone()))
}

/// The second field is the program's name in parentheses and may hold anything, spaces and parentheses too, so the
/// count starts behind the last one: the state is the third field, the start the 22nd.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        started: fields.nth(18)?.parse().ok()?,
    })
}

fn boot() -> io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn reads_a_line_whose_name_has_parentheses() {
        let line = "4242 (a ) S (b) T 1 4242 4242 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 5 0 98765 1000 200 18446744073";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.state, stat.started), ('T', 98765));
        assert!(parse_stat("4242 (short) S 1").is_none());
    }

    #[test]
    fn leaves_a_recycled_pid_alone() {
        let mut other = Command::new("sleep")
            .arg("60")
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let own = Identity::of(other.id()).unwrap();
        let earlier = Identity {
            started: own.started - 1,
            ..own.clone()
        };
        let before_the_restart = Identity {
            boot: "another".into(),
            ..own.clone()
        };
        for gone in [earlier, before_the_restart] {
            assert!(!gone.runs());
            gone.kill().unwrap();
            assert!(own.runs());
        }
        own.kill().unwrap();
        other.wait().unwrap();
        assert!(!own.runs());
        own.kill().unwrap();
    }
}
