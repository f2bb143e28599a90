//! `rcl conf`: writes what every node starts from.

mod next;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use clap::Args as ClapArgs;
use thiserror::Error;

use crate::conf::{ConfError, Layout, NodeFiles, Place, Secrets, render};
use crate::desired::Desired;

/// Write a redis.conf and a systemd unit for every node
///
/// The files go to DIR, into a folder for each host, to be copied to the hosts; what it prints then are the commands
/// that do so. Where a file is there already and differs, nothing is written at all, unless --force is given.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The YAML file that describes the cluster
    #[arg(value_name = "FILE", env = "RCL_FILE", default_value = "rcl.yaml")]
    pub file: PathBuf,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Overwrite files that differ
    #[arg(long)]
    pub force: bool,
    /// The server on the hosts
    #[arg(long, value_name = "PATH", default_value = "/usr/bin/redis-server")]
    pub server_bin: PathBuf,
    /// The folder on the hosts that gets CLUSTER/PORT for each node, with its configuration, log and data
    /// [default: /var/lib/redis, or /var/lib/valkey for a valkey-server]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The user on the hosts that runs the server [default: redis, or valkey for a valkey-server]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

/// Why nothing, or not everything, was written.
#[derive(Debug, Error)]
enum Error {
    #[error(transparent)]
    Conf(#[from] ConfError),
    #[error("{flag} {path}: a path on the hosts has to start with /")]
    Relative { flag: &'static str, path: PathShown },
    #[error(
        "nothing was written, since these files differ from what {file} asks for:\n{differing}\
         look at them, then use --force to overwrite them, or another --out"
    )]
    Differ { file: PathShown, differing: String },
    #[error("can't {doing} {path}: {source}")]
    File {
        doing: &'static str,
        path: PathShown,
        source: io::Error,
    },
    #[error("can't print: {0}")]
    Print(#[from] io::Error),
}

/// A path in an error's sentence.
#[derive(Debug)]
struct PathShown(PathBuf);

impl fmt::Display for PathShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

/// A file to write, and what is there now.
struct Target {
    path: PathBuf,
    text: String,
    now: Now,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Now {
    Missing,
    Same,
    Different,
}

/// Runs the command and returns its exit code.
pub fn run(args: &Args, desired: &Desired, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    match write_all(args, desired, out) {
        Ok(()) => 0,
        Err(error) => {
            // When even this can't be printed, the exit code is what is left.
            let _ = writeln!(err, "error: {error}");
            1
        }
    }
}

fn write_all(args: &Args, desired: &Desired, out: &mut dyn Write) -> Result<(), Error> {
    let layout = layout(args)?;
    let nodes = render(desired, &layout)?;
    let targets = targets(&args.out, &nodes)?;
    let differing: String = targets
        .iter()
        .filter(|target| target.now == Now::Different)
        .map(|target| format!("  {}\n", target.path.display()))
        .collect();
    if !args.force && !differing.is_empty() {
        return Err(Error::Differ {
            file: PathShown(args.file.clone()),
            differing,
        });
    }
    let mut written = 0;
    for target in &targets {
        match target.now {
            Now::Same => continue,
            Now::Missing | Now::Different => write_file(target)?,
        }
        written += 1;
        writeln!(out, "wrote {}", target.path.display())?;
    }
    let unchanged = targets.len() - written;
    writeln!(out, "{written} files written, {unchanged} unchanged.\n")?;
    next::print(args, desired, &layout, &nodes, out)?;
    Ok(())
}

fn layout(args: &Args) -> Result<Layout, Error> {
    let valkey = args
        .server_bin
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("valkey"));
    let kind = if valkey { "valkey" } else { "redis" };
    let data_dir = match &args.data_dir {
        Some(dir) => dir.clone(),
        None => Path::new("/var/lib").join(kind),
    };
    for (flag, path) in [
        ("--server-bin", &args.server_bin),
        ("--data-dir", &data_dir),
    ] {
        if !path.is_absolute() {
            return Err(Error::Relative {
                flag,
                path: PathShown(path.clone()),
            });
        }
    }
    Ok(Layout {
        place: Place::Machines(data_dir),
        server_bin: args.server_bin.clone(),
        user: args.user.clone().unwrap_or_else(|| kind.to_owned()),
        // The server on the hosts may be another than the one here, so nothing is known of it.
        server: None,
        secrets: Secrets::Included,
    })
}

fn targets(out: &Path, nodes: &[NodeFiles]) -> Result<Vec<Target>, Error> {
    nodes
        .iter()
        .flat_map(|node| [(&node.conf_path, &node.conf), (&node.unit_path, &node.unit)])
        .map(|(path, text)| {
            let path = out.join(path);
            let now = match fs::read(&path) {
                Ok(bytes) if bytes == text.as_bytes() => Now::Same,
                Ok(_) => Now::Different,
                Err(source) if source.kind() == io::ErrorKind::NotFound => Now::Missing,
                Err(source) => return Err(file_error("read", &path, source)),
            };
            Ok(Target {
                path,
                text: text.clone(),
                now,
            })
        })
        .collect()
}

fn write_file(target: &Target) -> Result<(), Error> {
    let Target { path, text, now: _ } = target;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)
            .map_err(|source| file_error("make the folder", folder, source))?;
    }
    fs::write(path, text).map_err(|source| file_error("write", path, source))
}

fn file_error(doing: &'static str, path: &Path, source: io::Error) -> Error {
    Error::File {
        doing,
        path: PathShown(path.to_owned()),
        source,
    }
}
