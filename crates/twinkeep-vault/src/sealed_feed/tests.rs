//! Tests of sealed feeds: what every feed must do. Vectors and attacks have their own files.

use std::io::{self, Cursor, Read};

use super::{Expectation, FeedError, FeedOptions, FeedReader, Gaps, Manifest, SealError};
use super::{SEGMENT_PLAINTEXT_LEN, SenderCheck, inspect, seal};
use crate::identity::{Identity, Kem, PublicIdentity};

mod conformance;
mod contrast;
mod generate;
mod tampering;
mod wycheproof;

/// An input that does not give anything.
struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("broken"))
    }
}

/// A sender, a recipient, and what they need to know of each other.
struct Parties {
    sender: Identity,
    recipient: Identity,
    senders: Vec<PublicIdentity>,
    recipients: Vec<PublicIdentity>,
}

impl Parties {
    fn new() -> Self {
        let sender = Identity::generate("sender").unwrap();
        let recipient = Identity::generate("recipient").unwrap();
        let senders = vec![sender.public().clone()];
        let recipients = vec![recipient.public().clone()];
        Self { sender, recipient, senders, recipients }
    }

    fn seal(&self, content: &[u8]) -> (Vec<u8>, Manifest) {
        self.seal_as(&options(1, None), content)
    }

    fn seal_as(&self, options: &FeedOptions, content: &[u8]) -> (Vec<u8>, Manifest) {
        let mut out = Vec::new();
        let mut input = content;
        let (sender, to) = (&self.sender, &self.recipients[..]);
        let manifest = seal(options, sender, to, &mut input, &mut out, &mut |_| {}).unwrap();
        (out, manifest)
    }

    fn open(&self, feed: &[u8]) -> (Vec<u8>, Result<Manifest, FeedError>) {
        self.open_after(feed, &Expectation::first())
    }

    /// Returns what was released, and how it ended.
    fn open_after(
        &self,
        feed: &[u8],
        expectation: &Expectation,
    ) -> (Vec<u8>, Result<Manifest, FeedError>) {
        let input = Box::new(Cursor::new(feed.to_vec()));
        read_all(FeedReader::open(input, &self.recipient, &self.senders, expectation))
    }
}

fn options(sequence: u64, previous: Option<[u8; 32]>) -> FeedOptions {
    FeedOptions { sequence, previous, media_type: "text/csv".to_owned() }
}

/// Reads until the end or the refusal, in pieces of an odd size.
fn read_all(reader: Result<FeedReader, FeedError>) -> (Vec<u8>, Result<Manifest, FeedError>) {
    let mut released = Vec::new();
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return (released, Err(error)),
    };
    let mut piece = vec![0; 70_001];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (released, Ok(reader.manifest().unwrap().clone())),
            Ok(count) => released.extend_from_slice(&piece[..count]),
            Err(error) => {
                let refusal = FeedError::from_io(&error).unwrap().clone();
                let again =
                    FeedError::from_io(&reader.read(&mut piece).unwrap_err()).unwrap().code();
                assert_eq!(again, refusal.code(), "a refusal is for good");
                assert!(reader.manifest().is_none());
                return (released, Err(refusal));
            }
        }
    }
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| (index % 251) as u8).collect()
}

#[test]
fn what_was_sealed_opens_at_every_boundary() {
    let parties = Parties::new();
    let mib = SEGMENT_PLAINTEXT_LEN;
    for length in [0, 1, 16_383, 16_384, 16_385, mib - 1, mib, mib + 1, 2 * mib + 5] {
        let (feed, sealed) = parties.seal(&content(length));
        let (released, opened) = parties.open(&feed);
        assert!(released == content(length), "length {length}");
        assert_eq!(opened.unwrap(), sealed);
        assert_eq!(sealed.plaintext_len, length as u64);
        assert_eq!(sealed.segment_count, (length / mib + 1) as u64);
    }
}

#[test]
fn input_that_comes_in_drips_gives_the_same() {
    struct Drip(Cursor<Vec<u8>>, usize);
    impl Read for Drip {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.1 += 1;
            if self.1.is_multiple_of(3) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let length = out.len().min(1_000);
            self.0.read(&mut out[..length])
        }
    }
    let parties = Parties::new();
    let (feed, _) = parties.seal(&content(100_000));
    let input = Box::new(Drip(Cursor::new(feed), 0));
    let expectation = Expectation::first();
    let reader = FeedReader::open(input, &parties.recipient, &parties.senders, &expectation);
    let (released, end) = read_all(reader);
    assert!(released == content(100_000) && end.is_ok());
}

#[test]
fn every_recipient_opens_the_feed_and_nobody_else() {
    let mut parties = Parties::new();
    let second = Identity::generate_with("second", &[Kem::X25519]).unwrap();
    parties.recipients.push(second.public().clone());
    let (feed, _) = parties.seal(b"content");
    for recipient in [Identity::generate("stranger").unwrap(), second] {
        let senders = &parties.senders;
        let reader = FeedReader::open(
            Box::new(Cursor::new(feed.clone())),
            &recipient,
            senders,
            &Expectation::first(),
        );
        match recipient.name() {
            "second" => assert!(!reader.as_ref().unwrap().header().quantum_safe()),
            _ => assert_eq!(reader.as_ref().unwrap_err().code(), "feed-wrong-recipient"),
        }
    }
    assert_eq!(parties.open(&feed).0, b"content");
}

#[test]
fn the_content_key_is_wrapped_with_x_wing_where_the_recipient_has_it() {
    let parties = Parties::new();
    let (feed, _) = parties.seal(b"content");
    let head = inspect(&mut &feed[..], &parties.senders).unwrap();
    assert!(head.header.quantum_safe());
    assert_eq!(head.header.recipients(), [parties.recipients[0].xwing().unwrap().key_id()]);
    assert_eq!(head.sender, SenderCheck::Signed { name: "sender".to_owned() });
    assert_eq!(inspect(&mut &feed[..], &[]).unwrap().sender, SenderCheck::Unknown);
}

#[test]
fn feeds_are_received_once_and_in_order() {
    let parties = Parties::new();
    let (first, one) = parties.seal(b"first");
    let (second, two) = parties.seal_as(&options(2, Some(one.digest)), b"second");
    let (fork, _) = parties.seal_as(&options(2, Some([7; 32])), b"fork");
    let code = |feed: &[u8], expectation: &Expectation| {
        parties.open_after(feed, expectation).1.map_or_else(|error| error.code(), |_| "received")
    };
    let start = Expectation::first();
    let after_one = Expectation::after(1, one.digest);
    let after_two = Expectation::after(2, two.digest);
    assert_eq!(code(&first, &start), "received");
    assert_eq!(code(&first, &after_one), "feed-replayed");
    assert_eq!(code(&first, &after_one.with_gaps_allowed()), "feed-replayed");
    assert_eq!(code(&second, &start), "feed-gap");
    assert_eq!(code(&second, &start.with_gaps_allowed()), "received");
    assert_eq!(code(&second, &after_one), "received");
    assert_eq!(code(&second, &after_two), "feed-replayed");
    assert_eq!(code(&fork, &after_one), "feed-forked");
    assert_eq!(code(&fork, &Expectation { gaps: Gaps::Allow, ..after_one }), "feed-forked");
}

#[test]
fn the_manifest_is_the_same_for_sender_and_receiver_and_differs_for_each_feed() {
    let parties = Parties::new();
    let (feed, one) = parties.seal(b"same content");
    let (_, two) = parties.seal(b"same content");
    assert_ne!(one.digest, two.digest);
    let input: Box<dyn Read + Send> = Box::new(Cursor::new(feed.clone()));
    let expectation = Expectation::first();
    let mut reader =
        FeedReader::open(input, &parties.recipient, &parties.senders, &expectation).unwrap();
    assert!(reader.manifest().is_none(), "nothing of the body was read yet");
    assert_eq!(reader.finish().unwrap(), one);
    let mut out = Vec::new();
    assert_eq!(reader.copy_to(&mut out).unwrap(), one);
    assert_eq!(out, b"same content");
}

#[test]
fn what_a_sender_asks_for_is_checked() {
    let parties = Parties::new();
    let refused = |options: &FeedOptions, to: &[PublicIdentity]| {
        let mut out = Vec::new();
        let result = seal(options, &parties.sender, to, &mut &b""[..], &mut out, &mut |_| {});
        assert!(out.is_empty());
        result.unwrap_err().code()
    };
    let to = &parties.recipients[..];
    assert_eq!(refused(&options(1, None), &[]), "seal-recipient-count");
    assert_eq!(refused(&options(1, None), &[to, to].concat()), "seal-recipient-twice");
    assert_eq!(refused(&options(0, None), to), "seal-sequence");
    assert_eq!(refused(&options(1, Some([0; 32])), to), "seal-sequence");
    assert_eq!(refused(&options(2, None), to), "seal-sequence");
    for bad in ["", "text", "text/", "Text/csv", "text/csv; a=b", "text/\"", "a/b/c"] {
        let options = FeedOptions { media_type: bad.to_owned(), ..options(1, None) };
        assert_eq!(refused(&options, to), "seal-media-type", "{bad}");
    }
}

#[test]
fn a_full_disk_and_a_broken_input_are_told_apart() {
    let parties = Parties::new();
    let (from, to) = (&parties.sender, &parties.recipients[..]);
    let mut full = &mut [0_u8; 100][..];
    let result = seal(&options(1, None), from, to, &mut &b""[..], &mut full, &mut |_| {});
    assert!(matches!(result, Err(SealError::Write { .. })));
    let result = seal(&options(1, None), from, to, &mut Broken, &mut io::sink(), &mut |_| {});
    assert!(matches!(result, Err(SealError::Read { .. })));
    let input: Box<dyn Read + Send> = Box::new(Broken);
    let expectation = Expectation::first();
    let result = FeedReader::open(input, &parties.recipient, &parties.senders, &expectation);
    assert_eq!(result.unwrap_err().code(), "feed-io");
}

/// The signer's thread stops first; the caller's must notice and not wait for it.
#[test]
fn an_output_that_breaks_ends_the_sealing() {
    struct Full(usize);
    impl io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let parties = Parties::new();
    let (sender, to) = (&parties.sender, &parties.recipients[..]);
    for room in [0, 2000, 3 << 20] {
        let mut input = io::repeat(7).take(40 << 20);
        let mut output = Full(room);
        let sealed =
            seal(&options(1, None), sender, to, &mut input, &mut output, &mut |_| {}).unwrap_err();
        assert!(matches!(sealed, SealError::Write { .. }), "{sealed}");
    }
}

#[test]
fn an_input_that_breaks_ends_the_sealing() {
    let parties = Parties::new();
    let (sender, to) = (&parties.sender, &parties.recipients[..]);
    let mut input = io::repeat(7).take(5 << 20).chain(Broken);
    let mut out = Vec::new();
    let sealed =
        seal(&options(1, None), sender, to, &mut input, &mut out, &mut |_| {}).unwrap_err();
    assert!(matches!(sealed, SealError::Read { .. }), "{sealed}");
    assert!(parties.open(&out).1.is_err(), "what was written is refused");
}

#[test]
fn a_reader_that_is_dropped_half_way_leaves_nothing_behind_that_waits() {
    let parties = Parties::new();
    let (feed, _) = parties.seal(&vec![7; 20 << 20]);
    let input = Box::new(Cursor::new(feed));
    let expectation = Expectation::first();
    let mut reader =
        FeedReader::open(input, &parties.recipient, &parties.senders, &expectation).unwrap();
    reader.read_exact(&mut [0; 100]).unwrap();
    drop(reader);
}
