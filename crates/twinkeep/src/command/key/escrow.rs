//! `twinkeep key escrow split|combine`.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use twinkeep_app::{AppError, Caller, RecoveryReport, Surroundings, recover_keep, split_kek};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::escrow::{SHARE_SIZE_MAX, SHARE_TITLE};
use twinkeep_vault::files::read_secret_bounded;

use crate::cli::{EscrowCommand, Global, NewSecretArgs};
use crate::output::Output;
use crate::surroundings::{open_keep_with, state_dir};
use crate::{clock, secret_input};

pub(super) fn run(global: &Global, args: &EscrowCommand, out: &Output) -> Result<(), AppError> {
    match args {
        EscrowCommand::Split { shares, threshold } => split(global, (*threshold, *shares), out),
        EscrowCommand::Combine { shares, next } => combine(global, shares, next, out),
    }
}

fn split(global: &Global, of: (u8, u8), out: &Output) -> Result<(), AppError> {
    let (app, current) = open_keep_with(global)?;
    let shares = split_kek(&app, &Caller::operator(), &current, of)?;
    out.remark(
        "whoever has enough of these opens the keep: give each to another custodian, and leave \
         none on this machine",
    );
    let text = |share: &SecretBytes| String::from_utf8_lossy(share.expose()).into_owned();
    let texts: Vec<String> = shares.texts.iter().map(text).collect();
    let report = json!({ "threshold": shares.threshold, "shares": texts });
    out.result(&report, |_| texts.join("\n"))
}

fn combine(
    global: &Global,
    files: &[PathBuf],
    next: &NewSecretArgs,
    out: &Output,
) -> Result<(), AppError> {
    let mut texts = Vec::new();
    for file in files {
        texts.extend(read(file)?);
    }
    let next = secret_input::get_new(next)?;
    let surroundings = Surroundings { clock: clock::now, state_dir: state_dir() };
    let report = recover_keep(&global.keep, &surroundings, &texts, &next)?;
    out.remark("split the new key again: the shares that were used open nothing any more");
    out.result(&report, |report: &RecoveryReport| {
        format!(
            "opened with {} shares; generation {}: opened by {} now",
            report.shares, report.rotated.generation, report.rotated.to
        )
    })
}

/// Reads a file with a share, or any number of shares from the standard input.
fn read(file: &Path) -> Result<Vec<SecretBytes>, AppError> {
    let cannot = |error| {
        AppError::usage("escrow-read", format!("cannot read `{}`", file.display())).because(error)
    };
    if file != Path::new("-") {
        return Ok(vec![read_secret_bounded(file, SHARE_SIZE_MAX).map_err(cannot)?]);
    }
    let mut all = SecretBytes::zeroed(INPUT_SIZE_MAX);
    let mut length = 0;
    while length < INPUT_SIZE_MAX {
        let count = std::io::stdin().read(&mut all.expose_mut()[length..]).map_err(cannot)?;
        if count == 0 {
            break;
        }
        length += count;
    }
    let bytes = &all.expose()[..length];
    let starts: Vec<usize> = (0..length)
        .filter(|&at| bytes[at..].starts_with(SHARE_TITLE.as_bytes()))
        .chain([length])
        .collect();
    let share = |pair: &[usize]| SecretBytes::new(bytes[pair[0]..pair[1]].to_vec());
    Ok(starts.windows(2).map(share).collect())
}

/// As many shares as there can be.
const INPUT_SIZE_MAX: usize = 256 << 10;
