//! Plan and apply for Redis and Valkey Cluster.

pub mod base;
pub mod cli;
pub mod desired;
pub mod lint;
pub mod view;
