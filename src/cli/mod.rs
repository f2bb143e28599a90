//! The commands, one file each: their arguments, whose doc comments are the help, and what they do.

mod access;
pub mod apply;
pub mod check;
pub mod completions;
pub mod conf;
pub mod drift;
mod exit;
pub mod export;
pub mod init;
mod journal;
pub mod lab;
mod load;
mod lock;
mod no_core;
pub mod plan;
mod prompt;
mod rights;
mod saved;
pub mod status;
mod who;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::base::NodeName;
use crate::desired::{Desired, Finding};
use crate::diff::Allowed;
use crate::view::error::Unusable;
use crate::view::{self, ColorChoice, Commands, Output};

pub use exit::Exit;
use load::{LoadError, load, load_without_secrets};

const DEFAULT_FILE: &str = "rcl.yaml";

const EXIT_CODES: &str = "\
Exit codes:
  0   fine: done, nothing to do, or nothing differs
  1   error: unreadable file, unreachable nodes, declined, interrupted, out of time,
      or an apply that leaves something to be done
  2   changes are pending (drift, status, and plan --detailed-exitcode)
  3   blocked, or a node or link is down, or nobody serves some slots (drift
      and status), or the cluster changed meanwhile,
      or there is no terminal to ask on
  4   another apply holds the cluster
  64  the command line makes no sense";

/// Plan and apply for Redis and Valkey Cluster.
///
/// Keeps a cluster the way a YAML file says it should be: reads the live cluster, shows
/// the fewest native commands that make it so, and sends them when you say yes.
#[derive(Debug, Parser)]
#[command(name = "rcl", version, after_help = EXIT_CODES, subcommand_required = true, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colours
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: Color,
}

#[derive(Debug, Subcommand)]
enum Command {
    Plan(plan::PlanArgs),
    Apply(apply::ApplyArgs),
    Drift(drift::DriftArgs),
    Status(status::StatusArgs),
    Check(check::CheckArgs),
    Export(export::ExportArgs),
    Init(init::InitArgs),
    Conf(conf::Args),
    Lab(lab::Args),
    Completions(completions::CompletionsArgs),
    /// Print the manual page
    Man,
}

/// What planning commands have in common.
#[derive(Debug, Args)]
pub struct Shared {
    /// The YAML file that describes the cluster, or a plan that was saved with --out
    #[arg(value_name = "FILE", env = "RCL_FILE", default_value = DEFAULT_FILE)]
    pub file: PathBuf,
    /// Give leave, once for each, for what wipes, removes or loses data: resync=NODE, remove=NODE, forget=NODE, lose-data=SHARD
    ///
    /// resync: the node's copy is dropped and made anew. remove: a member that the file doesn't name leaves the cluster
    /// (with `prune: true`). forget: a member that is gone is taken out of the tables of the others. lose-data: a shard of
    /// which no node answers any more starts empty; a shard that the file doesn't name is called by the id of its primary.
    /// The plan prints the flag that it needs. A node that the file doesn't name is called by its host and port, its
    /// address, or its id.
    #[arg(long, value_name = "KIND=WHAT")]
    pub allow: Vec<Allow>,
    /// Show long runs of like steps folded, or all of them
    #[arg(long, value_enum, value_name = "WHICH", default_value_t)]
    pub commands: Which,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
pub enum Which {
    #[default]
    Folded,
    All,
}

impl From<Which> for Commands {
    fn from(which: Which) -> Self {
        match which {
            Which::Folded => Self::Folded,
            Which::All => Self::All,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Color {
    #[default]
    Auto,
    Always,
    Never,
}

/// Leave given by name for what wipes or removes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allow {
    kind: Leave,
    what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leave {
    Resync,
    Remove,
    Forget,
    LoseData,
}

impl Leave {
    fn word(self) -> &'static str {
        match self {
            Self::Resync => "resync",
            Self::Remove => "remove",
            Self::Forget => "forget",
            Self::LoseData => "lose-data",
        }
    }
}

/// As it is written.
impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.kind.word(), self.what)
    }
}

impl FromStr for Allow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let usage = "write resync=NODE, remove=NODE, forget=NODE or lose-data=SHARD, with the name that the plan gives";
        let (kind, what) = text.split_once('=').ok_or(usage)?;
        let kind = match kind {
            "resync" => Leave::Resync,
            "remove" => Leave::Remove,
            "forget" => Leave::Forget,
            "lose-data" => Leave::LoseData,
            _ => return Err(usage.to_owned()),
        };
        match what {
            "" => Err(usage.to_owned()),
            what if what.contains(',') => {
                let flags = what
                    .split(',')
                    .map(|one| format!("--allow {}={one}", kind.word()));
                let flags: Vec<String> = flags.collect();
                Err(format!("one name a flag: {}", flags.join(" ")))
            }
            what => Ok(Self {
                kind,
                what: what.to_owned(),
            }),
        }
    }
}

/// Runs a command line and returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    no_core::leave_none();
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for, and go to standard output.
            let asked = !error.use_stderr();
            let _ = error.print();
            return if asked {
                Exit::Fine.code()
            } else {
                Exit::Usage.code()
            };
        }
    };
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
        || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let choice = match cli.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let mut output = Output::of_process(choice, plain);
    let code = dispatch(&cli, &mut output);
    match output.finish() {
        Ok(()) => code,
        Err(error) => {
            Output::of_process(choice, plain)
                .talk(&format!("error: can't write the output: {error}\n"));
            Exit::Error.code()
        }
    }
}

fn dispatch(cli: &Cli, output: &mut Output<'_>) -> u8 {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            output.talk(&format!("error: can't start: {error}\n"));
            return Exit::Error.code();
        }
    };
    match &cli.command {
        Command::Plan(args) => runtime.block_on(plan::run(args, output)).code(),
        Command::Apply(args) => runtime.block_on(apply::run(args, output)).code(),
        Command::Drift(args) => runtime
            .block_on(drift::run(args, args.verbose > 0, output))
            .code(),
        Command::Status(args) => runtime.block_on(status::run(args, output)).code(),
        Command::Check(args) => {
            let (mut text, coloured) = (Vec::new(), output.out.styles.are_coloured());
            let code = check::run(args, &mut text, coloured);
            output.data(&String::from_utf8_lossy(&text));
            code
        }
        Command::Export(args) => runtime.block_on(export::run(args, output)).code(),
        Command::Init(args) => init::run(args, output).code(),
        Command::Conf(args) => with_file(
            &load_without_secrets(&args.file),
            output,
            |desired, out, err| conf::run(args, desired, out, err),
        ),
        Command::Lab(args) => with_file(&load(args.file()), output, |desired, out, err| {
            lab::run(args, desired, out, err)
        }),
        Command::Completions(args) => completions::completions(args, Cli::command(), output).code(),
        Command::Man => completions::man(Cli::command(), output).code(),
    }
}

/// For the commands that print by themselves to two writers.
fn with_file(
    loaded: &Result<load::Loaded, LoadError>,
    output: &mut Output<'_>,
    command: impl FnOnce(&Desired, &mut dyn std::io::Write, &mut dyn std::io::Write) -> u8,
) -> u8 {
    match loaded {
        Ok(loaded) => {
            let Output { out, err } = output;
            command(&loaded.desired, out, err)
        }
        Err(error) => fail(output, error).code(),
    }
}

/// Prints why there is no desired state; as JSON on the data's stream too, so that a program that
/// reads it never finds it empty.
fn fail_as(json: Option<Json>, output: &mut Output<'_>, error: &LoadError) -> Exit {
    let (file, findings): (_, &[Finding]) = match error {
        LoadError::Mistakes { file, findings, .. } => (file, findings),
        LoadError::Unreadable { file, .. }
        | LoadError::NoSecrets { file, .. }
        | LoadError::NoAccess { file, .. } => (file, &[]),
    };
    tell_unusable(json, output, file, &error.to_string(), findings);
    fail(output, error)
}

/// The JSON of an error, if JSON is asked for.
fn tell_unusable(
    json: Option<Json>,
    output: &mut Output<'_>,
    file: &str,
    error: &str,
    findings: &[Finding],
) {
    let unusable = Unusable::new(file, error, findings);
    match json {
        None => {}
        Some(Json::Document) => output.data(&unusable.document()),
        Some(Json::Line) => output.data(&unusable.line()),
    }
}

/// How a command that is asked for JSON prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Json {
    /// One document.
    Document,
    /// A document a line.
    Line,
}

/// Prints why there is no desired state.
fn fail(output: &mut Output<'_>, error: &LoadError) -> Exit {
    let styles = output.err.styles;
    let text = match error {
        LoadError::Mistakes {
            file,
            text,
            findings,
        } => view::findings::render(findings, file, text, styles.are_coloured()),
        LoadError::Unreadable { .. } => view::error::human(
            error,
            &["Name the file, or set RCL_FILE; without either it is rcl.yaml."],
            styles,
        ),
        LoadError::NoSecrets { .. } | LoadError::NoAccess { .. } => {
            view::error::human(error, &[], styles)
        }
    };
    output.talk(&text);
    Exit::Error
}

/// What the person gave leave for. Who is to be synced anew is in the file; who is to go is not.
fn allowed(given: &[Allow], desired: &Desired) -> Result<Allowed, String> {
    let mut allowed = Allowed::default();
    for Allow { kind, what } in given {
        let node = NodeName::new(what);
        let declared = desired.nodes.contains_key(&node);
        match kind {
            Leave::Resync if !declared => {
                return Err(format!(
                    "--allow resync={node}: the file names no node {node}"
                ));
            }
            Leave::Remove if declared => {
                return Err(format!(
                    "--allow remove={node}: the file names {node}; take it out of the file first"
                ));
            }
            Leave::Resync => {
                allowed.resync.insert(node);
            }
            Leave::Remove => {
                allowed.remove.insert(what.clone());
            }
            Leave::Forget => {
                allowed.forget.insert(what.clone());
            }
            Leave::LoseData => {
                allowed.lose_data.insert(what.clone());
            }
        }
    }
    Ok(allowed)
}
