//! Recovery shares: enough of them open the keep, and nothing else about it changes.

use std::io::Write as _;
use std::process::Stdio;

use crate::harness::{Place, write};

#[test]
fn enough_custodians_open_the_keep_together_and_nobody_else_does() {
    let place = Place::with_patients(30);
    let split = place.run(&["key", "escrow", "split", "--shares", "4", "--threshold", "2"]).done();
    let shares: Vec<&str> =
        split["shares"].as_array().unwrap().iter().map(|share| share.as_str().unwrap()).collect();
    assert_eq!(shares.len(), 4);
    for (at, share) in shares.iter().enumerate() {
        write(&place.path(&format!("share{at}")), share.as_bytes());
    }
    let again = place.run(&["key", "escrow", "split", "--shares", "2", "--threshold", "3"]);
    assert_eq!(again.refused(), "escrow-count");
    let feeds = place.run(&["feed", "list"]).lines();

    let combine = |shares: &[&str]| {
        let args = [&["key", "escrow", "combine"], shares, &["--new-key-file", "new.kek"]].concat();
        place.run(&args)
    };
    assert_eq!(combine(&["share0"]).refused(), "escrow-too-few");
    assert_eq!(combine(&["share0", "share0"]).refused(), "escrow-too-few");
    // A share of which a digit was mistyped, and one that somebody made up.
    let digit = shares[1].find("data    ").unwrap() + 8;
    let mut mistyped = shares[1].as_bytes().to_vec();
    mistyped[digit] = if mistyped[digit] == b'0' { b'1' } else { b'0' };
    write(&place.path("mistyped"), &mistyped);
    assert_eq!(combine(&["share0", "mistyped"]).refused(), "escrow-checksum");
    let other = Place::with_keep();
    let theirs = other.run(&["key", "escrow", "split", "--shares", "2", "--threshold", "2"]).done();
    write(&place.path("theirs"), theirs["shares"][0].as_str().unwrap().as_bytes());
    assert_eq!(combine(&["share0", "theirs"]).refused(), "escrow-keep");
    write(&place.path("text"), b"a letter");
    assert_eq!(combine(&["share0", "text"]).refused(), "escrow-share");
    assert_eq!(place.run(&["feed", "list"]).lines(), feeds, "nothing was changed");

    let report = combine(&["share3", "share1"]).done();
    assert_eq!((&report["shares"], &report["generation"]), (&2.into(), &2.into()));
    assert_eq!(place.run(&["feed", "list"]).refused(), "kek-wrong");
    let new = ["--key-file", "new.kek"];
    assert_eq!(place.run(&[&["feed", "list"], &new[..]].concat()).lines(), feeds);
    assert_eq!(combine(&["share3", "share1"]).refused(), "kek-wrong", "the shares are void");
    let ledger = place.run(&[&["ledger", "show", "--limit", "100"], &new[..]].concat()).lines();
    for action in ["kek.split", "kek.recovered", "kek.rotated"] {
        assert!(ledger.iter().any(|line| line["action"] == *action), "{action}");
    }
}

#[test]
fn shares_are_taken_from_the_standard_input() {
    let place = Place::with_keep();
    let split = place.run(&["key", "escrow", "split", "--shares", "3", "--threshold", "3"]).done();
    let text = |at: usize| split["shares"][at].as_str().unwrap().to_owned();
    let all = [text(2), text(0), text(1)].concat();
    let args = ["key", "escrow", "combine", "-", "--new-key-file", "new.kek"];
    let mut child =
        place.command(&args).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(all.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    place.run(&["feed", "list", "--key-file", "new.kek"]).lines();
    // No share lies anywhere in the keep.
    for file in place.files("keep") {
        let bytes = std::fs::read(file).unwrap();
        assert!(!bytes.windows(23).any(|part| part == b"twinkeep recovery share"));
    }
}
