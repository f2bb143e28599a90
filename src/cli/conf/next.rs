//! What to do with the written files: the commands that start the nodes, ready to be pasted.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use super::Args;
use crate::conf::{Layout, NodeFiles, folder_name};
use crate::desired::{Desired, HostAddress, HostName, SecretSource};

/// Beyond this many hosts the commands of the first one stand for all.
const HOSTS_SHOWN: usize = 4;

pub(super) fn print(
    args: &Args,
    desired: &Desired,
    layout: &Layout,
    nodes: &[NodeFiles],
    out: &mut dyn Write,
) -> io::Result<()> {
    let file = shell_word(&args.file.to_string_lossy());
    let loopback = |address: &HostAddress| match address {
        HostAddress::Ip(ip) => ip.is_loopback(),
        HostAddress::Dns(_) => false,
    };
    if desired.hosts.values().all(|host| loopback(&host.address)) {
        writeln!(
            out,
            "All addresses are on this machine. To start the nodes here and form the cluster:\n\n  \
             rcl lab up {file}\n  rcl apply {file}"
        )?;
        return Ok(());
    }
    let hosts: Vec<&HostName> = desired
        .hosts
        .keys()
        .filter(|host| nodes.iter().any(|node| node.host == **host))
        .collect();
    let shown = if hosts.len() > HOSTS_SHOWN {
        1
    } else {
        hosts.len()
    };
    writeln!(out, "Next, start the nodes:\n")?;
    for host in hosts.iter().take(shown) {
        for line in host_commands(args, desired, layout, nodes, host) {
            writeln!(out, "  {line}")?;
        }
        writeln!(out)?;
    }
    if shown < hosts.len() {
        let rest: Vec<&str> = hosts
            .iter()
            .skip(shown)
            .map(|host| host.0.as_str())
            .collect();
        writeln!(out, "and the same for {}.\n", rest.join(", "))?;
    }
    writeln!(out, "Then form the cluster:\n\n  rcl apply {file}")
}

fn host_commands(
    args: &Args,
    desired: &Desired,
    layout: &Layout,
    nodes: &[NodeFiles],
    host: &HostName,
) -> Vec<String> {
    let own: Vec<&NodeFiles> = nodes.iter().filter(|node| node.host == *host).collect();
    let Some(first) = own.first() else {
        return Vec::new();
    };
    let address = desired.hosts.get(host).map(|host| host.address.to_string());
    let address = address.unwrap_or_else(|| host.0.clone());
    let login = format!("root@{address}");
    // scp takes what stands before the first colon for the host.
    let copy_to = if address.contains(':') {
        format!("root@[{address}]")
    } else {
        login.clone()
    };
    let on_host = first.folder.parent().unwrap_or(Path::new("/"));
    let on_host = shell_word(&on_host.to_string_lossy());
    let here = args.out.join(folder_name(host));
    let folders: Vec<String> = own
        .iter()
        .filter_map(|node| node.conf_path.parent())
        .map(|folder| shell_word(&args.out.join(folder).to_string_lossy()))
        .collect();
    let units: Vec<String> = own
        .iter()
        .filter_map(|node| node.unit_path.file_stem())
        .map(|unit| unit.to_string_lossy().into_owned())
        .collect();

    let mut commands = vec![
        format!("# {host}"),
        remote(&login, &format!("mkdir -p {on_host}")),
        format!("scp -r {} {copy_to}:{on_host}/", folders.join(" ")),
        format!(
            "scp {}/*.service {copy_to}:/etc/systemd/system/",
            shell_word(&here.to_string_lossy())
        ),
    ];
    commands.extend(secrets_command(args, first, &login));
    commands.push(remote(
        &login,
        &format!(
            "chown -R {}: {on_host} && systemctl daemon-reload && systemctl enable --now {}",
            layout.user,
            units.join(" ")
        ),
    ));
    commands
}

/// Sends the host's secrets there. They go through a pipe, never through an argument list, which others could read.
fn secrets_command(args: &Args, node: &NodeFiles, login: &str) -> Option<String> {
    let secrets = node.secrets.as_ref()?;
    let beside = args.file.parent().unwrap_or(Path::new(""));
    let mut format = String::new();
    let mut values = String::new();
    for line in &secrets.lines {
        let option = &line.option;
        let value = match &line.source {
            SecretSource::Env(name) => format!("\"${name}\""),
            SecretSource::File(path) => {
                let path = beside.join(path);
                format!("\"$(cat {})\"", shell_word(&path.to_string_lossy()))
            }
            SecretSource::Prompt => {
                format!("\"$(read -rsp '{option}: ' typed && printf %s \"$typed\")\"")
            }
        };
        let word = format!("\"{}%s\"", line.mark);
        format.push_str(&line.around(&word));
        format.push_str("\\n");
        let _ = write!(values, " {value}");
    }
    let path = shell_word(&secrets.path.to_string_lossy());
    Some(format!(
        "printf '{format}'{values} | {}",
        remote(login, &format!("umask 077 && cat > {path}"))
    ))
}

fn remote(login: &str, command: &str) -> String {
    format!("ssh {login} {}", shell_word(command))
}

/// A word for the shell.
fn shell_word(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "_-./:@+=,%".contains(char);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_for_the_shell() {
        for (text, expected) in [
            ("/var/lib/redis", "/var/lib/redis"),
            ("a b", "'a b'"),
            ("it's", r"'it'\''s'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(text), expected);
        }
    }
}
