//! What happens within a window, on the page of an evaluation.

use maud::{Markup, html};
use twinkeep_domain::Pack;
use twinkeep_forecast::{Evaluation, EventEvaluation, WindowEvaluation};

use super::{number, percent};

/// Two tables: sums and counts, and events; nothing if the pack asks for neither.
pub(super) fn windows(pack: &Pack, evaluation: &Evaluation) -> Markup {
    let (totals, events): (Vec<_>, Vec<_>) =
        evaluation.windows.iter().partition(|window| window.total.is_some());
    html! {
        @if !totals.is_empty() {
            h2 { "Sums and counts within a window" }
            (total_table(pack, &totals))
        }
        @if !events.is_empty() {
            h2 { "Events within a window" }
            (event_table(pack, &events))
            p {
                "AUC is the probability that of two people the one to whom it happens was given \
                 the higher probability; Brier and log loss stand beside those of always saying \
                 how often it happens. Said and came true: by fifths of the probabilities."
            }
        }
        @if windows_divided(evaluation) {
            h2 { "Windows by subgroup" }
            (subgroup_table(pack, &evaluation.windows))
            p { "Of an event, at its last horizon. Groups of fewer than 20 people are left out." }
        }
    }
}

fn windows_divided(evaluation: &Evaluation) -> bool {
    evaluation.windows.iter().any(|window| !window.subgroups.is_empty())
}

fn subgroup_table(pack: &Pack, windows: &[WindowEvaluation]) -> Markup {
    let columns =
        ["group", "subjects", "MASE", "90 %", "sum ratio", "happens to", "said", "AUC", "Brier"];
    html! {
        table {
            thead { tr { th { "target" } @for column in columns { th { (column) } } } }
            tbody {
                @for window in windows {
                    @for one in &window.subgroups {
                        @let total = one.total.as_ref();
                        @let event = one.event.as_ref();
                        tr {
                            th scope="row" { (title(pack, window)) }
                            td { (one.by) ": " (one.group) }
                            td { (one.subject_count) }
                            td { (number(total.and_then(|it| it.mase), 3)) }
                            td { (percent(total.and_then(|it| it.coverage_90))) }
                            td { (number(total.and_then(|it| it.sum_ratio), 3)) }
                            td { (percent(event.and_then(|it| it.base_rate))) }
                            td { (percent(event.and_then(|it| it.probability_mean))) }
                            td { (number(event.and_then(|it| it.auc), 3)) }
                            td { (number(event.and_then(|it| it.brier), 4)) }
                        }
                    }
                }
            }
        }
    }
}

fn total_table(pack: &Pack, windows: &[&WindowEvaluation]) -> Markup {
    let columns = [
        "subjects",
        "MAE",
        "as before",
        "as usual",
        "as a year ago",
        "MASE",
        "RMSE",
        "50 %",
        "80 %",
        "90 %",
        "95 %",
        "sum ratio",
        "variance ratio",
        "as before",
        "as a year ago",
    ];
    html! {
        table {
            thead { tr { th { "target" } @for column in columns { th { (column) } } } }
            tbody {
                @for window in windows {
                    @if let Some(total) = &window.total {
                        tr {
                            th scope="row" { (title(pack, window)) }
                            td { (window.subject_count) }
                            td { (number(total.mae, 3)) }
                            td { (number(total.carry_forward_mae, 3)) }
                            td { (number(total.usual_mae, 3)) }
                            td { (number(total.seasonal_mae, 3)) }
                            td { (number(total.mase, 3)) }
                            td { (number(total.rmse, 3)) }
                            td { (percent(total.coverage_50)) }
                            td { (percent(total.coverage_80)) }
                            td { (percent(total.coverage_90)) }
                            td { (percent(total.coverage_95)) }
                            td { (number(total.sum_ratio, 3)) }
                            td { (number(total.variance_ratio, 3)) }
                            td { (number(total.carry_forward_variance_ratio, 3)) }
                            td { (number(total.seasonal_variance_ratio, 3)) }
                        }
                    }
                }
            }
        }
    }
}

fn event_table(pack: &Pack, windows: &[&WindowEvaluation]) -> Markup {
    let columns = [
        "hours",
        "subjects",
        "happens to",
        "said",
        "right",
        "base rate right",
        "as before right",
        "as a year ago right",
        "AUC",
        "Brier",
        "of base rate",
        "log loss",
        "of base rate",
        "said and came true",
    ];
    html! {
        table {
            thead { tr { th { "target" } @for column in columns { th { (column) } } } }
            tbody {
                @for window in windows {
                    @for at in &window.events {
                        tr {
                            th scope="row" { (title(pack, window)) }
                            td { (at.horizon_hours) }
                            td { (at.known_count) }
                            td { (percent(at.base_rate)) }
                            td { (percent(at.probability_mean)) }
                            td { (percent(at.accuracy)) }
                            td { (percent(at.base_accuracy)) }
                            td { (percent(at.carry_forward_accuracy)) }
                            td { (percent(at.seasonal_accuracy)) }
                            td { (number(at.auc, 3)) }
                            td { (number(at.brier, 4)) }
                            td { (number(at.base_brier, 4)) }
                            td { (number(at.log_loss, 4)) }
                            td { (number(at.base_log_loss, 4)) }
                            td { (came_true(at)) }
                        }
                    }
                }
            }
        }
    }
}

fn came_true(at: &EventEvaluation) -> String {
    let bins = at.calibration.iter();
    let texts =
        bins.map(|bin| format!("{}: {}", percent(Some(bin.said)), percent(Some(bin.came_true))));
    texts.collect::<Vec<_>>().join("; ")
}

fn title<'a>(pack: &'a Pack, window: &'a WindowEvaluation) -> &'a str {
    let found = pack.windows().iter().find(|target| target.code.as_str() == window.code);
    found.map_or(window.code.as_str(), |target| target.title.as_str())
}
