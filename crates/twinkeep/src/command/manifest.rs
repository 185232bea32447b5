//! `twinkeep manifest sign|verify`.

use twinkeep_app::{AppError, ManifestReport, SignManifestRequest, sign_manifest, verify_manifest};

use crate::cli::{Global, ManifestCommand};
use crate::output::{Output, thousands};
use crate::secret_input::{self, Asking};

pub(crate) fn run(global: &Global, args: &ManifestCommand, out: &Output) -> Result<(), AppError> {
    match args {
        ManifestCommand::Sign { paths, identity, out: file } => {
            let what = "the sender's identity";
            let secret = secret_input::get(&global.secret, what, Asking::Existing)?;
            let request = SignManifestRequest { paths, identity, secret: &secret, out: file };
            let bar = out.progress("reading");
            let report = sign_manifest(&request, &mut |step| bar.set(step.done, step.total))?;
            drop(bar);
            out.result(&report, text)
        }
        ManifestCommand::Verify { manifest, path, senders } => {
            let bar = out.progress("reading");
            let mut progress = |step: twinkeep_app::Progress| bar.set(step.done, step.total);
            let report = verify_manifest(manifest, path, senders, &mut progress)?;
            drop(bar);
            out.result(&report, text)
        }
    }
}

fn text(report: &ManifestReport) -> String {
    format!(
        "manifest  {}\nsender    {}\nfiles     {}, {} bytes",
        report.manifest.display(),
        report.sender,
        thousands(report.files as u64),
        thousands(report.size),
    )
}
