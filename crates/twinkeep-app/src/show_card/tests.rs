//! Cards: short, in order, and without what was left out.

use twinkeep_intake::pack_file::shipped_pack;

use super::card;
use crate::answer::{ForecastAnswer, LastAnswer, NOTICE, PointAnswer, TargetAnswer};

fn target(title: &str, last: f32, median: f32) -> TargetAnswer {
    let point = PointAnswer {
        horizon_hours: 24.0,
        mean: median,
        q025: Some(median - 9.0),
        q05: Some(median - 8.0),
        q10: Some(median - 5.0),
        q25: Some(median - 2.0),
        q50: median,
        q75: Some(median + 2.0),
        q90: Some(median + 5.0),
        q95: Some(median + 8.0),
        q975: Some(median + 9.0),
    };
    TargetAnswer {
        code: title.to_owned(),
        title: title.to_owned(),
        kind: "value",
        unit: "mm[Hg]".to_owned(),
        basis: "trees",
        window_hours: None,
        before: None,
        last: Some(LastAnswer { value: last, age_hours: 1.0 }),
        points: vec![point],
        probabilities: Vec::new(),
        label: None,
    }
}

fn answer(targets: Vec<TargetAnswer>) -> ForecastAnswer {
    ForecastAnswer {
        subject: Some("sub-0123456789abcdef".to_owned()),
        prediction_time: "2000-01-01T00:00:00Z".to_owned(),
        looks_back: false,
        coarse: false,
        labels_only: false,
        model: "m-1".to_owned(),
        pack: "icu@6".to_owned(),
        targets,
        notice: NOTICE,
        receipt: None,
    }
}

#[test]
fn what_moves_most_comes_first_and_the_line_stays_short() {
    let pack = shipped_pack("icu").unwrap();
    let mut targets = vec![target("Mean pressure", 80.0, 62.0), target("Pulse", 80.0, 81.0)];
    targets.insert(0, target("Urine", 80.0, 80.0));
    let card = card(&pack, &answer(targets));
    assert_eq!(card.summary, "In 24 hours: Mean pressure 62 mmHg, Pulse 81 mmHg, Urine 80 mmHg");
    assert!(card.detail.contains("| Mean pressure | 80 mmHg | 62 mmHg | 54 to 70 |\n| Pulse"));
    assert!(card.detail.ends_with(&format!("by m-1 (icu@6). {NOTICE}.\n")), "{}", card.detail);
    let many = (0..40).map(|at| target(&format!("A variable with a long name {at}"), 1.0, 2.0));
    let card = super::card(&pack, &answer(many.collect()));
    assert!(card.summary.chars().count() < 140, "{}", card.summary);
    assert!(card.detail.lines().count() < 14);
}

#[test]
fn what_the_caller_may_not_have_is_not_in_the_card() {
    let pack = shipped_pack("icu").unwrap();
    let mut hidden = target("Pulse", 80.0, 81.0);
    hidden.last = None;
    hidden.points[0].q05 = None;
    hidden.points[0].q25 = None;
    let card = card(&pack, &answer(vec![hidden]));
    assert!(card.detail.contains("| Pulse | – | 81 mmHg | – |"), "{}", card.detail);
    let nothing = super::card(&pack, &answer(Vec::new()));
    assert_eq!(nothing.summary, "Not enough history for a forecast of values");
}
