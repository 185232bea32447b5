//! `twinkeep synth`.

use twinkeep_app::{AppError, SynthRequest, synthesize};

use crate::cli::SynthArgs;
use crate::output::{Output, thousands};

pub(crate) fn run(args: &SynthArgs, out: &Output) -> Result<(), AppError> {
    let report = synthesize(SynthRequest {
        out: &args.out,
        stays: args.stays,
        poisoned: args.poisoned,
        seed: args.seed,
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
