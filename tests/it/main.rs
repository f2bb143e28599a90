//! The integration tests, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod addresses;
mod apply_ui;
mod check;
mod conf;
mod desired;
mod docs;
mod form;
mod harness;
mod help;
mod killed;
mod lab;
mod layers;
mod mistakes;
mod native;
mod partial;
mod plan_json;
mod plan_text;
mod plans;
mod prefixes;

mod readme;
mod settings;
mod sim_properties;
mod sim_truth;
#[allow(dead_code, reason = "the benchmark uses parts that no test needs yet")]
mod support;
