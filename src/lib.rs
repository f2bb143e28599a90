//! Plan and apply for Redis and Valkey Cluster.

pub mod base;
pub mod conf;
pub mod desired;
