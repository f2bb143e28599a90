//! The commands, one file each: what they take, and what they do with it.

pub mod conf;
pub mod lab;
