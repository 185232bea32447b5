//! Use case: make up patients, to try everything with. They resemble nobody.

use std::path::{Path, PathBuf};

use serde::Serialize;
use twinkeep_intake::synth::{Season, Synth};
use twinkeep_vault::files::{PRIVATE_FILE, write_atomic};

use crate::AppError;

/// How many, and how bad.
#[derive(Clone, Copy, Debug)]
pub struct SynthRequest<'a> {
    /// File to write: a tar.gz of one text file a stay, as in PhysioNet 2012.
    pub out: &'a Path,
    /// How many stays.
    pub stays: u32,
    /// How many bad rows to hide among them.
    pub poisoned: u32,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Who comes.
    pub season: Season,
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct SynthReport {
    /// The file.
    pub file: PathBuf,
    /// How many stays.
    pub stays: u32,
    /// How many rows, bad ones included.
    pub rows: u64,
    /// How many of them are bad.
    pub poisoned: u64,
}

/// Makes up patients.
pub fn synthesize(request: SynthRequest<'_>) -> Result<SynthReport, AppError> {
    if !(1..=STAYS_MAX).contains(&request.stays) {
        let attempt = format!("`stays` must be 1 to {STAYS_MAX}");
        return Err(AppError::usage("synth-stays", attempt));
    }
    let poisoned_max = request.stays.saturating_mul(POISONED_PER_STAY_MAX);
    if poisoned_max < request.poisoned {
        let attempt = format!("`poisoned` must be at most {poisoned_max} for so many stays");
        return Err(AppError::usage("synth-poisoned", attempt));
    }
    let synth = Synth { seed: request.seed, stays: request.stays, poisoned_rows: request.poisoned };
    let made = synth.make_in(request.season);
    let write = |bytes: Vec<u8>| write_atomic(request.out, &bytes, PRIVATE_FILE);
    made.tar_gz().and_then(write).map_err(|error| {
        let attempt = format!("cannot write `{}`", request.out.display());
        AppError::environment("synth-write", attempt).because(error)
    })?;
    Ok(SynthReport {
        file: request.out.to_path_buf(),
        stays: request.stays,
        rows: made.rows,
        poisoned: made.poisoned,
    })
}

/// A stay has a few hundred rows; more bad ones would be no stay.
const POISONED_PER_STAY_MAX: u32 = 50;

/// About 5 GB of text.
const STAYS_MAX: u32 = 500_000;
