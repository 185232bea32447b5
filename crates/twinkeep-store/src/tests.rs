//! The store gives back what it took, once, and to the holder of the key only.

use twinkeep_domain::{
    Code, Event, Events, Screened, SourceSubject, Split, SplitPlan, Subject, Timestamp,
};
use twinkeep_vault::{Pseudonymizer, SecretKey, SplitHasher};

use crate::writer::Step;
use crate::{
    Decision, Disposition, FeedCounts, FeedId, FeedWriter, NewFeed, NewPortion, Opening,
    ParsedFields, PortionOutcome, RefusedRow, Store, StoreError, Turn,
};

mod catalog;
mod changes;
mod compact;
mod crash;
mod duplicates;
mod erase;
mod fold;
mod forged;
mod held;
mod hostile;
mod incidents;
mod live;
mod replay;
mod restore;
mod rotate;
mod roundtrip;

/// Values that no other byte of a store resembles.
const MARKED_SOURCE: &str = "zq-person-7719";
const MARKED_CODE: &str = "ZQCODE//FERRITIN-X";
const MARKED_TEXT: &str = "zq found unresponsive at home";
const MARKED_RAW: &str = "03:17,ZQRAWPARAM,88717.25";
const MARKED_PROFILE: &[u8] = b"zq profile of a feed";
const MARKED_REASONS: &str = "zq the mean of CREATININE is 88 times what it was";
const MARKED_DECISION: &str = "zq asked Dr. Marked";
const MARKED_FILE: &str = "zq-set/770019.txt";

const SITE: &str = "north";

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
            // What has no time must differ in its value, or it is the same event.
            let own = if index == 0 { f32::from(seed) / 4.0 } else { 0.0 };
            let value = (number * 1000 + index) as f32 + 0.5 + own;
            all.rows.push(Event {
                subject,
                time: (index != 0).then(|| at(seed, index)),
                code: codes[(index % 2) as usize],
                value: (index % 5 != 4).then_some(value),
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
        profile: None,
        replayed: None,
    }
}

fn add(store: &Store, sample: &Sample) -> Result<FeedId, StoreError> {
    add_stepwise(store, sample, &|_| ())
}

fn add_stepwise(
    store: &Store,
    sample: &Sample,
    after: &(dyn Fn(Step) + Sync),
) -> Result<FeedId, StoreError> {
    let splits = splits();
    let mut writer = store.begin_feed_stepwise(opening(&splits), after)?;
    add_portion(&mut writer, sample, &[refused(2), refused(3)])?;
    writer.finish(&new_feed(sample), Disposition::Admit)
}

/// Adds a feed that has one portion and no refused rows.
fn add_feed(store: &Store, sample: &Sample, feed: &NewFeed<'_>) -> Result<FeedId, StoreError> {
    let splits = splits();
    let turn = feed.delivery.map(|it| Turn { sender: it.sender, sequence: it.sequence });
    let mut writer = store.begin_feed(Opening { turn, ..opening(&splits) })?;
    add_portion(&mut writer, sample, &[])?;
    writer.finish(feed, Disposition::Admit)
}

/// Adds a feed that is held.
fn hold(store: &Store, sample: &Sample) -> Result<FeedId, StoreError> {
    let splits = splits();
    let mut writer = store.begin_feed(opening(&splits))?;
    let outcome = add_portion(&mut writer, sample, &[])?;
    let counts =
        FeedCounts { read: outcome.stored, accepted: outcome.stored, ..FeedCounts::default() };
    let feed = NewFeed { counts, profile: Some(MARKED_PROFILE), ..new_feed(sample) };
    writer.finish(&feed, Disposition::Hold { reasons: MARKED_REASONS })
}

fn decision() -> Decision<'static> {
    Decision { reason: MARKED_DECISION, at: Timestamp::from_micros(1_790_000_000_000_001) }
}

fn opening(splits: &SplitHasher) -> Opening<'_> {
    Opening { site: SITE, turn: None, splits }
}

fn add_portion(
    writer: &mut FeedWriter<'_>,
    sample: &Sample,
    refused: &[RefusedRow<'_>],
) -> Result<PortionOutcome, StoreError> {
    let portion = NewPortion {
        screened: Screened::attest(sample.screened.events().clone()),
        origin: &|index| (MARKED_FILE, index as u64 + 1),
        mapping: &sample.mapping,
    };
    writer.add(portion, &mut refused.iter().copied())
}

fn refused(row: u64) -> RefusedRow<'static> {
    RefusedRow {
        file: MARKED_FILE,
        row,
        field: Some("Value"),
        reason: "implausible-value",
        raw: MARKED_RAW.as_bytes(),
        parsed: Some(ParsedFields {
            source: MARKED_SOURCE,
            time: Some(at(1, 7)),
            name: MARKED_CODE,
            value: Some("88717.25"),
            unit: None,
            text: Some(MARKED_TEXT),
        }),
    }
}

/// Returns how many events all splits have together.
fn event_count(store: &Store) -> usize {
    let count = |split| -> usize {
        let cohort = store.cohort(split).unwrap();
        cohort.timelines.iter().map(|timeline| timeline.events().len()).sum()
    };
    Split::ALL.into_iter().map(count).sum()
}

/// Returns how many rows wait for their feed to be admitted.
fn staged(store: &Store) -> i64 {
    let select = "SELECT count(*) FROM staged";
    store.connection().query_row(select, [], |row| row.get(0)).unwrap()
}
