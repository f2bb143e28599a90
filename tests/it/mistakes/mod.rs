//! What is said about each mistake in a file, as people see it.

#![expect(
    clippy::too_many_lines,
    reason = "a snapshot is as long as what is said"
)]

mod access;
mod config;
mod form;
mod nodes;
mod slots;
mod text;

use rcl::desired::parse;
use rcl::view::findings::render;

/// The findings of a file, rendered.
fn said(text: &str) -> String {
    match parse(text) {
        Ok(desired) => panic!("no mistake was found: {desired:#?}"),
        Err(findings) => render(&findings, "rcl.yaml", text, false),
    }
}

/// The findings of a file whose shards are wrong and all else is right.
fn said_of_shards(shards: &str) -> String {
    said(&format!(
        "cluster: orders\nhosts: {{host1: 10.0.0.1, host2: 10.0.0.2}}\nshards:\n{shards}"
    ))
}

/// The findings of a file with a section before its shard.
fn said_of(section: &str) -> String {
    said(&format!(
        "cluster: orders\n{section}shards:\n  a: {{primary: 10.0.0.1:7000, replicas: [10.0.0.2:7000]}}\n"
    ))
}
