//! Use cases: list the shipped mappings, show one, and try one on a file before it is used.
//!
//! Nothing here touches a keep: what is tried is not stored, and what is told of it are names of
//! columns and counts.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Serialize;
use twinkeep_domain::Timestamp;
use twinkeep_intake::mapping::{
    MAPPING_SIZE_MAX, parse_mapping, shipped_mapping, shipped_mapping_text, shipped_names,
};
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_intake::{Dates, Judgement, Mapping, ReadOptions, TableReport, check_mapping};
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::{Pseudonymizer, SecretKey};

use crate::ingest_feed::refuse_intake;
use crate::{AppError, Progress};

/// One shipped mapping.
#[derive(Debug, Serialize)]
pub struct MappingLine {
    /// What to call it.
    pub name: String,
    /// What people read.
    pub title: String,
    /// Raised whenever it changes.
    pub version: u32,
    /// The tables that hold events.
    pub tables: Vec<String>,
}

/// A mapping as it is written.
#[derive(Debug, Serialize)]
pub struct MappingText {
    /// What it is called.
    pub name: String,
    /// The file.
    pub text: String,
}

/// What a mapping makes of a data set.
#[derive(Debug, Serialize)]
pub struct MappingCheck {
    /// The mapping, if one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// The files, in the order of the source.
    pub files: Vec<FileCheck>,
    /// Rows and cells in all: `events + missing + refused`.
    pub read: u64,
    /// Events that the mapping draws; a pack screens them when they are ingested.
    pub events: u64,
    /// Rows and cells that hold no event.
    pub missing: u64,
    /// Rows from which no event can be drawn, and files that no table is for.
    pub refused: u64,
}

/// What a mapping makes of one file.
#[derive(Debug, Serialize)]
pub struct FileCheck {
    /// Its place in the source, counted from 1.
    pub file: usize,
    /// The table that it is; absent if the mapping has none for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// Rows in it.
    pub rows: u64,
    /// Events that are drawn from them.
    pub events: u64,
    /// Rows and cells that hold no event.
    pub missing: u64,
    /// Rows that are refused: reason, and the word of the mapping that they fail at.
    pub refused: BTreeMap<String, u64>,
    /// Columns that the mapping does not use.
    pub unused: Vec<String>,
}

/// Lists the mappings that the program brings along.
pub fn list_mappings() -> Result<Vec<MappingLine>, AppError> {
    let line = |name| {
        let mapping = shipped_mapping(name).map_err(|error| {
            AppError::refused(error.code(), "a shipped mapping is wrong").because(error)
        })?;
        Ok(MappingLine {
            name: mapping.name().to_owned(),
            title: mapping.title().to_owned(),
            version: mapping.version(),
            tables: mapping.table_names().into_iter().map(str::to_owned).collect(),
        })
    };
    shipped_names().into_iter().map(line).collect()
}

/// Returns a shipped mapping as it is written.
pub fn show_mapping(name: &str) -> Result<MappingText, AppError> {
    let text = shipped_mapping_text(name).ok_or_else(|| unknown(name))?;
    Ok(MappingText { name: name.to_owned(), text: text.to_owned() })
}

/// Finds a mapping: the name of a shipped one, or else a file.
pub fn load_mapping(name: &str) -> Result<Mapping, AppError> {
    if let Ok(mapping) = shipped_mapping(name) {
        return Ok(mapping);
    }
    let bytes = read_bounded(Path::new(name), MAPPING_SIZE_MAX as u64);
    let text = bytes.and_then(|bytes| {
        String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    });
    let text = text.map_err(|error| unknown(name).because(error))?;
    parse_mapping(&text).map_err(|error| {
        AppError::usage(error.code(), format!("the mapping `{name}` is wrong")).because(error)
    })
}

/// Reads a data set by a mapping without storing anything. `spool` is a folder with room for what
/// does not fit into memory.
pub fn try_mapping(
    mapping: Option<&Mapping>,
    sample: &Path,
    now: Timestamp,
    spool: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<MappingCheck, AppError> {
    // Screening needs a pack; which one makes no difference to what is told here.
    let pack = shipped_pack("icu").map_err(|error| {
        AppError::refused(error.code(), "a shipped pack is wrong").because(error)
    })?;
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let options = ReadOptions {
        pack: &pack,
        pseudonyms: &pseudonyms,
        now,
        spool,
        mapping,
        dates: Dates::Real,
        judgement: Judgement::ByThePack,
        // Nothing is stored.
        deidentify: None,
        panel: None,
    };
    let mut files = Vec::new();
    let mut report = |step: twinkeep_intake::Progress| {
        progress(Progress { done: step.bytes_read, total: step.bytes_total.unwrap_or(0) });
    };
    check_mapping(sample, &options, &mut report, &mut |table| files.push(file(table)))
        .map_err(|error| refuse_intake(sample, error))?;
    let sum = |count: fn(&FileCheck) -> u64| files.iter().map(count).sum::<u64>();
    let (events, missing) = (sum(|file| file.events), sum(|file| file.missing));
    let refused = sum(|file| file.refused.values().sum());
    Ok(MappingCheck {
        mapping: mapping.map(|mapping| mapping.name().to_owned()),
        read: events + missing + refused,
        events,
        missing,
        refused,
        files,
    })
}

fn file(table: TableReport) -> FileCheck {
    let mut refused: BTreeMap<String, u64> = BTreeMap::new();
    for ((reason, field), count) in table.refused {
        let name = if field.is_empty() { reason.to_owned() } else { format!("{reason} ({field})") };
        *refused.entry(name).or_default() += count;
    }
    if table.table.is_none() {
        refused.insert("unknown-table".to_owned(), 1);
    }
    FileCheck {
        file: table.file,
        table: table.table,
        rows: table.rows,
        events: table.events,
        missing: table.missing,
        refused,
        unused: table.unused,
    }
}

fn unknown(name: &str) -> AppError {
    AppError::usage(
        "mapping-missing",
        format!("`{name}` is no shipped mapping and no readable file"),
    )
    .hint(format!("shipped mappings: `{}`", shipped_names().join("`, `")))
}
