//! `make bench-access`: 240 made-up clients of a hospital over 120 days, day by day as the ledger
//! would tell of them, and what is planted among them; prints what the detectors of access say.
//!
//! Clients are of the kinds that make false alarms: people with shifts that rotate, on call, on
//! holiday, and new; programs that run hourly, nightly, or at the end of a month; a new function that
//! is rolled out, a change of the clock, programs with an old key, and people who mistype. The first 30
//! days teach habits; what is planted comes later, one attack a run.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it is a benchmark"
)]

use std::collections::BTreeMap;
use std::time::Instant;

use twinkeep_watch::probe::{AccessAlarm, AccessFact, AccessKind, AccessWatch, ProbeParameters};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let hires = !words.iter().any(|word| word == "--no-hires");
    // Parameters were chosen with this seed: what others give is the figure.
    let seed = words
        .iter()
        .find_map(|word| word.strip_prefix("--seed="))
        .map_or(SEED, |text| text.parse().expect("the seed is a number"));
    let started = Instant::now();
    let usual = usual(seed, hires);
    let (alarms, evenings) = whole(&usual);
    let live = |at_us: &i64| LEARNED_DAYS * DAY_US <= *at_us;
    let days = (DAYS - LEARNED_DAYS) as f64;
    println!(
        "{} clients, {} facts, {DAYS} days, the first {LEARNED_DAYS} to learn from",
        CLIENTS,
        usual.len()
    );
    let mut by_kind: BTreeMap<&str, u64> = BTreeMap::new();
    let mut days_with: std::collections::BTreeSet<i64> = std::collections::BTreeSet::new();
    for (at_us, alarm) in alarms.iter().filter(|(at_us, _)| live(at_us)) {
        *by_kind.entry(name(alarm)).or_default() += 1;
        days_with.insert(at_us / DAY_US);
    }
    let all: u64 = by_kind.values().sum();
    println!(
        "\nnobody attacks: {all} alarms in {days} days, on {} of them, {:.4} a client and day",
        days_with.len(),
        all as f64 / days / CLIENTS as f64
    );
    for (kind, count) in &by_kind {
        println!("  {kind}: {count}, one in {:.1} days", days / *count as f64);
    }
    println!("\n| planted | runs | found | by | facts until then |");
    println!("|---|---|---|---|---|");
    for attack in ATTACKS {
        measure(&usual, &evenings, attack, seed);
    }
    println!("\n{:.1} s", started.elapsed().as_secs_f64());
}

/// Something that is planted: its facts, and whom alarms must be about.
struct Planted {
    facts: Vec<AccessFact>,
    actor: String,
}

struct Attack {
    name: &'static str,
    plant: fn(&mut Random, i64) -> Planted,
}

const ATTACKS: &[Attack] = &[
    Attack {
        name: "a stolen key of somebody at a desk, at 3 h",
        plant: |random, day| {
            let actor = format!("key:desk-{}", random.below(DESKS));
            Planted { facts: reads(random, &actor, day, 3.0, 0.5, 30), actor }
        },
    },
    Attack {
        name: "the same, at their hours: 400 reads in an hour",
        plant: |random, day| {
            let actor = format!("key:desk-{}", random.below(DESKS));
            Planted { facts: reads(random, &actor, day, 10.0, 1.0, 400), actor }
        },
    },
    Attack {
        name: "a ward's key: 600 reads in an hour",
        plant: |random, day| {
            let actor = format!("key:shift-{}", random.below(SHIFTS));
            Planted { facts: reads(random, &actor, day, 14.0, 1.0, 600), actor }
        },
    },
    Attack {
        name: "somebody at a desk exports",
        plant: |random, day| {
            let actor = format!("key:desk-{}", random.below(DESKS));
            Planted { facts: some(&actor, "subject.exported", day, 11.0, 0.2, 3), actor }
        },
    },
    Attack {
        name: "a nightly program of 150 reads reads 1,500",
        plant: |random, day| {
            let actor = format!("key:night-{}", random.below(NIGHTS));
            Planted { facts: reads(random, &actor, day, 2.0, 0.5, 1500), actor }
        },
    },
    Attack {
        name: "a reader whom nobody knows, at 3 h",
        plant: |random, day| {
            let actor = "key:stranger".to_owned();
            Planted { facts: reads(random, &actor, day, 3.0, 0.5, 30), actor }
        },
    },
    Attack {
        name: "the same, 2,000 reads in an hour by day",
        plant: |random, day| {
            let actor = "key:stranger".to_owned();
            Planted { facts: reads(random, &actor, day, 11.0, 1.0, 2000), actor }
        },
    },
    Attack {
        name: "200 passwords in ten minutes",
        plant: |random, day| refusals(random, day, 200, 0.17),
    },
    Attack { name: "60 in ten minutes", plant: |random, day| refusals(random, day, 60, 0.17) },
    Attack { name: "300 in six hours", plant: |random, day| refusals(random, day, 300, 6.0) },
];

/// Plants an attack on some days, and follows each until its evening.
fn measure(
    usual: &[AccessFact],
    evenings: &BTreeMap<i64, AccessWatch>,
    attack: &Attack,
    seed: u64,
) {
    let (mut found, mut delays) = (0, Vec::new());
    let mut by: BTreeMap<&str, u64> = BTreeMap::new();
    for run in 0..RUNS {
        let mut random = Random(seed ^ (run + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let planted = (attack.plant)(&mut random, LEARNED_DAYS + 10 + (run as i64 * 7) / 3);
        let begin = planted.facts[0].at_us;
        let day = begin / DAY_US;
        let today = usual.iter().filter(|fact| fact.at_us / DAY_US == day).cloned();
        let mut facts: Vec<AccessFact> = today.chain(planted.facts).collect();
        facts.sort_by_key(|fact| fact.at_us);
        let mut watch = evenings[&(day - 1)].clone();
        let about = |alarm: &AccessAlarm| match alarm {
            AccessAlarm::Refusals { .. } => planted.actor == "anonymous",
            other => actor(other) == Some(planted.actor.as_str()),
        };
        let mut own = 0;
        for fact in &facts {
            own += usize::from(begin <= fact.at_us && fact.actor == planted.actor);
            let alarms = watch.take(fact);
            if let Some(first) = alarms.iter().find(|alarm| begin <= fact.at_us && about(alarm)) {
                found += 1;
                *by.entry(name(first)).or_default() += 1;
                delays.push(own);
                break;
            }
        }
    }
    delays.sort_unstable();
    let by: Vec<String> = by.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let median = delays.get(delays.len() / 2).map_or("-".to_owned(), ToString::to_string);
    println!("| {} | {RUNS} | {found} | {} | {median} |", attack.name, by.join(", "));
}

/// Returns the alarms with their times, and what is known in the evening of each day.
fn whole(facts: &[AccessFact]) -> (Vec<(i64, AccessAlarm)>, BTreeMap<i64, AccessWatch>) {
    let parameters = ProbeParameters::parse(ProbeParameters::SHIPPED).unwrap();
    let mut watch = AccessWatch::new(parameters);
    let (mut alarms, mut evenings) = (Vec::new(), BTreeMap::new());
    for day in facts.chunk_by(|one, other| one.at_us / DAY_US == other.at_us / DAY_US) {
        for fact in day {
            alarms.extend(watch.take(fact).into_iter().map(|alarm| (fact.at_us, alarm)));
        }
        evenings.insert(day[0].at_us / DAY_US, watch.clone());
    }
    (alarms, evenings)
}

fn name(alarm: &AccessAlarm) -> &'static str {
    match alarm {
        AccessAlarm::NewActor { .. } => "new reader",
        AccessAlarm::NewKind { .. } => "new kind",
        AccessAlarm::NewHour { .. } => "new hour",
        AccessAlarm::Volume { .. } => "volume",
        AccessAlarm::Refusals { .. } => "refusals",
    }
}

fn actor(alarm: &AccessAlarm) -> Option<&str> {
    match alarm {
        AccessAlarm::NewActor { actor, .. }
        | AccessAlarm::NewKind { actor, .. }
        | AccessAlarm::NewHour { actor, .. }
        | AccessAlarm::Volume { actor, .. } => Some(actor),
        AccessAlarm::Refusals { .. } => None,
    }
}

/// Everything that happens while nobody attacks, in order.
fn usual(seed: u64, hires: bool) -> Vec<AccessFact> {
    let mut random = Random(seed);
    let mut facts = Vec::new();
    for client in 0..CLIENTS {
        let (kind, number) = kind_of(client);
        let actor = format!("key:{kind}-{number}");
        // One client in twelve comes while the habits of the others are known already.
        let first = if hires && client % 12 == 5 { random.below(80) as i64 + 35 } else { 0 };
        // People are away for one or two weeks now and then.
        let away = random.below(100) as i64;
        let length = 7 + random.below(8) as i64;
        let busy = 0.5 + random.uniform();
        for day in first..DAYS {
            let holiday =
                kind != "night" && kind != "hourly" && (away..away + length).contains(&day);
            if !holiday {
                a_day(&mut random, (kind, number), &actor, (day, busy), &mut facts);
            }
        }
    }
    facts.sort_by_key(|fact| fact.at_us);
    facts
}

fn kind_of(client: u64) -> (&'static str, u64) {
    let kinds = [
        ("desk", DESKS),
        ("shift", SHIFTS),
        ("hourly", HOURLY),
        ("night", NIGHTS),
        ("rare", RARE),
        ("report", REPORTS),
    ];
    let mut left = client;
    for (kind, count) in kinds {
        if left < count {
            return (kind, left);
        }
        left -= count;
    }
    ("report", left)
}

fn a_day(
    random: &mut Random,
    (kind, number): (&str, u64),
    actor: &str,
    (day, busy): (i64, f64),
    facts: &mut Vec<AccessFact>,
) {
    let weekend = day % 7 >= 5;
    // The clock changes on one day, for people and for what they schedule.
    let clock = if 75 <= day { 1.0 } else { 0.0 };
    match kind {
        "desk" if !weekend => {
            // Some days are full, some are not.
            let full = 0.4 + 1.2 * random.uniform();
            let count = random.poisson(25.0 * busy * full);
            at_work(random, (actor, day), (8.0 + clock, 9.5), (count, DESK), facts);
            // A new function comes into use on one day, for a third of them.
            if 90 <= day && number.is_multiple_of(3) && random.uniform() < 0.4 {
                facts.extend(some(actor, "twin.explained", day, 10.0, 4.0, 2));
            }
            // Now and then somebody stays late.
            if random.uniform() < 0.02 {
                at_work(random, (actor, day), (18.5 + clock, 2.0), (4, DESK), facts);
            }
            mistyped(random, (day, 8.0 + clock), 0.05, facts);
        }
        "shift" => {
            // A week early, a week late, a week at night, each with a free weekend or not.
            let week = (day / 7 + number as i64) % 3;
            let begin = [6.0, 14.0, 22.0][week as usize] + clock;
            if !weekend || random.uniform() < 0.4 {
                let full = 0.4 + 1.2 * random.uniform();
                let count = random.poisson(60.0 * busy * full);
                at_work(random, (actor, day), (begin, 8.5), (count, WARD), facts);
                mistyped(random, (day, begin), 0.05, facts);
            }
        }
        "hourly" => {
            for hour in 0..24 {
                let count = 10 + random.poisson(10.0 * busy);
                facts.extend(some(actor, "forecast.answered", day, f64::from(hour), 0.05, count));
            }
            // One in ten has an old key for some hours, and asks again every five minutes.
            if number.is_multiple_of(10) && day == 60 + number as i64 {
                facts.extend(refused(day, 4.0, 6.0, 72));
            }
        }
        "night" => {
            let late = if random.uniform() < 0.05 { 1.5 } else { 0.0 };
            let count = 120 + random.poisson(30.0);
            facts.extend(some(actor, "twin.read", day, 2.0 + clock + late, 0.3, count));
        }
        "rare" if random.uniform() < 0.12 => {
            let count = 3 + random.below(10);
            at_work(random, (actor, day), (8.0 + clock, 10.0), (count, RARELY), facts);
        }
        "report" if day % 30 == 29 => {
            facts.extend(some(actor, "evaluation.read", day, 9.0 + clock, 2.0, 200));
        }
        "report" if !weekend => {
            let count = random.poisson(6.0);
            at_work(random, (actor, day), (8.0 + clock, 9.0), (count, RARELY), facts);
        }
        _ => {}
    }
}

/// Spreads what somebody does over their hours: more in some than in others.
fn at_work(
    random: &mut Random,
    (actor, day): (&str, i64),
    (begin, length): (f64, f64),
    (count, actions): (u64, &[(&str, f64)]),
    facts: &mut Vec<AccessFact>,
) {
    for _ in 0..count {
        let mut share = random.uniform();
        let action = actions.iter().find(|(_, often)| {
            share -= often;
            share < 0.0
        });
        let hour = begin + length * (random.uniform() + random.uniform()) / 2.0;
        let action = action.map_or(actions[0].0, |(action, _)| *action);
        facts.push(fact(actor, action, day, hour));
    }
}

fn mistyped(random: &mut Random, (day, hour): (i64, f64), often: f64, facts: &mut Vec<AccessFact>) {
    if random.uniform() < often {
        facts.extend(refused(day, hour + random.uniform(), 0.02, 1 + random.below(3)));
    }
}

fn reads(
    random: &mut Random,
    actor: &str,
    day: i64,
    hour: f64,
    length: f64,
    count: u64,
) -> Vec<AccessFact> {
    // A working day: attackers of desks know the calendar.
    let day = day - (day % 7 - 4).max(0);
    some(actor, "twin.read", day, hour + 0.2 * random.uniform(), length * 0.7, count)
}

/// Something that is done again and again, evenly.
fn some(
    actor: &str,
    action: &str,
    day: i64,
    hour: f64,
    length: f64,
    count: u64,
) -> Vec<AccessFact> {
    let at = |number: u64| hour + length * number as f64 / count as f64;
    (0..count).map(|number| fact(actor, action, day, at(number))).collect()
}

fn refusals(random: &mut Random, day: i64, count: u64, length: f64) -> Planted {
    let facts = refused(day, 3.0 + 10.0 * random.uniform(), length, count);
    Planted { facts, actor: "anonymous".to_owned() }
}

fn refused(day: i64, hour: f64, length: f64, count: u64) -> Vec<AccessFact> {
    let refused = |fact| AccessFact { kind: AccessKind::Refused(1), ..fact };
    some("anonymous", "", day, hour, length, count).into_iter().map(refused).collect()
}

fn fact(actor: &str, action: &str, day: i64, hour: f64) -> AccessFact {
    let at_us = day * DAY_US + (hour * 3_600e6) as i64;
    AccessFact { at_us, actor: actor.to_owned(), kind: AccessKind::Done(action.to_owned()) }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, count: u64) -> u64 {
        (self.uniform() * count as f64) as u64
    }

    fn poisson(&mut self, mean: f64) -> u64 {
        // Knuth's product, in logarithms.
        let (mut sum, mut count) = (0.0, 0);
        loop {
            sum -= (1.0 - self.uniform()).ln();
            if mean < sum {
                return count;
            }
            count += 1;
        }
    }
}

const DESK: &[(&str, f64)] = &[
    ("twin.read", 0.5),
    ("forecast.answered", 0.35),
    ("twin.listed", 0.1),
    ("model.read", 0.04),
    ("receipt.read", 0.01),
];

const WARD: &[(&str, f64)] =
    &[("forecast.answered", 0.6), ("twin.read", 0.35), ("what-if.answered", 0.05)];

const RARELY: &[(&str, f64)] = &[("twin.read", 0.7), ("evaluation.read", 0.3)];

const CLIENTS: u64 = DESKS + SHIFTS + HOURLY + NIGHTS + RARE + REPORTS;

const DESKS: u64 = 110;

const SHIFTS: u64 = 60;

const HOURLY: u64 = 20;

const NIGHTS: u64 = 10;

const RARE: u64 = 25;

const REPORTS: u64 = 15;

const DAYS: i64 = 120;

const LEARNED_DAYS: i64 = 30;

const RUNS: u64 = 20;

const SEED: u64 = 42;

const DAY_US: i64 = 86_400_000_000;
