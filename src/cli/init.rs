//! `rcl init`: a file for a cluster that isn't there yet.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::layout::{Given, LaidOut, lay_out};
use crate::view::{Output, yaml};

use super::exit::Exit;
use super::export::cluster_name;
use super::load::read;

/// Lay out a new file for given nodes
///
/// Makes shards of one primary and so many replicas each, and prints the file. No server is asked. A replica never
/// shares the host of its primary, nor its zone, and no host or zone holds so many primaries that its loss stops
/// failovers, if any layout of these nodes can do that; what can't be done is told, with the reason. Equal nodes
/// give an equal file.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The nodes: host1:7000,host1:7001,…
    #[arg(
        long,
        value_name = "HOST:PORT,…",
        required_unless_present = "nodes_file"
    )]
    pub nodes: Option<String>,
    /// A file with a node a line, and its zone behind it where there are zones
    #[arg(long, value_name = "FILE", conflicts_with = "nodes")]
    pub nodes_file: Option<PathBuf>,
    /// How many replicas each primary gets
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub replicas: u16,
    /// The name of the cluster in the file
    #[arg(long, value_name = "NAME", default_value = "cluster", value_parser = cluster_name)]
    pub name: String,
    /// Write the file here instead of printing it; one that exists is left alone
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Prints or writes the file and returns the exit code.
pub fn run(args: &InitArgs, output: &mut Output<'_>) -> Exit {
    let given = match given(args) {
        Ok(given) => given,
        Err((exit, words)) => {
            output.complain(&words);
            return exit;
        }
    };
    let laid_out = match lay_out(&given, &args.name, usize::from(args.replicas)) {
        Ok(laid_out) => laid_out,
        Err(too_few) => {
            output.complain(&too_few.to_string());
            return Exit::Error;
        }
    };
    let LaidOut { desired, unmet } = &laid_out;
    let text = yaml::file(desired, unmet);
    let exit = match &args.out {
        None => {
            output.data(&text);
            Exit::Fine
        }
        Some(path) => match write_new(path, &text) {
            Ok(()) => Exit::Fine,
            Err(error) => {
                let words = format!("{} can't be written: {error}", path.display());
                output.complain(&words);
                return Exit::Error;
            }
        },
    };
    output.talk(&yaml::remarks(unmet, output.err.styles));
    exit
}

fn given(args: &InitArgs) -> Result<Given, (Exit, String)> {
    match (&args.nodes, &args.nodes_file) {
        (_, Some(path)) => {
            let name = path.display();
            let text =
                read(path).map_err(|why| (Exit::Error, format!("{name} can't be read: {why}")))?;
            Given::from_lines(&text).map_err(|error| (Exit::Error, format!("{name}: {error}")))
        }
        (nodes, None) => Given::from_list(nodes.as_deref().unwrap_or_default())
            .map_err(|error| (Exit::Usage, error.to_string())),
    }
}

/// Never over a file that is there.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
