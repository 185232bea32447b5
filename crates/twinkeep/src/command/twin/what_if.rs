//! `twinkeep twin whatif`: what goes together with other values.

use twinkeep_app::{
    App, AppError, Caller, WhatIfAnswer, WhatIfRequest, ask_what_if, readable_unit,
};

use crate::cli::WhatIfArgs;
use crate::output::{Output, table, thousands};

pub(super) fn run(app: &App, args: &WhatIfArgs, out: &Output) -> Result<(), AppError> {
    let request = WhatIfRequest {
        changes: args.set.clone(),
        horizons_hours: args.ahead.iter().copied().collect(),
        at: args.at.unwrap_or_default(),
        receipt: args.receipt.is_some(),
    };
    let mut answer = ask_what_if(app, &Caller::operator(), &args.subject, &request)?;
    super::keep_receipt(args.receipt.as_deref(), answer.receipt.take(), out)?;
    out.result(&answer, text)
}

fn text(answer: &WhatIfAnswer) -> String {
    format!(
        "{}, as of {}, by {}\n{}{}{}{}\n{}",
        answer.subject,
        answer.prediction_time,
        answer.model,
        changes(answer),
        targets(answer),
        windows(answer),
        answer.label,
        answer.notice,
    )
}

fn changes(answer: &WhatIfAnswer) -> String {
    let line = |change: &twinkeep_app::ChangeAnswer| {
        let unit = readable_unit(&change.unit);
        let observed = change
            .observed
            .map_or_else(|| "never observed".to_owned(), |value| format!("last observed {value}"));
        let measured =
            if change.intervention { "" } else { "; a measured value: nobody can set it" };
        format!(
            "if {} were {} {unit} ({observed}{measured}): so it was with {} of {} similar training subjects\n",
            change.code,
            change.value,
            thousands(u64::from(change.supporting_subjects)),
            thousands(u64::from(change.similar_subjects)),
        )
    };
    answer.changes.iter().map(line).collect()
}

/// The last horizon of each target, the largest differences by the width of the interval first.
fn targets(answer: &WhatIfAnswer) -> String {
    let header = [
        "code",
        "unit",
        "hours ahead",
        "as it is",
        "90 % interval",
        "if so",
        "90 % interval",
        "difference",
    ];
    let mut rows: Vec<(f32, Vec<String>)> = answer
        .targets
        .iter()
        .filter_map(|target| target.points.last().map(|point| (target, point)))
        .map(|(target, point)| {
            let width = (point.as_is.q95 - point.as_is.q05).max(f32::MIN_POSITIVE);
            let interval =
                |middle: twinkeep_app::MiddleAnswer| format!("{} to {}", middle.q05, middle.q95);
            let row = vec![
                target.code.clone(),
                readable_unit(&target.unit),
                point.horizon_hours.to_string(),
                point.as_is.q50.to_string(),
                interval(point.as_is),
                point.changed.q50.to_string(),
                interval(point.changed),
                format!("{:+}", point.difference),
            ];
            (point.difference.abs() / width, row)
        })
        .collect();
    rows.sort_by(|one, other| other.0.total_cmp(&one.0));
    let header = header.map(str::to_owned).to_vec();
    let rows = rows.into_iter().map(|(_, row)| row);
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn windows(answer: &WhatIfAnswer) -> String {
    let line = |window: &twinkeep_app::WindowDifference| {
        format!(
            "{} within {} h: {} as it is, {} if so ({:+})\n",
            window.code, window.window_hours, window.as_is, window.changed, window.difference
        )
    };
    answer.windows.iter().map(line).collect()
}
