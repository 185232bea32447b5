//! Why feeds are not made with `openssl enc -aes-256-cbc` and `sha256sum`, as is often advised.
//!
//! That pair detects accidents only. Whoever carries the file can change it and the checksum; the
//! cipher notices nothing. The test does that, and then the same to a sealed feed.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::Parties;

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn two_flipped_bytes_pass_openssl_with_a_checksum_and_do_not_pass_here() {
    let dir = tempfile::tempdir().unwrap();
    let (plain, sealed) = (dir.path().join("plain"), dir.path().join("sealed"));
    let content = "time,code,value\n".repeat(64);
    File::create(&plain).unwrap().write_all(content.as_bytes()).unwrap();
    if !openssl(&["-salt"], &plain, &sealed) {
        println!("skipped: openssl is not here");
        return;
    }

    // The header has 16 bytes; a flipped bit of one block flips the same bit of the next.
    let mut bytes = std::fs::read(&sealed).unwrap();
    bytes[16 + 160] ^= 1;
    bytes[16 + 320] ^= 1;
    let checksum = crate::digest::sha256(&bytes);
    File::create(&sealed).unwrap().write_all(&bytes).unwrap();
    let opened = dir.path().join("opened");
    assert_eq!(crate::digest::sha256(&std::fs::read(&sealed).unwrap()), checksum);
    assert!(openssl(&["-d"], &sealed, &opened), "openssl accepts the changed file");
    let altered = std::fs::read(&opened).unwrap();
    assert_eq!(altered.len(), content.len());
    assert_ne!(altered, content.as_bytes(), "and gives other content");

    let parties = Parties::new();
    let (mut feed, _) = parties.seal(content.as_bytes());
    let end = feed.len() - 64;
    feed[end - 500] ^= 1;
    feed[end - 340] ^= 1;
    let (released, refused) = parties.open(&feed);
    assert_eq!(refused.unwrap_err().code(), "feed-segment-forged");
    assert!(released.is_empty());
}

/// Returns whether openssl ran and was content.
fn openssl(options: &[&str], input: &Path, output: &Path) -> bool {
    let status = Command::new("openssl")
        .args(["enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:not a secret"])
        .args(options)
        .arg("-in")
        .arg(input)
        .arg("-out")
        .arg(output)
        .status();
    status.is_ok_and(|status| status.success())
}
