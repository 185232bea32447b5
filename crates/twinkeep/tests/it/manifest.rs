//! Plain files that were announced: by a digest, or in a signed manifest.

use std::fs;

use crate::harness::{Place, write};

const STAY: &[u8] = b"Time,Parameter,Value\n00:00,RecordID,7\n00:00,Age,61\n00:10,HR,80\n";
const OTHER: &[u8] = b"Time,Parameter,Value\n00:00,RecordID,8\n00:00,Age,62\n00:10,HR,81\n";

fn sign(place: &Place, paths: &[&str]) -> serde_json::Value {
    let options = ["--identity", "hospital.identity", "--key-file", "hospital.kek", "--out", "m"];
    let all: Vec<&str> =
        ["manifest", "sign"].into_iter().chain(paths.iter().copied()).chain(options).collect();
    place.run(&all).done()
}

fn stays(place: &Place) {
    fs::create_dir(place.path("stays")).unwrap();
    fs::create_dir(place.path("stays/b")).unwrap();
    write(&place.path("stays/7.txt"), STAY);
    write(&place.path("stays/b/8.txt"), OTHER);
    write(
        &place.path("stays/b.txt"),
        &String::from_utf8_lossy(OTHER).replace(",8", ",9").into_bytes(),
    );
}

#[test]
fn a_file_with_the_right_digest_is_ingested_and_another_is_kept_apart() {
    let place = Place::with_keep();
    write(&place.path("stay.txt"), STAY);
    let digest = digest_of(&place, "stay.txt");
    let wrong = place.run(&["ingest", "stay.txt", "--sha256", &digest.replace(['0', '1'], "2")]);
    assert_eq!((wrong.refused().as_str(), wrong.code), ("digest-mismatch", 1), "{}", wrong.stderr);
    let feeds = place.run(&["feed", "list"]).lines();
    assert_eq!((feeds.len(), &feeds[0]["accepted"]), (1, &0.into()));
    assert!(place.run(&["twin", "list"]).done()["twins"].as_array().unwrap().is_empty());
    let kept = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done();
    assert_eq!(kept["rows"][0]["reason"], "digest-mismatch");
    assert_eq!(kept["rows"][0]["raw"], String::from_utf8_lossy(STAY).as_ref());
    for path in place.files("keep") {
        let bytes = fs::read(&path).unwrap();
        assert!(!bytes.windows(20).any(|window| window == &STAY[..20]), "{}", path.display());
    }
    // The same delivery is not kept twice, and the right digest still brings it in.
    place.run(&["ingest", "stay.txt", "--sha256", &digest.replace(['0', '1'], "2")]).refused();
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
    let upper = digest.to_uppercase();
    assert_eq!(place.run(&["ingest", "stay.txt", "--sha256", &upper]).done()["accepted"], 3);
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_folder_is_ingested_as_its_sender_announced_it_and_for_the_senders_site() {
    let place = Place::with_keep();
    stays(&place);
    let signed = sign(&place, &["stays"]);
    assert_eq!((&signed["files"], &signed["sender"]), (&3.into(), &"hospital".into()));
    let verify = ["manifest", "verify", "m", "stays", "--from", "hospital.identity.pub"];
    place.run(&verify).done();
    let report = place.run(&["ingest", "stays", "--manifest", "m"]).done();
    assert_eq!((&report["accepted"], &report["sender"]), (&9.into(), &"hospital".into()));
    place.run(&["twin", "show", "hospital/7"]).done();
    let site = place.run(&["ingest", "stays", "--manifest", "m", "--site", "other"]);
    assert_eq!(site.code, 2, "{}", site.stderr);
}

#[test]
fn whatever_differs_from_a_manifest_keeps_the_whole_delivery_out() {
    for change in ["altered", "missing", "unlisted"] {
        let place = Place::with_keep();
        stays(&place);
        sign(&place, &["stays"]);
        match change {
            "altered" => place.flip(&place.path("stays/b/8.txt"), 8 * 60),
            "missing" => fs::remove_file(place.path("stays/7.txt")).unwrap(),
            _ => write(&place.path("stays/c.txt"), OTHER),
        }
        let verify = ["manifest", "verify", "m", "stays", "--from", "hospital.identity.pub"];
        assert_eq!(place.run(&verify).refused(), "digest-mismatch", "{change}");
        let ran = place.run(&["ingest", "stays", "--manifest", "m"]);
        assert_eq!((ran.refused().as_str(), ran.code), ("digest-mismatch", 1), "{change}");
        assert!(!ran.stderr.contains(".txt"), "names can be those of people: {}", ran.stderr);
        let kept = place.run(&["feed", "quarantine", "feed-1"]).done();
        assert_eq!(kept["rows"].as_array().unwrap().len(), 1, "{change}");
        assert!(place.run(&["twin", "list"]).done()["twins"].as_array().unwrap().is_empty());
    }
}

#[test]
fn only_an_accepted_sender_announces_and_only_what_it_signed() {
    let place = Place::with_keep();
    stays(&place);
    sign(&place, &["stays"]);
    let text = fs::read_to_string(place.path("m")).unwrap();
    write(&place.path("forged"), text.replace("7.txt", "6.txt").as_bytes());
    assert_eq!(
        place.run(&["ingest", "stays", "--manifest", "forged"]).refused(),
        "manifest-forged"
    );
    write(&place.path("cut"), &text.as_bytes()[..text.len() - 3]);
    assert_eq!(
        place.run(&["ingest", "stays", "--manifest", "cut"]).refused(),
        "manifest-malformed"
    );
    let key = place.run(&["sender", "list"]).lines()[0]["key_id"].as_str().unwrap().to_owned();
    place.run(&["sender", "revoke", &key]).done();
    assert_eq!(place.run(&["ingest", "stays", "--manifest", "m"]).refused(), "manifest-sender");
    assert!(place.run(&["feed", "list"]).lines().is_empty());
}

#[test]
fn a_large_file_is_kept_in_parts_that_give_it_back() {
    let place = Place::with_keep();
    let line = b"0123456789abcdef";
    let bytes: Vec<u8> = line.iter().copied().cycle().take((9 << 20) + 5).collect();
    write(&place.path("large.txt"), &bytes);
    let wrong = "0".repeat(64);
    place.run(&["ingest", "large.txt", "--sha256", &wrong]).refused();
    let kept = place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done();
    let parts: String =
        kept["rows"].as_array().unwrap().iter().map(|row| row["raw"].as_str().unwrap()).collect();
    assert_eq!(kept["rows"].as_array().unwrap().len(), 3);
    assert!(parts.as_bytes() == bytes);
}

#[test]
fn what_cannot_be_announced_so_is_refused() {
    let place = Place::with_keep();
    stays(&place);
    let refused = |args: &[&str]| place.run(args).refused();
    assert_eq!(refused(&["ingest", "stays", "--sha256", &"0".repeat(64)]), "sha256-folder");
    assert_eq!(refused(&["ingest", "stays/7.txt", "--sha256", "abc"]), "sha256-form");
    place.seal("stays").done();
    let digest = digest_of(&place, "stays.sealed");
    assert_eq!(refused(&["ingest", "stays.sealed", "--sha256", &digest]), "announced-sealed");
    std::os::unix::fs::symlink("7.txt", place.path("stays/link")).unwrap();
    let options = ["--identity", "hospital.identity", "--key-file", "hospital.kek", "--out", "m"];
    let all: Vec<&str> = ["manifest", "sign", "stays"].into_iter().chain(options).collect();
    assert_eq!(refused(&all), "input-read");
}

fn digest_of(place: &Place, file: &str) -> String {
    use twinkeep_vault::digest::{sha256, to_hex};
    to_hex(&sha256(&fs::read(place.path(file)).unwrap()))
}
