//! Plan and apply for Redis and Valkey Cluster.

pub mod apply;
pub mod base;
pub mod cli;
pub mod conf;
pub mod desired;
pub mod diff;
pub mod export;
pub mod lab;
pub mod layout;
pub mod lint;
pub mod net;
pub mod observe;
pub mod observed;
pub mod plan;
pub mod view;
