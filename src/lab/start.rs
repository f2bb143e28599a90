//! Starts one server process and records it.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use zeroize::Zeroizing;

use super::folder::Lab;
use super::state::Record;
use super::{Identity, LabError, Program, node_folder};
use crate::base::Address;
use crate::conf::{NodeFiles, conf_word, source_words};
use crate::desired::{Desired, Node};

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
        certificates: &[String],
    ) -> Result<Self, LabError> {
        Ok(Self {
            node,
            address,
            files,
            secrets: secret_lines(node, files, certificates)?,
        })
    }
}

/// What goes to the server's standard input: the secrets, and certificates that the file doesn't declare.
fn secret_lines(
    node: &Node,
    files: &NodeFiles,
    certificates: &[String],
) -> Result<Zeroizing<String>, LabError> {
    let mut text = Zeroizing::new(String::new());
    for line in files.secrets.iter().flat_map(|secrets| &secrets.lines) {
        let Some(value) = &line.value else {
            return Err(LabError::SecretMissing {
                node: node.name.clone(),
                option: line.option.clone(),
                from: source_words(&line.source),
            });
        };
        let word = Zeroizing::new(format!("{}{}", line.mark, value.expose()));
        let whole = Zeroizing::new(line.around(&Zeroizing::new(conf_word(&word))));
        text.push_str(&whole);
        text.push('\n');
    }
    for line in certificates {
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// The server of a lab shows the certificate that rcl itself has, unless the file declares another.
pub(super) fn certificates(
    desired: &Desired,
    node: &Node,
    beside: &Path,
) -> Result<Vec<String>, LabError> {
    let Some(tls) = &desired.access_of(node).tls else {
        return Ok(Vec::new());
    };
    if node.config.contains_key("tls-cert-file") {
        return Ok(Vec::new());
    }
    let Some((cert, key)) = &tls.identity else {
        return Err(LabError::NoCertificate {
            node: node.name.clone(),
        });
    };
    let files = [
        ("tls-ca-cert-file", &tls.ca),
        ("tls-cert-file", cert),
        ("tls-key-file", key),
    ];
    let line = |(option, path): (&str, &PathBuf)| {
        let path = beside.join(path);
        format!("{option} {}", conf_word(&path.to_string_lossy()))
    };
    Ok(files.map(line).to_vec())
}

/// Writes the node's configuration, starts its server and records the process at once, so that an interruption
/// leaves no process behind that nobody knows of.
pub(super) fn start(
    lab: &mut Lab,
    program: &Program,
    launch: &Launch<'_>,
) -> Result<Child, LabError> {
    let folder = lab.dir.join(node_folder(launch.node));
    // Servers write their secrets into the file when they rewrite it, and with what mode is their business.
    let owners = fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder);
    owners
        .and_then(|()| fs::set_permissions(&folder, Permissions::from_mode(0o700)))
        .map_err(LabError::file("make the folder", &folder))?;
    let conf = folder.join("redis.conf");
    write_private(&conf, &launch.files.conf).map_err(LabError::file("write", &conf))?;
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

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())
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
        // The secrets of the file may be in rcl's own environment.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        // A group of its own: Ctrl-C in the terminal ends rcl, not the servers.
        .process_group(0);
    if !launch.secrets.is_empty() {
        // The last argument `-` is more configuration, on the standard input.
        command.arg("-").stdin(Stdio::piped());
    }
    let failed = |source: io::Error| LabError::process("start", program.path.display())(source);
    command.spawn().map_err(failed)
}
