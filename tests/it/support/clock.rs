//! Clocks of single processes, which a test sets: libfaketime, loaded before them, reads them from a file. What counts
//! how much time has passed goes on as ever, as on a machine whose clock somebody sets.

use std::fs;
use std::path::{Path, PathBuf};

use super::kind;

const LIBRARY: &str = "libfaketime.so";

/// The right time.
const RIGHT: &str = "+0";

/// A clock that a process is started with.
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// In this folder, and right.
    #[track_caller]
    pub(crate) fn new(folder: &Path) -> Self {
        let clock = Self {
            file: folder.join("clock"),
        };
        clock.set(RIGHT);
        clock
    }

    /// So far from the right time: `+1h`, `-40d`.
    #[track_caller]
    pub(crate) fn set(&self, offset: &str) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{offset}\n")).expect("it is written");
        fs::rename(&new, &self.file).expect("it replaces the old one");
    }

    /// What makes a process live by it.
    #[track_caller]
    pub(crate) fn variables(&self) -> [(&'static str, PathBuf); 4] {
        let library = kind::folder().join(LIBRARY);
        assert!(
            library.is_file(),
            "{} is missing: `.ci/servers` gets it",
            library.display()
        );
        [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.clone()),
            ("FAKETIME_NO_CACHE", "1".into()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".into()),
        ]
    }
}
