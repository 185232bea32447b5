//! Rules over the files of a model from elsewhere.

pub(super) mod code;
pub(super) mod format;
pub(super) mod signature;

#[cfg(test)]
mod tests;
