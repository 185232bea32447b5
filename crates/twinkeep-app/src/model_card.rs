//! The model card: what a person must know before relying on a version.

use serde_json::{Value, json};
use twinkeep_domain::{Pack, WindowTarget};
use twinkeep_forecast::{Evaluation, TotalEvaluation, TrajectoryEvaluation, WindowEvaluation};

/// Writes the card of a version that was just measured.
pub(crate) fn card(
    pack: &Pack,
    evaluation: &Evaluation,
    subjects: [usize; 3],
    given_splits: bool,
) -> Value {
    let chosen = if given_splits { "as given in a file" } else { "by a keyed hash of the subject" };
    let plan = pack.forecast();
    let code = |(_, variable): (usize, &twinkeep_domain::Variable)| json!({ "code": variable.code.as_str(), "title": variable.title, "unit": variable.unit });
    let windows: Vec<Value> = pack.windows().iter().map(|target| window(pack, target)).collect();
    json!({
        "version": 1,
        "title": format!("{}: forecasts up to {} hours ahead", pack.title(), plan.horizon_hours),
        "output": {
            "targets": pack.targets().map(code).collect::<Vec<_>>(),
            "window_targets": windows,
            "window_form": "of a sum or a count: mean, median, and calibrated 50, 80, and 90 % \
                            intervals at the end of the window; of an event: its probability by \
                            horizon, beside what competes with it",
            "form": "mean, median, and calibrated 50, 80, and 90 % intervals per target and horizon",
            "horizon_hours": plan.horizon_hours,
        },
        "input": {
            "codes": pack.variables().iter().map(|variable| variable.code.as_str()).collect::<Vec<_>>(),
            "history": "events up to the prediction time; nothing later",
            "fewest_events": plan.history_event_count_min,
        },
        "window_method": "the same trees: quantiles on a logarithmic scale and a Tweedie mean for \
                          sums and counts, calibrated by split conformal prediction; \
                          discrete-time hazards of competing risks for events, calibrated by \
                          Platt's method on the tuning split; chosen against the window before \
                          and the base rate",
        "method": "histogram gradient boosted trees on summary features, chosen per target on the \
                   tuning split against carry-forward and the exponential mean; split conformal \
                   calibration per target and horizon",
        "training_population": { "subjects": subjects[0], "words": pack.words().subjects },
        "evaluation": {
            "subjects": evaluation.subject_count,
            "population": format!("held out from the same feeds, {chosen}"),
            "cut_hours": evaluation.cut_hours,
            "mase_median": evaluation.mase_median,
            "coverage_90_mean": evaluation.coverage_90_mean,
            "coverage_95_mean": evaluation.coverage_95_mean,
            "windows": evaluation.windows.iter().map(measured).collect::<Vec<_>>(),
            "trajectories": evaluation.trajectories.as_ref().map(trajectories),
        },
        "intended_use": "research and planning support by people who know the domain",
        "not_for": "diagnosis, treatment decisions, alarms; not a medical device",
        "clinical_validation": "none",
        "known_limits": [
            "measured on held-out subjects of the same sources; other sources may differ",
            "associational: it says what follows, not what causes",
            "intervals are calibrated over subjects, not for each subject",
            "rare targets have wide and less certain intervals",
        ],
    })
}

fn window(pack: &Pack, target: &WindowTarget) -> Value {
    json!({
        "code": target.code.as_str(),
        "title": target.title,
        "kind": target.kind_name(),
        "unit": target.unit(pack),
        "window_hours": target.window_hours,
    })
}

/// The figures that say whether paths go together as real lives do.
fn trajectories(found: &TrajectoryEvaluation) -> Value {
    json!({
        "method": "calibrated forecasts joined by a Gaussian copula, learned from the errors of \
                   the tuning subjects",
        "subjects": found.subject_count,
        "pairs": found.pair_count,
        "correlation_r2": found.correlation_r2,
        "correlation_r2_expected": found.correlation_r2_expected,
        "rank_correlation_r2": found.rank_correlation_r2,
        "rank_correlation_r2_expected": found.rank_correlation_r2_expected,
        "autocorrelation_error": found.autocorrelation_error,
        "rank_autocorrelation_error": found.rank_autocorrelation_error,
    })
}

/// The figures that say whether to rely on a window target.
fn measured(window: &WindowEvaluation) -> Value {
    let last = window.events.last();
    let of = |pick: &dyn Fn(&TotalEvaluation) -> Option<f64>| window.total.as_ref().and_then(pick);
    json!({
        "code": window.code,
        "subjects": window.subject_count,
        "mae": of(&|total| total.mae),
        "carry_forward_mae": of(&|total| total.carry_forward_mae),
        "seasonal_mae": of(&|total| total.seasonal_mae),
        "mase": of(&|total| total.mase),
        "coverage_90": of(&|total| total.coverage_90),
        "variance_ratio": of(&|total| total.variance_ratio),
        "carry_forward_variance_ratio": of(&|total| total.carry_forward_variance_ratio),
        "seasonal_variance_ratio": of(&|total| total.seasonal_variance_ratio),
        "accuracy": last.and_then(|last| last.accuracy),
        "base_accuracy": last.and_then(|last| last.base_accuracy),
        "carry_forward_accuracy": last.and_then(|last| last.carry_forward_accuracy),
        "seasonal_accuracy": last.and_then(|last| last.seasonal_accuracy),
        "auc": last.and_then(|last| last.auc),
        "brier": last.and_then(|last| last.brier),
        "base_brier": last.and_then(|last| last.base_brier),
    })
}
