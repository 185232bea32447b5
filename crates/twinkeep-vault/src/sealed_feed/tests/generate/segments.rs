//! Vectors with something wrong in or between segments.

use super::{Forged, Kit, Part};
use crate::sealed_feed::cobblestone::SEALED_CHUNK_LEN;
use crate::sealed_feed::segment::{FRAME_LEN, ManifestBuilder, SEGMENT_LEN, SIGNATURE_LEN};
use crate::sealed_feed::tests::options;
use crate::sign::SigningKey;

pub(super) fn write(kit: &Kit) {
    let feed = kit.forge(&options(1, None), 40_000);
    write_bytes(kit, &feed);
    write_chunks(kit, &feed);
    write_forged(kit, &feed);
    write_order(kit);
    write_trailing(kit, &feed);
}

fn write_bytes(kit: &Kit, feed: &Forged) {
    let flips = [
        ("ciphertext-flipped", FRAME_LEN + 5_000, "One bit of the ciphertext is flipped."),
        ("tag-flipped", FRAME_LEN + SEALED_CHUNK_LEN - 1, "One bit of a chunk's tag is flipped."),
        ("signature-flipped", feed.segments[0].len() - 1, "One bit of the signature is flipped."),
    ];
    for (name, position, about) in flips {
        let mut segment = feed.segments[0].clone();
        segment[position] ^= 1;
        kit.refused(name, "feed-segment-forged", about, &feed.with_segment(segment));
    }
    let frames = [
        ("final-flag-cleared", 0, 0, "feed-segment-malformed", "The only segment is not final."),
        ("flag-unknown", 0, 2, "feed-segment-malformed", "The flag is 2."),
        ("index-changed", 8, 1, "feed-reordered", "The first segment says that it is the second."),
        ("length-grown", 12, 0xff, "feed-truncated", "The length is a little larger."),
        ("length-huge", 9, 0xff, "feed-segment-malformed", "The length is almost 4 GiB."),
    ];
    for (name, position, value, code, about) in frames {
        let mut segment = feed.segments[0].clone();
        segment[position] = value;
        kit.refused(name, code, about, &feed.with_segment(segment));
    }
    let mut segment = feed.segments[0].clone();
    let end = segment.len() - SIGNATURE_LEN;
    segment[end..].fill(0);
    let about = "The signature of the segment is all zero.";
    kit.refused("signature-stripped", "feed-segment-forged", about, &feed.with_segment(segment));
}

fn write_chunks(kit: &Kit, feed: &Forged) {
    let mut segment = feed.segments[0].clone();
    swap_chunks(&mut segment[FRAME_LEN..]);
    let about = "Two chunks of a segment changed places.";
    let swapped = feed.with_segment(segment.clone());
    kit.refused("chunks-reordered", "feed-segment-forged", about, &swapped);
    let signed = signed_again(feed, segment, kit.sender.signing());
    let about = "Two chunks changed places, and the sender signed that.";
    let signed = feed.with_segment(signed);
    kit.refused("chunks-reordered-and-signed", "feed-chunk-altered", about, &signed);
    let mut segment = feed.segments[0].clone();
    let short = segment.len() - SIGNATURE_LEN - FRAME_LEN - 2 * SEALED_CHUNK_LEN;
    let signature = segment.split_off(segment.len() - SIGNATURE_LEN);
    segment.truncate(segment.len() - short);
    segment[9..FRAME_LEN].copy_from_slice(&(2 * SEALED_CHUNK_LEN as u32).to_be_bytes());
    segment.extend_from_slice(&signature);
    let about = "The last chunk is gone, and the length says so: no chunk is short.";
    let cut = feed.with_segment(segment);
    kit.refused("last-chunk-dropped", "feed-segment-malformed", about, &cut);
}

fn write_forged(kit: &Kit, feed: &Forged) {
    let other = kit.forge(&options(1, None), 40_000);
    let spliced = feed.with_segment(other.segments[0].clone());
    let about = "The segment is from another feed of the same sender, recipient, and number.";
    kit.refused("segment-of-another-feed", "feed-segment-forged", about, &spliced);
    let mut segment = feed.segments[0].clone();
    let mut body = vec![0; segment.len()];
    let length = feed.message.seal_chunks(0, &[7; 40_000], true, &mut body).unwrap();
    segment[FRAME_LEN..FRAME_LEN + length].copy_from_slice(&body[..length]);
    let about = "A recipient, who has the content key, sealed other content under it.";
    let resealed = feed.with_segment(segment.clone());
    kit.refused("resealed-by-a-recipient", "feed-segment-forged", about, &resealed);
    let signed = signed_again(feed, segment, kit.recipient.signing());
    let about = "The same, and the recipient signed it with its own key.";
    let signed = feed.with_segment(signed);
    kit.refused("resigned-by-a-recipient", "feed-segment-forged", about, &signed);
    assert!(feed.head.message(&feed.content_key).is_ok());
}

/// Out of order, twice, or missing: put together from `three-segments`.
fn write_order(kit: &Kit) {
    let (body, one) = layout(kit);
    let (two, three) = (body + one, body + 2 * one);
    let cases = [
        ("segments-swapped", "The first two segments changed places.", 0, [two, body, three]),
        ("segment-twice", "The first segment is there twice.", 1, [body, body, three]),
    ];
    for (name, about, full, order) in cases {
        let mut parts = vec![part(0, Some(body))];
        parts.extend(order.map(|from| part(from, (from != three).then_some(from + one))));
        kit.refused_parts(name, "feed-reordered", about, full, parts);
    }
    let about = "The second segment is missing.";
    let parts = vec![part(0, Some(two)), part(three, None)];
    kit.refused_parts("segment-dropped", "feed-reordered", about, 1, parts);
    let about = "The first segment is missing.";
    let parts = vec![part(0, Some(body)), part(two, None)];
    kit.refused_parts("first-segment-dropped", "feed-reordered", about, 0, parts);
    let about = "The second segment stands first, and its number was changed to fit.";
    let first = part_hex(&[&[0][..], &0_u64.to_be_bytes()].concat());
    let parts = vec![part(0, Some(body)), first, part(two + 9, Some(three)), part(three, None)];
    kit.refused_parts("segment-renumbered", "feed-segment-forged", about, 0, parts);
    let about = "A full segment says that it is the last.";
    let parts = vec![part(0, Some(two)), part_hex(&[1]), part(two + 1, Some(three))];
    kit.refused_parts("final-flag-forged", "feed-segment-malformed", about, 1, parts);
    let about = "The final segment is followed by another one.";
    let parts = vec![part(0, None), part(three, None)];
    kit.refused_parts("segment-after-the-last", "feed-trailing-data", about, 2, parts);
}

fn write_trailing(kit: &Kit, feed: &Forged) {
    let about = "One byte follows.";
    let more = [&feed.bytes()[..], &[0]].concat();
    kit.refused("trailing-byte", "feed-trailing-data", about, &more);
    let about = "Another complete feed follows.";
    let other = kit.forge(&options(1, None), 0);
    let more = [feed.bytes(), other.bytes()].concat();
    kit.refused("trailing-feed", "feed-trailing-data", about, &more);
}

/// Signs what a segment now holds, as whoever has `key`.
fn signed_again(feed: &Forged, mut segment: Vec<u8>, key: &SigningKey) -> Vec<u8> {
    let end = segment.len() - SIGNATURE_LEN;
    let digest = blake3::hash(&segment[FRAME_LEN..end]);
    let statement = ManifestBuilder::new(&feed.head).statement(true, &digest);
    segment[end..].copy_from_slice(&key.sign(&statement));
    segment
}

fn swap_chunks(body: &mut [u8]) {
    let (first, second) = body.split_at_mut(SEALED_CHUNK_LEN);
    first.swap_with_slice(&mut second[..SEALED_CHUNK_LEN]);
}

/// Where the first segment of `three-segments` begins, and how long a full one is.
pub(super) fn layout(kit: &Kit) -> (usize, usize) {
    let one = FRAME_LEN + SEGMENT_LEN + SIGNATURE_LEN;
    let file = kit.root.join("valid/three-segments.sealed");
    let length = std::fs::metadata(file).unwrap().len() as usize;
    (length - 2 * one - (FRAME_LEN + 100 + 16 + SIGNATURE_LEN), one)
}

pub(super) fn part(from: usize, to: Option<usize>) -> Part {
    let file = Some("../valid/three-segments.sealed".to_owned());
    Part { file, from: Some(from), to, hex: None }
}

fn part_hex(bytes: &[u8]) -> Part {
    Part { file: None, from: None, to: None, hex: Some(crate::digest::to_hex(bytes)) }
}
