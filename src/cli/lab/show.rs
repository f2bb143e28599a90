//! What `rcl lab` prints: a line a node, then one that sums up. Each function returns the exit code.

use std::io::{self, Write};
use std::path::Path;

use crate::base::{Address, NodeName};
use crate::lab::{Down, Ended, Running, Status, Up, UpNode, UpOutcome, Wiped};

pub(super) fn up(up: &Up, out: &mut dyn Write, err: &mut dyn Write) -> io::Result<u8> {
    let width = name_width(up.nodes.iter().map(|node| &node.name));
    let (mut started, mut already, mut failed) = (0, 0, 0);
    for node in &up.nodes {
        let word = match node.outcome {
            UpOutcome::Started => {
                started += 1;
                "started"
            }
            UpOutcome::Already => {
                already += 1;
                "running"
            }
            UpOutcome::Failed { .. } => {
                failed += 1;
                "failed"
            }
        };
        line(
            out,
            word,
            &node.name,
            width,
            node.address,
            &format!("pid {}", node.pid),
        )?;
    }
    for node in &up.nodes {
        explain_failure(node, err)?;
    }
    if !up.undeclared.is_empty() {
        let names: Vec<&str> = up.undeclared.iter().map(NodeName::as_str).collect();
        writeln!(
            out,
            "Also running here, but not in the file: {}.",
            names.join(", ")
        )?;
    }
    let dir = up.dir.display();
    if failed > 0 {
        writeln!(
            out,
            "{}, {started} started, {already} ran already, in {dir}.",
            nodes(failed, "failed")
        )?;
        return Ok(1);
    }
    if started == 0 {
        writeln!(
            out,
            "Nothing to start: {} already, in {dir}.",
            nodes(already, "running")
        )?;
    } else {
        let server = up.program.server;
        let rest = if already > 0 {
            format!(", {already} ran already")
        } else {
            String::new()
        };
        writeln!(
            out,
            "{} with {server}{rest}, in {dir}.",
            nodes(started, "started")
        )?;
    }
    Ok(0)
}

fn explain_failure(node: &UpNode, err: &mut dyn Write) -> io::Result<()> {
    let (why, log, tail) = match &node.outcome {
        UpOutcome::Started | UpOutcome::Already => return Ok(()),
        UpOutcome::Failed { why, log, tail } => (why, log, tail),
    };
    writeln!(err, "error: {} did not come up: {why}", node.name)?;
    if tail.is_empty() {
        return writeln!(err, "  its log is empty: {}", log.display());
    }
    writeln!(err, "  the end of its log, {}:", log.display())?;
    for line in tail {
        writeln!(err, "    {line}")?;
    }
    Ok(())
}

pub(super) fn down(down: &Down, dir: &Path, out: &mut dyn Write) -> io::Result<u8> {
    let width = name_width(down.nodes.iter().map(|(name, _)| name));
    let mut ended = 0;
    for (name, how) in &down.nodes {
        let (word, pid) = match how {
            Ended::Stopped { pid } => ("stopped", pid),
            Ended::Killed { pid } => ("killed", pid),
            Ended::NotRunning => continue,
        };
        ended += 1;
        writeln!(out, "{word}  {name:width$}  pid {pid}")?;
    }
    let dir = dir.display();
    if ended == 0 {
        writeln!(out, "Nothing to stop: no node runs in {dir}.")?;
    } else {
        writeln!(out, "{}, in {dir}.", nodes(ended, "stopped"))?;
    }
    match &down.wiped {
        None => {}
        Some(Wiped { kept }) if kept.is_empty() => {
            writeln!(out, "Removed what the lab had made there.")?
        }
        Some(Wiped { kept }) => {
            writeln!(
                out,
                "Removed what the lab had made, and kept what is not its own:"
            )?;
            for path in kept {
                writeln!(out, "  {}", path.display())?;
            }
        }
    }
    Ok(0)
}

pub(super) fn status(status: &Status, out: &mut dyn Write) -> io::Result<u8> {
    let width = name_width(status.nodes.iter().map(|node| &node.name));
    for node in &status.nodes {
        let (word, mut rest) = match node.running {
            Running::Yes { pid, server } => ("running", format!("pid {pid}  {server}")),
            Running::Mute { pid, server } => {
                ("silent", format!("pid {pid}  {server}  gives no answer"))
            }
            Running::No => ("stopped", String::new()),
        };
        if !node.declared {
            rest.push_str("  not in the file");
        }
        line(out, word, &node.name, width, node.address, &rest)?;
    }
    Ok(if status.all_run() { 0 } else { 2 })
}

fn line(
    out: &mut dyn Write,
    word: &str,
    name: &NodeName,
    width: usize,
    address: Address,
    rest: &str,
) -> io::Result<()> {
    // As wide as 127.255.255.255:55535.
    let text = format!("{word:7}  {name:width$}  {address:21}  {rest}");
    writeln!(out, "{}", text.trim_end())
}

fn name_width<'a>(names: impl Iterator<Item = &'a NodeName>) -> usize {
    names.map(|name| name.as_str().len()).max().unwrap_or(0)
}

fn nodes(count: usize, what: &str) -> String {
    let noun = if count == 1 { "node" } else { "nodes" };
    format!("{count} {noun} {what}")
}
