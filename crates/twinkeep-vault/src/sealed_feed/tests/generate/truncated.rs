//! Vectors that end too early, at every boundary of the format.

use super::Kit;
use super::segments::{layout, part};
use crate::sealed_feed::header::MAGIC;
use crate::sealed_feed::segment::{FRAME_LEN, SEGMENT_LEN};
use crate::sealed_feed::tests::options;

pub(super) fn write(kit: &Kit) {
    let feed = kit.forge(&options(1, None), 20_000);
    let header = feed.head.bytes.len();
    let start = MAGIC.len() + 4;
    let head = feed.head.encode().len();
    let segment = feed.segments[0].len();
    let cuts = [
        ("empty", 0, "Nothing at all."),
        ("in-magic", 10, "In the magic."),
        ("after-magic", MAGIC.len(), "After the magic."),
        ("in-header-length", MAGIC.len() + 2, "In the length of the header."),
        ("before-header", start, "Before the header."),
        ("in-header", start + header / 2, "In the header."),
        ("after-header", start + header, "After the header."),
        ("in-salt", start + header + 12, "In the salt."),
        ("in-commitment", start + header + 40, "In the key commitment."),
        ("in-head-signature", head - 1, "In the signature of the head."),
        ("after-head", head, "After the head: there is no segment."),
        ("after-final-flag", head + 1, "After the flag of the final segment."),
        ("in-frame", head + 5, "In the frame of the final segment."),
        ("after-frame", head + FRAME_LEN, "After the frame of the final segment."),
        ("in-chunk", head + FRAME_LEN + 1_000, "In the first chunk."),
        ("between-chunks", head + FRAME_LEN + 16_400, "Between two chunks."),
        ("before-signature", head + segment - 64, "Before the signature of the final segment."),
        ("in-signature", head + segment - 1, "In the signature of the final segment."),
    ];
    let bytes = feed.bytes();
    for (name, length, about) in cuts {
        let name = format!("truncated-{name}");
        kit.refused(&name, "feed-truncated", about, &bytes[..length]);
    }
    let (body, one) = layout(kit);
    let cuts = [
        ("between-segments", body + one, 1, "After the first of three segments."),
        ("before-final-segment", body + 2 * one, 2, "Before the final segment."),
        ("in-second-segment", body + one + 500_000, 1, "In the second segment."),
        (
            "before-second-signature",
            body + one + FRAME_LEN + SEGMENT_LEN,
            1,
            "Before the signature of the second segment.",
        ),
    ];
    for (name, length, full, about) in cuts {
        let name = format!("truncated-{name}");
        kit.refused_parts(&name, "feed-truncated", about, full, vec![part(0, Some(length))]);
    }
}
