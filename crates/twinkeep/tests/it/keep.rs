//! What lies in a keep: nothing that a thief could read, and nothing that others may open.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Place, write};

#[test]
fn an_existing_keep_is_never_touched() {
    let place = Place::with_keep();
    let before = fs::read(place.path("keep/keep.json")).unwrap();
    let again = place.run(&["init", "keep", "--pack", "icu", "--key-file", "other.kek"]);
    assert_eq!(again.refused(), "keep-exists");
    assert_eq!(again.code, 1);
    assert_eq!(fs::read(place.path("keep/keep.json")).unwrap(), before);
}

#[test]
fn a_folder_with_other_things_in_it_does_not_become_a_keep() {
    let place = Place::empty();
    fs::create_dir(place.path("mine")).unwrap();
    write(&place.path("mine/thesis.txt"), b"years of work");
    let refused = place.run(&["init", "mine", "--key-file", "kek"]).refused();
    assert_eq!(refused, "keep-exists");
    assert_eq!(place.files("mine").len(), 1);
}

#[test]
fn a_keep_opens_with_its_own_secret_only() {
    let place = Place::with_keep();
    place.run(&["init", "other", "--key-file", "other.kek"]).done();
    let wrong = place.run(&["twin", "list", "--key-file", "other.kek"]);
    assert_eq!((wrong.refused().as_str(), wrong.code), ("kek-wrong", 1));
    let missing = place.run(&["twin", "list", "--key-file", "no-such.kek"]);
    assert_eq!((missing.refused().as_str(), missing.code), ("key-file", 2));
}

#[test]
fn a_passphrase_comes_from_a_file_or_a_descriptor_and_never_from_an_argument() {
    let place = Place::empty();
    write(&place.path("pass"), b"correct horse battery staple\n");
    let open = place.run(&["init", "keep", "--passphrase-file", "pass"]);
    assert_eq!(open.refused(), "passphrase-file", "the file can be read by others");
    fs::set_permissions(place.path("pass"), Permissions::from_mode(0o600)).unwrap();
    place.run(&["init", "keep", "--passphrase-file", "pass"]).done();
    place.run(&["twin", "list", "--passphrase-file", "pass"]).done();

    let pass = fs::File::open(place.path("pass")).unwrap();
    let by_descriptor = place
        .command(&["twin", "list", "--passphrase-fd", "0", "--json"])
        .stdin(pass)
        .output()
        .unwrap();
    assert!(by_descriptor.status.success());
    let nothing = place.run(&["twin", "list"]);
    assert_eq!((nothing.refused().as_str(), nothing.code), ("no-secret", 2));
}

#[test]
fn a_key_file_that_others_can_read_is_refused() {
    let place = Place::with_keep();
    fs::set_permissions(place.path("keep.kek"), Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.run(&["twin", "list"]).refused(), "key-permissions");
}

#[test]
fn every_private_file_is_for_its_owner_only() {
    let place = Place::with_patients(60);
    for path in place.files("keep") {
        let public = path.starts_with(place.path("keep/public"))
            || ["keep.json", "twinkeep.toml", "pack.toml", "anchor", "checkpoint"]
                .iter()
                .any(|name| path.file_name().is_some_and(|other| other == *name));
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if !public && !path.starts_with(place.path("keep/ledger")) {
            assert_eq!(mode & 0o077, 0, "{} has mode {mode:o}", path.display());
        }
    }
    let mode = fs::metadata(place.path("keep")).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0);
}

/// The markers are chosen so that they cannot appear by chance, in any place of a row.
#[test]
fn no_byte_of_a_keep_shows_a_person() {
    let place = Place::with_keep();
    fs::create_dir(place.path("stays")).unwrap();
    let marker = "ZZTOPSECRETPATIENT7";
    let mut text = format!("Time,Parameter,Value\n00:00,RecordID,{marker}\n00:00,Age,77\n");
    for minute in 0..50 {
        text.push_str(&format!("01:{minute:02},Glucose,123.{minute:02}5\n"));
    }
    text.push_str("02:00,ZZUNKNOWNCODE,4242.4242\n03:00,HR,987654.25\n");
    write(&place.path(&format!("stays/{marker}.txt")), text.as_bytes());
    place.seal("stays").done();
    let report = place.run(&["ingest", "stays.sealed"]).done();
    assert_eq!(report["read"], 54);
    assert_eq!(report["accepted"], 52);
    assert_eq!(report["quarantined"], 2);
    place.run(&["twin", "show", marker]).done();
    place.run(&["feed", "quarantine", "feed-1", "--reveal"]).done();

    let mut needles: Vec<Vec<u8>> = [marker, "ZZUNKNOWNCODE", "4242.4242", "987654.25", "123.015"]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
    // A single number of four bytes could be there by chance; three in a row cannot.
    needles.push([123.005_f32, 123.015, 123.025].map(f32::to_le_bytes).concat());
    let mut looked_at = 0;
    for path in place.files("keep").into_iter().chain(place.files("state")) {
        let bytes = fs::read(&path).unwrap();
        looked_at += bytes.len();
        for needle in &needles {
            let found = bytes.windows(needle.len()).any(|window| window == needle);
            assert!(!found, "{} shows a person", path.display());
        }
    }
    assert!(50_000 < looked_at);
}

/// A revoked key must not live again because somebody put yesterday's catalog back.
#[test]
fn a_catalog_from_an_older_copy_does_not_open() {
    let place = Place::with_keep();
    let made = place.run(&["key", "new", "app"]).done();
    place.copy("keep/store", "older");
    place.run(&["key", "revoke", made["id"].as_str().unwrap()]).done();
    fs::remove_dir_all(place.path("keep/store")).unwrap();
    place.copy("older", "keep/store");
    assert_eq!(place.run(&["key", "list"]).refused(), "catalog-rolled-back");
}

#[test]
fn a_pack_that_was_edited_does_not_open() {
    let place = Place::with_keep();
    let path = place.path("keep/pack.toml");
    let text = fs::read_to_string(&path).unwrap();
    write(&path, text.replace("[50, 250]", "[50, 25000]").as_bytes());
    assert_eq!(place.run(&["twin", "list"]).refused(), "pack-changed");
}

#[test]
fn a_keep_that_others_may_enter_does_not_open() {
    let place = Place::with_keep();
    fs::set_permissions(place.path("keep"), Permissions::from_mode(0o755)).unwrap();
    assert_eq!(place.run(&["twin", "list"]).refused(), "keep-permissions");
}

#[test]
fn a_file_that_is_there_is_not_replaced_by_a_key() {
    let place = Place::with_keep();
    place.run(&["key", "new", "one", "--out", "api.key"]).done();
    let first = fs::read(place.path("api.key")).unwrap();
    assert_eq!(place.run(&["key", "new", "two", "--out", "api.key"]).refused(), "key-file-exists");
    assert_eq!(fs::read(place.path("api.key")).unwrap(), first);
    assert_eq!(place.run(&["key", "list"]).lines().len(), 1);
}

#[test]
fn a_keep_of_which_anything_is_open_to_others_does_not_open() {
    let place = Place::with_keep();
    let modes = [
        ("store", 0o710),
        ("store/events", 0o755),
        ("store/catalog.sqlite", 0o644),
        ("store/keyring", 0o640),
        ("models", 0o705),
        ("watermark", 0o604),
        ("twinkeep.toml", 0o666),
        ("public", 0o770),
    ];
    for (name, mode) in modes {
        let path = place.path(&format!("keep/{name}"));
        let before = fs::metadata(&path).unwrap().permissions();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let shown = place.show(&["twin", "list"]);
        assert_eq!(shown.code, 1, "{name}: {}", shown.stderr);
        assert!(shown.stderr.contains("run `chmod"), "{name}: {}", shown.stderr);
        assert!(shown.stderr.contains(name), "{name}: {}", shown.stderr);
        fs::set_permissions(&path, before).unwrap();
    }
    place.run(&["twin", "list"]).done();
}

#[test]
fn data_keys_are_rotated_without_losing_anything() {
    let place = Place::with_patients(30);
    let list = place.run(&["twin", "list", "--limit", "30"]).done();
    let old = place.files("keep/store/events");
    let keyring = fs::read(place.path("keep/store/keyring")).unwrap();
    let report = place.run(&["key", "rotate", "--data"]).done();
    assert_eq!(report["files"], old.len() + 1);
    let new = place.files("keep/store/events");
    assert_eq!(new.len(), old.len());
    assert!(new.iter().all(|file| !old.contains(file)));
    assert_ne!(fs::read(place.path("keep/store/keyring")).unwrap(), keyring);
    assert_eq!(place.run(&["twin", "list", "--limit", "30"]).done(), list);
    let subject = list["twins"][0]["subject"].as_str().unwrap();
    place.run(&["twin", "show", subject]).done();
    place.run(&["ledger", "verify"]).done();
}
