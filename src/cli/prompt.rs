//! Asks for a secret on the terminal, and shows nothing of it.

use std::fs::File;
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::base::Secret;

const CTRL_C: u8 = 3;
const CTRL_D: u8 = 4;
const CTRL_U: u8 = 21;
const BACKSPACE: [u8; 2] = [8, 127];

/// Shows the words and reads a line without echo.
///
/// # Errors
/// When there is no terminal, or nothing is typed there.
pub(super) fn ask(words: &str) -> io::Result<Secret> {
    // Not the standard input: that may be a file, and the secret is asked of a person.
    let mut terminal = File::options()
        .read(true)
        .write(true)
        .open("/dev/tty")
        .map_err(|_| io::Error::other("there is no terminal"))?;
    let _quiet = Quiet::on(terminal.try_clone()?)?;
    terminal.write_all(words.as_bytes())?;
    let typed = line(&mut terminal);
    terminal.write_all(b"\n")?;
    let text = std::str::from_utf8(&typed?)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        .map(|text| Secret::new(text.to_owned()))?;
    match text.expose().is_empty() {
        true => Err(io::Error::other("nothing was typed")),
        false => Ok(text),
    }
}

/// Key by key, so that Ctrl-C gives the terminal back as it was.
fn line(terminal: &mut File) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut typed = Zeroizing::new(Vec::new());
    let mut key = [0];
    loop {
        if terminal.read(&mut key)? == 0 {
            return Ok(typed);
        }
        match key[0] {
            b'\n' | b'\r' | CTRL_D => return Ok(typed),
            CTRL_C => return Err(io::ErrorKind::Interrupted.into()),
            CTRL_U => typed.clear(),
            erase if BACKSPACE.contains(&erase) => {
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            other => typed.push(other),
        }
    }
}

/// A terminal that shows nothing of what is typed, until this goes.
struct Quiet {
    terminal: File,
    before: Termios,
}

impl Quiet {
    fn on(terminal: File) -> io::Result<Self> {
        let before = tcgetattr(&terminal)?;
        let mut quiet = before.clone();
        quiet
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(&terminal, OptionalActions::Flush, &quiet)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // There is nobody to tell when the terminal is gone.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}
