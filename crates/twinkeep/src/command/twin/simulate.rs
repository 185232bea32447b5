//! `twinkeep twin simulate`: paths in words and numbers.

use twinkeep_app::{
    App, AppError, Caller, PointAnswer, SimulateAnswer, SimulateRequest, SpreadAnswer,
    readable_unit, simulate_twin,
};

use crate::cli::SimulateArgs;
use crate::output::{Output, table, thousands};

pub(super) fn run(app: &App, args: &SimulateArgs, out: &Output) -> Result<(), AppError> {
    let request = SimulateRequest {
        path_count: Some(args.paths),
        horizon_hours: args.horizon,
        step_hours: args.step,
        seed: args.seed,
        targets: args.targets.clone(),
        conditions: args.when.clone(),
        at: args.at.unwrap_or_default(),
        example_count: args.show,
        output: args.output.as_deref(),
        receipt: args.receipt.is_some(),
    };
    let mut answer = simulate_twin(app, &Caller::operator(), &args.subject, &request)?;
    if let Some(path) = &args.output {
        out.remark(&format!("wrote `{}`: it shows what may happen to a person", path.display()));
    }
    super::keep_receipt(args.receipt.as_deref(), answer.receipt.take(), out)?;
    out.result(&answer, text)
}

fn text(answer: &SimulateAnswer) -> String {
    format!(
        "{}: {} paths from {} by {}, seed {}\n{}{}{}{}{}\n{}",
        answer.subject,
        thousands(u64::from(answer.path_count)),
        answer.prediction_time,
        answer.model,
        answer.seed,
        targets(answer),
        windows(answer),
        conditions(answer),
        examples(answer),
        answer.meaning,
        answer.notice,
    )
}

/// The fan at its end, and how far a path gets on its way there.
fn targets(answer: &SimulateAnswer) -> String {
    let header = [
        "code",
        "unit",
        "at the end",
        "90 % of paths",
        "lowest on the way",
        "90 % of paths",
        "highest on the way",
        "90 % of paths",
    ];
    let range = |low: f32, high: f32| format!("{low} to {high}");
    let spread = |of: SpreadAnswer| [of.q50.to_string(), range(of.q05, of.q95)];
    let rows = answer.targets.iter().map(|target| {
        let end = target.points.last();
        let mut row = vec![target.code.clone(), readable_unit(&target.unit)];
        row.push(end.map_or_else(String::new, |point| point.q50.to_string()));
        row.push(end.and_then(PointAnswer::range_90).unwrap_or_default());
        row.extend(spread(target.lowest));
        row.extend(spread(target.highest));
        row
    });
    let header = header.map(str::to_owned).to_vec();
    table(&std::iter::once(header).chain(rows).collect::<Vec<_>>())
}

fn windows(answer: &SimulateAnswer) -> String {
    let line = |window: &twinkeep_app::WindowPathsAnswer| match (window.total, window.share) {
        (Some(total), _) => format!(
            "{}: {} in {} h, on 90 % of the paths {} to {}\n",
            window.code, total.q50, window.window_hours, total.q05, total.q95
        ),
        (_, share) => format!(
            "{}: within {} h on {} of the paths\n",
            window.code,
            window.window_hours,
            percent(share.unwrap_or(0.0)),
        ),
    };
    answer.windows.iter().map(line).collect()
}

fn conditions(answer: &SimulateAnswer) -> String {
    let mut text: String = answer
        .conditions
        .iter()
        .map(|one| {
            format!("{}: at some moment on {} of the paths\n", one.condition, percent(one.share))
        })
        .collect();
    if let Some(share) = answer.share_of_all {
        text.push_str(&format!("all of it: on {} of the paths\n", percent(share)));
    }
    text
}

/// A few moments of the first paths.
fn examples(answer: &SimulateAnswer) -> String {
    if answer.paths.is_empty() {
        return String::new();
    }
    let last = answer.horizons_hours.len().saturating_sub(1);
    let mut shown: Vec<usize> = (0..MOMENTS).map(|at| at * last / (MOMENTS - 1)).collect();
    shown.dedup();
    let mut header = vec!["path".to_owned(), "code".to_owned()];
    header.extend(shown.iter().map(|&at| format!("{} h", answer.horizons_hours[at])));
    let mut rows = vec![header];
    for path in &answer.paths {
        for (target, values) in answer.targets.iter().zip(&path.values) {
            let mut row = vec![path.number.to_string(), target.code.clone()];
            row.extend(shown.iter().filter_map(|&at| values.get(at)).map(f32::to_string));
            rows.push(row);
        }
    }
    table(&rows)
}

fn percent(share: f32) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// As many as fit on a line.
const MOMENTS: usize = 7;
