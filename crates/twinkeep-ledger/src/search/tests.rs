//! Searches with an index find what searches without one find, whatever happened to the index.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;

use twinkeep_vault::sign::SigningKey;

use super::{Found, Query, search};
use crate::disk::OsDisk;
use crate::writer::{LIMITS, Writer};
use crate::{Activity, Class, Entry, View};

const ORIGIN: &str = "keep.example/ledger";

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

/// A ledger of a clinic: three callers, a hundred people, a refusal now and then.
struct Sample {
    dir: tempfile::TempDir,
    writer: Writer,
    count: u64,
}

impl Sample {
    fn new(count: u64) -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        Writer::create(dir.path(), ORIGIN, &key(), Box::<OsDisk>::default()).unwrap();
        let writer =
            Writer::open(dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), LIMITS)
                .unwrap();
        let mut sample = Self { dir, writer, count: 0 };
        sample.grow(count);
        sample
    }

    fn grow(&mut self, count: u64) {
        let entries = (self.count..self.count + count).map(|n| entry(n).encode().unwrap());
        self.writer.commit(&entries.collect::<Vec<_>>()).unwrap();
        self.count += count;
    }

    fn view(&self) -> View {
        View::open(self.dir.path(), ORIGIN, &key().verifying_key()).unwrap()
    }

    fn index(&self) -> PathBuf {
        self.dir.path().join("index")
    }

    /// Searches with the index, and compares with what a look at every entry finds.
    fn find(&self, query: &Query) -> Vec<Found> {
        let view = self.view();
        let found = search(&view, Some(&self.index()), query, 100_000).unwrap();
        let all = (0..self.count).map(|index| Found { index, entry: entry(index) });
        let expected: Vec<_> = all.filter(|found| query.wants(&found.entry)).collect();
        assert!(found == expected, "{query:?}: {} and {}", found.len(), expected.len());
        assert!(search(&view, None, query, 100_000).unwrap() == expected, "{query:?}");
        found
    }
}

fn person(n: u64) -> String {
    format!("{n:032x}")
}

fn entry(n: u64) -> Entry {
    let action = ["twin.forecast", "twin.read", "predict"][(n % 3) as usize];
    let time = 1_700_000_000_000 + n as i64 * 1_000;
    let actor = format!("key:{}", n / 1_000);
    let entry = Entry::new(time, Class::ApiActivity, Activity::Read, action, &actor);
    let entry = if n % 3 < 2 { entry.about(&person(n / 100)) } else { entry };
    let entry = entry.with("feed", format!("feed-{}", n % 7).as_str());
    if n % 500 == 499 { entry.failed("scope-missing") } else { entry }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn entries_are_found_by_each_of_their_sides_and_by_all_together() {
    let sample = Sample::new(3_000);
    let count = |query: Query| sample.find(&query).len();
    assert_eq!(count(Query::default()), 3_000);
    assert_eq!(count(Query { actor: text("key:1"), ..Query::default() }), 1_000);
    assert_eq!(count(Query { actor: text("key:9"), ..Query::default() }), 0);
    assert_eq!(count(Query { action: text("predict"), ..Query::default() }), 1_000);
    assert_eq!(count(Query { action: text("twin.*"), ..Query::default() }), 2_000);
    assert_eq!(count(Query { outcome: text("failure"), ..Query::default() }), 6);
    assert_eq!(count(Query { outcome: text("scope-missing"), ..Query::default() }), 6);
    assert_eq!(count(Query { outcome: text("success"), ..Query::default() }), 2_994);
    assert_eq!(count(Query { outcome: text("other"), ..Query::default() }), 0);
    assert!(0 < count(Query { subject: Some(person(7)), ..Query::default() }));
    assert_eq!(count(Query { subject: Some(person(77)), ..Query::default() }), 0);
    let detail = Some(("feed".to_owned(), "feed-3".to_owned()));
    assert!(400 < count(Query { detail, ..Query::default() }));
    let (from_ms, until_ms) = (Some(1_700_001_000_000), Some(1_700_001_100_000));
    let hundred = Query { from_ms, until_ms, ..Query::default() };
    assert_eq!(count(hundred.clone()), 100);
    let together = Query { action: text("twin.read"), actor: text("key:1"), ..hundred };
    assert_eq!(count(together), 34);
}

#[test]
fn the_newest_come_first_into_a_limit_and_are_told_in_order() {
    let sample = Sample::new(1_000);
    let query = Query { action: text("predict"), ..Query::default() };
    let found = search(&sample.view(), Some(&sample.index()), &query, 4).unwrap();
    let indices: Vec<_> = found.iter().map(|found| found.index).collect();
    assert_eq!(indices, [989, 992, 995, 998]);
    assert!(search(&sample.view(), None, &query, 0).unwrap().is_empty());
}

#[test]
fn an_index_grows_with_the_ledger_and_is_made_anew_when_it_is_lost_or_damaged() {
    let mut sample = Sample::new(700);
    let query = Query { subject: Some(person(3)), ..Query::default() };
    sample.find(&query);
    let small = fs::read(sample.index()).unwrap();
    sample.grow(900);
    sample.find(&query);
    let large = fs::read(sample.index()).unwrap();
    assert_eq!(small, large[..small.len()]);
    assert!(small.len() < large.len());
    for at in 0..large.len() / 97 {
        let mut damaged = large.clone();
        damaged[at * 97] ^= 4;
        File::create(sample.index()).unwrap().write_all(&damaged).unwrap();
        sample.find(&query);
        assert!(fs::read(sample.index()).unwrap() == large, "byte {}", at * 97);
    }
    for length in [0, 10, 30, 1_000, large.len() - 1] {
        File::create(sample.index()).unwrap().write_all(&large[..length]).unwrap();
        sample.find(&query);
    }
    fs::remove_file(sample.index()).unwrap();
    sample.find(&query);
    assert!(fs::read(sample.index()).unwrap() == large);
}

#[test]
fn the_index_of_another_ledger_is_not_used() {
    let one = Sample::new(600);
    let other = Sample::new(0);
    let mut writer =
        Writer::open(other.dir.path(), ORIGIN, key(), None, Box::<OsDisk>::default(), LIMITS)
            .unwrap();
    let shifted: Vec<_> = (5..605).map(|n| entry(n).encode().unwrap()).collect();
    writer.commit(&shifted).unwrap();
    one.find(&Query::default());
    fs::copy(one.index(), other.index()).unwrap();
    let query = Query { subject: Some(person(6)), ..Query::default() };
    let view = other.view();
    let found = search(&view, Some(&other.index()), &query, 1_000).unwrap();
    assert!(found == search(&view, None, &query, 1_000).unwrap() && !found.is_empty());
    assert_ne!(fs::read(one.index()).unwrap(), fs::read(other.index()).unwrap());
}
