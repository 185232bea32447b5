//! `twinkeep model compare`.

use twinkeep_app::{
    App, AppError, Caller, CandidateFinding, CandidateVerdict, CompareModelsRequest,
    ModelComparison, compare_models,
};

use crate::cli::CompareModelsArgs;
use crate::output::{Output, table, thousands};

pub(super) fn run(app: &App, args: &CompareModelsArgs, out: &Output) -> Result<(), AppError> {
    let request = CompareModelsRequest {
        version: &args.version,
        with: args.with.as_deref(),
        splits: args.splits.as_deref(),
    };
    let found = compare_models(app, &Caller::operator(), &request)?;
    out.result(&found, text)?;
    match found.verdict {
        CandidateVerdict::Refuse => {
            let attempt = format!("`{}` is worse than `{}`", found.version, found.with);
            Err(AppError::refused("model-worse", attempt)
                .hint("a release would be refused; `poisoning.toml` has the limits"))
        }
        CandidateVerdict::Holds | CandidateVerdict::Warn => Ok(()),
    }
}

pub(super) fn text(found: &ModelComparison) -> String {
    let header = ["", "of", "people", "error is larger by", "95 % interval"].map(str::to_owned);
    let lines = found.findings.iter().map(line);
    let rows: Vec<Vec<String>> = std::iter::once(header.to_vec()).chain(lines).collect();
    let mut text = table(&rows);
    text.push_str("(in shares of carry-forward's error; below 0 it is better)\n");
    if let Some(canaries) = &found.canaries {
        text.push_str(&format!("{}\n", canaries.words()));
    }
    let verdict = match found.verdict {
        CandidateVerdict::Holds => "nothing stands against it",
        CandidateVerdict::Warn => "it departs by more than `poisoning.toml` allows: a warning",
        CandidateVerdict::Refuse => "it is worse: a release is refused",
    };
    text.push_str(&format!("{} beside {}: {verdict}", found.version, found.with));
    text
}

fn line(found: &CandidateFinding) -> Vec<String> {
    let whom = match found.by.is_empty() {
        true => "everybody".to_owned(),
        false => format!("{} {}", found.by, found.group),
    };
    let share = |share: f64| format!("{:+.1} %", 100.0 * share);
    vec![
        if found.worse { "WORSE" } else { "" }.to_owned(),
        whom,
        thousands(found.larger.people),
        share(found.larger.mean),
        format!("{} to {}", share(found.larger.low), share(found.larger.high)),
    ]
}
