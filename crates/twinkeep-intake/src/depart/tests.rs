//! Half of real data does not depart from the other half, and a feed with something wrong does.

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use twinkeep_domain::{Event, Events, Pack};
use twinkeep_vault::files::write_atomic;

use super::{Departure, depart};
use crate::Source;
use crate::pack_file::{parse_pack, shipped_pack, shipped_text};
use crate::profile::Profile;
use crate::synth::Synth;
use crate::tests::{real_data, take};

/// Stays, each with its events.
struct Stays {
    events: Events,
    stays: Vec<Vec<Event>>,
    pack: Pack,
}

impl Stays {
    /// Those of PhysioNet 2012, where they are at hand.
    fn real() -> Option<Self> {
        Some(Self::read(&real_data()?.join("physionet2012/set-a.tar.gz")))
    }

    /// Made-up ones.
    fn synthetic() -> Self {
        let cohort = Synth { seed: 5, stays: 400, poisoned_rows: 0 }.make();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stays.tar.gz");
        write_atomic(&path, &cohort.tar_gz().unwrap(), 0o600).unwrap();
        Self::read(&path)
    }

    fn read(path: &Path) -> Self {
        let intake = take(Source::Path(path)).unwrap();
        let events = intake.screened.events().clone();
        let by_subject = events.rows.chunk_by(|left, right| left.subject == right.subject);
        let stays = by_subject.map(<[Event]>::to_vec).collect();
        Self { events, stays, pack: shipped_pack("icu").unwrap() }
    }

    /// Puts the stays in an order of chance.
    fn shuffled(&self, seed: u64) -> Vec<usize> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut order: Vec<usize> = (0..self.stays.len()).collect();
        for at in (1..order.len()).rev() {
            order.swap(at, (random.next_u64() % (at as u64 + 1)) as usize);
        }
        order
    }

    /// Makes a feed of some stays, with each event changed.
    fn feed(&self, stays: &[usize], change: &dyn Fn(&str, Event) -> Option<Event>) -> Profile {
        let mut events = self.events.clone();
        events.rows = stays
            .iter()
            .flat_map(|&stay| &self.stays[stay])
            .filter_map(|event| {
                change(self.events.codes()[event.code as usize].as_str(), event.clone())
            })
            .collect();
        let mut profile = Profile::default();
        profile.add_events(&events);
        profile.counts.read = events.rows.len() as u64;
        profile.counts.accepted = profile.counts.read;
        profile
    }
}

fn unchanged(_: &str, event: Event) -> Option<Event> {
    Some(event)
}

fn seen(departures: &[Departure]) -> Vec<(&str, &str)> {
    departures.iter().map(|one| (one.measure, one.code.as_deref().unwrap_or(""))).collect()
}

/// Compares parts of random halves, each of one of the sizes, with the other half.
fn false_alarms(stays: &Stays, seeds: u64, sizes: &[usize]) -> (usize, Vec<Vec<Departure>>) {
    let half = stays.stays.len() / 2;
    let (mut feeds, mut wrong) = (0, Vec::new());
    for seed in 0..seeds {
        let order = stays.shuffled(seed);
        let (new, history) = order.split_at(half);
        let history = [stays.feed(history, &unchanged)];
        for &size in sizes {
            for part in new.chunks_exact(size).take(PARTS_MAX) {
                feeds += 1;
                let departures = depart(&stays.pack, &history, &stays.feed(part, &unchanged));
                if !departures.is_empty() {
                    wrong.push(departures);
                }
            }
        }
    }
    (feeds, wrong)
}

/// Parts of one size of one half.
const PARTS_MAX: usize = 12;

#[test]
fn a_random_part_of_real_data_does_not_depart_from_another() {
    let Some(stays) = Stays::real() else { return };
    let seeds = std::env::var("TWINKEEP_SPLITS").map_or(2, |splits| splits.parse().unwrap());
    let (feeds, wrong) = false_alarms(&stays, seeds, &[2000, 500, 100, 30]);
    assert!(wrong.len() * 100 <= feeds, "{} of {feeds}: {wrong:#?}", wrong.len());
}

#[test]
fn a_random_part_of_made_up_data_does_not_depart_from_another() {
    let (feeds, wrong) = false_alarms(&Stays::synthetic(), 5, &[200, 50]);
    assert!(wrong.is_empty(), "{} of {feeds}: {wrong:#?}", wrong.len());
}

/// Returns how a half departs from the other one, when its events are changed.
fn changed(stays: &Stays, change: &dyn Fn(&str, Event) -> Option<Event>) -> Vec<Departure> {
    let order = stays.shuffled(1);
    let (new, history) = order.split_at(stays.stays.len() / 2);
    depart(&stays.pack, &[stays.feed(history, &unchanged)], &stays.feed(new, change))
}

fn with_value(event: Event, change: impl Fn(f32) -> f32) -> Option<Event> {
    Some(Event { value: event.value.map(change), ..event })
}

#[test]
fn a_variable_in_another_unit_is_named_with_its_factor() {
    let kinds = [Some(Stays::synthetic()), Stays::real()];
    for stays in kinds.into_iter().flatten() {
        let fahrenheit = changed(&stays, &|code, event| match code {
            "Temp" => with_value(event, |value| value.mul_add(1.8, 32.0)),
            _ => Some(event),
        });
        assert_eq!(seen(&fahrenheit), [("unit", "Temp")], "{fahrenheit:#?}");
        assert!(fahrenheit[0].sentence.ends_with("added"), "{}", fahrenheit[0].sentence);
        let hertz = changed(&stays, &|code, event| match code {
            "HR" => with_value(event, |value| value / 60.0),
            _ => Some(event),
        });
        assert_eq!(seen(&hertz), [("unit", "HR")], "{hertz:#?}");
        assert!(hertz[0].sentence.contains(": 0.01"), "{}", hertz[0].sentence);
    }
}

#[test]
fn moved_values_a_lost_variable_and_new_codes_are_named() {
    let stays = Stays::synthetic();
    let moved = changed(&stays, &|code, event| match code {
        // A third of the values is replaced by one in the middle of nowhere.
        "HR" if event.time.is_some_and(|time| time.micros() / 60_000_000 % 3 == 0) => {
            with_value(event, |_| 200.0)
        }
        _ => Some(event),
    });
    assert_eq!(seen(&moved), [("values", "HR")], "{moved:#?}");
    let lost = changed(&stays, &|code, event| (code != "RespRate").then_some(event));
    assert_eq!(seen(&lost), [("presence", "RespRate")], "{lost:#?}");
    let few = changed(&stays, &|_, event| {
        event.time.is_none_or(|time| time.micros() / 60_000_000 % 16 == 0).then_some(event)
    });
    assert!(seen(&few).contains(&("volume", "")), "{few:#?}");
}

#[test]
fn more_rows_that_are_missing_or_refused_are_named() {
    let stays = Stays::synthetic();
    let order = stays.shuffled(2);
    let (new, history) = order.split_at(stays.stays.len() / 2);
    let (history, mut new) = ([stays.feed(history, &unchanged)], stays.feed(new, &unchanged));
    let events = new.codes["HR"].events;
    new.codes.get_mut("HR").unwrap().missing = events;
    new.codes.get_mut("Temp").unwrap().refused = new.codes["Temp"].events / 4;
    new.counts.quarantined = new.counts.read / 4;
    new.counts.read += new.counts.quarantined;
    let departures = depart(&stays.pack, &history, &new);
    assert_eq!(seen(&departures), [("refused", ""), ("missing", "HR"), ("refused", "Temp")]);
    assert_eq!((departures[1].expected, departures[1].found), (0.0, 0.5));
}

#[test]
fn what_a_sender_has_always_done_is_no_departure() {
    let stays = Stays::synthetic();
    let order = stays.shuffled(3);
    let warm = |code: &str, event: Event| match code {
        "Temp" => with_value(event, |value| value + 0.7),
        _ => Some(event),
    };
    let parts: Vec<&[usize]> = order.chunks(80).collect();
    let steady: Vec<Profile> = parts[..4].iter().map(|part| stays.feed(part, &unchanged)).collect();
    let mut varied = steady.clone();
    varied[3] = stays.feed(parts[3], &warm);
    let new = stays.feed(parts[4], &warm);
    assert_eq!(seen(&depart(&stays.pack, &steady, &new)), [("values", "Temp")]);
    assert_eq!(seen(&depart(&stays.pack, &varied, &new)), []);
    // And without a history there is nothing to depart from.
    assert_eq!(seen(&depart(&stays.pack, &[], &new)), []);
}

#[test]
fn a_variable_that_the_pack_asks_for_must_be_there_from_the_first_feed_on() {
    let text = shipped_text("icu").unwrap();
    let asked = text.replacen("code = \"Age\"", "required_percent = 90\ncode = \"Age\"", 1);
    let pack = parse_pack(&asked).unwrap();
    let stays = Stays::synthetic();
    let order = stays.shuffled(4);
    let whole = stays.feed(&order, &unchanged);
    assert_eq!(seen(&depart(&pack, &[], &whole)), []);
    let ageless = stays.feed(&order, &|code, event| (code != "Age").then_some(event));
    assert_eq!(seen(&depart(&pack, &[], &ageless)), [("required", "Age")]);
}
