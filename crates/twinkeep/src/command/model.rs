//! `twinkeep model list|show|verify|release`.

use serde_json::Value;
use twinkeep_app::{
    AppError, Caller, ModelLine, ModelReport, list_models, release_model, show_model, verify_model,
};

use crate::cli::{Global, ModelCommand};
use crate::output::{Output, table};
use crate::surroundings::open_keep;

pub(crate) fn run(global: &Global, args: &ModelCommand, out: &Output) -> Result<(), AppError> {
    let app = open_keep(global)?;
    let operator = Caller::operator();
    match args {
        ModelCommand::List => out.list(&list_models(&app, &operator)?, list),
        ModelCommand::Show { version } => out.result(&show_model(&app, &operator, version)?, show),
        ModelCommand::Verify { version } => {
            let report = verify_model(&app, &operator, version)?;
            out.result(&report, |report| {
                format!(
                    "{} verifies: {} files, signed by {}",
                    report.version, report.files, report.signer,
                )
            })
        }
        ModelCommand::Release { version, reason } => {
            let line = release_model(&app, &operator, version, reason)?;
            out.result(&line, |line| format!("{} is in service since {}", line.version, line.since))
        }
    }
}

fn list(models: &[ModelLine]) -> String {
    let header = ["version", "state", "since", "erased since", "reason"];
    let header = header.map(str::to_owned).to_vec();
    let rows = models.iter().map(|model| {
        let erased = model.erased_since.to_string();
        let cells = [&model.version, &model.state, &model.since, &erased, &model.reason];
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
