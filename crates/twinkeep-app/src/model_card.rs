//! The model card: what a person must know before relying on a version.

use serde_json::{Value, json};
use twinkeep_domain::Pack;
use twinkeep_forecast::Evaluation;

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
    json!({
        "version": 1,
        "title": format!("{}: forecasts up to {} hours ahead", pack.title(), plan.horizon_hours),
        "output": {
            "targets": pack.targets().map(code).collect::<Vec<_>>(),
            "form": "mean, median, and calibrated 50, 80, and 90 % intervals per target and horizon",
            "horizon_hours": plan.horizon_hours,
        },
        "input": {
            "codes": pack.variables().iter().map(|variable| variable.code.as_str()).collect::<Vec<_>>(),
            "history": "events up to the prediction time; nothing later",
            "fewest_events": plan.history_event_count_min,
        },
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
