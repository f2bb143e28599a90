//! `rcl check`: reads a file and says everything about it that needs no server.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::desired::parse_with_places;
use crate::lint::lint;
use crate::view::check::{Outcome, Report, json, text};
use crate::view::error::Unusable;

use super::load::read;

/// Check a file without asking any server
///
/// Shows every mistake at its line with what to write instead, and warns of what is allowed but
/// will hurt, such as most primaries on one host. Exits with 0 if the file can be used (warnings
/// are allowed) and with 1 if not.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The YAML file that describes the cluster
    #[arg(value_name = "FILE", env = "RCL_FILE", default_value = "rcl.yaml")]
    pub file: PathBuf,

    /// Print one JSON document instead of text
    #[arg(long)]
    pub json: bool,
}

/// Checks the file, writes what there is to say, and returns the exit code.
pub fn run(args: &CheckArgs, out: &mut impl Write, colour: bool) -> u8 {
    let name = args.file.display().to_string();
    let (said, fine) = match read(&args.file) {
        Ok(content) => check(&name, &content, args.json, colour),
        Err(error) if args.json => {
            let error = format!("{name} can't be read: {error}");
            (Unusable::new(&name, &error, &[]).document(), false)
        }
        Err(error) => (format!("error: {name} can't be read: {error}\n"), false),
    };
    let written = out.write_all(said.as_bytes()).and_then(|()| out.flush());
    u8::from(!fine || written.is_err())
}

/// What there is to say about a file, and whether it can be used.
fn check(name: &str, content: &str, as_json: bool, colour: bool) -> (String, bool) {
    let parsed = parse_with_places(content);
    let lints = parsed
        .as_ref()
        .map_or_else(|_| Vec::new(), |(desired, _)| lint(desired));
    let outcome = match &parsed {
        Ok((desired, places)) => Outcome::Understood {
            desired,
            places,
            lints: &lints,
        },
        Err(findings) => Outcome::Mistakes(findings),
    };
    let report = Report {
        name,
        text: content,
        outcome,
    };
    let said = if as_json {
        json(&report)
    } else {
        text(&report, colour)
    };
    (said, report.is_fine())
}
