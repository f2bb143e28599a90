//! Plan and apply for Redis and Valkey Cluster.

pub mod base;
pub mod desired;
pub mod view;
