//! The server program that a lab runs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::LabError;
use crate::base::{Flavor, Server};

/// What is looked for on PATH, in this order.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// A server program and what it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    pub path: PathBuf,
    pub server: Server,
}

/// Finds the server: the named one, else the first on PATH.
///
/// # Errors
/// When there is none, or when it does not run as a server of a known kind.
pub fn find_server(named: Option<&Path>) -> Result<Program, LabError> {
    let path = match named {
        // A bare name is looked up like a command; anything with a slash is a path.
        Some(name) if name.components().count() == 1 && !name.has_root() => on_path(name)
            .or_else(|| name.is_file().then(|| name.to_owned()))
            .unwrap_or_else(|| name.to_owned()),
        Some(path) => path.to_owned(),
        None => NAMES
            .iter()
            .find_map(|name| on_path(Path::new(name)))
            .ok_or(LabError::NoServer)?,
    };
    let path = std::path::absolute(&path).map_err(LabError::file("find", &path))?;
    let bad = |why: String| LabError::BadServer {
        path: path.clone(),
        why,
    };
    let output = Command::new(&path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| bad(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match parse_version(&text) {
        Some(server) => Ok(Program { path, server }),
        None => Err(bad(format!(
            "asked for its version it said {:?}",
            format!("{text}{}", String::from_utf8_lossy(&output.stderr)).trim()
        ))),
    }
}

fn on_path(name: &Path) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// `Redis server v=7.0.15 sha=…`, `Valkey server v=9.1.2 sha=…`
fn parse_version(text: &str) -> Option<Server> {
    let flavor = match text.split_whitespace().next()? {
        "Redis" => Flavor::Redis,
        "Valkey" => Flavor::Valkey,
        _ => return None,
    };
    let version = text
        .split_whitespace()
        .find_map(|word| word.strip_prefix("v="))?;
    // Pre-releases are called like 9.1.0-rc1.
    let number = version.split('-').next()?;
    Some(Server {
        flavor,
        version: number.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_say_of_themselves() {
        let table = [
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=62c4\n",
                Some(Server::new(Flavor::Redis, 7, 0, 15)),
            ),
            (
                "Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536\n",
                Some(Server::new(Flavor::Valkey, 9, 1, 2)),
            ),
            (
                "Valkey server v=9.0.0-rc1 sha=0:0",
                Some(Server::new(Flavor::Valkey, 9, 0, 0)),
            ),
            ("true (GNU coreutils) 9.1\n", None),
            ("", None),
        ];
        for (text, expected) in table {
            assert_eq!(parse_version(text), expected, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong_with_a_server() {
        let missing = find_server(Some(Path::new("/nowhere/redis-server"))).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "/nowhere/redis-server can't be used as the server: No such file or directory (os error 2)"
        );
        let other = find_server(Some(Path::new("true")))
            .unwrap_err()
            .to_string();
        assert!(other.contains("asked for its version it said"), "{other}");
    }
}
