//! `make bench-influence`: deals stays of real intensive care out to six feeds, plants poison into one
//! of them, and prints whether leaving each feed out finds it, and how often another one is blamed.
//!
//! One stay in five is held out and clean but for those of the poisoned feed: what the product
//! measures on. What range checks refuse is gone before. The panel is not asked: this is about poison
//! that it let pass.

#![expect(clippy::print_stdout, reason = "a benchmark prints its table")]
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark stops where it fails")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Instant;

use twinkeep_domain::{Cohort, Events, Pack, Subject, Timeline, Timestamp, Variable};
use twinkeep_forecast::{Errors, EvaluationPlan, TrainConfig, train};
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_intake::poison::{ATTACKS, Attack, Planting, subject_ranges};
use twinkeep_intake::{Dates, Judgement, ReadOptions, Source, read_at_once};
use twinkeep_vault::{Pseudonymizer, SecretKey};
use twinkeep_watch::poisoning::{
    Influence, InfluenceVerdict, LeftOut, PoisoningParameters, dispersion, judge_influence,
};

fn main() {
    let pack = few_targets(&shipped_pack("icu").expect("the pack is shipped"));
    let events = load(&pack);
    let word = std::env::args().nth(1);
    println!("{FEEDS} feeds, {} targets: {} trials a line", TARGETS.len(), FEEDS * TARGETS.len());
    println!("| planted | rate in its feed | targets it harms | others blamed | dispersion | s |");
    println!("|---|---|---|---|---|---|");
    for deal in 0..CLEAN_DEALS {
        line(&pack, &events, deal, None);
    }
    let chosen = |attack: &&Attack| word.as_ref().is_none_or(|word| attack.name.contains(word));
    for attack in ATTACKS.iter().filter(chosen) {
        for rate in RATES {
            line(&pack, &events, 0, Some((attack, rate)));
        }
    }
}

/// Prints one line of the table.
fn line(pack: &Pack, clean: &Events, deal: i64, planted: Option<(&Attack, f64)>) {
    let started = Instant::now();
    let poisoned = POISONED_FEED;
    let events = match planted {
        None => clean.clone(),
        Some((attack, rate)) => plant(pack, clean, deal, (attack, rate)),
    };
    let found = influence(pack, &events, deal);
    let harms = |wanted: &dyn Fn(usize) -> bool| -> Vec<String> {
        let all = found
            .1
            .iter()
            .filter(|(feed, _, found)| wanted(*feed) && found.verdict == InfluenceVerdict::Harms);
        all.map(|(_, code, found)| format!("{code} {:+.1} %", 100.0 * found.adds.mean)).collect()
    };
    let (name, rate, own) = match planted {
        None => (format!("nothing, deal {deal}"), "-".to_owned(), "-".to_owned()),
        Some((attack, rate)) => {
            let own = harms(&|feed| feed == poisoned);
            let own = if own.is_empty() { "none".to_owned() } else { own.join(", ") };
            (attack.name.to_owned(), format!("{} %", 100.0 * rate), own)
        }
    };
    let others = harms(&|feed| planted.is_none() || feed != poisoned);
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    let (spread, seconds) = (found.0, started.elapsed().as_secs_f64());
    println!("| {name} | {rate} | {own} | {others} | {spread:.1} | {seconds:.0} |");
}

/// Changes rows of one feed only.
fn plant(pack: &Pack, clean: &Events, deal: i64, (attack, rate): (&Attack, f64)) -> Events {
    let (mut own, mut rest) = (clean.clone(), clean.clone());
    own.rows.retain(|event| feed_of(event.subject, deal) == POISONED_FEED);
    rest.rows.retain(|event| feed_of(event.subject, deal) != POISONED_FEED);
    let sender =
        subject_ranges(&own.rows).into_iter().map(|range| own.rows[range.start].subject).collect();
    attack.plant(&Planting { pack, rate, seed: SEED, sender }, &mut own);
    own.rows.retain(|event| {
        let variable = &pack.variables()[event.code as usize];
        event.value.is_none_or(|value| variable.range.contains(value))
    });
    rest.rows.extend(own.rows);
    rest.rows.sort_by_key(|event| (event.subject, event.time));
    rest
}

/// Does what `twinkeep model influence` does.
fn influence(pack: &Pack, events: &Events, deal: i64) -> (f64, Vec<(usize, String, Influence)>) {
    let parameters = PoisoningParameters::parse(PoisoningParameters::SHIPPED).unwrap().influence;
    let all = cohort(events);
    let of = |feed: usize| -> BTreeSet<Subject> {
        let own = all.timelines.iter().map(Timeline::subject);
        own.filter(|subject| feed_of(*subject, deal) == feed).collect()
    };
    let with = learn(pack, &all, &BTreeSet::new());
    let (mut lots, mut trials, mut places) = (Vec::new(), Vec::new(), Vec::new());
    for feed in 0..FEEDS {
        let people = of(feed);
        let without = learn(pack, &all, &people);
        let added = with.beyond(&without, &|subject| !people.contains(&subject)).by_target;
        for (code, added) in added {
            places.push((feed, code));
            trials.push(LeftOut { added });
        }
        // As many others, across all feeds.
        let by_lot = all.timelines.iter().map(Timeline::subject);
        let by_lot = by_lot.filter(|it| feed_of(*it, deal + 100 + feed as i64) == 0).collect();
        let added = with.beyond(&learn(pack, &all, &by_lot), &|_| true).by_target;
        lots.extend(added.into_values().map(|added| LeftOut { added }));
    }
    let spread = dispersion(&parameters, &lots);
    let found = judge_influence(&parameters, spread, &trials);
    let named = places.into_iter().zip(found).map(|((feed, code), found)| (feed, code, found));
    (spread, named.collect())
}

/// Learns without some, and measures on all who are held out.
fn learn(pack: &Pack, all: &Cohort, left_out: &BTreeSet<Subject>) -> Errors {
    let mut parts = [Vec::new(), Vec::new(), Vec::new()];
    for timeline in &all.timelines {
        let at = match mixed(timeline.subject(), 7) % 5 {
            0 => 2,
            1 => 1,
            _ => 0,
        };
        if at == 2 || !left_out.contains(&timeline.subject()) {
            parts[at].push(timeline.clone());
        }
    }
    let [training, tuning, held_out] =
        parts.map(|timelines| Cohort { codes: all.codes.clone(), timelines });
    let config = TrainConfig { rounds_max: 80, ..TrainConfig::default() };
    let model = train(pack, &config, &training, &tuning, &mut |_| ()).expect("it trains");
    Errors::of(pack, &EvaluationPlan::of(pack), &model, &held_out)
}

fn feed_of(subject: Subject, deal: i64) -> usize {
    (mixed(subject, deal + 1000) % FEEDS as u64) as usize
}

fn mixed(subject: Subject, salt: i64) -> u64 {
    let mut mixed = (subject.reveal() as u64) ^ (salt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn cohort(events: &Events) -> Cohort {
    let timelines = events
        .rows
        .chunk_by(|a, b| a.subject == b.subject)
        .filter_map(|rows| Timeline::new(rows[0].subject, rows.to_vec()))
        .collect();
    Cohort { codes: events.codes().to_vec(), timelines }
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
    let variables = pack.variables().iter().cloned();
    let variables =
        variables.map(|variable| Variable { target: target(&variable), ..variable }).collect();
    let (name, title) = (pack.name().to_owned(), pack.title().to_owned());
    let (words, plan) = (pack.words().clone(), pack.forecast().clone());
    Pack::new(name, title, pack.version(), words, variables, plan).expect("it holds")
}

const TARGETS: [&str; 5] = ["HR", "Temp", "Glucose", "Urine", "Weight"];

const FEEDS: usize = 6;

const POISONED_FEED: usize = 0;

/// Shares of the rows or people of the poisoned feed.
const RATES: [f64; 2] = [0.2, 0.6];

const CLEAN_DEALS: i64 = 4;

const SEED: u64 = 42;
