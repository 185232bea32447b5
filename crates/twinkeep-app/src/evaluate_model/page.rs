//! An evaluation as a page: one HTML file without scripts, that loads nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use twinkeep_domain::Pack;
use twinkeep_forecast::{Evaluation, TargetEvaluation, TrajectoryEvaluation};
use twinkeep_twin::chart::{CalibrationLine, calibration_svg, readable_unit};
use twinkeep_vault::digest::sha256;

use super::EvaluateReport;

mod windows;

/// Writes the page.
pub(super) fn page(pack: &Pack, report: &EvaluateReport) -> String {
    // A browser runs nothing, and takes no other style than this one, whatever is in the page.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'",
        BASE64_STANDARD.encode(sha256(STYLE.as_bytes()))
    );
    let evaluation = &report.evaluation;
    let title = format!("{}: evaluation of model {}", pack.title(), report.model);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                p { (about(report)) }
                (key_figures(evaluation))
                h2 { "Errors and intervals" }
                (targets(pack, evaluation))
                (windows::windows(pack, evaluation))
                h2 { "By how far ahead" }
                (horizons(pack, evaluation))
                (subgroups(evaluation))
                h2 { "Calibration" }
                p { "A point on the dashed line is a promise kept: as many values lie below a \
                     quantile as it says." }
                (calibration(pack, evaluation))
                h2 { "What the figures mean" }
                (meanings())
            }
        }
    };
    page.into_string()
}

fn about(report: &EvaluateReport) -> String {
    let evaluation = &report.evaluation;
    let on = match (&report.source, report.left_out_subjects) {
        (Some(source), left_out) => format!(
            "a source of {} rows, of which {} were refused; {} people whom the model may have \
             learned from were left out",
            source.read,
            source.quarantined,
            left_out.unwrap_or(0)
        ),
        _ => format!("the split {} of the keep", report.on),
    };
    format!(
        "Forecasts made {} hours after the first event, up to {} hours ahead, on {}.",
        evaluation.cut_hours, evaluation.horizon_hours, on
    )
}

fn key_figures(evaluation: &Evaluation) -> Markup {
    let paths = |of: fn(&TrajectoryEvaluation) -> Option<f64>| {
        evaluation.trajectories.as_ref().and_then(of)
    };
    let figures = [
        ("subjects", evaluation.subject_count.to_string()),
        ("values forecast", evaluation.value_count.to_string()),
        ("not enough history", evaluation.refused_count.to_string()),
        ("median MASE", number(evaluation.mase_median, 3)),
        ("mean scaled error", number(evaluation.scaled_mae_mean, 3)),
        ("90 % intervals cover", percent(evaluation.coverage_90_mean)),
        ("95 % intervals cover", percent(evaluation.coverage_95_mean)),
        ("R² of correlations on paths", number(paths(|found| found.correlation_r2), 3)),
        ("R² of them at best", number(paths(|found| found.correlation_r2_expected), 3)),
    ];
    html! {
        dl.figures {
            @for (name, value) in figures { div { dt { (name) } dd { (value) } } }
        }
    }
}

fn targets(pack: &Pack, evaluation: &Evaluation) -> Markup {
    let columns = [
        "values",
        "MAE",
        "carry-forward",
        "MASE",
        "RMSE",
        "carry-forward",
        "scaled MAE",
        "pinball",
        "CRPS",
        "50 %",
        "80 %",
        "90 %",
        "95 %",
        "width of 90 %",
    ];
    html! {
        table {
            thead { tr { th { "target" } @for column in columns { th { (column) } } } }
            tbody {
                @for target in &evaluation.targets {
                    tr {
                        th scope="row" { (title(pack, target)) }
                        td { (target.value_count) }
                        td { (number(target.mae, 3)) }
                        td { (number(target.carry_forward_mae, 3)) }
                        td { (number(target.mase, 3)) }
                        td { (number(target.rmse, 3)) }
                        td { (number(target.carry_forward_rmse, 3)) }
                        td { (number(target.scaled_mae, 3)) }
                        td { (number(target.pinball, 3)) }
                        td { (number(target.crps, 3)) }
                        td { (percent(target.coverage_50)) }
                        td { (percent(target.coverage_80)) }
                        td { (percent(target.coverage_90)) }
                        td { (percent(target.coverage_95)) }
                        td { (number(target.width_90, 2)) }
                    }
                }
            }
        }
    }
}

fn horizons(pack: &Pack, evaluation: &Evaluation) -> Markup {
    let buckets = evaluation.targets.first().map(|target| target.horizons.as_slice());
    let buckets = buckets.unwrap_or_default();
    html! {
        table {
            thead {
                tr {
                    th { "target" }
                    @for bucket in buckets {
                        th { "MASE to " (bucket.to_hours) " h" }
                        th { "90 % covers" }
                    }
                }
            }
            tbody {
                @for target in evaluation.targets.iter().filter(|it| 0 < it.value_count) {
                    tr {
                        th scope="row" { (title(pack, target)) }
                        @for bucket in &target.horizons {
                            td { (number(bucket.mase, 3)) }
                            td { (percent(bucket.coverage_90)) }
                        }
                    }
                }
            }
        }
    }
}

fn subgroups(evaluation: &Evaluation) -> Markup {
    if evaluation.subgroups.is_empty() {
        return html! {};
    }
    html! {
        h2 { "By subgroup" }
        table {
            thead {
                tr {
                    th { "group" } th { "subjects" } th { "values" } th { "median MASE" }
                    th { "90 % intervals cover" }
                }
            }
            tbody {
                @for one in &evaluation.subgroups {
                    tr {
                        th scope="row" { (one.by) ": " (one.group) }
                        td { (one.subject_count) }
                        td { (one.value_count) }
                        td { (number(one.mase_median, 3)) }
                        td { (percent(one.coverage_90_mean)) }
                    }
                }
            }
        }
    }
}

fn calibration(pack: &Pack, evaluation: &Evaluation) -> Markup {
    let all = CalibrationLine { title: "All targets", observed: &evaluation.calibration_mean };
    html! {
        div.pictures {
            (PreEscaped(calibration_svg(all, "all")))
            @for (at, target) in evaluation.targets.iter().enumerate() {
                @if 0 < target.value_count {
                    @let title = plain_title(pack, &target.code);
                    (PreEscaped(calibration_svg(
                        CalibrationLine { title: &title, observed: &target.calibration },
                        &at.to_string(),
                    )))
                }
            }
        }
    }
}

fn meanings() -> Markup {
    html! {
        dl {
            dt { "MAE, RMSE" }
            dd { "Mean absolute error of the median; root of the mean squared error of the mean." }
            dt { "carry-forward" }
            dd { "The same of the last value before the cut, or of the training mean where there \
                  is none." }
            dt { "MASE" }
            dd { "MAE divided by that of carry-forward on the same values: below 1 is better." }
            dt { "scaled MAE" }
            dd { "MAE divided by the standard deviation of the target in training, after two \
                  rounds in which values beyond three deviations are left out." }
            dt { "pinball, CRPS" }
            dd { "Mean loss of the seven quantiles; twice the losses, each weighted with the range \
                  of probabilities nearest to its quantile." }
            dt { "50 %, 80 %, 90 %, 95 %" }
            dd { "Share of the values inside the interval." }
        }
    }
}

fn title(pack: &Pack, target: &TargetEvaluation) -> String {
    let title = plain_title(pack, &target.code);
    let unit = pack.find(&target.code).and_then(|at| pack.variables().get(at));
    let unit = unit.map(|variable| readable_unit(&variable.unit)).unwrap_or_default();
    if unit.is_empty() { title } else { format!("{title} ({unit})") }
}

fn plain_title(pack: &Pack, code: &str) -> String {
    let variable = pack.find(code).and_then(|at| pack.variables().get(at));
    variable.map_or_else(|| code.to_owned(), |variable| variable.title.clone())
}

fn number(value: Option<f64>, places: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.places$}"))
}

fn percent(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{:.1} %", 100.0 * value))
}

const STYLE: &str = include_str!("page.css");
