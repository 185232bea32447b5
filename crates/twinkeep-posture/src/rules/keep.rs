//! Rules about the keep itself.

pub(super) mod file_modes;
