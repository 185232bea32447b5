//! Notes help where they say something, and only once they are written.

use twinkeep_domain::{
    Code, CodeList, CodePattern, Cohort, Event, NotePlan, OtherCodes, Pack, Screening, Timeline,
};

use super::super::train;
use crate::testing::{NOISE, cohort, config, event, pack};
use crate::{CodeMap, Evaluation, Model, SubjectState, TrainConfig, evaluate};

/// The place of the notes among the codes of a cohort.
const NOTE: usize = 4;

fn noted_pack(asks: bool) -> Pack {
    let codes = CodeList { other: OtherCodes::Keep, accept: Vec::new() };
    let plan =
        NotePlan { codes: vec![CodePattern::new("NOTE//*").unwrap()], bucket_count: 64, ngram: 2 };
    pack()
        .with_screening(Screening { codes, ..Screening::default() })
        .and_then(|pack| pack.with_notes(asks.then_some(plan)))
        .unwrap()
}

/// From hour 24 on, `noise` is about 20 or about 80, and only a note at `hours` says which.
fn noted(seed: u64, count: i64, hours: Option<f64>) -> Cohort {
    let mut cohort = cohort(seed, count);
    cohort.codes.push(Code::new("NOTE//ward").unwrap());
    for (number, timeline) in (0_i64..).zip(&mut cohort.timelines) {
        let high = crate::random::bits(seed, [5, number.unsigned_abs(), 0]).is_multiple_of(2);
        let mut events: Vec<Event> = timeline.events().to_vec();
        for event in &mut events {
            let late = event.time.is_some_and(|time| {
                24.0 <= time.hours_since(twinkeep_domain::Timestamp::RELATIVE_ORIGIN)
            });
            if event.code as usize == NOISE && late {
                event.value =
                    event.value.map(|value| value / 50.0 + if high { 80.0 } else { 20.0 });
            }
        }
        let text = if high { "Has fever, was seen twice." } else { "Has no fever, was seen once." };
        let note = event(number, hours, NOTE, 0.0);
        events.push(Event { value: None, text: Some(text.into()), ..note });
        *timeline = Timeline::new(timeline.subject(), events).unwrap();
    }
    cohort
}

fn learned(pack: &Pack, hours: Option<f64>) -> (Model, Evaluation) {
    let config = TrainConfig { rounds_max: 60, ..config() };
    let of = |seed, count| noted(seed, count, hours);
    let model = train(pack, &config, &of(1, 300), &of(2, 200), &mut |_| ()).unwrap();
    let evaluation = evaluate(pack, &model, &of(3, 200));
    (model, evaluation)
}

#[test]
fn a_note_that_tells_what_will_be_is_read_if_the_pack_asks_for_it() {
    let error = |evaluation: &Evaluation| evaluation.targets[NOISE].mae.unwrap();
    let (model, with) = learned(&noted_pack(true), Some(2.0));
    let (_, without) = learned(&noted_pack(false), Some(2.0));
    assert!(error(&with) < 10.0, "{}", error(&with));
    assert!(25.0 < error(&without), "{}", error(&without));
    explained(&model);
}

/// The explanation names groups of words, and the state absorbs a note like any event.
fn explained(model: &Model) {
    let cohort = noted(4, 1, Some(2.0));
    let timeline = &cohort.timelines[0];
    let codes = CodeMap::new(model.pack(), &cohort.codes);
    let now = event(0, Some(24.0), NOTE, 0.0).time.unwrap();
    let mut state = SubjectState::new(model.pack());
    for event in timeline.events().iter().filter(|event| event.time.is_none_or(|it| it < now)) {
        state.apply(&codes, event);
    }
    let explanation = model.explain(&state, now, "noise", 6.0).unwrap();
    let first = &explanation.drivers[0].feature;
    assert!(first.starts_with("notes, words of group "), "{first}");
    let told: f32 = explanation.drivers.iter().map(|driver| driver.contribution).sum();
    let sum = explanation.carried + explanation.usual_change + told + explanation.adjusted;
    assert!((sum - explanation.median).abs() < 1e-3);
}

#[test]
fn a_note_of_the_future_or_without_a_time_tells_nothing() {
    for hours in [Some(24.0), Some(40.0), None] {
        let (_, evaluation) = learned(&noted_pack(true), hours);
        let mae = evaluation.targets[NOISE].mae.unwrap();
        assert!(25.0 < mae, "{hours:?}: {mae}");
    }
}

#[test]
fn notes_of_a_state_that_the_model_does_not_know_are_no_harm() {
    let (model, _) = learned(&noted_pack(true), Some(2.0));
    let cohort = noted(4, 3, Some(2.0));
    for asks in [false, true] {
        let pack = noted_pack(asks);
        let codes = CodeMap::new(&pack, &cohort.codes);
        for timeline in &cohort.timelines {
            let state = SubjectState::from_timeline(&pack, &codes, timeline);
            let forecast = model.forecast(&state, timeline.end().unwrap(), &[1.0, 6.0]);
            assert!(forecast.targets.iter().all(|target| target.points.len() == 2));
        }
    }
}
