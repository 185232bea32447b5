//! `twinkeep model release|promote|rollback|backup|quarantine|restore|reproduce`.

use twinkeep_app::{
    App, AppError, Caller, ModelQuarantine, ReleaseRequest, ServiceReport, back_up_model,
    promote_model, quarantine_model, release_model, reproduce_model, restore_model,
    roll_back_model,
};

use crate::cli::{ModelCommand, ReleaseArgs};
use crate::output::Output;

pub(super) fn run(app: &App, args: &ModelCommand, out: &Output) -> Result<(), AppError> {
    let operator = Caller::operator();
    let report = match args {
        ModelCommand::Release(args) => release(app, args, out)?,
        ModelCommand::Promote { version, reason } => {
            promote_model(app, &operator, version, reason)?
        }
        ModelCommand::Rollback { to, reason } => {
            roll_back_model(app, &operator, to.as_deref(), reason)?
        }
        ModelCommand::Backup { version, reason } => back_up_model(app, &operator, version, reason)?,
        ModelCommand::Restore { version, reason, approvals } => {
            restore_model(app, &operator, version, reason, approvals)?
        }
        ModelCommand::Quarantine { version, reason } => {
            return out.result(&quarantine_model(app, &operator, version, reason)?, taken_away);
        }
        ModelCommand::Reproduce { version, splits } => {
            let bar = out.progress("learning anew");
            let report =
                reproduce_model(app, &operator, version, splits.as_deref(), &mut |step| {
                    bar.set(step.done, step.total);
                })?;
            drop(bar);
            return out.result(&report, |report| {
                format!("{}: the same weights, {}", report.version, report.weights_sha256)
            });
        }
        // What needs no service was answered before.
        _ => return Ok(()),
    };
    out.result(&report, text)
}

fn release(app: &App, args: &ReleaseArgs, out: &Output) -> Result<ServiceReport, AppError> {
    let request = ReleaseRequest {
        reason: &args.reason,
        approvals: &args.approvals,
        stand_by: args.stand_by,
        splits: args.splits.as_deref(),
        without_comparison: args.without_comparison,
        reproduce: args.reproduce,
    };
    let bar = out.progress("learning anew");
    release_model(app, &Caller::operator(), &args.version, request, &mut |step| {
        bar.set(step.done, step.total);
    })
}

fn text(report: &ServiceReport) -> String {
    let model = &report.model;
    let mut lines = vec![format!("{} is {} since {}", model.version, model.state, model.since)];
    lines.extend(report.checks.iter().map(|check| format!("{:12} {}", check.check, check.found)));
    lines.extend(report.retired.iter().map(|retired| format!("retired      {retired}")));
    lines.push(match &report.backup_version {
        Some(backup) => format!("backup       {backup} (loads)"),
        None => "backup       none: there is no other version that was released".to_owned(),
    });
    lines.join("\n")
}

fn taken_away(report: &ModelQuarantine) -> String {
    let replaced = match &report.replaced_by {
        Some(backup) => format!("; {backup} is in service in its place"),
        None => String::new(),
    };
    format!("{} is {}{replaced}", report.model.version, report.model.state)
}
