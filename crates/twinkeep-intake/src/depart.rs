//! Whether a feed departs from what its sender has sent before.
//!
//! Each variable of the feed is compared with the same one of all earlier feeds together: its
//! values, how many rows are missing or refused, and how many subjects have it. Chance has its
//! share in every difference, and the larger, the fewer subjects there are: the values of one
//! subject resemble each other, so that subjects are counted and not values. And feeds of one
//! sender differ from each other: a difference that earlier feeds had as well is none.
//!
//! # Invariants
//!
//! - The same profiles give the same answer.
//! - No sentence names a value of a person: shares, medians, and counts only.

use twinkeep_domain::Pack;

use crate::profile::{CodeProfile, Profile};

mod compare;
#[cfg(test)]
mod tests;

use compare::{Distance, Slip};

/// One way in which a feed departs from its sender's history.
#[derive(Clone, Debug, PartialEq)]
pub struct Departure {
    /// The permanent name of what departs.
    pub measure: &'static str,
    /// The code that it is about, if it is about one.
    pub code: Option<String>,
    /// What the history leads to expect.
    pub expected: f64,
    /// What the feed has.
    pub found: f64,
    /// How far `found` may be from `expected`, or how large it may be.
    pub threshold: f64,
    /// What a person reads.
    pub sentence: String,
}

/// Compares a feed with earlier feeds of its sender, the newest last. A sender without enough of a
/// history departs from nothing but the pack's own demands.
pub fn depart(pack: &Pack, history: &[Profile], new: &Profile) -> Vec<Departure> {
    let mut found = Vec::new();
    let subjects = new.subjects.count();
    check_required(pack, new, &mut found);
    let recent = &history[history.len().saturating_sub(HISTORY_COUNT_MAX)..];
    let mut known = Profile::default();
    recent.iter().for_each(|profile| known.merge(profile));
    if known.subjects.count() < SUBJECT_COUNT_MIN || subjects < 1.0 {
        return found;
    }
    let pair = Pair { new, known: &known, recent };
    pair.check_rows(&mut found);
    for (code, profile) in &new.codes {
        if let Some(before) = known.codes.get(code) {
            pair.check_code(pack, code, profile, before, &mut found);
        }
    }
    pair.check_presence(&mut found);
    found
}

/// Looks for variables that the pack asks for.
fn check_required(pack: &Pack, new: &Profile, found: &mut Vec<Departure>) {
    let subjects = new.subjects.count();
    for variable in pack.variables() {
        let Some(required) = variable.rules.required_percent else { continue };
        let code = variable.code.as_str();
        let having = new.codes.get(code).map_or(0.0, |profile| profile.subjects.count());
        // Subjects are counted within some percent.
        let percent = 100.0 * (having / subjects.max(1.0)).min(1.0);
        if 0.0 < subjects && percent + COUNT_ERROR_PERCENT < f64::from(required) {
            found.push(Departure {
                measure: "required",
                code: Some(code.to_owned()),
                expected: required.into(),
                found: percent,
                threshold: COUNT_ERROR_PERCENT,
                sentence: format!(
                    "{percent:.0} % of the subjects have `{code}`; the pack asks for {required} %"
                ),
            });
        }
    }
}

/// A feed and what came before it.
struct Pair<'p> {
    new: &'p Profile,
    known: &'p Profile,
    recent: &'p [Profile],
}

impl Pair<'_> {
    /// Compares what there is in all.
    fn check_rows(&self, found: &mut Vec<Departure>) {
        let share = |profile: &Profile| {
            profile.counts.quarantined as f64 / (profile.counts.read as f64).max(1.0)
        };
        let (expected, now) = (share(self.known), share(self.new));
        let before = self.recent.iter().map(|feed| share(feed) - expected);
        let threshold = self.allowance(expected, None).max(largest(before) * HISTORY_FACTOR);
        if threshold < now - expected {
            found.push(Departure {
                measure: "refused",
                code: None,
                expected,
                found: now,
                threshold,
                sentence: format!(
                    "{:.1} % of the rows were refused; before, {:.1} %",
                    100.0 * now,
                    100.0 * expected
                ),
            });
        }
        let events = |profile: &Profile| Some(profile.events_per_subject.quantiles(&[0.5])?[0]);
        let Some((expected, now)) = events(self.known).zip(events(self.new)) else { return };
        let ratio = |now: f64| (now.max(1.0) / expected.max(1.0)).ln().abs();
        let before = self.recent.iter().filter_map(events).map(ratio);
        let noise = CHANCE / self.new.subjects.count().max(1.0).sqrt();
        let threshold = (VOLUME_RATIO.ln() + noise).max(largest(before) * HISTORY_FACTOR);
        if threshold < ratio(now) {
            found.push(Departure {
                measure: "volume",
                code: None,
                expected,
                found: now,
                threshold: threshold.exp(),
                sentence: format!(
                    "a subject has {now:.0} events in the middle; before, {expected:.0}"
                ),
            });
        }
    }

    /// Compares what there is under one code.
    fn check_code(
        &self,
        pack: &Pack,
        code: &str,
        new: &CodeProfile,
        known: &CodeProfile,
        found: &mut Vec<Departure>,
    ) {
        self.check_share(code, "missing", new, known, |one| one.missing, found);
        self.check_share(code, "refused", new, known, |one| one.refused, found);
        let (Some(distance), true) =
            (Distance::between(&known.values, &new.values), is_enough(new, known))
        else {
            return;
        };
        let before = self.recent.iter().filter_map(|feed| {
            let own = feed.codes.get(code).filter(|own| is_enough(own, known))?;
            Distance::between(&known.values, &own.values)
        });
        let before: Vec<Distance> = before.collect();
        let of_before =
            |measure: fn(&Distance) -> f64| largest(before.iter().map(measure)) * HISTORY_FACTOR;
        let threshold = distance_allowed(new, known).max(of_before(|one| one.shift));
        let stability = stability_allowed(new, known).max(of_before(|one| one.stability));
        if distance.shift <= threshold && distance.stability <= stability {
            return;
        }
        let variable = pack.find(code).map(|index| &pack.variables()[index]);
        let slip = Slip::between(&known.values, &new.values);
        let slip = slip.filter(|slip| slip.rest < threshold && slip.rest * 2.0 < distance.shift);
        let (measure, sentence) = match slip {
            Some(slip) => ("unit", slip.sentence(code, variable)),
            None => ("values", distance.sentence(code)),
        };
        found.push(Departure {
            measure,
            code: Some(code.to_owned()),
            expected: distance.median_before,
            found: distance.median_now,
            threshold,
            sentence,
        });
    }

    /// Compares the share of a code's rows that are something.
    fn check_share(
        &self,
        code: &str,
        measure: &'static str,
        new: &CodeProfile,
        known: &CodeProfile,
        count: fn(&CodeProfile) -> u64,
        found: &mut Vec<Departure>,
    ) {
        let share = |one: &CodeProfile| count(one) as f64 / (one.rows() as f64).max(1.0);
        let (expected, now) = (share(known), share(new));
        let before = self.recent.iter().filter_map(|feed| feed.codes.get(code));
        let before = largest(before.map(|own| share(own) - expected)) * HISTORY_FACTOR;
        let threshold = self.allowance(expected, Some(new)).max(before);
        if now - expected <= threshold {
            return;
        }
        let words = if measure == "missing" { "say nothing" } else { "were refused" };
        found.push(Departure {
            measure,
            code: Some(code.to_owned()),
            expected,
            found: now,
            threshold,
            sentence: format!(
                "{:.1} % of the rows of `{code}` {words}; before, {:.1} %",
                100.0 * now,
                100.0 * expected
            ),
        });
    }

    /// Compares how many subjects have each code.
    fn check_presence(&self, found: &mut Vec<Departure>) {
        let codes = self.known.codes.keys().chain(self.new.codes.keys());
        let codes: std::collections::BTreeSet<&String> = codes.collect();
        let share = |profile: &Profile, code: &str| {
            let having = profile.codes.get(code).map_or(0.0, |one| one.subjects.count());
            (having / profile.subjects.count().max(1.0)).min(1.0)
        };
        for code in codes {
            let (expected, now) = (share(self.known, code), share(self.new, code));
            let before = self.recent.iter().map(|feed| (share(feed, code) - expected).abs());
            let subjects = self.new.subjects.count().max(1.0);
            let spread = (expected * (1.0 - expected)).max(1.0 / subjects) / subjects;
            let base = PRESENCE_SHIFT + CHANCE * spread.sqrt();
            let threshold = base.max(largest(before) * HISTORY_FACTOR);
            if (now - expected).abs() <= threshold {
                continue;
            }
            found.push(Departure {
                measure: "presence",
                code: Some(code.clone()),
                expected,
                found: now,
                threshold,
                sentence: format!(
                    "{:.0} % of the subjects have `{code}`; before, {:.0} %",
                    100.0 * now,
                    100.0 * expected
                ),
            });
        }
    }

    /// Returns how much larger a share of rows may be than expected. Rows of one subject share
    /// their fate, so that it is subjects that chance draws.
    fn allowance(&self, expected: f64, code: Option<&CodeProfile>) -> f64 {
        let subjects = code.map_or(self.new.subjects.count(), |code| code.subjects.count());
        let rows = code.map_or(self.new.counts.read, CodeProfile::rows) as f64;
        let draws = subjects.clamp(1.0, rows.max(1.0));
        let spread = (expected * (1.0 - expected)).max(1.0 / draws) / draws;
        SHARE_SHIFT + CHANCE * spread.sqrt()
    }
}

/// Returns whether there are enough values to compare.
fn is_enough(new: &CodeProfile, known: &CodeProfile) -> bool {
    let subjects = |one: &CodeProfile| one.subjects.count();
    VALUE_COUNT_MIN <= new.values.count()
        && VALUE_COUNT_MIN <= known.values.count()
        && SUBJECT_COUNT_MIN <= subjects(new)
        && SUBJECT_COUNT_MIN <= subjects(known)
}

/// Returns the largest distance that chance may make between the values of so many subjects.
///
/// The two-sample test of Kolmogorov and Smirnov, with subjects in place of values.
fn distance_allowed(new: &CodeProfile, known: &CodeProfile) -> f64 {
    let (new, known) = (new.subjects.count(), known.subjects.count());
    DISTANCE_MIN + KOLMOGOROV * (1.0 / new + 1.0 / known).sqrt()
}

/// Returns the largest stability index that chance may make: of two samples of the same distribution
/// it is the number of tenths less one for each of their subjects, and several times that in a tail.
fn stability_allowed(new: &CodeProfile, known: &CodeProfile) -> f64 {
    STABILITY_MAX + STABILITY_CHANCE * (1.0 / new.subjects.count() + 1.0 / known.subjects.count())
}

fn largest(distances: impl Iterator<Item = f64>) -> f64 {
    distances.fold(0.0, f64::max)
}

/// Feeds of a sender that are compared with, the newest: some weeks of daily ones.
const HISTORY_COUNT_MAX: usize = 50;

/// With fewer subjects, chance makes more of a difference than any fault.
const SUBJECT_COUNT_MIN: f64 = 20.0;

/// With fewer values, quantiles mean little.
const VALUE_COUNT_MIN: u64 = 50;

/// A feed may differ from the history this much more than the most different of earlier ones.
const HISTORY_FACTOR: f64 = 1.5;

/// The distance between distributions below which nobody would call them different: as of 300 g in
/// the weight of adults.
const DISTANCE_MIN: f64 = 0.05;

/// Among 41 variables, chance exceeds it in fewer than one of 100 feeds: 2 exp(-2 × 2.05²) × 41.
const KOLMOGOROV: f64 = 2.05;

/// Where banks say that a population is no longer the same.
const STABILITY_MAX: f64 = 0.25;

/// Twelve times what is expected of two samples of the same distribution: measured on random parts
/// of PhysioNet 2012, whose rarest laboratory values come from few subjects.
const STABILITY_CHANCE: f64 = 12.0 * 9.0;

/// Standard deviations that chance may bring; with those of 100 comparisons.
const CHANCE: f64 = 4.5;

/// The share of rows by which feeds differ in any case.
const SHARE_SHIFT: f64 = 0.02;

/// The share of subjects by which feeds differ in any case; they are counted within 3 %, twice.
const PRESENCE_SHIFT: f64 = 0.15;

/// Subjects are counted within some percent.
const COUNT_ERROR_PERCENT: f64 = 5.0;

/// Feeds of a ward in a quiet week and in a busy one.
const VOLUME_RATIO: f64 = 3.0;
