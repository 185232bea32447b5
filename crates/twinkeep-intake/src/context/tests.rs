//! What contradicts its neighbors is refused, and what only looks strange is not.

use twinkeep_domain::{Code, Events, Pack, Subject, Timestamp};

use super::Context;
use crate::Origin;
use crate::held::{Given, Held};
use crate::pack_file::parse_pack;

const PACK: &str = r#"
format = 2
name = "small"
title = "Small"
version = 1

[words]
subject = "patient"
subjects = "patients"

[forecast]
cuts_hours = [24]
evaluation_cut_hours = 24
horizon_hours = 24
step_hours = 1
memory_hours = [2, 6, 24]
buckets_hours = [24]
history_event_count_min = 1
splits = { train_percent = 60, tuning_percent = 20, held_out_percent = 20 }

[codes]
accept = ["MEDS_BIRTH"]

[subject]
age = "Age"
birth = "MEDS_BIRTH"
sex = "Sex"

[[rule]]
less = ["Low", "High"]

[[variable]]
code = "Age"
title = "Age"
unit = "a"
kind = "static"
target = false
range = [0, 120]

[[variable]]
code = "Sex"
title = "Sex"
unit = "1"
kind = "static"
target = false
range = [0, 1]

[[variable]]
code = "HR"
title = "Heart rate"
unit = "/min"
kind = "series"
target = true
range = [0, 300]
change_max_per_hour = 50
ranges = [
    { age_max = 0, range = [60, 250] },
    { sex = "male", age_min = 18, range = [20, 200] },
]

[[variable]]
code = "Low"
title = "Low"
unit = "1"
kind = "series"
target = false
range = [0, 300]

[[variable]]
code = "High"
title = "High"
unit = "1"
kind = "series"
target = false
range = [0, 300]
"#;

/// Rows as `(subject, hour, code, value)`; the hour of a static row is `None`.
type Row = (i64, Option<f64>, &'static str, f32);

fn judge_with(context: &mut Context, pack: &Pack, rows: &[Row]) -> Vec<(usize, &'static str)> {
    let mut codes = Events::new();
    for variable in pack.variables() {
        codes.intern(&variable.code);
    }
    let held = (0..).zip(rows).map(|(row, &(subject, hour, code, value))| Held {
        subject: Subject::from_pseudonym(subject).unwrap(),
        time: hour.map(|hour| Timestamp::RELATIVE_ORIGIN.plus_hours(hour)),
        code: codes.intern(&Code::new(code).unwrap()),
        value: (code != "MEDS_BIRTH").then_some(value),
        text: None,
        given: Given { name: 0, unit: 0, value },
        origin: Origin { file: "".into(), row },
    });
    let mut held: Vec<Held> = held.collect();
    held.sort_by_key(|row| (row.subject, row.time, row.code));
    let verdicts = context.judge(codes.codes(), &held);
    let mut refused: Vec<_> = verdicts
        .into_iter()
        .map(|(at, reason)| (held[at].origin.row as usize, reason.code()))
        .collect();
    refused.sort_unstable();
    refused
}

fn judge(rows: &[Row]) -> Vec<(usize, &'static str)> {
    let pack = parse_pack(PACK).unwrap();
    judge_with(&mut Context::new(&pack), &pack, rows)
}

fn heart_rates(values: &[f32]) -> Vec<Row> {
    (0..).zip(values).map(|(hour, &value)| (1, Some(f64::from(hour)), "HR", value)).collect()
}

#[test]
fn a_value_that_jumps_away_and_back_is_refused_and_its_neighbors_are_not() {
    let spike = |at| vec![(at, "rate-of-change")];
    assert_eq!(judge(&heart_rates(&[80.0, 82.0, 180.0, 81.0, 80.0])), spike(2));
    assert_eq!(judge(&heart_rates(&[280.0, 82.0, 80.0])), spike(0));
    assert_eq!(judge(&heart_rates(&[80.0, 82.0, 280.0])), spike(2));
    // A change that lasts is one of the patient.
    assert_eq!(judge(&heart_rates(&[80.0, 82.0, 180.0, 181.0, 179.0])), []);
    assert_eq!(judge(&heart_rates(&[80.0, 180.0])), [], "nobody knows which one is wrong");
    assert_eq!(judge(&heart_rates(&[80.0, 130.0, 80.0])), []);
    // In ten hours it may change ten times as much.
    let slow =
        [(1, Some(0.0), "HR", 60.0), (1, Some(10.0), "HR", 200.0), (1, Some(20.0), "HR", 60.0)];
    assert_eq!(judge(&slow), []);
}

#[test]
fn what_must_be_less_is_refused_together_with_what_it_is_not_less_than() {
    let pair = |low, high| [(1, Some(1.0), "Low", low), (1, Some(1.0), "High", high)];
    let both = [(0, "contradiction"), (1, "contradiction")];
    assert_eq!(judge(&pair(80.0, 120.0)), []);
    assert_eq!(judge(&pair(120.0, 80.0)), both);
    assert_eq!(judge(&pair(80.0, 80.0)), both);
    let apart =
        [(1, Some(1.0), "Low", 120.0), (1, Some(2.0), "High", 80.0), (2, Some(1.0), "High", 80.0)];
    assert_eq!(judge(&apart), [], "another moment, another person");
    let several =
        [(1, Some(1.0), "Low", 120.0), (1, Some(1.0), "Low", 70.0), (1, Some(1.0), "High", 80.0)];
    assert_eq!(judge(&several), []);
}

#[test]
fn a_range_follows_age_and_sex() {
    let of = |age: Option<f32>, sex: Option<f32>, rate| {
        let mut rows: Vec<Row> = vec![(1, Some(5.0), "HR", rate)];
        rows.extend(age.map(|age| (1, None, "Age", age)));
        rows.extend(sex.map(|sex| (1, None, "Sex", sex)));
        judge(&rows)
    };
    let refused = [(0, "implausible-value")];
    assert_eq!(of(Some(0.5), None, 50.0), refused);
    assert_eq!(of(Some(1.0), None, 50.0), []);
    assert_eq!(of(Some(30.0), Some(1.0), 210.0), refused);
    assert_eq!(of(Some(30.0), Some(0.0), 210.0), []);
    assert_eq!(of(None, Some(1.0), 210.0), [], "who knows how old");
}

#[test]
fn age_is_counted_from_birth_and_remembered_from_one_portion_to_the_next() {
    let pack = parse_pack(PACK).unwrap();
    let mut context = Context::new(&pack);
    let year = 24.0 * 365.25;
    let born = [
        (1, Some(0.0), "MEDS_BIRTH", 0.0),
        (1, Some(0.5 * year), "HR", 50.0),
        (1, None, "Sex", 1.0),
    ];
    assert_eq!(judge_with(&mut context, &pack, &born), [(1, "implausible-value")]);
    let later = [(1, Some(30.0 * year), "HR", 210.0)];
    assert_eq!(judge_with(&mut context, &pack, &later), [(0, "implausible-value")]);
    assert_eq!(judge_with(&mut Context::new(&pack), &pack, &later), []);
}
