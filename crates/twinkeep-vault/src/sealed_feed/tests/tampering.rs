//! Attacks on feeds: whatever is changed, nothing of a changed segment is released.

use proptest::prelude::*;

use super::{Parties, content};
use crate::sealed_feed::SEGMENT_PLAINTEXT_LEN;
use crate::sealed_feed::segment::{FRAME_LEN, SEGMENT_LEN, SIGNATURE_LEN};

#[test]
fn every_flipped_bit_of_a_small_feed_is_refused_and_releases_nothing() {
    let parties = Parties::new();
    let (feed, _) = parties.seal(b"content");
    for index in 0..feed.len() {
        for bit in [1, 1 << (index % 8), 0x80] {
            let mut changed = feed.clone();
            changed[index] ^= bit;
            let (released, end) = parties.open(&changed);
            assert!(end.is_err(), "byte {index}, mask {bit}");
            assert!(released.is_empty(), "byte {index}, mask {bit}");
        }
    }
}

#[test]
fn every_truncation_of_a_small_feed_is_refused_as_one() {
    let parties = Parties::new();
    let (feed, _) = parties.seal(&content(20_000));
    for length in (0..feed.len()).rev().step_by(7).chain(0..4_000) {
        let (released, end) = parties.open(&feed[..length]);
        assert_eq!(end.unwrap_err().code(), "feed-truncated", "length {length}");
        assert!(released.is_empty(), "length {length}");
    }
}

#[test]
fn every_byte_that_follows_is_refused() {
    let parties = Parties::new();
    let (feed, _) = parties.seal(b"content");
    for byte in 0..=255 {
        let (released, end) = parties.open(&[&feed[..], &[byte]].concat());
        assert_eq!(end.unwrap_err().code(), "feed-trailing-data");
        assert!(released.is_empty());
    }
}

#[test]
fn two_feeds_in_one_file_are_refused() {
    let parties = Parties::new();
    let (feed, _) = parties.seal(b"content");
    let (_, end) = parties.open(&[&feed[..], &feed].concat());
    assert_eq!(end.unwrap_err().code(), "feed-trailing-data");
}

/// Three segments, and where the first one begins.
fn three_segments(parties: &Parties) -> (Vec<u8>, usize) {
    let length = 2 * SEGMENT_PLAINTEXT_LEN + 20_000;
    let (feed, _) = parties.seal(&content(length));
    let sealed = 20_000 + 2 * 16 + FRAME_LEN + SIGNATURE_LEN;
    let body = feed.len() - sealed - 2 * (FRAME_LEN + SEGMENT_LEN + SIGNATURE_LEN);
    (feed, body)
}

/// How many whole segments lie before `position`.
fn segments_before(position: usize, body: usize) -> usize {
    position.saturating_sub(body) / (FRAME_LEN + SEGMENT_LEN + SIGNATURE_LEN)
}

#[test]
fn any_change_or_cut_stops_before_the_segment_it_is_in() {
    let parties = Parties::new();
    let (feed, body) = three_segments(&parties);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 100,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let strategy = (0..feed.len(), 1..=255_u8, any::<bool>());
    let result = runner.run(&strategy, |(position, mask, cut)| {
        let mut changed = feed.clone();
        match cut {
            true => changed.truncate(position),
            false => changed[position] ^= mask,
        }
        let (released, end) = parties.open(&changed);
        prop_assert!(end.is_err());
        let expected = segments_before(position, body) * SEGMENT_PLAINTEXT_LEN;
        prop_assert_eq!(released.len(), expected);
        prop_assert!(released == content(expected));
        Ok(())
    });
    result.unwrap();
}

#[test]
fn a_header_that_announces_four_gibibytes_is_refused_before_memory_is_taken() {
    let mut feed = crate::sealed_feed::header::MAGIC.to_vec();
    feed.extend_from_slice(&u32::MAX.to_be_bytes());
    let (_, end) = Parties::new().open(&feed);
    assert_eq!(end.unwrap_err().code(), "feed-header-malformed");
}
