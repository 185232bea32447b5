//! Prints how many paths one thread draws in a second: `cargo run --release --workspace --example
//! paths_per_second`.
//!
//! A path is 24 hourly moments: of all 36 targets of a made-up ward together, and of one of them.
//! Figures are medians of [`ROUNDS`] rounds, of the time on the processor where Linux tells it, so
//! that other programs do not count; making the bank of standard paths and the forecast, which is
//! done once for all paths of a subject, is printed on its own.

#![expect(clippy::print_stdout, reason = "that is what it is for")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on has failed")]

use std::time::Instant;

use twinkeep_domain::{
    Code, Cohort, Event, ForecastPlan, Pack, Range, SplitPlan, Subject, Timeline, Timestamp,
    Variable, VariableKind, Words,
};
use twinkeep_forecast::{CodeMap, Scratch, SubjectState, TrainConfig, train};

fn main() {
    let pack = pack();
    let config = TrainConfig { rounds_max: 20, threads: 1, ..TrainConfig::default() };
    let model = train(&pack, &config, &cohort(0), &cohort(10_000), &mut |_| ()).unwrap();
    let person = cohort(50_000);
    let codes = CodeMap::new(&pack, &person.codes);
    let mut state = SubjectState::new(&pack);
    let now = Timestamp::RELATIVE_ORIGIN.plus_hours(24.0);
    let past = person.timelines[0].events().iter().filter(|event| event.time <= Some(now));
    past.for_each(|event| state.apply(&codes, event));
    let horizons: Vec<f32> = (1..=24_u8).map(f32::from).collect();
    let started = Instant::now();
    let bank = model.path_bank(&horizons, 1);
    println!("once for these moments: {:.2} ms", 1e3 * started.elapsed().as_secs_f64());
    let started = Instant::now();
    drop(model.simulator(&bank, &state, now, &[]).unwrap());
    println!("once for this subject: {:.2} ms", 1e3 * started.elapsed().as_secs_f64());
    let clock = Instant::now();
    for wanted in [&[][..], &["v00"][..]] {
        let simulator = model.simulator(&bank, &state, now, wanted).unwrap();
        let (mut scratch, mut values) = (Scratch::default(), vec![0.0; simulator.path_len()]);
        let mut seconds: Vec<f64> = (0..ROUNDS)
            .map(|round| {
                let started = busy_seconds(clock);
                for number in 0..PATHS {
                    let number = round * PATHS + number;
                    simulator.path(number, &mut scratch, &mut values, &mut []);
                    std::hint::black_box(&values);
                }
                busy_seconds(clock) - started
            })
            .collect();
        seconds.sort_by(f64::total_cmp);
        let median = seconds[seconds.len() / 2];
        println!(
            "{} targets at 24 moments: {:.0} paths/s ({:.2} million values/s)",
            simulator.targets().len(),
            PATHS as f64 / median,
            (PATHS * simulator.path_len() as u64) as f64 / median / 1e6,
        );
    }
}

/// Returns how long this thread was on a processor; elsewhere, how long it took.
fn busy_seconds(since: Instant) -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split(' ').next().and_then(|busy| busy.parse::<f64>().ok());
    nanoseconds.map_or(since.elapsed().as_secs_f64(), |busy| busy / 1e9)
}

fn pack() -> Pack {
    let variable = |at: usize| Variable {
        code: Code::new(&format!("v{at:02}")).unwrap(),
        title: format!("Variable {at}"),
        unit: "1".to_owned(),
        loinc: None,
        kind: VariableKind::Series,
        target: true,
        range: Range { low: -1_000.0, high: 1_000.0 },
        missing: Vec::new(),
        aliases: Vec::new(),
        rules: Default::default(),
    };
    let plan = ForecastPlan {
        cuts_hours: vec![24.0],
        cuts_every_hours: None,
        observed_until: Default::default(),
        evaluation_cut_hours: 24.0,
        horizon_hours: 24.0,
        step_hours: 1.0,
        memory_hours: [2.0, 6.0, 24.0],
        buckets_hours: vec![6.0, 24.0],
        history_event_count_min: 3,
        splits: SplitPlan::new(60, 20).unwrap(),
    };
    let words = Words { subject: "patient".into(), subjects: "patients".into() };
    let variables = (0..TARGETS).map(variable).collect();
    Pack::new("ward".into(), "A made-up ward".into(), 1, words, variables, plan).unwrap()
}

/// People whose variables wander, each a mixture of three things that go up and down together.
fn cohort(from: i64) -> Cohort {
    let codes = (0..TARGETS).map(|at| Code::new(&format!("v{at:02}")).unwrap()).collect();
    Cohort { codes, timelines: (from..from + 300).map(life).collect() }
}

fn life(number: i64) -> Timeline {
    let mut seed = number.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut draw = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f32 / (1_u32 << 24) as f32 - 0.5
    };
    let subject = Subject::from_pseudonym(number).unwrap();
    let mut shared = [0.0_f32; 3];
    let mut events = Vec::new();
    for hour in 0..48_u32 {
        shared.iter_mut().for_each(|value| *value = 0.9 * *value + 4.0 * draw());
        for at in 0..TARGETS {
            // The first third is measured each hour, the others now and then.
            if TARGETS / 3 < at && 0.4 < draw() {
                continue;
            }
            events.push(Event {
                subject,
                time: Some(Timestamp::RELATIVE_ORIGIN.plus_hours(f64::from(hour) + 0.5)),
                code: u32::try_from(at).unwrap(),
                value: Some(100.0 + shared[at % 3] + 3.0 * draw()),
                text: None,
            });
        }
    }
    Timeline::new(subject, events).unwrap()
}

/// As many as the pack for intensive care has.
const TARGETS: usize = 36;

const ROUNDS: u64 = 15;
const PATHS: u64 = 20_000;
