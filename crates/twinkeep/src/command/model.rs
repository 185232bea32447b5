//! `twinkeep model …`.

use serde_json::Value;
use twinkeep_app::{
    AppError, Caller, ModelLine, ModelReport, VerifyReport, export_model, list_models, show_model,
    verify_model,
};

use crate::cli::{Global, ModelCommand};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

mod approval;
mod compare;
mod importing;
mod influence;
mod service;
mod signing;

pub(crate) fn run(global: &Global, args: &ModelCommand, out: &Output) -> Result<(), AppError> {
    match args {
        ModelCommand::Approve { request, identity, reason, out: file } => {
            return approval::approve(global, [request, identity], reason, file.as_deref(), out);
        }
        ModelCommand::Sign(args) => return signing::sign(args, out),
        ModelCommand::Verify(args) if args.names_a_path() => return signing::verify(args, out),
        _ => {}
    }
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        ModelCommand::List => out.list(&list_models(&app, &operator)?, list),
        ModelCommand::Show { version } => out.result(&show_model(&app, &operator, version)?, show),
        ModelCommand::Verify(args) => {
            let report = verify_model(&app, &operator, &args.target)?;
            out.result(&report, verified)
        }
        ModelCommand::Compare(args) => compare::run(&app, args, out),
        ModelCommand::Influence(args) => influence::run(&app, args, out),
        ModelCommand::Import(args) => importing::import(&app, args, out),
        ModelCommand::Export { version, out: folder } => {
            let report = export_model(&app, &operator, version, folder)?;
            out.result(&report, |report| {
                format!(
                    "{} is in `{}`: {} files, signed by {}\nthe weights in it are not encrypted",
                    report.version,
                    report.folder.display(),
                    report.files,
                    report.signer,
                )
            })
        }
        ModelCommand::Request { version, purpose, out: file } => {
            approval::request(&app, version, *purpose, file, out)
        }
        ModelCommand::Approver(args) => approval::approvers(&app, args, out),
        _ => service::run(&app, args, out),
    }
}

fn verified(report: &VerifyReport) -> String {
    let signed = report.signer.as_ref().map(|signer| format!(", signed by {signer}"));
    let signed = signed.unwrap_or_else(|| ", as it was imported".to_owned());
    format!("{} verifies: {} files{signed}", report.version, report.files)
}

fn list(models: &[ModelLine]) -> String {
    let header = ["version", "state", "since", "erased since", "reason"];
    let header = header.map(str::to_owned).to_vec();
    let rows = models.iter().map(|model| {
        let erased = model.erased_since.to_string();
        let state =
            if model.backup { format!("{} (backup)", model.state) } else { model.state.clone() };
        let cells = [&model.version, &state, &model.since, &erased, &model.reason];
        cells.map(String::clone).to_vec()
    });
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn show(report: &ModelReport) -> String {
    let pretty = |value: &Value| serde_json::to_string_pretty(value).unwrap_or_default();
    let field = |name: &str| report.evaluation.get(name).cloned().unwrap_or(Value::Null);
    let marks: String = report.marks.iter().map(|mark| format!("marked       {mark}\n")).collect();
    format!(
        "version      {}\nstate        {}\n{marks}median MASE  {}\n90 % covers  {}\nweights      {}\n\ncard\n{}\n\n\
         (`--json` has the evaluation of each target and the training record)",
        report.version,
        report.state,
        field("mase_median"),
        field("coverage_90_mean"),
        report.training.get("weights_sha256").and_then(Value::as_str).unwrap_or("-"),
        pretty(&report.card),
    )
}
