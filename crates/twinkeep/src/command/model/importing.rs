//! `twinkeep model import PATH`: a model from elsewhere.

use twinkeep_app::{
    App, AppError, Caller, ImportModelRequest, ImportReport, ModelTrust, import_model,
};

use crate::cli::ImportModelArgs;
use crate::output::Output;

pub(super) fn import(app: &App, args: &ImportModelArgs, out: &Output) -> Result<(), AppError> {
    let trust = match (&args.public_key, args.authorities.is_empty()) {
        (Some(key), _) => Some(ModelTrust::PublicKey(key)),
        (None, false) => Some(ModelTrust::Authorities(&args.authorities)),
        (None, true) => None,
    };
    let request = ImportModelRequest {
        model: &args.model,
        signature: args.signature.as_deref(),
        trust,
        revoked: &args.revoked,
    };
    let bar = out.progress("importing");
    let report = import_model(app, &Caller::operator(), &request, &mut |step| {
        bar.set(step.done, step.total);
    })?;
    drop(bar);
    out.result(&report, text)?;
    refuse_quarantined(&report)
}

/// What is quarantined is kept, and nobody should go on as if it were clean: a script notices by the
/// exit code.
fn refuse_quarantined(report: &ImportReport) -> Result<(), AppError> {
    if report.state != "quarantined" {
        return Ok(());
    }
    let attempt = format!("{} is quarantined: {}", report.model, report.reason);
    Err(AppError::refused("model-quarantined", attempt))
}

fn text(report: &ImportReport) -> String {
    let mut text = format!("{}  {}: {}", report.model, report.state, report.reason);
    for file in &report.files {
        let found = file.problem.as_deref().or(file.format).unwrap_or_default();
        text.push_str(&format!("\n  {}  {} bytes  {found}", file.name, file.bytes));
    }
    text
}
