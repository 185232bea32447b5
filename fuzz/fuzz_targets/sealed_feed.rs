//! Sealed feeds: arbitrary bytes, and genuine feeds with some bytes changed. Nothing that is not
//! genuine may be released, and nothing may panic.

#![no_main]

use std::io::{Cursor, Read as _};
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use twinkeep_vault::identity::Identity;
use twinkeep_vault::sealed_feed::{Expectation, FeedOptions, FeedReader, inspect, seal};

struct Parties {
    sender: Identity,
    keeper: Identity,
    content: Vec<u8>,
    feed: Vec<u8>,
}

fn parties() -> &'static Parties {
    static PARTIES: OnceLock<Parties> = OnceLock::new();
    PARTIES.get_or_init(|| {
        let sender = Identity::generate("sender").unwrap();
        let keeper = Identity::generate("keeper").unwrap();
        let content: Vec<u8> = (0..(1 << 20) + 40_000).map(|at: usize| (at / 7) as u8).collect();
        let options =
            FeedOptions { sequence: 1, previous: None, media_type: "text/csv".to_owned() };
        let mut feed = Vec::new();
        let to = [keeper.public().clone()];
        seal(&options, &sender, &to, &mut &content[..], &mut feed, &mut |_| {}).unwrap();
        Parties { sender, keeper, content, feed }
    })
}

fn open(feed: Vec<u8>) {
    let Parties { sender, keeper, content, .. } = parties();
    let senders = [sender.public().clone()];
    let _ = inspect(&mut &feed[..], &senders);
    let input = Box::new(Cursor::new(feed));
    let Ok(mut reader) = FeedReader::open(input, keeper, &senders, &Expectation::first()) else {
        return;
    };
    let mut released = Vec::new();
    let whole = reader.read_to_end(&mut released).is_ok();
    assert!(content.starts_with(&released), "something else than the content was released");
    assert!(!whole || released == *content, "a part was taken for the whole");
}

fuzz_target!(|data: &[u8]| {
    match data.split_first() {
        // Each five bytes change one byte of a genuine feed.
        Some((b'm', changes)) => {
            let mut feed = parties().feed.clone();
            for change in changes.as_chunks::<5>().0 {
                let [a, b, c, d, mask] = *change;
                let at = u32::from_be_bytes([a, b, c, d]) as usize % feed.len();
                feed[at] ^= mask;
            }
            open(feed);
        }
        // The feed is cut, and something follows.
        Some((b'c', rest)) if 4 <= rest.len() => {
            let (at, tail) = rest.split_at(4);
            let at = u32::from_be_bytes([at[0], at[1], at[2], at[3]]) as usize;
            let feed = &parties().feed;
            let mut cut = feed[..at % feed.len()].to_vec();
            cut.extend(tail);
            open(cut);
        }
        _ => open(data.to_vec()),
    }
});
