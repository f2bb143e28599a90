//! `rcl lab`: the file's nodes on this machine.

mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};

use crate::desired::Desired;
use crate::lab::{Settings, down, status, up};

/// Run the file's nodes on this machine
///
/// All hosts of the file have to have addresses that are this machine's own loopback: 127.0.0.1, any other of
/// 127.0.0.0/8 (which gives several "hosts"), or ::1. Only processes that rcl itself started are ever ended.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Up(UpArgs),
    Down(DownArgs),
    Status(StatusArgs),
}

/// Start the nodes that don't run, and wait until each of them answers
#[derive(Debug, ClapArgs)]
pub struct UpArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The server to run [default: redis-server or valkey-server on PATH]
    #[arg(long, value_name = "PATH", env = "RCL_SERVER")]
    pub server: Option<PathBuf>,
}

/// End the nodes that `rcl lab up` started
#[derive(Debug, ClapArgs)]
pub struct DownArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Remove their data too, and the lab's folder if nothing else is in it
    #[arg(long)]
    pub wipe: bool,
}

/// Show which nodes run: exit code 2 when one doesn't
#[derive(Debug, ClapArgs)]
pub struct StatusArgs {
    #[command(flatten)]
    pub place: PlaceArgs,
}

#[derive(Debug, ClapArgs)]
pub struct PlaceArgs {
    /// The YAML file that describes the cluster
    #[arg(value_name = "FILE", env = "RCL_FILE", default_value = "rcl.yaml")]
    pub file: PathBuf,
    /// The lab's folder [default: .lab/CLUSTER beside FILE]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

impl Args {
    /// The file that the command is about.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.place().file
    }

    fn place(&self) -> &PlaceArgs {
        match &self.command {
            Command::Up(args) => &args.place,
            Command::Down(args) => &args.place,
            Command::Status(args) => &args.place,
        }
    }
}

impl PlaceArgs {
    fn dir(&self, cluster: &str) -> io::Result<PathBuf> {
        let beside = self.file.parent().unwrap_or(Path::new(""));
        let dir = match &self.dir {
            Some(dir) => dir.clone(),
            None => beside.join(".lab").join(cluster),
        };
        std::path::absolute(dir)
    }
}

/// Runs the command and returns its exit code.
pub fn run(args: &Args, desired: &Desired, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    let dir = match args.place().dir(&desired.cluster) {
        Ok(dir) => dir,
        Err(source) => return fail(err, &format!("can't tell the current folder: {source}")),
    };
    let done = match &args.command {
        Command::Up(args) => {
            let beside = args.place.file.parent().unwrap_or(Path::new(""));
            // The empty path is none that could be made absolute.
            let beside = std::path::absolute(Path::new(".").join(beside)).unwrap_or_default();
            let settings = Settings {
                dir,
                server: args.server.clone(),
                beside,
            };
            up(desired, &settings).map(|up| show::up(&up, out, err))
        }
        Command::Down(args) => {
            down(&dir, &desired.cluster, args.wipe).map(|down| show::down(&down, &dir, out))
        }
        Command::Status(_) => status(desired, &dir).map(|status| show::status(&status, out)),
    };
    match done {
        Ok(Ok(code)) => code,
        Ok(Err(source)) => fail(err, &format!("can't print: {source}")),
        Err(error) => fail(err, &error.to_string()),
    }
}

fn fail(err: &mut dyn Write, sentence: &str) -> u8 {
    // When even this can't be printed, the exit code is what is left.
    let _ = writeln!(err, "error: {sentence}");
    1
}
