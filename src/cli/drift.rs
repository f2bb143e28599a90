//! `rcl drift`: silent when all is as declared, made for cron.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{ArgAction, Args};
use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};

use crate::base::{Address, Presence};
use crate::diff::{Allowed, Diff};
use crate::net::{Connections, Heard, ReadOnly, holders};
use crate::observe::{SETTLE_WITHIN, Targets, look_until_settled};
use crate::view::{self, Output};

use super::exit::Exit;
use super::load::{LoadError, load, targets};
use super::{DEFAULT_FILE, Json, fail_as, tell_unusable};

/// Tell what is not as declared: silent when nothing is, for cron
///
/// Compares each FILE with its cluster, all at once, and prints one line a difference, beginning with the file. The same
/// difference on more than six nodes is one line. Nothing is written. Notes, such as a replica that took over, are no
/// drift; --verbose tells them too. The exit code is 0 when
/// nothing differs, 2 when something does, 3 when something is blocked, a node or a link is down or nobody serves some
/// slots, and 1 when nothing could be determined. Of several files the worst counts: 1, then 3, then 2.
#[derive(Debug, Args)]
pub struct DriftArgs {
    /// The YAML files that describe the clusters
    #[arg(value_name = "FILE", env = "RCL_FILE", default_value = DEFAULT_FILE)]
    pub files: Vec<PathBuf>,
    /// Give up on a file after this long, whatever its nodes do
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    pub timeout: Duration,
    /// Tell notes too, and every line of what is alike
    #[arg(long, short, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print one line of JSON for each file instead of text
    #[arg(long)]
    pub json: bool,
}

/// What a file's cluster was found to be.
enum Found {
    Diff {
        cluster: String,
        diff: Box<Diff>,
        applying: BTreeSet<Presence>,
    },
    NotLoaded(LoadError),
    /// With the nodes that had not answered.
    OutOfTime {
        silent: Vec<String>,
    },
}

/// Compares every file with its cluster, all at once, and returns the exit code.
pub async fn run(args: &DriftArgs, verbose: bool, output: &mut Output<'_>) -> Exit {
    let found = join_all(args.files.iter().map(|file| look(file, args.timeout))).await;
    let json = args.json.then_some(Json::Line);
    let mut exits = Vec::new();
    for (file, found) in args.files.iter().zip(found) {
        let name = file.display().to_string();
        exits.push(match found {
            Found::Diff {
                cluster,
                diff,
                applying,
            } => {
                let styles = output.out.styles;
                let text = match args.json {
                    true => view::drift::json(&name, &cluster, &diff, &applying),
                    false => {
                        let mut text = view::drift::human(&name, &diff, verbose, styles);
                        if verbose || !text.is_empty() {
                            text += &view::drift::applying(&name, &applying, styles);
                        }
                        text
                    }
                };
                output.data(&text);
                Exit::of_state(&diff, !applying.is_empty())
            }
            Found::NotLoaded(error) => fail_as(json, output, &error),
            Found::OutOfTime { silent } => {
                let error = out_of_time(args.timeout, &silent);
                tell_unusable(json, output, &name, &error, &[]);
                output.talk(&view::error::line_of(&format!("{name}: {error}")));
                Exit::Error
            }
        });
    }
    Exit::worst(exits)
}

async fn look(file: &Path, limit: Duration) -> Found {
    let loaded = match load(file) {
        Ok(loaded) => loaded,
        Err(error) => return Found::NotLoaded(error),
    };
    let until = Instant::now() + limit;
    let Ok(targets) = timeout_at(until, targets(&loaded.desired)).await else {
        return Found::OutOfTime { silent: Vec::new() };
    };
    let connections = Connections::new(loaded.keyring(&targets));
    let only_reading = ReadOnly(&connections);
    let wire = Heard::new(&only_reading);
    let compare = async {
        let settle = SETTLE_WITHIN.min(limit / 2);
        let mut observed = look_until_settled(&wire, &targets, settle, |_| {}).await;
        observed.applying = holders(&wire, &observed.places()).await;
        let diff = crate::diff::diff(&loaded.desired, &observed, &Allowed::default());
        (diff, observed.applying)
    };
    match timeout_at(until, compare).await {
        Ok((diff, applying)) => Found::Diff {
            cluster: loaded.desired.cluster,
            diff: Box::new(diff),
            applying,
        },
        Err(_) => Found::OutOfTime {
            silent: silent(&wire.silent(), &targets),
        },
    }
}

/// What to call the nodes at these addresses: by the file, where it names them.
fn silent(addresses: &BTreeSet<Address>, targets: &Targets) -> Vec<String> {
    let named = |address: &Address| {
        let mut nodes = targets.nodes.iter();
        nodes.find(|(_, at)| at.as_ref().is_ok_and(|at| at.contains(address)))
    };
    let mut names: Vec<String> = addresses
        .iter()
        .map(|address| named(address).map_or(address.to_string(), |(name, _)| name.to_string()))
        .collect();
    names.sort();
    names.dedup();
    names
}

fn out_of_time(limit: Duration, silent: &[String]) -> String {
    let limit = humantime::format_duration(limit);
    match silent {
        [] => format!("nothing could be told within {limit}"),
        silent => format!(
            "nothing could be told within {limit}: no answer from {}",
            view::named(silent)
        ),
    }
}
