//! Starts one server process and records it.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use zeroize::Zeroizing;

use super::folder::Lab;
use super::state::Record;
use super::{Identity, LabError, Program, node_folder};
use crate::base::Address;
use crate::conf::{NodeFiles, conf_word, source_words};
use crate::desired::{Node, Setting};

/// A node about to be started.
pub(super) struct Launch<'a> {
    pub(super) node: &'a Node,
    pub(super) address: Address,
    files: &'a NodeFiles,
    /// Lines of configuration that are never written to disk.
    secrets: Zeroizing<String>,
}

impl<'a> Launch<'a> {
    pub(super) fn new(
        node: &'a Node,
        address: Address,
        files: &'a NodeFiles,
    ) -> Result<Self, LabError> {
        Ok(Self {
            node,
            address,
            files,
            secrets: secret_lines(node)?,
        })
    }
}

fn secret_lines(node: &Node) -> Result<Zeroizing<String>, LabError> {
    let mut lines = Zeroizing::new(String::new());
    for (option, setting) in &node.config {
        let (source, value) = match setting {
            Setting::Plain(_) => continue,
            Setting::Secret { source, value } => (source, value),
        };
        let Some(value) = value else {
            return Err(LabError::SecretMissing {
                node: node.name.clone(),
                option: option.clone(),
                from: source_words(source),
            });
        };
        lines.push_str(option);
        lines.push(' ');
        lines.push_str(&Zeroizing::new(conf_word(value.expose())));
        lines.push('\n');
    }
    Ok(lines)
}

/// Writes the node's configuration, starts its server and records the process at once, so that an interruption
/// leaves no process behind that nobody knows of.
pub(super) fn start(
    lab: &mut Lab,
    program: &Program,
    launch: &Launch<'_>,
) -> Result<Child, LabError> {
    let folder = lab.dir.join(node_folder(launch.node));
    fs::create_dir_all(&folder).map_err(LabError::file("make the folder", &folder))?;
    let conf = folder.join("redis.conf");
    fs::write(&conf, &launch.files.conf).map_err(LabError::file("write", &conf))?;
    let mut child = spawn(program, launch, &folder, &conf)?;
    let process = Identity::of(child.id()).inspect_err(|_| {
        // What can't be recorded must not stay.
        let _ = child.kill();
    });
    let process = process.map_err(LabError::process(
        "see the new process of",
        &launch.node.name,
    ))?;
    lab.state.nodes.insert(
        launch.node.name.clone(),
        Record {
            process: Some(process),
            address: launch.address,
            server: program.server,
            folder: node_folder(launch.node),
        },
    );
    lab.save()?;
    if let Some(mut input) = child.stdin.take() {
        // A server that is gone already shows so in its log, so a broken pipe says nothing new.
        let _ = input.write_all(launch.secrets.as_bytes());
    }
    Ok(child)
}

fn spawn(
    program: &Program,
    launch: &Launch<'_>,
    folder: &Path,
    conf: &Path,
) -> Result<Child, LabError> {
    // What a server says before it opens its log, mistakes in its configuration above all, goes there too.
    let log = folder.join("redis.log");
    let open = || File::options().create(true).append(true).open(&log);
    let out = open().map_err(LabError::file("open", &log))?;
    let err = open().map_err(LabError::file("open", &log))?;
    let mut command = Command::new(&program.path);
    command
        .arg(conf)
        .args(["--daemonize", "no", "--supervised", "no"])
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(err)
        .current_dir(folder)
        // A group of its own: Ctrl-C in the terminal ends rcl, not the servers.
        .process_group(0);
    if !launch.secrets.is_empty() {
        // The last argument `-` is more configuration, on the standard input.
        command.arg("-").stdin(Stdio::piped());
    }
    let failed = |source: io::Error| LabError::process("start", program.path.display())(source);
    command.spawn().map_err(failed)
}
