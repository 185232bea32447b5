//! `twinkeep mapping list|show|check`.

use std::path::Path;

use twinkeep_app::{
    AppError, FileCheck, MappingCheck, MappingLine, MappingText, list_mappings, load_mapping,
    show_mapping, try_mapping,
};

use crate::cli::MappingCommand;
use crate::clock;
use crate::output::{Output, table, thousands};

pub(crate) fn run(args: &MappingCommand, out: &Output) -> Result<(), AppError> {
    match args {
        MappingCommand::List => out.list(&list_mappings()?, list),
        MappingCommand::Show { name } => {
            out.result(&show_mapping(name)?, |shown: &MappingText| shown.text.trim_end().to_owned())
        }
        MappingCommand::Check { mapping, sample } => {
            let mapping = load_mapping(mapping)?;
            out.result(&check(&mapping, sample, out)?, text)
        }
    }
}

fn check(
    mapping: &twinkeep_app::Mapping,
    sample: &Path,
    out: &Output,
) -> Result<MappingCheck, AppError> {
    let bar = out.progress("reading");
    let spool = std::env::temp_dir();
    try_mapping(Some(mapping), sample, clock::now(), &spool, &mut |progress| {
        bar.set(progress.done, progress.total);
    })
}

fn list(mappings: &[MappingLine]) -> String {
    let header = ["name", "version", "tables", "data set"].map(str::to_owned).to_vec();
    let rows = mappings.iter().map(|mapping| {
        let (version, tables) = (mapping.version.to_string(), mapping.tables.len().to_string());
        vec![mapping.name.clone(), version, tables, mapping.title.clone()]
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn text(report: &MappingCheck) -> String {
    let header = ["file", "table", "rows", "events", "missing", "refused"].map(str::to_owned);
    let rows = report.files.iter().map(|file| {
        let refused = file.refused.values().sum();
        let mut row = vec![
            file.file.to_string(),
            file.table.clone().unwrap_or_else(|| "(no table)".to_owned()),
        ];
        row.extend([file.rows, file.events, file.missing, refused].map(thousands));
        row
    });
    let mut lines = vec![table(&std::iter::once(header.to_vec()).chain(rows).collect::<Vec<_>>())];
    lines.extend(report.files.iter().flat_map(remarks));
    lines.push(format!(
        "{} of {} rows and cells become events, {} hold none, {} are refused",
        thousands(report.events),
        thousands(report.read),
        thousands(report.missing),
        thousands(report.refused),
    ));
    lines.join("\n")
}

/// What there is to say about a file: why rows are refused, and which columns nobody reads.
fn remarks(file: &FileCheck) -> Vec<String> {
    let reasons = file
        .refused
        .iter()
        .map(|(reason, count)| format!("file {}: {} {reason}", file.file, thousands(*count)));
    let mut lines: Vec<String> = reasons.collect();
    if !file.unused.is_empty() {
        lines.push(format!("file {}: not used: {}", file.file, file.unused.join(", ")));
    }
    lines
}
