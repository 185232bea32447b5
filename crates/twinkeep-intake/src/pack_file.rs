//! Packs as TOML files, and the packs that the program brings along.
//!
//! The format is specified in `docs/formats/pack.md`. A file is read in two steps: `wire` takes
//! the shape (every key known, every type right), then [`Pack::new`] refuses contradictions.

use twinkeep_domain::{Pack, PackError, limits};

mod notes;
mod privacy;
mod subgroups;
mod targets;
#[cfg(test)]
mod tests;
mod wire;

/// Why a pack file was refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum PackFileError {
    /// The file is longer than any pack needs to be.
    #[error("the pack file has {size} bytes; the limit is {}", limits::PACK_SIZE_MAX)]
    TooLarge {
        /// Its length in bytes.
        size: usize,
    },

    /// It is not TOML, or a key is unknown, missing, or of another type.
    #[error("line {line}: {reason}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// What is wrong, with the name of the key.
        reason: String,
    },

    /// A key is known, but its value makes no sense.
    #[error("line {line}: `{key}` {reason}")]
    Value {
        /// Where the table with the key begins, counted from 1.
        line: usize,
        /// Which key.
        key: &'static str,
        /// What it should be.
        reason: &'static str,
    },

    /// The format is newer than this program.
    #[error("the pack file has format {found}; this program reads formats 1 to {FORMAT}")]
    Format {
        /// What the file says.
        found: u32,
    },

    /// Each part is right, but they contradict each other.
    #[error("the pack contradicts itself")]
    Contradiction {
        /// In what.
        source: PackError,
    },

    /// No such pack is shipped.
    #[error("there is no shipped pack `{name}`; shipped are: {}", shipped_names().join(", "))]
    NotShipped {
        /// What was asked for.
        name: String,
    },
}

impl PackFileError {
    /// Returns the permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "pack-too-large",
            Self::Syntax { .. } => "pack-syntax",
            Self::Value { .. } => "pack-value",
            Self::Format { .. } => "pack-format",
            Self::Contradiction { .. } => "pack-contradiction",
            Self::NotShipped { .. } => "pack-not-shipped",
        }
    }
}

/// Reads and checks a pack.
pub fn parse_pack(text: &str) -> Result<Pack, PackFileError> {
    if limits::PACK_SIZE_MAX < text.len() {
        return Err(PackFileError::TooLarge { size: text.len() });
    }
    wire::parse(text)
}

/// Returns a pack that the program brings along.
pub fn shipped_pack(name: &str) -> Result<Pack, PackFileError> {
    let text =
        shipped_text(name).ok_or_else(|| PackFileError::NotShipped { name: name.to_owned() })?;
    parse_pack(text)
}

/// Returns the file of a shipped pack: a keep gets a copy of its own, to change.
pub fn shipped_text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

/// Returns the names of the shipped packs.
pub fn shipped_names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The newest format; raised when a key is added.
const FORMAT: u32 = 5;

const SHIPPED: [(&str, &str); 3] = [
    ("audience", include_str!("../../../packs/audience.toml")),
    ("ehr", include_str!("../../../packs/ehr.toml")),
    ("icu", include_str!("../../../packs/icu.toml")),
];
