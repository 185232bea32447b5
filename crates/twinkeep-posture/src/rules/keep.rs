//! Rules about the keep itself.

pub(crate) mod file_modes;
