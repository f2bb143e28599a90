//! The results as Markdown, to be pasted into the documentation.

use std::io::Write;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::contest::{Times, Tool};
use crate::reading::{Reading, median};

/// Progress and errors, beside the tables.
pub(crate) fn note(text: &str) {
    // Nobody to tell when even this stream is closed.
    let _ = writeln!(std::io::stderr(), "{text}");
}

pub(crate) fn print(
    arguments: &Arguments,
    times: &[(u16, Tool, Times)],
    readings: &[(u16, Reading)],
) {
    let mut text = format!(
        "\n{}, {}, {}\n\n",
        arguments.kind.name(),
        match arguments.runs {
            1 => "one run".to_owned(),
            runs => format!("medians of {runs} runs"),
        },
        machine(),
    );
    text.push_str(&forming(arguments, times));
    if !readings.is_empty() {
        text.push_str("\n| nodes | `redis-cli --cluster check` | `rcl drift` | times faster | peak memory of `rcl drift` |\n|---|---|---|---|---|\n");
    }
    for (nodes, reading) in readings {
        text.push_str(&format!(
            "| {nodes} | {} | {} | {} | {:.1} MB |\n",
            shown(reading.check),
            shown(reading.drift),
            ratio(reading.check, reading.drift),
            reading.memory as f64 / 1e6,
        ));
    }
    let _ = std::io::stdout().write_all(text.as_bytes());
}

type Measure = fn(&Times) -> Duration;

/// One row a size and measure, one column a tool, and how many times faster each is than the first.
fn forming(arguments: &Arguments, times: &[(u16, Tool, Times)]) -> String {
    let mut text = "| nodes | until |".to_owned();
    for (place, tool) in arguments.tools.iter().enumerate() {
        text.push_str(&format!(" {} |", tool.name()));
        if place > 0 {
            text.push_str(" times faster |");
        }
    }
    text.push_str(&format!(
        "\n{}\n",
        "|---".repeat(1 + 2 * arguments.tools.len()) + "|"
    ));
    for &nodes in &arguments.sizes {
        let of = |tool: Tool, measure: Measure| {
            let runs = times
                .iter()
                .filter(|(size, by, _)| *size == nodes && *by == tool);
            median(runs.map(|(_, _, times)| measure(times)).collect())
        };
        let converged = if arguments.roles {
            "converged, roles too"
        } else {
            "converged"
        };
        let measures: [(&str, Measure); 3] = [
            ("whole", |times| times.whole),
            (converged, |times| times.converged),
            ("the tool exits", |times| times.exit),
        ];
        for (name, measure) in measures {
            text.push_str(&format!("| {nodes} | {name} |"));
            for (place, &tool) in arguments.tools.iter().enumerate() {
                let time = of(tool, measure);
                text.push_str(&format!(" {} |", shown(time)));
                if place > 0 {
                    text.push_str(&format!(
                        " {} |",
                        ratio(of(arguments.tools[0], measure), time)
                    ));
                }
            }
            text.push('\n');
        }
        text.push_str(&commands(arguments, times, nodes));
    }
    text
}

fn commands(arguments: &Arguments, times: &[(u16, Tool, Times)], nodes: u16) -> String {
    let mut text = format!("| {nodes} | (commands sent) |");
    for (place, &tool) in arguments.tools.iter().enumerate() {
        let runs = times
            .iter()
            .filter(|(size, by, _)| *size == nodes && *by == tool);
        let sent = median(runs.map(|(_, _, times)| times.commands).collect());
        text.push_str(&format!(" {sent} |"));
        if place > 0 {
            text.push_str(" |");
        }
    }
    text + "\n"
}

pub(crate) fn shown(time: Duration) -> String {
    if time < Duration::from_secs(1) {
        format!("{:.0} ms", time.as_secs_f64() * 1000.0)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

pub(crate) fn ratio(reference: Duration, time: Duration) -> String {
    format!("{:.1}x", reference.as_secs_f64() / time.as_secs_f64())
}

/// `2 cores (NAME OF THE PROCESSOR)`.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = about
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |name| {
            name.trim_start_matches([' ', '\t', ':'])
        });
    format!("{cores} cores ({name})")
}

/// Planning has no counterpart elsewhere: a time by itself.
#[expect(
    clippy::print_stdout,
    reason = "the tables are what the benchmark is for"
)]
pub(crate) fn planning(median: Duration) {
    println!();
    println!(
        "Planning 1000 nodes, every slot a range of its own: {} ms.",
        median.as_millis()
    );
}
