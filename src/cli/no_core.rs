//! No core file: passwords are in memory, and it would be a copy of them that stays.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// A program that rcl starts, such as a server of a lab, inherits it, and may raise it again.
pub(super) fn leave_none() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    let none = Rlimit {
        current: Some(0),
        maximum,
    };
    // Lowering a limit is always allowed; a system that can't do it writes its core files as ever.
    let _ = setrlimit(Resource::Core, none);
}
