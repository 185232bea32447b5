//! Collectors: they look at a target and write down what they see, without judging it.

mod error;

pub use error::CollectError;
