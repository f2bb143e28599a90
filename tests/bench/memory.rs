//! The peak memory of a program, from the kernel's account of an ended child (`wait4`).
//!
//! The kernel counts what the *parent* held when the child was made, so the child is made by a small process:
//! this very program, started again with [`FLAG`].

use std::io::Write;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use wait4::Wait4;

pub(crate) const FLAG: &str = "--peak-memory-of";

/// Bytes that a program held at most. It must end with exit code 0.
pub(crate) fn peak(program: &str, arguments: &[&str], folder: &Path) -> Result<u64, String> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(this)
        .arg(FLAG)
        .arg(program)
        .args(arguments)
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(format!("{program} {arguments:?}: {}", output.status));
    }
    String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .map_err(|error| format!("{program}: no peak memory: {error}"))
}

/// The other side: runs the program and prints its peak memory in bytes.
pub(crate) fn run(command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        return ExitCode::FAILURE;
    };
    let usage = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .and_then(Wait4::wait4);
    match usage {
        Ok(usage) if usage.status.success() => {
            let printed = writeln!(std::io::stdout(), "{}", usage.rusage.maxrss);
            printed.map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
        }
        Ok(_) | Err(_) => ExitCode::FAILURE,
    }
}
