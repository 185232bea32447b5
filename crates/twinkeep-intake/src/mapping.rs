//! Mappings: what the columns of a data set mean, as data.
//!
//! A mapping is a TOML file (`docs/formats/mapping.md`) that says for each table of a data set how
//! to know it, and which events its rows hold: whom they are about, when, which code, which value
//! in which unit. The program brings some along; a hospital writes its own.
//!
//! # Invariants
//!
//! - A mapping computes nothing but products, constant factors, sums over neighboring rows, and
//!   texts put together: it is data, and cannot be made to do anything else.
//! - Every row of a table is accounted for; `draw` says what counts as a row.

use crate::csv::Dialect;

pub(crate) mod draw;
pub(crate) mod lookup;
pub(crate) mod pattern;
pub(crate) mod table;
mod template;
#[cfg(test)]
mod tests;
pub(crate) mod time;
mod value;
mod wire;

pub(crate) use pattern::table_name;
pub(crate) use table::{Header, LookupSpec, Table};
pub(crate) use value::Computed;

/// What the columns of a data set mean.
#[derive(Clone, Debug)]
pub struct Mapping {
    name: String,
    title: String,
    version: u32,
    dates_shifted: bool,
    pub(crate) ignored: Vec<pattern::Pattern>,
    pub(crate) lookups: Vec<LookupSpec>,
    pub(crate) tables: Vec<Table>,
}

impl Mapping {
    /// Returns the short name, such as `mimic-iv`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the title that people read.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Returns the version of the mapping.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns whether the dates of the data set were moved to protect people, so that a time in
    /// the future is no mistake.
    pub fn dates_shifted(&self) -> bool {
        self.dates_shifted
    }

    /// Returns whether a table of this name is read: for its events, or by others that refer to it.
    pub fn reads(&self, name: &str) -> bool {
        let name = table_name(name);
        !self.ignored.iter().any(|pattern| pattern.matches(&name))
            && (self.tables.iter().any(|table| table.is_called(&name))
                || self.lookups.iter().any(|lookup| lookup.is_called(&name)))
    }

    /// Returns the names of the tables that hold events, in the order of the file.
    pub fn table_names(&self) -> Vec<&str> {
        self.tables.iter().map(|table| table.name.as_str()).collect()
    }
}

/// Why a mapping was refused.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum MappingError {
    /// The file is longer than any mapping needs to be.
    #[error("the mapping has {size} bytes; the limit is {MAPPING_SIZE_MAX}")]
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
    #[error("the mapping has format {found}; this program reads format {FORMAT}")]
    Format {
        /// What the file says.
        found: u32,
    },

    /// No such mapping is shipped.
    #[error("there is no shipped mapping `{name}`; shipped are: {}", shipped_names().join(", "))]
    NotShipped {
        /// What was asked for.
        name: String,
    },
}

impl MappingError {
    /// Returns the permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "mapping-too-large",
            Self::Syntax { .. } => "mapping-syntax",
            Self::Value { .. } => "mapping-value",
            Self::Format { .. } => "mapping-format",
            Self::NotShipped { .. } => "mapping-not-shipped",
        }
    }
}

/// Reads and checks a mapping.
pub fn parse_mapping(text: &str) -> Result<Mapping, MappingError> {
    if MAPPING_SIZE_MAX < text.len() {
        return Err(MappingError::TooLarge { size: text.len() });
    }
    wire::parse(text)
}

/// Returns a mapping that the program brings along.
pub fn shipped_mapping(name: &str) -> Result<Mapping, MappingError> {
    let text = shipped_mapping_text(name)
        .ok_or_else(|| MappingError::NotShipped { name: name.to_owned() })?;
    parse_mapping(text)
}

/// Returns the file of a shipped mapping, to read or to begin one's own with.
pub fn shipped_mapping_text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}

/// Returns the names of the shipped mappings.
pub fn shipped_names() -> Vec<&'static str> {
    SHIPPED.iter().map(|(name, _)| *name).collect()
}

/// The only format so far; raised when a key is added.
const FORMAT: u32 = 1;

/// Largest mapping, in bytes: that of MIMIC-IV with its 20 tables has 10 KiB.
pub const MAPPING_SIZE_MAX: usize = 1 << 20;

/// How numbers are written once they were read.
const PLAIN: Dialect = Dialect::STANDARD;

const SHIPPED: [(&str, &str); 6] = [
    ("eicu-crd", include_str!("../../../packs/mappings/eicu-crd.toml")),
    ("meds-csv", include_str!("../../../packs/mappings/meds-csv.toml")),
    ("mimic-iii", include_str!("../../../packs/mappings/mimic-iii.toml")),
    ("mimic-iv", include_str!("../../../packs/mappings/mimic-iv.toml")),
    ("omop-5.4", include_str!("../../../packs/mappings/omop-5.4.toml")),
    ("online-retail", include_str!("../../../packs/mappings/online-retail.toml")),
];
