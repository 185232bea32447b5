//! Prints how long one forecast takes: one subject, all targets, the mean and all quantiles, at
//! every hour up to the horizon; and how long a twin takes to learn of one event. This is
//! `make bench-twin`, and part of `make bench-forecast`.
//!
//! The model learns from every fifth stay of PhysioNet 2012 (set a) and forecasts others. What is
//! measured is the engine: from a state that is in memory to the forecast.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]
#![expect(clippy::expect_used, reason = "a benchmark stops where it fails")]

mod stays;

use std::path::PathBuf;
use std::time::Instant;

use twinkeep_domain::{Cohort, Pack};
use twinkeep_forecast::{CodeMap, Model, SubjectState, TrainConfig, train};
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_twin::Twin;

fn main() {
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let path = path.expect("name set-a.tar.gz of PhysioNet 2012");
    let pack = shipped_pack("icu").expect("the pack is shipped");
    let parts = stays::Parts::read(&pack, &path);
    let model = train(
        &pack,
        &TrainConfig::default(),
        &parts.cohort(&[0]),
        &parts.cohort(&[1]),
        &mut |_| (),
    )
    .expect("there are enough stays");
    let others = parts.cohort(&[2]);
    let codes = CodeMap::new(&pack, &others.codes);
    let horizons: Vec<f32> = (1..=24_u8).map(f32::from).collect();
    let mut micros: Vec<f64> = Vec::new();
    let mut sum = 0.0;
    for timeline in &others.timelines {
        let state = SubjectState::from_timeline(&pack, &codes, timeline);
        let Some(end) = timeline.end() else { continue };
        let started = Instant::now();
        let forecast = model.forecast(&state, end, &horizons);
        micros.push(started.elapsed().as_secs_f64() * 1e6);
        // So that no compiler leaves the work out.
        sum += forecast.targets.iter().flat_map(|it| &it.points).map(|it| it.mean).sum::<f32>();
    }
    let at = |share: f64| quantile(&mut micros.clone(), share);
    let trees: usize = model.describe().iter().map(|target| target.tree_count).sum();
    println!(
        "\nOne subject, {} targets, {} horizons, mean and 7 quantiles, {trees} trees, one core: \
         p50 {:.0} us, p99 {:.0} us ({} subjects, checksum {sum:.0})",
        model.describe().len(),
        horizons.len(),
        at(0.5),
        at(0.99),
        micros.len(),
    );
    updates(&pack, &model, &others, &horizons);
}

/// Prints how long a live twin takes to learn of one event, and to forecast anew.
fn updates(pack: &Pack, model: &Model, others: &Cohort, horizons: &[f32]) {
    let (mut learns, mut answers) = (Vec::new(), Vec::new());
    let mut sum = 0.0;
    for timeline in &others.timelines {
        let Some(end) = timeline.end() else { continue };
        // The last half day comes live.
        let mut twin = Twin::at(pack, &others.codes, timeline, end.plus_hours(-12.0));
        let known = timeline.events().iter().filter(|event| event.time.is_some());
        let live = known.filter(|event| twin.latest() < event.time).cloned().collect::<Vec<_>>();
        for event in &live {
            let started = Instant::now();
            twin.apply(event);
            learns.push(started.elapsed().as_secs_f64() * 1e6);
        }
        let Some(last) = live.last() else { continue };
        let started = Instant::now();
        twin.apply(last);
        let forecast = model.forecast(twin.state(), end, horizons);
        answers.push(started.elapsed().as_secs_f64() * 1e6);
        sum += forecast.targets.iter().flat_map(|it| &it.points).map(|it| it.mean).sum::<f32>();
    }
    println!(
        "A live event into a twin in memory: p50 {:.2} us, p99 {:.2} us ({} events); with the new \
         forecast: p50 {:.0} us ({} subjects, checksum {sum:.0})",
        quantile(&mut learns, 0.5),
        quantile(&mut learns, 0.99),
        learns.len(),
        quantile(&mut answers, 0.5),
        answers.len(),
    );
}

fn quantile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}
