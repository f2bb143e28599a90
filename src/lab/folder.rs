//! The lab's folder: who made it, whose it is, and that only one `rcl lab` changes it at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::LabError;
use super::state::State;

pub(super) const LOCK: &str = "lock";
pub(super) const STATE: &str = "state.json";

/// A lab that nobody else changes as long as this value lives.
#[derive(Debug)]
pub(super) struct Lab {
    pub(super) dir: PathBuf,
    pub(super) state: State,
    _lock: Lock,
}

/// Released explicitly: a process that another thread is just starting holds the open file for a moment too.
#[derive(Debug)]
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // It goes with the process at the latest.
        let _ = self.0.unlock();
    }
}

impl Lab {
    /// Opens a lab, making its folder where there is none.
    pub(super) fn create(dir: &Path, cluster: &str) -> Result<Self, LabError> {
        let made = make(dir)?;
        if State::read(&dir.join(STATE))?.is_none() && !is_free(dir)? {
            return Err(LabError::ForeignFolder {
                dir: dir.to_owned(),
            });
        }
        let lock = lock(dir)?;
        // Read again: another run may have written it before the lock was ours.
        let state = match State::read(&dir.join(STATE))? {
            Some(state) => state,
            None => State::new(cluster, made),
        };
        let lab = Self::checked(dir, cluster, state, lock)?;
        lab.save()?;
        Ok(lab)
    }

    /// Opens a lab if there is one.
    pub(super) fn open(dir: &Path, cluster: &str) -> Result<Option<Self>, LabError> {
        if State::read(&dir.join(STATE))?.is_none() {
            return Ok(None);
        }
        let lock = lock(dir)?;
        match State::read(&dir.join(STATE))? {
            Some(state) => Self::checked(dir, cluster, state, lock).map(Some),
            None => Ok(None),
        }
    }

    fn checked(dir: &Path, cluster: &str, state: State, lock: Lock) -> Result<Self, LabError> {
        check_cluster(dir, cluster, &state)?;
        Ok(Self {
            dir: dir.to_owned(),
            state,
            _lock: lock,
        })
    }

    pub(super) fn save(&self) -> Result<(), LabError> {
        self.state.write(&self.dir.join(STATE))
    }
}

/// The record of a lab, for looking only.
pub(super) fn look(dir: &Path, cluster: &str) -> Result<Option<State>, LabError> {
    let state = State::read(&dir.join(STATE))?;
    if let Some(state) = &state {
        check_cluster(dir, cluster, state)?;
    }
    Ok(state)
}

fn check_cluster(dir: &Path, cluster: &str, state: &State) -> Result<(), LabError> {
    if state.cluster == cluster {
        return Ok(());
    }
    Err(LabError::OtherCluster {
        dir: dir.to_owned(),
        cluster: state.cluster.clone(),
    })
}

/// Makes the folder and those it stands in, and tells which did not exist, outermost first.
fn make(dir: &Path) -> Result<Vec<PathBuf>, LabError> {
    let mut missing: Vec<PathBuf> = dir
        .ancestors()
        .take_while(|folder| !folder.exists())
        .map(Path::to_owned)
        .collect();
    missing.reverse();
    fs::create_dir_all(dir).map_err(LabError::file("make the folder", dir))?;
    Ok(missing)
}

/// Whether the folder holds nothing but what an interrupted first run may have left.
fn is_free(dir: &Path) -> Result<bool, LabError> {
    let entries = fs::read_dir(dir).map_err(LabError::file("read the folder", dir))?;
    for entry in entries {
        let entry = entry.map_err(LabError::file("read the folder", dir))?;
        if entry.file_name() != LOCK {
            return Ok(false);
        }
    }
    Ok(true)
}

fn lock(dir: &Path) -> Result<Lock, LabError> {
    let path = dir.join(LOCK);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(LabError::file("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(LabError::Busy {
            dir: dir.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(LabError::file("lock", &path)(error)),
    }
}

/// Removes a file; one that is gone already is fine.
pub(super) fn remove_file(path: &Path) -> Result<(), LabError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(LabError::file("remove", path)(error)),
    }
}
