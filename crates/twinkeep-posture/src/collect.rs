//! Collectors: they look at a target and write down what they see, without judging it.

mod error;
pub mod phi;
pub mod s3;

pub use error::CollectError;
