//! Collectors: they look at a target and write down what they see, without judging it.

pub mod cfn;
mod error;
pub mod git;
pub mod host;
pub mod iis;
pub mod keep_folder;
pub mod model;
pub mod nginx;
pub mod phi;
pub mod postgres;
pub mod regular;
pub mod s3;
pub mod sqlite;
pub mod tls;
pub mod tree;
pub mod windows;

pub use error::CollectError;
