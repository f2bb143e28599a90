//! Scenes: a file, servers and a past, made up by proptest, and a judge of what becomes of them.

mod build;
mod draft;
mod hostile;
mod mishap;
mod oracle;
mod redraw;

pub(crate) use build::Scene;
pub(crate) use draft::{Break, Draft, Formed, Network, Servers, ShardDraft, ShareDraft, draft};
pub(crate) use hostile::{Hostility, Verdict, hostility};
pub(crate) use redraw::{Redraw, redraw};
