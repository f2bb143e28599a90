//! The only room that formats: the same values come out as text for people and as JSON.

pub mod check;
pub mod findings;
