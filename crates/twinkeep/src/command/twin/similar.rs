//! `twinkeep twin similar`: how it went on with others.

use twinkeep_app::{
    App, AppError, Caller, CompareAnswer, CompareRequest, compare_twin, readable_unit,
};

use crate::cli::SimilarArgs;
use crate::output::{Output, table, thousands};

pub(super) fn run(app: &App, args: &SimilarArgs, out: &Output) -> Result<(), AppError> {
    let request = CompareRequest { count: Some(args.count), at: args.at.unwrap_or_default() };
    out.result(&compare_twin(app, &Caller::operator(), &args.subject, &request)?, text)
}

fn text(answer: &CompareAnswer) -> String {
    let header = ["code", "unit", "hours later", "subjects", "median", "half of them"];
    let rows = answer.outcomes.iter().map(|outcome| {
        vec![
            outcome.code.clone(),
            readable_unit(&outcome.unit),
            format!("{} to {}", outcome.from_hours, outcome.to_hours),
            thousands(outcome.subjects as u64),
            outcome.q50.to_string(),
            format!("{} to {}", outcome.q25, outcome.q75),
        ]
    });
    let header = header.map(str::to_owned).to_vec();
    format!(
        "{}, {} h after the first event: {} of {} others were most alike{}{}\n{}{}",
        answer.subject,
        answer.at_hours,
        thousands(answer.similar_subjects as u64),
        thousands(answer.compared_subjects as u64),
        answer.age_years.map(|age| format!(", median age {age}")).unwrap_or_default(),
        answer
            .female_share
            .map(|share| format!(", {:.0} % female", 100.0 * share))
            .unwrap_or_default(),
        table(&std::iter::once(header).chain(rows).collect::<Vec<_>>()),
        answer.meaning,
    )
}
