//! Rules about the computer that the keep is on.

pub(crate) mod storage;
