//! Scenes: a file, servers and a past, made up by proptest, and a judge of what becomes of them.

mod build;
mod draft;
mod hostile;
mod mishap;
mod oracle;

pub(crate) use build::Scene;
pub(crate) use draft::{Break, Draft, draft};
pub(crate) use hostile::{Hostility, Verdict, hostility};
