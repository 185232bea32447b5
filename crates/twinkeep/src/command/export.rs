//! `twinkeep export meds`.

use twinkeep_app::{AppError, Caller, MedsRequest, export_meds};

use crate::cli::{ExportCommand, Global};
use crate::output::{Output, thousands};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &ExportCommand, out: &Output) -> Result<(), AppError> {
    let ExportCommand::Meds { dir, split, keep_ids } = args;
    let request = MedsRequest { folder: dir, split: *split, keep_ids: *keep_ids };
    let app = open_keep(global)?;
    let bar = out.progress("exporting");
    let report = export_meds(&app, &Caller::operator(), request, &mut |step| {
        bar.set(step.done, step.total);
    })?;
    drop(bar);
    out.remark("what was written is plaintext about people: protect it, then delete it");
    out.result(&report, |report| {
        format!(
            "{} events of {} subjects, {} codes, {} files in `{}`",
            thousands(report.events),
            thousands(report.subjects),
            report.codes,
            report.files,
            dir.display()
        )
    })
}
