//! `twinkeep synth`.

use twinkeep_app::{AppError, Season, SynthRequest, synthesize};

use crate::cli::{SeasonName, SynthArgs};
use crate::output::{Output, thousands};

pub(crate) fn run(args: &SynthArgs, out: &Output) -> Result<(), AppError> {
    let report = synthesize(SynthRequest {
        out: &args.out,
        stays: args.stays,
        poisoned: args.poisoned,
        seed: args.seed,
        season: match args.season {
            SeasonName::Usual => Season::Usual,
            SeasonName::Winter => Season::Winter,
        },
    })?;
    out.result(&report, |report| {
        format!(
            "{}: {} stays, {} rows, {} of them bad",
            report.file.display(),
            report.stays,
            thousands(report.rows),
            report.poisoned,
        )
    })
}
