//! Removes what a lab made: files whose names it knows, and folders that are then empty. Anything else stays.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::LabError;
use super::folder::{LOCK, Lab, STATE, remove_file};

/// The folder of the append-only files inside a node's, since Redis 7.0.
const APPEND_ONLY: &str = "appendonlydir";

#[derive(Debug, PartialEq, Eq)]
pub struct Wiped {
    /// Files and folders that are not the lab's, and so stayed.
    pub kept: Vec<PathBuf>,
}

/// Removes a lab whose processes have ended.
pub(super) fn wipe(lab: Lab) -> Result<Wiped, LabError> {
    let mut kept = Vec::new();
    for record in lab.state.nodes.values() {
        let folder = lab.dir.join(&record.folder);
        empty_folder(&folder.join(APPEND_ONLY), is_append_only, &mut kept)?;
        empty_folder(
            &folder,
            |name| is_of_node(name, record.address.port),
            &mut kept,
        )?;
    }
    // Hosts have a folder each, of which several nodes are; the outer folders come last, innermost first.
    let hosts = lab
        .state
        .nodes
        .values()
        .filter_map(|record| record.folder.parent());
    for folder in hosts {
        remove_if_empty(&lab.dir.join(folder))?;
    }
    if kept.is_empty() {
        remove_file(&lab.dir.join(STATE))?;
        remove_file(&lab.dir.join(LOCK))?;
        for folder in lab.state.made.iter().rev() {
            remove_if_empty(folder)?;
        }
    }
    Ok(Wiped { kept })
}

/// Removes a folder's files as far as they are known, and then the folder, if nothing is left in it.
fn empty_folder(
    folder: &Path,
    known: impl Fn(&str) -> bool,
    kept: &mut Vec<PathBuf>,
) -> Result<(), LabError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(LabError::file("read the folder", folder)(error)),
    };
    let mut left = false;
    for entry in entries {
        let entry = entry.map_err(LabError::file("read the folder", folder))?;
        let path = entry.path();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && entry.file_name().to_str().is_some_and(&known) {
            remove_file(&path)?;
        } else {
            left = true;
            if !kept.iter().any(|other| other.starts_with(&path)) {
                kept.push(path);
            }
        }
    }
    if !left {
        fs::remove_dir(folder).map_err(LabError::file("remove the folder", folder))?;
    }
    Ok(())
}

/// What rcl and a server write into a node's folder, with the names under which they write before they rename.
fn is_of_node(name: &str, port: u16) -> bool {
    let nodes = format!("nodes-{port}.conf");
    name == "redis.log"
        || ["redis.conf", &nodes]
            .iter()
            .any(|own| name == *own || is_temporary(name, own))
        || ends_with(name, &["rdb", "aof"])
}

/// `redis.conf-4242.1764.tmp` (CONFIG REWRITE), `nodes-7000.conf.tmp-4242-1764`
fn is_temporary(name: &str, own: &str) -> bool {
    name.strip_prefix(own)
        .is_some_and(|rest| rest.ends_with(".tmp") || rest.starts_with(".tmp-"))
}

fn is_append_only(name: &str) -> bool {
    ends_with(name, &["rdb", "aof", "manifest"])
}

fn ends_with(name: &str, extensions: &[&str]) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    extension.is_some_and(|extension| extensions.contains(&extension))
}

fn remove_if_empty(folder: &Path) -> Result<(), LabError> {
    match fs::remove_dir(folder) {
        Ok(()) => Ok(()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        Err(error) => Err(LabError::file("remove the folder", folder)(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_files_of_a_node_and_no_others() {
        let known = [
            "redis.conf",
            "redis.log",
            "nodes-7000.conf",
            "dump.rdb",
            "temp-4242.rdb",
            "appendonly.aof",
            "redis.conf-4242.1764.tmp",
            "nodes-7000.conf.tmp-4242-1764",
        ];
        let others = [
            "nodes-7001.conf",
            "notes.txt",
            "my.conf",
            "redis.log.old",
            "aof",
            ".tmp",
        ];
        for name in known {
            assert!(is_of_node(name, 7000), "{name}");
        }
        for name in others {
            assert!(!is_of_node(name, 7000), "{name}");
        }
    }
}
