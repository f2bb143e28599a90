//! Measures `rcl` against `redis-cli --cluster` on real servers of this machine and prints Markdown tables.
//!
//! `cargo bench --bench cluster -- [--kind redis-7.0] [--runs 1] [--tools redis-cli,rcl,native] [--roles]
//! [6 30 100]`; `--grow KEYS [--delay MS] [--paces]` measures how slots with keys move, `--empty` how slots without.
//! Both tools run in the same process of measuring, on fresh servers of the same kind, one after the other.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that can't go on ends there"
)]

mod arguments;
mod contest;
mod delay;
mod fill;
mod memory;
mod moved;
mod moving;
mod planning;
mod raw;
mod reading;
mod table;
mod watch;

#[path = "../it/support/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the tests use more of it")]
mod support;

use std::process::ExitCode;

use arguments::Arguments;
use contest::{Formed, Tool};
use reading::Reading;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, command @ ..] = words.as_slice()
        && flag == memory::FLAG
    {
        return memory::run(command);
    }
    if words.is_empty() {
        table::note(
            "not measuring: `cargo bench` says --bench, `cargo test --benches` says nothing",
        );
        return ExitCode::SUCCESS;
    }
    match Arguments::parse(&words).and_then(|arguments| measure(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            table::note(&error);
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<(), String> {
    if arguments.grow.is_some() || arguments.empty {
        let growths = match arguments.grow {
            Some(keys) => moving::contest(arguments, keys)?,
            None => moving::empty(arguments)?,
        };
        moved::print(arguments, &growths);
        return Ok(());
    }
    let mut times = Vec::new();
    let mut readings = Vec::new();
    for &nodes in &arguments.sizes {
        for run in 1..=arguments.runs {
            for &tool in &arguments.tools {
                table::note(&format!("{nodes} nodes, run {run}: {}", tool.name()));
                let formed = Formed::by(tool, arguments, nodes)?;
                table::note(&format!("  {}", formed.times));
                times.push((nodes, tool, formed.times));
                // Reading is measured on the cluster that the file declares, once a size.
                if tool == Tool::Rcl && run == arguments.runs {
                    readings.push((nodes, Reading::of(&formed)?));
                }
            }
        }
    }
    table::print(arguments, &times, &readings);
    table::planning(planning::median());
    Ok(())
}
