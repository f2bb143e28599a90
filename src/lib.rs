//! Plan and apply for Redis and Valkey Cluster.

pub mod apply;
pub mod base;
pub mod desired;
pub mod diff;
pub mod net;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod view;
