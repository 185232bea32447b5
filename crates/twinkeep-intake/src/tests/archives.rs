//! Archives: whole, cut short, altered, hiding things, or far larger than they look.

use std::io::Read as _;

use super::{gzip, reasons, take_bytes, take_within, tar};
use crate::limits::Limits;
use crate::{Counts, Source};

const STAY: &[u8] = b"Time,Parameter,Value\n00:00,RecordID,1\n00:07,HR,73\n";

fn code(media_type: &str, bytes: &[u8]) -> &'static str {
    take_bytes(media_type, bytes).unwrap_err().code()
}

/// An archive with one entry of a type that is not a file.
fn special(kind: tar::EntryType) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_path("set-a/1.txt").unwrap();
    header.set_link_name("/etc/passwd").unwrap();
    header.set_cksum();
    builder.append(&header, std::io::empty()).unwrap();
    builder.into_inner().unwrap()
}

#[test]
fn stays_are_read_from_tar_and_from_gzip() {
    let archive = tar(&[("set-a/1.txt", STAY), ("set-a/2.txt", STAY)]);
    let counts = Counts { read: 4, accepted: 2, missing: 0, quarantined: 2 };
    let plain = take_bytes("application/x-tar", &archive).unwrap();
    assert_eq!(plain.counts, counts);
    assert_eq!(reasons(&plain), [(("subject-contradictory", "RecordID"), 2)].into());
    let packed = take_bytes("application/gzip", &gzip(&archive)).unwrap();
    assert_eq!(packed.counts, counts);
    assert_ne!(packed.digest, plain.digest, "the digest is over the bytes as they came");
    assert_eq!(take_bytes("application/gzip", &gzip(STAY)).unwrap().counts.read, 2);
}

#[test]
fn names_are_labels_and_never_paths() {
    let name = "../../../../tmp/twinkeep-escaped.txt";
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(STAY.len() as u64);
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    builder.append(&header, STAY).unwrap();
    let intake = take_bytes("application/x-tar", &builder.into_inner().unwrap()).unwrap();
    assert_eq!(intake.counts.accepted, 2);
    assert!(!std::path::Path::new("/tmp/twinkeep-escaped.txt").exists());
}

#[test]
fn what_is_not_a_file_is_refused_loudly() {
    use tar::EntryType;
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Char, EntryType::Fifo] {
        let intake = take_bytes("application/x-tar", &special(kind)).unwrap();
        assert_eq!(reasons(&intake), [(("not-a-file", ""), 1)].into(), "{kind:?}");
    }
}

#[test]
fn long_names_are_read_and_absurd_ones_are_not() {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(STAY.len() as u64);
    let folder = "a".repeat(300);
    builder.append_data(&mut header.clone(), format!("{folder}/1.txt"), STAY).unwrap();
    builder.append_data(&mut header, format!("{folder}/2.txt"), STAY).unwrap();
    let intake = take_bytes("application/x-tar", &builder.into_inner().unwrap()).unwrap();
    // The long name is what says that the second file is called after somebody else.
    assert_eq!(reasons(&intake), [(("subject-contradictory", "RecordID"), 2)].into());
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 20);
    header.set_cksum();
    builder.append(&header, std::io::repeat(b'a').take(1 << 20)).unwrap();
    assert_eq!(code("application/x-tar", &builder.into_inner().unwrap()), "intake-limit");
}

#[test]
fn a_second_header_may_name_a_file_but_not_change_its_size() {
    let pax = |record: &str| {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(record.len() as u64);
        header.set_cksum();
        builder.append(&header, record.as_bytes()).unwrap();
        let mut header = tar::Header::new_ustar();
        header.set_size(STAY.len() as u64);
        builder.append_data(&mut header, "1.txt", STAY).unwrap();
        builder.into_inner().unwrap()
    };
    assert_eq!(
        take_bytes("application/x-tar", &pax("14 path=9.txt\n")).unwrap().counts.quarantined,
        2
    );
    for record in ["11 size=10\n", "99 path=9.txt\n", "x", "3 \n", "0 path=1\n", "14path=9.txt\n"] {
        assert_eq!(code("application/x-tar", &pax(record)), "intake-damaged", "{record:?}");
    }
}

#[test]
fn an_archive_that_is_cut_short_anywhere_is_refused() {
    let whole = gzip(&tar(&[("set-a/1.txt", STAY), ("set-a/2.txt", STAY)]));
    for length in 1..whole.len() {
        let error = take_bytes("application/gzip", &whole[..length]).unwrap_err();
        assert!(["intake-damaged", "intake-unrecognized", "intake-empty"].contains(&error.code()));
    }
    let plain = tar(&[("set-a/1.txt", STAY)]);
    assert_eq!(code("application/x-tar", &plain[..520]), "intake-damaged");
}

#[test]
fn every_flipped_bit_of_a_packed_archive_is_refused_or_without_effect() {
    let whole = gzip(&tar(&[("set-a/1.txt", STAY)]));
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        // Bits of the gzip header that name no data, such as its time, may change.
        if let Ok(intake) = take_bytes("application/gzip", &changed) {
            assert_eq!(intake.counts.accepted, 2, "bit {bit}");
        }
    }
}

#[test]
fn nothing_hides_behind_the_last_entry() {
    let mut archive = tar(&[("set-a/1.txt", STAY)]);
    archive.extend_from_slice(&[0; 1024]);
    assert!(take_bytes("application/x-tar", &archive).is_ok());
    archive.extend_from_slice(STAY);
    assert_eq!(code("application/x-tar", &archive), "intake-damaged");
    let mut packed = gzip(&tar(&[("set-a/1.txt", STAY)]));
    packed.extend_from_slice(b"trailing");
    assert_eq!(code("application/gzip", &packed), "intake-damaged");
}

#[test]
fn a_bomb_is_stopped_early() {
    let limits = Limits { expansion_free: 1 << 16, expansion_ratio_max: 20, ..Limits::STANDARD };
    let row = b"00:07,HR,73\n";
    let mut stay = STAY.to_vec();
    stay.extend(row.iter().cycle().take(row.len() * 400_000));
    let bomb = gzip(&tar(&[("set-a/1.txt", &stay)]));
    let mut bytes = bomb.as_slice();
    let source =
        Source::Stream { name: "feed", media_type: "application/gzip", reader: &mut bytes };
    let error = take_within(source, limits).unwrap_err();
    assert_eq!(error.code(), "intake-limit");
    assert!(error.to_string().contains("ratio"), "{error}");
    let limits = Limits { expanded_size_max: 1 << 16, ..Limits::STANDARD };
    let mut bytes = bomb.as_slice();
    let source =
        Source::Stream { name: "feed", media_type: "application/gzip", reader: &mut bytes };
    assert_eq!(take_within(source, limits).unwrap_err().code(), "intake-limit");
}

#[test]
fn a_file_that_claims_to_be_huge_is_refused_before_it_is_read() {
    let mut header = tar::Header::new_ustar();
    header.set_path("1.txt").unwrap();
    header.set_size(1 << 41);
    header.set_cksum();
    let mut archive = header.as_bytes().to_vec();
    archive.extend_from_slice(STAY);
    assert_eq!(code("application/x-tar", &archive), "intake-limit");
}

#[test]
fn zstandard_is_read_wherever_gzip_is() {
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 3).unwrap();
    let second = String::from_utf8(STAY.to_vec()).unwrap().replace("ID,1", "ID,2");
    let archive = tar(&[("1.txt.zst", &zstd(STAY)), ("2.txt.gz", &gzip(second.as_bytes()))]);
    let intake = take_bytes("application/x-tar", &archive).unwrap();
    assert_eq!(intake.counts.accepted, 4, "{:?}", reasons(&intake));
    for bytes in [zstd(STAY), gzip(STAY), zstd(&tar(&[("1.txt", STAY)]))] {
        let intake = take_bytes("application/octet-stream", &bytes).unwrap();
        assert_eq!(intake.counts.accepted, 2, "{:?}", reasons(&intake));
    }
    let whole = zstd(&tar(&[("1.txt", STAY)]));
    for length in 1..whole.len() {
        let error = take_bytes("application/zstd", &whole[..length]).unwrap_err();
        assert!(["intake-damaged", "intake-unrecognized", "intake-empty"].contains(&error.code()));
    }
    let mut trailing = whole;
    trailing.extend_from_slice(b"trailing");
    assert_eq!(code("application/zstd", &trailing), "intake-damaged");
}

#[test]
fn too_many_files_are_refused() {
    let archive = tar(&[("1.txt", STAY), ("2.txt", STAY), ("3.txt", STAY)]);
    let mut bytes = archive.as_slice();
    let source =
        Source::Stream { name: "feed", media_type: "application/x-tar", reader: &mut bytes };
    let limits = Limits { file_count_max: 2, ..Limits::STANDARD };
    let error = take_within(source, limits).unwrap_err();
    assert_eq!(error.to_string(), "`feed`, file 3: the number of files exceeds the limit of 2");
}
