//! Plan and apply for Redis and Valkey Cluster.

pub mod base;
pub mod cli;
pub mod conf;
pub mod desired;
pub mod lab;
