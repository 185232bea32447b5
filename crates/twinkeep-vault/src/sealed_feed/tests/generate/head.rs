//! Vectors with something wrong in the head.

use super::{Forged, Kit};
use crate::SecretKey;
use crate::sealed_feed::header::{Head, MAGIC, to_json};
use crate::sealed_feed::tests::{content, options};

pub(super) fn write(kit: &Kit) {
    let feed = kit.forge(&options(1, None), 20_000);
    write_form(kit, &feed);
    write_parties(kit, &feed);
    write_altered(kit, &feed);
    write_dishonest(kit, &feed);
}

fn write_form(kit: &Kit, feed: &Forged) {
    kit.refused("not-sealed", "feed-not-sealed", "Plain text.", &content(200));
    let mut other = feed.bytes();
    other[22] = b'2';
    let about = "The magic says version 2.";
    kit.refused("version-in-magic", "feed-version-unknown", about, &other);
    let long = [&MAGIC[..], &u32::MAX.to_be_bytes(), &content(200)].concat();
    let about = "The header announces 4 GiB.";
    kit.refused("header-too-long", "feed-header-malformed", about, &long);
    let edits = [
        ("header-white-space", "{\"feed_id\":", "{ \"feed_id\":", "A space, in a signed header."),
        ("header-unknown-field", "\"version\":1", "\"version\":1,\"x\":1", "A signed new field."),
        ("header-field-twice", "\"version\":1", "\"version\":1,\"version\":1", "A field twice."),
        ("header-sequence-zero", "\"sequence\":1", "\"sequence\":0", "Sequence 0."),
        ("header-sequence-float", "\"sequence\":1", "\"sequence\":1.0", "A sequence of 1.0."),
        ("header-kdf-unknown", "\"kdf\":1", "\"kdf\":2", "Another key derivation."),
        ("header-kem-unknown", "\"kem\":25722", "\"kem\":16", "Another key encapsulation."),
        ("header-media-type", "text/csv", "text/\\u0063sv", "An escape where none is needed."),
    ];
    for (name, from, to, about) in edits {
        let head = resigned(kit, feed, |text| text.replacen(from, to, 1));
        kit.refused(name, "feed-header-malformed", about, &feed.with_head(&head));
    }
    let head = resigned(kit, feed, |text| text.replacen("\"version\":1", "\"version\":2", 1));
    let about = "The signed header says version 2.";
    kit.refused("version-in-header", "feed-version-unknown", about, &feed.with_head(&head));
}

fn write_parties(kit: &Kit, feed: &Forged) {
    kit.vector("Opened by somebody whom it is not sealed to.")
        .to("stranger")
        .refused("feed-wrong-recipient", 0)
        .write(&kit.root, "wrong-recipient", &feed.bytes());
    kit.vector("Signed by somebody whom the receiver does not accept.")
        .from("impostor")
        .refused("feed-unknown-sender", 0)
        .write(&kit.root, "unknown-sender", &feed.bytes());
    let mut head = copy(&feed.head);
    head.resign(kit.impostor.signing());
    let about = "It names an accepted sender, and somebody else signed it.";
    kit.refused("wrong-sender", "feed-header-altered", about, &feed.with_head(&head));
}

fn write_altered(kit: &Kit, feed: &Forged) {
    let edits = [
        ("header-altered", "text/csv", "text/xml", "Another media type, not signed again."),
        ("sequence-altered", "\"sequence\":1", "\"sequence\":3", "Another number, not signed."),
    ];
    for (name, from, to, about) in edits {
        let mut head = copy(&feed.head);
        let text = String::from_utf8(head.bytes).unwrap();
        head.bytes = text.replacen(from, to, 1).into_bytes();
        let text = String::from_utf8(head.bytes.clone()).unwrap();
        if name == "sequence-altered" {
            let previous = format!("\"previous\":\"{}\"", "0".repeat(64));
            head.bytes = text.replacen("\"previous\":null", &previous, 1).into_bytes();
        }
        kit.refused(name, "feed-header-altered", about, &feed.with_head(&head));
    }
    let to_classic = kit.forge_to(&[&kit.classic], &options(1, None), 100);
    let mut head = copy(&feed.head);
    head.header.recipients = to_classic.head.header.recipients.clone();
    head.bytes = to_json(&head.header);
    let about = "Another recipient took the place of the first, and nobody signed it again.";
    kit.refused("recipient-substituted", "feed-header-altered", about, &feed.with_head(&head));
    let mut head = copy(&feed.head);
    head.salt[0] ^= 1;
    let about = "One bit of the salt is flipped.";
    kit.refused("salt-altered", "feed-header-altered", about, &feed.with_head(&head));
    let mut head = copy(&feed.head);
    head.commitment[31] ^= 1;
    let about = "One bit of the key commitment is flipped.";
    kit.refused("commitment-altered", "feed-header-altered", about, &feed.with_head(&head));
    let mut head = copy(&feed.head);
    head.signature = [0; 64];
    let about = "The signature of the head is all zero.";
    kit.refused("head-signature-stripped", "feed-header-altered", about, &feed.with_head(&head));
}

fn write_dishonest(kit: &Kit, feed: &Forged) {
    let mut head = copy(&feed.head);
    head.commitment = kit.forge(&options(1, None), 0).head.commitment;
    head.resign(kit.sender.signing());
    let about = "The sender signed a commitment to another key: a feed for two keys.";
    kit.refused("key-commitment", "feed-key-commitment", about, &feed.with_head(&head));
    let mut head = copy(&feed.head);
    head.header.recipients[0].wrapped.sealed[0] ^= 1;
    head.bytes = to_json(&head.header);
    head.resign(kit.sender.signing());
    let about = "The sender signed a wrapped key that does not open.";
    kit.refused("key-unwrap", "feed-key-unwrap", about, &feed.with_head(&head));
    let mut head = copy(&feed.head);
    let other = kit.forge(&options(1, None), 0);
    head.header.recipients = other.head.header.recipients.clone();
    head.bytes = to_json(&head.header);
    head.resign(kit.sender.signing());
    let about = "The wrapped key was made for another feed of the same sender and recipient.";
    kit.refused("key-of-another-feed", "feed-key-unwrap", about, &feed.with_head(&head));
    let mut head = copy(&feed.head);
    let message = head.message(&SecretKey::random());
    assert_eq!(message.err().unwrap().code(), "feed-key-commitment");
    head.header.recipients.push(head.header.recipients[0].clone());
    head.bytes = to_json(&head.header);
    head.resign(kit.sender.signing());
    let about = "The same recipient is there twice.";
    kit.refused("recipient-twice", "feed-header-malformed", about, &feed.with_head(&head));
}

/// Edits the text of the header, and signs it again as the sender.
fn resigned(kit: &Kit, feed: &Forged, edit: impl Fn(String) -> String) -> Head {
    let mut head = copy(&feed.head);
    let before = String::from_utf8(head.bytes.clone()).unwrap();
    let after = edit(before.clone());
    assert_ne!(before, after);
    head.bytes = after.into_bytes();
    head.resign(kit.sender.signing());
    head
}

fn copy(head: &Head) -> Head {
    Head {
        header: head.header.clone(),
        bytes: head.bytes.clone(),
        salt: head.salt,
        commitment: head.commitment,
        signature: head.signature,
    }
}
