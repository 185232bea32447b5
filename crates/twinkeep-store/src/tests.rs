//! The store gives back what it took, once, and to the holder of the key only.

use twinkeep_domain::{
    Code, Event, Events, Screened, SourceSubject, Split, SplitPlan, Subject, Timestamp,
};
use twinkeep_vault::{Pseudonymizer, SecretKey, SplitHasher};

use crate::ingest::Step;
use crate::{FeedCounts, FeedId, NewFeed, RefusedRow, Store, StoreError};

mod catalog;
mod crash;
mod forged;
mod hostile;
mod roundtrip;

/// Values that no other byte of a store resembles.
const MARKED_SOURCE: &str = "zq-person-7719";
const MARKED_CODE: &str = "ZQCODE//FERRITIN-X";
const MARKED_TEXT: &str = "zq found unresponsive at home";
const MARKED_RAW: &str = "03:17,ZQRAWPARAM,88717.25";
const MARKED_FILE: &str = "zq-set/770019.txt";

fn root() -> SecretKey {
    SecretKey::from_slice(&[9; 32]).unwrap()
}

fn splits() -> SplitHasher {
    SplitHasher::new(&root(), SplitPlan::new(60, 20).unwrap())
}

/// A feed as intake would make it.
struct Sample {
    screened: Screened,
    mapping: Vec<(Subject, SourceSubject)>,
    digest: [u8; 32],
}

/// Makes `subjects` subjects with `events` events each, different for each `seed`.
fn sample(seed: u8, subjects: u32, events: u32) -> Sample {
    let pseudonyms = Pseudonymizer::new(&root());
    let mut all = Events::new();
    let codes = ["HR", MARKED_CODE].map(|code| all.intern(&Code::new(code).unwrap()));
    let mut mapping = Vec::new();
    for number in 0..subjects {
        let source = SourceSubject::new(&format!("{MARKED_SOURCE}-{number}")).unwrap();
        let subject = pseudonyms.pseudonym(&source);
        mapping.push((subject, source));
        for index in 0..events {
            all.rows.push(Event {
                subject,
                time: (index != 0).then(|| at(seed, index)),
                code: codes[(index % 2) as usize],
                value: (index % 5 != 4).then_some((number * 1000 + index) as f32 + 0.5),
                text: (index % 7 == 3).then(|| MARKED_TEXT.into()),
            });
        }
    }
    mapping.sort();
    all.sort();
    Sample { screened: Screened::attest(all), mapping, digest: [seed; 32] }
}

fn at(seed: u8, index: u32) -> Timestamp {
    Timestamp::RELATIVE_ORIGIN.plus_hours(f64::from(seed) * 100.0 + f64::from(index) / 7.0)
}

fn new_feed(sample: &Sample) -> NewFeed<'static> {
    NewFeed {
        source: "zq-delivery.tar.gz",
        digest: sample.digest,
        ingested_at: Timestamp::from_micros(1_790_000_000_000_000),
        counts: FeedCounts { read: 10, accepted: 7, missing: 1, quarantined: 2 },
        delivery: None,
    }
}

fn add(store: &Store, sample: &Sample) -> Result<FeedId, StoreError> {
    add_stepwise(store, sample, &|_| ())
}

fn add_stepwise(
    store: &Store,
    sample: &Sample,
    after: &dyn Fn(Step),
) -> Result<FeedId, StoreError> {
    let row = |row| RefusedRow {
        file: MARKED_FILE,
        row,
        field: Some("Value"),
        reason: "implausible-value",
        raw: MARKED_RAW.as_bytes(),
    };
    let mut refused = [row(2), row(3)].into_iter();
    let feed = new_feed(sample);
    let Sample { screened, mapping, .. } = sample;
    store.add_feed_stepwise(&feed, screened, mapping, &mut refused, &splits(), after)
}

/// Returns how many events all splits have together.
fn event_count(store: &Store) -> usize {
    let count = |split| -> usize {
        let cohort = store.cohort(split).unwrap();
        cohort.timelines.iter().map(|timeline| timeline.events().len()).sum()
    };
    Split::ALL.into_iter().map(count).sum()
}
