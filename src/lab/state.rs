//! The record that a lab keeps of the processes it started, so that a later run knows which are its own.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::LabError;
use super::process::Identity;
use crate::base::{Address, NodeName, Server};

/// The version of the record's form.
const FORMAT: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    format: u32,
    pub(super) cluster: String,
    /// The folders that did not exist before the lab, outermost first.
    pub(super) made: Vec<PathBuf>,
    /// Every node that was ever started here.
    pub(super) nodes: BTreeMap<NodeName, Record>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// The last process; none after `down` ended it.
    pub(super) process: Option<Identity>,
    pub(super) address: Address,
    pub(super) server: Server,
    /// Inside the lab's folder.
    pub(super) folder: PathBuf,
}

impl Record {
    /// The process, if it still runs.
    pub(super) fn running(&self) -> Option<&Identity> {
        self.process.as_ref().filter(|process| process.runs())
    }
}

impl State {
    pub(super) fn new(cluster: &str, made: Vec<PathBuf>) -> Self {
        Self {
            format: FORMAT,
            cluster: cluster.to_owned(),
            made,
            nodes: BTreeMap::new(),
        }
    }

    /// The record of a lab, or none where there is no lab.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, LabError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LabError::file("read", path)(error)),
        };
        let unreadable = |why: String| LabError::State {
            path: path.to_owned(),
            why,
        };
        let state: Self =
            serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?;
        if state.format != FORMAT {
            return Err(unreadable(format!("form {}, not {FORMAT}", state.format)));
        }
        Ok(Some(state))
    }

    /// Replaces the record in one step, so that a reader never finds half of one.
    pub(super) fn write(&self, path: &Path) -> Result<(), LabError> {
        let text = serde_json::to_string_pretty(self)
            .map_err(io::Error::from)
            .map_err(LabError::file("write", path))?;
        let next = path.with_extension("json.new");
        fs::write(&next, text + "\n").map_err(LabError::file("write", &next))?;
        fs::rename(&next, path).map_err(LabError::file("write", path))
    }
}
