//! The 31 source attributes of a predictive decision support intervention, as the model card has
//! them: 45 CFR 170.315(b)(11)(iv)(B), "HTI-1" of the ONC.
//!
//! What the system knows it says; what only the people who run it can know comes from `[card]` in
//! `twinkeep.toml`, which may also replace what the system says. What nobody said is `null`, never
//! a phrase that sounds like an answer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use twinkeep_domain::Pack;
use twinkeep_forecast::Evaluation;

/// Returns all attributes, in the order of the rule.
pub(crate) fn source_attributes(
    pack: &Pack,
    evaluation: &Evaluation,
    subjects: [usize; 3],
    told: &BTreeMap<String, String>,
) -> Value {
    let own = known(pack, evaluation, subjects);
    let attribute = |&(place, key, title): &(&str, &str, &str)| {
        let value = told.get(key).map(String::as_str).or_else(|| own.get(key).map(String::as_str));
        json!({ "place": place, "key": key, "attribute": title, "value": value })
    };
    json!(ATTRIBUTES.iter().map(attribute).collect::<Vec<_>>())
}

/// Returns whether there is an attribute of this key.
pub(crate) fn is_attribute(key: &str) -> bool {
    ATTRIBUTES.iter().any(|(_, known, _)| *known == key)
}

/// What follows from the pack, from how the model is made, and from what was measured.
#[expect(clippy::too_many_lines, reason = "one list, an attribute after another")]
fn known(
    pack: &Pack,
    evaluation: &Evaluation,
    [train, tuning, held_out]: [usize; 3],
) -> BTreeMap<&'static str, String> {
    let plan = pack.forecast();
    let people = &pack.words().subjects;
    let titles: Vec<&str> = pack
        .targets()
        .map(|(_, variable)| variable.title.as_str())
        .chain(pack.windows().iter().map(|window| window.title.as_str()))
        .collect();
    let inputs: Vec<&str> =
        pack.variables().iter().map(|variable| variable.title.as_str()).collect();
    let groups: Vec<String> = evaluation
        .subgroups
        .iter()
        .map(|one| format!("{} {}: {}", one.by, one.group, one.subject_count))
        .collect();
    let fairness: Vec<String> = evaluation
        .subgroups
        .iter()
        .filter_map(|one| {
            let (mase, covered) = (one.mase_median?, one.coverage_90_mean?);
            let covered = 100.0 * covered;
            Some(format!(
                "{} {}: median MASE {mase:.3}, 90 % intervals cover {covered:.1} %",
                one.by, one.group
            ))
        })
        .collect();
    let validity = evaluation.mase_median.zip(evaluation.coverage_90_mean).map(|(mase, covered)| {
        format!(
            "{held_out} held-out {people}: median MASE over targets {mase:.3} (below 1 is better \
             than carrying the last value forward), 90 % intervals cover {:.1} % of the values",
            100.0 * covered
        )
    });
    let mut found = BTreeMap::from([
        (
            "output_value",
            format!(
                "for each of {} targets, up to {} hours ahead: mean, median, and calibrated 50, 80, \
                 90, and 95 % intervals, or the probability of an event ({})",
                titles.len(),
                plan.horizon_hours,
                titles.join(", ")
            ),
        ),
        ("output_kind", "prediction".to_owned()),
        ("intended_use", "research and planning support by people who know the domain".to_owned()),
        ("intended_population", format!("{people}, as the pack `{}` describes them", pack.name())),
        ("decision_role", "informs; it neither augments nor replaces a decision".to_owned()),
        (
            "out_of_scope",
            "diagnosis, treatment decisions, alarms; people or sources unlike those learned from"
                .to_owned(),
        ),
        (
            "known_risks",
            "associational, not causal; intervals hold over people, not for each; rare targets are \
             less certain; other sources may differ"
                .to_owned(),
        ),
        (
            "inclusion",
            format!(
                "all {people} of the admitted feeds with at least {} events; values that the pack's \
                 screening refused are left out; {train} learned from, {tuning} tuned on",
                plan.history_event_count_min
            ),
        ),
        ("input_features", inputs.join(", ")),
        (
            "bias_approach",
            "errors and coverage are measured by subgroup, and a version that is worse than the one \
             in service for a subgroup is not released"
                .to_owned(),
        ),
        (
            "update_process",
            "a new version is trained, attacked, compared with the one in service on held-out \
             people, and released by a person"
                .to_owned(),
        ),
    ]);
    if !groups.is_empty() {
        found.insert(
            "training_representativeness",
            format!("held-out, by group: {}", groups.join("; ")),
        );
    }
    if !fairness.is_empty() {
        found.insert("fairness_same_source", fairness.join("; "));
    }
    if let Some(validity) = validity {
        found.insert("validity_same_source", validity);
    }
    found
}

/// Place in the rule, key in `[card]`, and what is asked for.
const ATTRIBUTES: [(&str, &str, &str); 31] = [
    ("(1)(i)", "developer", "Name and contact information of the developer"),
    ("(1)(ii)", "funding", "Funding source of the technical implementation"),
    ("(1)(iii)", "output_value", "Description of the value that is produced as an output"),
    (
        "(1)(iv)",
        "output_kind",
        "Whether the output is a prediction, classification, recommendation, evaluation, analysis, or other",
    ),
    ("(2)(i)", "intended_use", "Intended use"),
    ("(2)(ii)", "intended_population", "Intended patient populations"),
    ("(2)(iii)", "intended_users", "Intended users"),
    ("(2)(iv)", "decision_role", "Intended decision-making role"),
    ("(3)(i)", "out_of_scope", "Tasks, situations, or populations where use is cautioned against"),
    ("(3)(ii)", "known_risks", "Known risks, inappropriate settings and uses, and limitations"),
    ("(4)(i)", "inclusion", "Exclusion and inclusion criteria that influenced the training data"),
    ("(4)(ii)", "input_features", "Variables used as input features"),
    (
        "(4)(iii)",
        "training_representativeness",
        "Demographic representativeness of the training data",
    ),
    ("(4)(iv)", "training_relevance", "Relevance of the training data to the deployed setting"),
    ("(5)(i)", "fairness_approach", "Approach taken to ensure that the output is fair"),
    ("(5)(ii)", "bias_approach", "Approaches to manage, reduce, or eliminate bias"),
    ("(6)(i)", "external_data", "Data source, setting, or environment of external validation"),
    ("(6)(ii)", "external_party", "Party that conducted the external testing"),
    (
        "(6)(iii)",
        "external_representativeness",
        "Demographic representativeness of the external data",
    ),
    ("(6)(iv)", "external_process", "External validation process"),
    (
        "(7)(i)",
        "validity_same_source",
        "Validity in test data from the same source as the training data",
    ),
    (
        "(7)(ii)",
        "fairness_same_source",
        "Fairness in test data from the same source as the training data",
    ),
    ("(7)(iii)", "validity_external", "Validity in external data"),
    ("(7)(iv)", "fairness_external", "Fairness in external data"),
    ("(7)(v)", "outcome_evaluation", "References to evaluations of use on outcomes"),
    ("(8)(i)", "validity_monitoring", "How and how often validity is monitored over time"),
    ("(8)(ii)", "validity_local", "Validity in local data"),
    ("(8)(iii)", "fairness_monitoring", "How and how often fairness is monitored over time"),
    ("(8)(iv)", "fairness_local", "Fairness in local data"),
    ("(9)(i)", "update_process", "How and how often the intervention is updated"),
    (
        "(9)(ii)",
        "correction_schedule",
        "How often performance is corrected when risks are identified",
    ),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::ATTRIBUTES;

    #[test]
    fn there_are_as_many_attributes_as_in_the_rule_and_each_is_there_once() {
        let places: BTreeSet<&str> = ATTRIBUTES.iter().map(|one| one.0).collect();
        let keys: BTreeSet<&str> = ATTRIBUTES.iter().map(|one| one.1).collect();
        assert_eq!((places.len(), keys.len()), (31, 31));
        // By paragraph: 4 + 4 + 2 + 4 + 2 + 4 + 5 + 4 + 2.
        let of = |paragraph: usize| {
            let starts = format!("({paragraph})");
            ATTRIBUTES.iter().filter(|one| one.0.starts_with(&starts)).count()
        };
        assert_eq!((1..=9).map(of).collect::<Vec<_>>(), [4, 4, 2, 4, 2, 4, 5, 4, 2]);
    }
}
