//! The commands, one file each: their arguments, whose doc comments are the help, and what they do.

pub mod check;
pub mod conf;
pub mod lab;
