//! The integration tests, in one binary.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that can't go on fails its test"
)]

mod access;
mod addresses;
mod apply_ui;
mod check;
mod clock;
mod conf;
mod cut_short;
mod desired;
mod docs;
mod drift;
mod export;
mod faults;
mod form;
mod grown_and_shrunk;
mod harness;
mod help;
mod hostile;
mod init;
mod jobs;
mod journal;
mod killed;
mod lab;
mod layers;
mod lock;
mod mistakes;
mod moves;
mod moves_proof;
mod nat;
mod native;
mod partial;
mod pins;
mod plan_json;
mod plan_text;
mod plans;
mod prefixes;
mod reading;
mod readme;
mod removal;
mod roles;
mod saved;
mod secrets;
mod security;
mod settings;
mod shares;
mod sim_plans;
mod sim_properties;
mod sim_redraw;
mod sim_truth;
mod status;
mod stops;
mod streams;
#[allow(dead_code, reason = "the benchmark uses parts that no test needs yet")]
mod support;
mod verdicts_foreign;
mod verdicts_lost;
mod verdicts_members;
mod verdicts_mixed;
mod verdicts_moves;
mod verdicts_newcomers;
mod verdicts_slots;
mod verdicts_stray;
