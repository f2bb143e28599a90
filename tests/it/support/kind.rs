//! The servers that the tests run against, and where their programs are.

use std::path::{Path, PathBuf};

/// Names another folder that holds the programs.
const FOLDER_VARIABLE: &str = "RCL_TEST_SERVERS";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ServerKind {
    Redis62,
    Redis70,
    Redis82,
    Valkey81,
    Valkey91,
    /// Debian 13's Redis 8.0: of the others, only 7.0 speaks TLS.
    Redis80Tls,
    Valkey81Tls,
}

impl ServerKind {
    /// One build of each version.
    pub(crate) const ALL: [Self; 5] = [
        Self::Redis62,
        Self::Redis70,
        Self::Redis82,
        Self::Valkey81,
        Self::Valkey91,
    ];

    /// Tests are written for Redis 7.0 where the kind doesn't matter. With this variable Valkey 9.1 plays its part
    /// in all of them.
    pub(crate) fn or_its_stand_in(self) -> Self {
        match std::env::var_os("RCL_TEST_VALKEY") {
            Some(_) if self == Self::Redis70 => Self::Valkey91,
            Some(_) | None => self,
        }
    }

    /// The program's name in the folder of servers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Redis62 => "redis-6.2",
            Self::Redis70 => "redis-7.0",
            Self::Redis82 => "redis-8.2",
            Self::Valkey81 => "valkey-8.1",
            Self::Valkey91 => "valkey-9.1",
            Self::Redis80Tls => "redis-8.0-tls",
            Self::Valkey81Tls => "valkey-8.1-tls",
        }
    }

    /// The line of INFO that tells this kind from all others. Valkey says `redis_version:7.2.4` too.
    pub(crate) fn version_line(self) -> &'static str {
        match self {
            Self::Redis62 => "redis_version:6.2.",
            Self::Redis70 => "redis_version:7.0.",
            Self::Redis82 => "redis_version:8.2.",
            Self::Redis80Tls => "redis_version:8.0.",
            Self::Valkey81 | Self::Valkey81Tls => "valkey_version:8.1.",
            Self::Valkey91 => "valkey_version:9.1.",
        }
    }

    /// ADDSLOTSRANGE came with Redis 7.0.
    pub(crate) fn has_slot_ranges(self) -> bool {
        self != Self::Redis62
    }

    /// `bind-source-addr` came with Redis 7.0. Before, the bus and replication dial from the first `bind` address, and
    /// MIGRATE from any.
    pub(crate) fn has_source_addr(self) -> bool {
        self != Self::Redis62
    }

    /// The program to start. A missing one fails the test: a skipped test proves nothing.
    #[track_caller]
    pub(crate) fn program(self) -> PathBuf {
        self.program_in(&folder())
            .unwrap_or_else(|missing| panic!("{missing}"))
    }

    pub(crate) fn program_in(self, folder: &Path) -> Result<PathBuf, String> {
        let installed = folder.join(self.name());
        if installed.is_file() {
            return Ok(installed);
        }
        // Debian's own package is the 7.0 of the tests, so it need not be in the folder.
        if self == Self::Redis70
            && let Some(packaged) = on_path("redis-server")
        {
            return Ok(packaged);
        }
        Err(format!(
            "{} is missing: run `make test`, which installs the servers that the tests need, or name their folder in {FOLDER_VARIABLE}",
            installed.display()
        ))
    }
}

/// Where `.ci/servers` puts what the tests start.
pub(super) fn folder() -> PathBuf {
    std::env::var_os(FOLDER_VARIABLE).map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("target/servers"),
        PathBuf::from,
    )
}

/// Where a program is on PATH.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
