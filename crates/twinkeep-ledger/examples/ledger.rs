//! `make bench-ledger`: how fast the ledger takes entries that are durable when it answers, how
//! long a caller waits, and what proofs and a full verification cost.
//!
//! Usage: `ledger FOLDER [ENTRIES]`. The folder must be on the disk that is to be measured.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program for people at a terminal")]

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use twinkeep_ledger::{Activity, Class, Entry, Ledger, Query, View, search, verify};
use twinkeep_vault::sign::SigningKey;

fn main() {
    let mut args = std::env::args().skip(1);
    let folder = args.next().unwrap();
    let count: u64 = args.next().map_or(1_000_000, |text| text.parse().unwrap());
    let place = Path::new(&folder).join("ledger-bench");
    let key = SigningKey::generate();
    let public = key.verifying_key();
    Ledger::create(&place, ORIGIN, &key).unwrap();
    let ledger = Ledger::open(&place, ORIGIN, key, None).unwrap();
    println!("an entry as the gate writes it: {} bytes\n", entry(0).len());

    println!("callers | durable entries/s | waiting p50, ms | p99, ms");
    println!("---|---|---|---");
    for callers in [1, 16, 256, 2048] {
        let (rate, p50, p99) = callers_at_once(&ledger, callers);
        println!("{callers} | {rate:.0} | {:.2} | {:.2}", ms(p50), ms(p99));
    }
    println!("\nbatches of 4,096: {:.0} durable entries/s", filled(&ledger, count));
    drop(ledger);

    let size = View::open(&place, ORIGIN, &public).unwrap().checkpoint().checkpoint.size;
    println!("\nwith {size} entries:");
    println!("bytes an entry on disk, hashes included: {:.1}", bytes(&place) as f64 / size as f64);
    println!(
        "one proof with its entry, from a cold start: {:.2} ms",
        ms(proving(&place, size, &public))
    );
    let begin = Instant::now();
    verify(&place, ORIGIN, &public, &[]).unwrap();
    println!("verify everything: {:.0} entries/s", size as f64 / begin.elapsed().as_secs_f64());
    searching(&place, &public);
    std::fs::remove_dir_all(&place).unwrap();
}

/// Each caller appends one entry after another and waits for each.
fn callers_at_once(ledger: &Ledger, callers: usize) -> (f64, Duration, Duration) {
    let waits = Mutex::new(Vec::new());
    let begin = Instant::now();
    thread::scope(|scope| {
        for caller in 0..callers {
            let waits = &waits;
            scope.spawn(move || {
                let mut own = Vec::new();
                while begin.elapsed() < MEASURED {
                    let bytes = entry(caller as u64);
                    let asked = Instant::now();
                    ledger.append(&[bytes]).unwrap();
                    own.push(asked.elapsed());
                }
                waits.lock().unwrap().extend(own);
            });
        }
    });
    let elapsed = begin.elapsed().as_secs_f64();
    let mut waits = waits.into_inner().unwrap();
    waits.sort_unstable();
    let at = |share: f64| waits[((waits.len() - 1) as f64 * share) as usize];
    (waits.len() as f64 / elapsed, at(0.5), at(0.99))
}

/// Appends in large batches until there are `count` entries; returns how many in a second.
fn filled(ledger: &Ledger, count: u64) -> f64 {
    let first = ledger.view().unwrap().checkpoint().checkpoint.size;
    let mut next = first;
    let begin = Instant::now();
    while next < count {
        let last = count.min(next + 4096);
        let batch: Vec<_> = (next..last).map(entry).collect();
        ledger.append(&batch).unwrap();
        next = last;
    }
    (next - first) as f64 / begin.elapsed().as_secs_f64()
}

/// Opens the ledger and proves an entry, over and over; returns the mean.
fn proving(place: &Path, size: u64, key: &twinkeep_vault::sign::VerifyingKey) -> Duration {
    let begin = Instant::now();
    for n in 0..PROOF_COUNT {
        // All over the ledger, in no order.
        let index = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size;
        View::open(place, ORIGIN, key).unwrap().prove(index).unwrap();
    }
    begin.elapsed() / PROOF_COUNT as u32
}

fn searching(place: &Path, key: &twinkeep_vault::sign::VerifyingKey) {
    let index = place.join("index");
    let query = Query { subject: Some(format!("{:032x}", 7)), ..Query::default() };
    for what in ["the first search, which makes the index", "another search of a person"] {
        let begin = Instant::now();
        let view = View::open(place, ORIGIN, key).unwrap();
        let found = search(&view, Some(&index), &query, 100).unwrap().len();
        println!("{what}: {:.0} ms, {found} found", ms(begin.elapsed()));
    }
}

/// An entry as the gate writes one for a forecast; each bundle has its own people.
fn entry(n: u64) -> Vec<u8> {
    let time = 1_795_348_800_000 + n as i64;
    Entry::new(time, Class::DatastoreActivity, Activity::Read, "twin.forecast", "key:7cc1ba1e")
        .about(&format!("{:032x}", n / 64))
        .with("receipt", "ab".repeat(32).as_str())
        .encode()
        .unwrap()
}

fn bytes(place: &Path) -> u64 {
    let items = std::fs::read_dir(place).unwrap().map(|item| item.unwrap());
    items
        .map(|item| match item.metadata().unwrap() {
            metadata if metadata.is_dir() => bytes(&item.path()),
            metadata => metadata.len(),
        })
        .sum()
}

fn ms(time: Duration) -> f64 {
    1000.0 * time.as_secs_f64()
}

const ORIGIN: &str = "bench.example/ledger";

/// How long callers are measured.
const MEASURED: Duration = Duration::from_secs(5);

const PROOF_COUNT: u64 = 1000;
