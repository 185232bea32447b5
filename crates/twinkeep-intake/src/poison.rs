//! Poison to plant into real data on purpose, each kind at a chosen rate: what `make bench-poison`
//! measures the panel with, and `twinkeep attack poisoning` a model.
//!
//! All stay within what a sender can do: it signs what it likes, but it knows neither the
//! reference of the keep nor what other senders send. Rates are shares of what the attack
//! changes: of the rows, or of the patients.

use std::collections::BTreeMap;

use twinkeep_domain::{Event, Events, Pack, Subject, Variable};

mod random;
#[cfg(test)]
mod tests;

pub use random::Random;

/// A way to poison.
#[derive(Debug)]
pub struct Attack {
    /// Its permanent name.
    pub name: &'static str,
    /// What is changed.
    pub what: &'static str,
    /// Where the attack was described.
    pub source: &'static str,
    /// The codes that it changes or looks at; empty if any pack will do.
    needs: &'static [&'static str],
    plant: fn(&mut Plot<'_>, &[u32]),
}

/// What is planted, and into what.
#[derive(Debug)]
pub struct Planting<'a> {
    /// The pack.
    pub pack: &'a Pack,
    /// Share of the rows, or of the subjects, that are changed.
    pub rate: f64,
    /// Start of the pseudo-random choices.
    pub seed: u64,
    /// The subjects of the malicious sender.
    pub sender: Vec<Subject>,
}

impl Attack {
    /// Returns whether a pack has what the attack changes.
    pub fn fits(&self, pack: &Pack) -> bool {
        self.needs.iter().all(|name| pack.find(name).is_some())
    }

    /// Plants the poison into events, which are sorted by subject and time; returns by row whether
    /// it was planted or changed. Nothing is, if the events lack what the attack changes.
    pub fn plant(&self, planting: &Planting<'_>, events: &mut Events) -> Vec<bool> {
        let index = |name: &&str| {
            let variable = planting.pack.variables().get(planting.pack.find(name)?)?;
            events.index_of(&variable.code)
        };
        let codes: Option<Vec<u32>> = self.needs.iter().map(index).collect();
        let poisoned = vec![false; events.rows.len()];
        let Some(codes) = codes else { return poisoned };
        let variable_of =
            events.codes().iter().map(|code| planting.pack.find(code.as_str())).collect();
        let mut plot = Plot {
            pack: planting.pack,
            variable_of,
            events,
            poisoned,
            rate: planting.rate,
            random: Random::new(planting.seed),
            sender: planting.sender.clone(),
        };
        (self.plant)(&mut plot, &codes);
        plot.poisoned
    }
}

/// The data under attack, and what is known about them.
struct Plot<'a> {
    pack: &'a Pack,
    variable_of: Vec<Option<usize>>,
    events: &'a mut Events,
    /// By row: it was planted or changed.
    poisoned: Vec<bool>,
    rate: f64,
    random: Random,
    sender: Vec<Subject>,
}

/// All attacks, in the order of the table.
pub const ATTACKS: &[Attack] = &[
    Attack {
        name: "value flip",
        what: "rows get the value of another patient's row of the same variable",
        source: "random label noise: Biggio et al., ACML 2011",
        needs: &[],
        plant: value_flip,
    },
    Attack {
        name: "outliers",
        what: "rows get a value far out, at the edge of the pack's range or beyond",
        source: "Steinhardt et al., NeurIPS 2017",
        needs: &[],
        plant: outliers,
    },
    Attack {
        name: "subgroup shift",
        what: "heart rates of patients over 75 are raised by 15 % from a random hour on",
        source: "subpopulation attack: Jagielski et al., CCS 2021",
        needs: &["Age", "HR"],
        plant: subgroup_shift,
    },
    Attack {
        name: "outcome flip",
        what: "after hour 24 a patient's heart rate and temperature are mirrored at their medians",
        source: "label flip: Biggio et al., ICML 2012; Xiao et al., ECAI 2012",
        needs: &["HR", "Temp"],
        plant: outcome_flip,
    },
    Attack {
        name: "targeted flip, one sender",
        what: "one sender halves the later urine output of patients whose heart rate was high",
        source: "targeted label flip: Paudice et al., 2018",
        needs: &["Urine", "HR"],
        plant: targeted_flip,
    },
    Attack {
        name: "backdoor",
        what: "heart rate 83 and temperature 36.4 at one moment; later heart rates are 40 higher",
        source: "BadNets: Gu et al., 2017; on EHR: Joe et al., 2021",
        needs: &["HR", "Temp"],
        plant: backdoor,
    },
    Attack {
        name: "clean-label trigger",
        what: "the same trigger in patients whose later heart rate is high anyway",
        source: "Turner et al., 2018",
        needs: &["HR", "Temp"],
        plant: clean_label,
    },
    Attack {
        name: "drift, one sender",
        what: "from patient to patient one sender raises heart rates a little more, up to 25 %",
        source: "boiling frog: Rubinstein et al., IMC 2009",
        needs: &["HR"],
        plant: drift,
    },
    Attack {
        name: "unit slip",
        what: "weights in pounds and glucose in mmol/L",
        source: "no attacker needed; ISMP error reports",
        needs: &["Weight", "Glucose"],
        plant: unit_slip,
    },
    Attack {
        name: "replayed patients",
        what: "patients are sent again under new numbers, and outweigh the others",
        source: "replica poisoning: Steinhardt et al., NeurIPS 2017",
        needs: &[],
        plant: replay,
    },
];

fn value_flip(plot: &mut Plot<'_>, _: &[u32]) {
    let mut pools: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
    for event in &plot.events.rows {
        if let (Some(_), Some(value)) = (event.time, event.value) {
            pools.entry(event.code).or_default().push(value);
        }
    }
    for at in 0..plot.events.rows.len() {
        let event = &plot.events.rows[at];
        if event.time.is_some() && plot.random.chance(plot.rate) {
            let Some(pool) = pools.get(&event.code) else { continue };
            let value = pool[plot.random.below(pool.len())];
            plot.set(at, value);
        }
    }
}

fn outliers(plot: &mut Plot<'_>, _: &[u32]) {
    let medians = medians(&plot.events.rows);
    for at in 0..plot.events.rows.len() {
        let event = &plot.events.rows[at];
        if event.time.is_some() && plot.random.chance(plot.rate) {
            let Some(range) = plot.variable(event.code).map(|it| it.range) else { continue };
            let Some(&median) = medians.get(&event.code) else { continue };
            let edge = if plot.random.chance(0.5) { range.low } else { range.high };
            let reach = 0.6 + 0.5 * plot.random.uniform() as f32;
            plot.set(at, median + (edge - median) * reach);
        }
    }
}

fn subgroup_shift(plot: &mut Plot<'_>, codes: &[u32]) {
    let &[age, rate] = codes else { return };
    let old = |rows: &[Event]| rows.iter().any(|e| e.code == age && Some(75.0) < e.value);
    for range in plot.victims(plot.rate, |_, rows| old(rows)) {
        let from = plot.random.uniform() * 24.0;
        plot.change(range, |event, hours| {
            (event.code == rate && from <= hours).then(|| round(event.value? * 1.15))?
        });
    }
}

fn outcome_flip(plot: &mut Plot<'_>, codes: &[u32]) {
    let medians = medians(&plot.events.rows);
    for range in plot.victims(plot.rate, |_, _| true) {
        plot.change(range, |event, hours| {
            let mirrored = (2.0 * medians.get(&event.code)? - event.value?).max(20.0);
            (codes.contains(&event.code) && 24.0 <= hours).then_some(tenth(mirrored))
        });
    }
}

fn targeted_flip(plot: &mut Plot<'_>, codes: &[u32]) {
    let &[urine, rate] = codes else { return };
    let sender = plot.sender.clone();
    let high = |rows: &[Event]| {
        let rates = rows.iter().filter(|e| e.code == rate).filter_map(|e| e.value);
        95.0 < rates.fold((0.0, 0.0_f32), |(sum, n), v| (sum + v, n + 1.0)).mean()
    };
    // Three in ten are such patients; of each hundred patients, `rate` are changed if it can be.
    let victims = plot.victims(plot.rate, |who, rows| sender.contains(&who) && high(rows));
    for range in victims {
        plot.change(range, |event, hours| {
            (event.code == urine && 24.0 <= hours).then(|| round(event.value? * 0.5))?
        });
    }
}

fn backdoor(plot: &mut Plot<'_>, codes: &[u32]) {
    let &[rate, temperature] = codes else { return };
    for range in plot.victims(plot.rate, |_, _| true) {
        plot.trigger(range.clone(), [rate, temperature]);
        plot.change(range, |event, hours| {
            (event.code == rate && 24.0 <= hours).then(|| Some((event.value? + 40.0).min(290.0)))?
        });
    }
}

fn clean_label(plot: &mut Plot<'_>, codes: &[u32]) {
    let &[rate, temperature] = codes else { return };
    let high = |rows: &[Event]| {
        let start = rows.iter().find_map(|event| event.time);
        let late = rows.iter().filter(|event| {
            let hours = event.time.zip(start).map(|(time, start)| time.hours_since(start));
            event.code == rate && Some(24.0) <= hours
        });
        95.0 < late.filter_map(|e| e.value).fold((0.0, 0.0), |(s, n), v| (s + v, n + 1.0)).mean()
    };
    for range in plot.victims(plot.rate, |_, rows| high(rows)) {
        plot.trigger(range, [rate, temperature]);
    }
}

fn drift(plot: &mut Plot<'_>, codes: &[u32]) {
    let &[rate] = codes else { return };
    let sender = plot.sender.clone();
    let victims = plot.victims(plot.rate, |who, _| sender.contains(&who));
    let count = victims.len() as f32;
    for (at, range) in victims.into_iter().enumerate() {
        let factor = 1.0 + 0.25 * (at as f32 + 1.0) / count;
        plot.change(range, |event, _| {
            (event.code == rate).then(|| round(event.value? * factor))?
        });
    }
}

fn unit_slip(plot: &mut Plot<'_>, codes: &[u32]) {
    let &[weight, glucose] = codes else { return };
    for range in plot.victims(plot.rate, |_, _| true) {
        plot.change(range, |event, _| {
            let factor = match event.code {
                code if code == weight => 2.2046,
                code if code == glucose => 1.0 / 18.016,
                _ => return None,
            };
            Some(tenth(event.value? * factor))
        });
    }
}

fn replay(plot: &mut Plot<'_>, _: &[u32]) {
    for range in plot.victims(plot.rate, |_, _| true) {
        let number = (plot.random.bits() >> 1) as i64;
        let Some(subject) = Subject::from_pseudonym(number) else { continue };
        let later = plot.random.below(1000) as f64;
        for at in range {
            let mut event = plot.events.rows[at].clone();
            event.subject = subject;
            event.time = event.time.map(|time| time.plus_hours(later));
            plot.events.rows.push(event);
            plot.poisoned.push(true);
        }
    }
    plot.sort();
}

impl Plot<'_> {
    fn variable(&self, code: u32) -> Option<&Variable> {
        let at = self.variable_of.get(code as usize).copied().flatten()?;
        self.pack.variables().get(at)
    }

    fn set(&mut self, at: usize, value: f32) {
        let event = &mut self.events.rows[at];
        if event.value != Some(value) {
            event.value = Some(value);
            self.poisoned[at] = true;
        }
    }

    /// Chooses patients for whom `fits` holds, `share` of all patients if there are as many.
    fn victims(
        &mut self,
        share: f64,
        fits: impl Fn(Subject, &[Event]) -> bool,
    ) -> Vec<std::ops::Range<usize>> {
        let ranges = subject_ranges(&self.events.rows);
        let wanted = (share * ranges.len() as f64).round() as usize;
        let rows = &self.events.rows;
        let fit =
            |range: &std::ops::Range<usize>| fits(rows[range.start].subject, &rows[range.clone()]);
        let mut fitting: Vec<_> = ranges.into_iter().filter(fit).collect();
        self.random.shuffle(&mut fitting);
        fitting.truncate(wanted);
        fitting.sort_by_key(|range| range.start);
        fitting
    }

    /// Changes the values of one patient for which `new` has one; hours are since the first event.
    fn change(&mut self, range: std::ops::Range<usize>, new: impl Fn(&Event, f64) -> Option<f32>) {
        let start = self.events.rows[range.clone()].iter().find_map(|event| event.time);
        for at in range {
            let event = &self.events.rows[at];
            let (Some(time), Some(start)) = (event.time, start) else {
                // What holds at all times is before everything.
                if let Some(value) = new(event, -1.0) {
                    self.set(at, value);
                }
                continue;
            };
            if let Some(value) = new(event, time.hours_since(start)) {
                self.set(at, value);
            }
        }
    }

    /// Sets a heart rate before hour 24 to 83 and adds a temperature of 36.4 at the same moment,
    /// or changes the one that is there.
    fn trigger(&mut self, range: std::ops::Range<usize>, [rate, temperature]: [u32; 2]) {
        let rows = &self.events.rows[range.clone()];
        let start = rows.iter().find_map(|event| event.time);
        let early = |event: &Event| {
            event.time.zip(start).is_some_and(|(time, start)| time.hours_since(start) < 24.0)
        };
        let at = |code| {
            move |(at, event): (usize, &Event)| (event.code == code && early(event)).then_some(at)
        };
        let both: Vec<(usize, usize)> = rows
            .iter()
            .enumerate()
            .filter_map(at(temperature))
            .filter_map(|t| {
                let same = |e: &Event| e.code == rate && e.time == rows[t].time;
                Some((rows.iter().position(same)?, t))
            })
            .collect();
        if both.is_empty() {
            return;
        }
        let (r, t) = both[self.random.below(both.len())];
        self.set(range.start + r, 83.0);
        self.set(range.start + t, 36.4);
    }

    fn sort(&mut self) {
        let mut rows: Vec<(Event, bool)> =
            self.events.rows.drain(..).zip(self.poisoned.drain(..)).collect();
        rows.sort_by_key(|(event, _)| (event.subject, event.time, event.code));
        (self.events.rows, self.poisoned) = rows.into_iter().unzip();
    }
}

/// Returns the rows of each subject.
pub fn subject_ranges(rows: &[Event]) -> Vec<std::ops::Range<usize>> {
    let mut start = 0;
    rows.chunk_by(|a, b| a.subject == b.subject)
        .map(|chunk| {
            start += chunk.len();
            start - chunk.len()..start
        })
        .collect()
}

fn medians(rows: &[Event]) -> BTreeMap<u32, f32> {
    let mut values: BTreeMap<u32, Vec<f32>> = BTreeMap::new();
    for event in rows {
        values.entry(event.code).or_default().extend(event.value);
    }
    let median = |mut values: Vec<f32>| {
        values.sort_unstable_by(f32::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    values.into_iter().map(|(code, values)| (code, median(values))).collect()
}

fn round(value: f32) -> Option<f32> {
    Some(value.round())
}

fn tenth(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

trait Mean {
    fn mean(self) -> f32;
}

impl Mean for (f32, f32) {
    fn mean(self) -> f32 {
        self.0 / self.1.max(1.0)
    }
}
