//! Medical images: the head of a DICOM file names the patient (PS3.10, PS3.6).

use super::{Found, Kind, Place};

/// Returns whether a file is DICOM.
pub(super) fn is_dicom(head: &[u8]) -> bool {
    head.get(128..132) == Some(b"DICM")
}

/// Returns what the head of a DICOM file says of the patient; the image itself is one more.
pub(super) fn places(head: &[u8]) -> Vec<Place> {
    let mut places = vec![place(Kind::Photo)];
    for (tag, kind) in TAGS {
        if filled(head, *tag) {
            places.push(place(*kind));
        }
    }
    places
}

fn place(kind: Kind) -> Place {
    Place { field: "head".to_owned(), found: Found { kind, rows: 1, of: 1 } }
}

/// Whether an element of group 0010 has a value, with its type written out or left out.
fn filled(head: &[u8], element: u8) -> bool {
    let tag = [0x10, 0x00, element, 0x00];
    let Some(at) = head.windows(4).position(|window| window == tag) else { return false };
    let Some(&[a, b, c, d]) = head.get(at + 4..at + 8) else { return false };
    let length = if a.is_ascii_uppercase() && b.is_ascii_uppercase() {
        usize::from(u16::from_le_bytes([c, d]))
    } else {
        u32::from_le_bytes([a, b, c, d]) as usize
    };
    let value = head.get(at + 8..at + 8 + length.min(VALUE_LEN_MAX)).unwrap_or_default();
    value.iter().any(u8::is_ascii_alphanumeric)
}

/// Elements of group 0010.
const TAGS: &[(u8, Kind)] =
    &[(0x10, Kind::Name), (0x20, Kind::RecordNumber), (0x30, Kind::BirthDate), (0x40, Kind::Sex)];

/// Names and numbers are shorter.
const VALUE_LEN_MAX: usize = 64;
