//! Plants ten kinds of attack into real intensive-care data and prints what the panel finds, what
//! a range check finds, and what the poison does to a forecast before and after screening.
//!
//! `make bench-poison`. Two fifths of the stays are the keep's reference, two fifths the feed that
//! is poisoned, one fifth is held out clean. The forecaster learns from the feed alone, which is
//! the worst case: in a keep there are older data as well.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark stops where it fails")]

use std::path::PathBuf;
use std::time::Instant;

use twinkeep_domain::{Cohort, Events, Pack, Subject, Timeline, Timestamp, Variable};
use twinkeep_forecast::{TrainConfig, evaluate, train};
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_intake::panel::{
    Course, Detector, Panel, PanelParameters, Reference, RowParameters, SenderStats, Surprises,
};
use twinkeep_intake::poison::{ATTACKS, Attack, Planting, Random, subject_ranges};
use twinkeep_intake::{Dates, Judgement, ReadOptions, Source, read_at_once};
use twinkeep_vault::{Pseudonymizer, SecretKey};

fn main() {
    let quick = std::env::args().any(|word| word == "--quick");
    let pack = few_targets(&shipped_pack("icu").expect("the pack is shipped"));
    let events = load(&pack);
    let parts = cut(&events);
    let [reference, feed, held_out] = parts;
    let started = Instant::now();
    let reference = Reference::learn(&reference, COURSE, SEED, &RowParameters::default())
        .expect("there are enough stays");
    println!(
        "reference: {} stays, learned in {:.1} s, {:.1} MiB",
        reference.subject_count(),
        started.elapsed().as_secs_f64(),
        reference.to_bytes().len() as f64 / f64::from(1 << 20),
    );
    let panel = Panel::new(reference, PanelParameters::default());
    let started = Instant::now();
    let clean = panel.weigh(&feed);
    println!(
        "panel: {:.0} rows/s on one thread",
        feed.rows.len() as f64 / started.elapsed().as_secs_f64()
    );
    let limits = limits(&clean);
    println!("surprise at 1 % false alarms: {limits:.2?}");
    let held = panel.screen(&feed, &mut SenderStats::new(panel.reference()));
    println!(
        "clean rows held at the default threshold: {} of {} ({:.3} %)",
        held.len(),
        feed.rows.len(),
        100.0 * held.len() as f64 / feed.rows.len() as f64
    );
    for detector in Detector::ALL {
        let count = held.iter().filter(|suspect| suspect.detector == detector).count();
        println!("  {}: {count}", detector.code());
    }
    honest_senders(&pack, &panel, &feed);
    let held_out = cohort(&held_out);
    let before = (!quick).then(|| errors(&pack, &feed, &held_out));
    for Attack { name, what, source, .. } in ATTACKS {
        println!("- {name}: {what} ({source})");
    }
    println!(
        "\n| attack | rate | range check | residual | neighbor | repetition | distance | panel | held | clean rows held | sender | error clean | poisoned | screened |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let bench = Bench { pack, panel, feed, limits, before, held_out };
    for attack in ATTACKS {
        for rate in [0.005, 0.01, 0.05, 0.2] {
            bench.measure(attack, rate);
        }
    }
}

/// What every line of the table is measured with.
struct Bench {
    pack: Pack,
    panel: Panel,
    feed: Events,
    limits: [f32; 5],
    before: Option<[f64; 2]>,
    held_out: Cohort,
}

impl Bench {
    /// Prints one line of the table.
    fn measure(&self, attack: &Attack, rate: f64) {
        let Self { pack, panel, feed, limits, held_out, .. } = self;
        let his = sender(feed);
        let (events, poisoned) = self.plant(attack, feed.clone(), rate, his);
        let surprises = panel.weigh(&events);
        let total = poisoned.iter().filter(|&&is| is).count().max(1) as f64;
        let outside = |row: usize| {
            let event = &events.rows[row];
            let range = pack.variables()[event.code as usize].range;
            event.value.is_some_and(|value| !range.contains(value))
        };
        let share = |found: &dyn Fn(usize) -> bool| {
            let count = (0..poisoned.len()).filter(|&row| poisoned[row] && found(row)).count();
            100.0 * count as f64 / total
        };
        let range_check = share(&outside);
        let by_detector: Vec<f64> =
            (0..5).map(|at| share(&|row| limits[at] < with_panel(&surprises[row])[at])).collect();
        let mut held = vec![false; poisoned.len()];
        panel
            .screen(&events, &mut SenderStats::new(panel.reference()))
            .iter()
            .for_each(|suspect| held[suspect.row] = true);
        let found = share(&|row| held[row]);
        let clean = poisoned.iter().filter(|&&is| !is).count() as f64;
        let alarms = (0..held.len()).filter(|&row| held[row] && !poisoned[row]).count() as f64;
        print!("| {} | {} % | {range_check:.0}", attack.name, rate * 100.0);
        by_detector.iter().for_each(|recall| print!(" | {recall:.0}"));
        print!(" | {found:.0} | {:.3} %", 100.0 * alarms / clean);
        print!(" | {}", self.sender_verdict(attack, rate));
        let before = self.before.filter(|_| DAMAGE_RATE_MIN <= rate);
        if let Some(before) = before {
            let after = errors(pack, &without(&events, &|row| outside(row)), held_out);
            let screened =
                errors(pack, &without(&events, &|row| outside(row) || held[row]), held_out);
            for [all, rate] in [before, after, screened] {
                print!(" | {all:.3} / {rate:.3}");
            }
        }
        let rest = if before.is_some() { " |" } else { " | | | |" };
        println!("{rest}");
    }

    /// Plants an attack into a copy of the data; returns which rows it changed.
    fn plant(
        &self,
        attack: &Attack,
        mut events: Events,
        rate: f64,
        sender: Vec<Subject>,
    ) -> (Events, Vec<bool>) {
        let planting = Planting { pack: &self.pack, rate, seed: SEED, sender };
        let poisoned = attack.plant(&planting, &mut events);
        (events, poisoned)
    }

    /// What the test of senders says if all of the poison is signed by one sender of five.
    fn sender_verdict(&self, attack: &Attack, rate: f64) -> String {
        let Self { panel, feed, .. } = self;
        let malicious = sender(feed);
        let is_his = |row: usize| malicious.contains(&feed.rows[row].subject);
        let others = without(feed, &is_his);
        let own = without(feed, &|row| !is_his(row));
        let (own, _) = self.plant(attack, own, (5.0 * rate).min(1.0), malicious.clone());
        let judgement = panel.judge(&stats(panel, &own), &stats(panel, &others));
        let telling = judgement.findings.iter().find(|finding| finding.contradicts);
        match telling.or(judgement.findings.first()) {
            Some(finding) => {
                let variable = finding.variable.as_deref().unwrap_or("all rows");
                let held = if finding.contradicts { "held" } else { "departs" };
                format!("{held}: {} of {variable}", finding.measure)
            }
            None => judgement.verdict.code().to_owned(),
        }
    }
}

fn stats(panel: &Panel, events: &Events) -> SenderStats {
    let mut stats = SenderStats::new(panel.reference());
    panel.screen(events, &mut stats);
    stats
}

/// How many of many honest senders are held: patients dealt out at random, and by ward.
fn honest_senders(pack: &Pack, panel: &Panel, feed: &Events) {
    // Measured once in many small parts, which are then dealt out again and again.
    let part = |at: usize, row: usize| {
        feed.rows[row].subject.reveal().unsigned_abs() as usize / 64 % PARTS == at
    };
    let parts: Vec<SenderStats> =
        (0..PARTS).map(|at| stats(panel, &without(feed, &|row| !part(at, row)))).collect();
    let mut held = [0; 4];
    let mut random = Random::new(SEED);
    for _ in 0..20 {
        let mut order: Vec<usize> = (0..PARTS).collect();
        random.shuffle(&mut order);
        for own in order.chunks(PARTS / 5) {
            let mut sides = [(); 2].map(|()| SenderStats::new(panel.reference()));
            for (at, part) in parts.iter().enumerate() {
                assert!(sides[usize::from(!own.contains(&at))].merge(part));
            }
            let judgement = panel.judge(&sides[0], &sides[1]);
            held[judgement.verdict as usize] += 1;
        }
    }
    println!("100 honest senders, patients at random: too few, alike, departs, held = {held:?}");
    let ward = pack.find("ICUType").expect("the pack has wards") as u32;
    for kind in 1..=4_u8 {
        let of: std::collections::BTreeSet<Subject> = feed
            .rows
            .iter()
            .filter(|event| event.code == ward && event.value == Some(f32::from(kind)))
            .map(|event| event.subject)
            .collect();
        let is_his = |row: usize| of.contains(&feed.rows[row].subject);
        let (his, rest) = (without(feed, &|row| !is_his(row)), without(feed, &is_his));
        let found = panel.judge(&stats(panel, &his), &stats(panel, &rest));
        let why: Vec<String> = found
            .findings
            .iter()
            .take(4)
            .map(|f| {
                let variable = f.variable.as_deref().unwrap_or("all");
                format!("{} {variable} {:.2} ({:.0})", f.measure, f.effect, f.significance)
            })
            .collect();
        println!("  ward {kind} as a sender: {} {}", found.verdict.code(), why.join(", "));
    }
}

/// Surprises of each detector, and the largest of them.
fn with_panel(surprises: &Surprises) -> [f32; 5] {
    let [a, b, c, d] = *surprises;
    [a, b, c, d, a.max(b).max(c).max(d)]
}

/// What one in a hundred clean rows exceeds, a detector, and the panel as a whole.
fn limits(clean: &[Surprises]) -> [f32; 5] {
    std::array::from_fn(|at| {
        let mut values: Vec<f32> = clean.iter().map(|row| with_panel(row)[at]).collect();
        values.sort_unstable_by(f32::total_cmp);
        values[values.len() * 99 / 100]
    })
}

/// Mean error of the forecast relative to carry-forward: over the targets, and of heart rate.
fn errors(pack: &Pack, events: &Events, held_out: &Cohort) -> [f64; 2] {
    let all = cohort(events);
    let (mut learn, mut tune) = (Vec::new(), Vec::new());
    for timeline in all.timelines {
        let part = if timeline.subject().reveal() % 4 == 0 { &mut tune } else { &mut learn };
        part.push(timeline);
    }
    let part = |timelines| Cohort { codes: all.codes.clone(), timelines };
    let config = TrainConfig { rounds_max: 80, ..TrainConfig::default() };
    let model = train(pack, &config, &part(learn), &part(tune), &mut |_| ()).expect("it trains");
    let evaluation = evaluate(pack, &model, held_out);
    let errors: Vec<f64> = evaluation.targets.iter().filter_map(|target| target.mase).collect();
    let rate = evaluation.targets.iter().find(|target| target.code == "HR");
    [errors.iter().sum::<f64>() / errors.len() as f64, rate.and_then(|t| t.mase).unwrap_or(0.0)]
}

fn without(events: &Events, left_out: &dyn Fn(usize) -> bool) -> Events {
    let mut rest = events.clone();
    let mut row = 0;
    rest.rows.retain(|_| {
        row += 1;
        !left_out(row - 1)
    });
    rest
}

fn cohort(events: &Events) -> Cohort {
    let timelines = events
        .rows
        .chunk_by(|a, b| a.subject == b.subject)
        .filter_map(|rows| Timeline::new(rows[0].subject, rows.to_vec()))
        .collect();
    Cohort { codes: events.codes().to_vec(), timelines }
}

/// The patients of one sender in five.
fn sender(events: &Events) -> Vec<Subject> {
    let all =
        subject_ranges(&events.rows).into_iter().map(|range| events.rows[range.start].subject);
    all.filter(|subject| (subject.reveal() / 64) % 5 == 0).collect()
}

/// Reference, feed, and held-out stays: two fifths, two fifths, one fifth.
fn cut(events: &Events) -> [Events; 3] {
    let mut parts = [(); 3].map(|()| {
        let mut part = Events::new();
        events.codes().iter().for_each(|code| {
            part.intern(code);
        });
        part
    });
    for event in &events.rows {
        let at = match (event.subject.reveal() / 7) % 5 {
            0 | 1 => 0,
            2 | 3 => 1,
            _ => 2,
        };
        parts[at].rows.push(event.clone());
    }
    parts
}

fn load(pack: &Pack) -> Events {
    let near = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let data = std::env::var_os("TWINKEEP_DATA").map_or_else(near, PathBuf::from);
    let path = data.join("physionet2012/set-a.tar.gz");
    let root = SecretKey::from_slice(&[7; 32]).unwrap();
    let pseudonyms = Pseudonymizer::new(&root);
    let (now, spool) = (Timestamp::RELATIVE_ORIGIN, std::env::temp_dir());
    let options = ReadOptions {
        pack,
        pseudonyms: &pseudonyms,
        now,
        spool: &spool,
        mapping: None,
        dates: Dates::Shifted,
        judgement: Judgement::ByThePack,
        deidentify: None,
        panel: None,
    };
    let (portion, _) = read_at_once(Source::Path(&path), &options, &mut |_| ())
        .expect("set TWINKEEP_DATA to the folder with physionet2012/set-a.tar.gz");
    portion.screened.events().clone()
}

/// Forecasting five variables instead of 36 keeps the whole table within minutes.
fn few_targets(pack: &Pack) -> Pack {
    let target = |variable: &Variable| TARGETS.contains(&variable.code.as_str());
    let variables = pack
        .variables()
        .iter()
        .cloned()
        .map(|variable| Variable { target: target(&variable), ..variable });
    let (name, title) = (pack.name().to_owned(), pack.title().to_owned());
    let (words, plan) = (pack.words().clone(), pack.forecast().clone());
    Pack::new(name, title, pack.version(), words, variables.collect(), plan).expect("it holds")
}

const TARGETS: [&str; 5] = ["HR", "Temp", "Glucose", "Urine", "Weight"];

/// Below this rate the damage is within the noise of training.
const DAMAGE_RATE_MIN: f64 = 0.05;

const COURSE: Course = Course { cut_hours: 24.0, horizon_hours: 24.0 };

/// Parts of the feed that are dealt out to honest senders.
const PARTS: usize = 60;

const SEED: u64 = 42;
