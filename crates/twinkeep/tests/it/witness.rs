//! A second keep as witness: it cosigns what continues, and finds who rewrites history.

use std::fs;

use crate::harness::{Place, write};

/// A keep with a ledger, another keep that watches it, and a copy of the first from before.
fn watched() -> Place {
    let place = Place::with_keep();
    place.run(&["init", "second", "--pack", "icu", "--key-file", "second.kek"]).done();
    let key = place.show(&["ledger", "key"]).stdout;
    write(&place.path("log.vkey"), key.as_bytes());
    place.run(&["witness", "add", "log.vkey", "--keep", "second"]).done();
    write(
        &place.path("witness.vkey"),
        place.show(&["witness", "key", "--keep", "second"]).stdout.as_bytes(),
    );
    place
}

fn ask(place: &Place, keep: &str, old: &str) {
    let args = ["ledger", "consistency", old, "--out", "request", "--keep", keep];
    place.run(&args).done();
}

#[test]
fn a_witness_cosigns_what_continues_and_the_cosignature_is_checked() {
    let place = watched();
    let cosign =
        || place.run(&["witness", "cosign", "request", "--out", "cosigned", "--keep", "second"]);
    ask(&place, "keep", "0");
    let first = cosign().done();
    assert_eq!((first["old_size"].as_u64(), first["size"].as_u64()), (Some(0), Some(1)));
    for _ in 0..3 {
        place.run(&["twin", "list"]).done();
    }
    // A proof from elsewhere than where the witness stands.
    ask(&place, "keep", "0");
    let conflict = cosign();
    assert_eq!(conflict.refused(), "witness-conflict");
    assert!(conflict.stderr.contains("ledger consistency 1 "), "{}", conflict.stderr);
    ask(&place, "keep", "1");
    assert_eq!(cosign().done()["size"], 4);
    // Asked once more, it says the same.
    ask(&place, "keep", "4");
    cosign().done();
    let list = place.run(&["witness", "list", "--keep", "second"]).done();
    assert_eq!(list["size"], 4);

    place.run(&["twin", "list"]).done();
    let verify = |file: &str, witness: &str| {
        place.run(&["ledger", "verify", "--trusted", file, "--witness", witness])
    };
    assert_eq!(verify("cosigned", "witness.vkey").done()["trusted_checkpoints"], 3);
    place.copy("keep/ledger/checkpoint", "alone");
    assert_eq!(verify("alone", "witness.vkey").refused(), "witness-missing");
    assert_eq!(verify("cosigned", "log.vkey").refused(), "witness-key");
    let none = place.run(&["ledger", "verify", "--witness", "witness.vkey"]);
    assert_eq!(none.refused(), "witness-usage");
}

#[test]
fn a_fork_and_a_rollback_are_refused_and_alarm() {
    let place = watched();
    let cosign = || place.run(&["witness", "cosign", "request", "--keep", "second"]);
    place.run(&["twin", "list"]).done();
    place.copy("keep", "old");
    ask(&place, "keep", "0");
    cosign().done();
    place.run(&["twin", "list"]).done();
    ask(&place, "keep", "2");
    assert_eq!(cosign().done()["size"], 3);

    // The operator puts the old folder back, and goes on from there as if nothing had been.
    fs::remove_dir_all(place.path("state")).unwrap();
    ask(&place, "old", "2");
    assert_eq!(cosign().refused(), "witness-rolled-back");
    let key = ["--keep", "old", "--key-file", "keep.kek"];
    for _ in 0..2 {
        place.run(&[&["twin", "list"][..], &key].concat()).done();
        ask(&place, "old", "3");
        assert_eq!(cosign().refused(), "witness-fork");
    }
    let alarms = place
        .run(&[
            "ledger",
            "search",
            "--action",
            "witness.cosigned",
            "--outcome",
            "failure",
            "--keep",
            "second",
        ])
        .lines();
    let codes: Vec<_> = alarms.iter().map(|alarm| alarm["outcome"].as_str().unwrap()).collect();
    assert_eq!(codes, ["witness-rolled-back", "witness-fork", "witness-fork"]);
    let ocsf = place.show(&[
        "ledger",
        "export",
        "--format",
        "ocsf",
        "--outcome",
        "failure",
        "--keep",
        "second",
    ]);
    assert_eq!(ocsf.stdout.matches("\"severity_id\":4").count(), 3);
    let mut incidents = place.run(&["incident", "list", "--keep", "second"]).lines();
    incidents.retain(|incident| incident["detector"] == "ledger-disagreement");
    assert_eq!(incidents.len(), 1, "all of it is one: {incidents:?}");
    assert_eq!(
        (&incidents[0]["severity"], &incidents[0]["count"]),
        (&"critical".into(), &3.into())
    );
    // Nothing that it refused has moved it.
    assert_eq!(place.run(&["witness", "list", "--keep", "second"]).done()["size"], 3);
}

#[test]
fn a_witness_takes_nothing_from_strangers() {
    let place = watched();
    let cosign = |keep: &str| place.run(&["witness", "cosign", "request", "--keep", keep]);
    ask(&place, "second", "0");
    assert_eq!(cosign("second").refused(), "witness-unknown-ledger");
    // A checkpoint of the watched name, signed by another key.
    ask(&place, "keep", "0");
    let request = fs::read_to_string(place.path("request")).unwrap();
    let at = request.rfind("\n\n").unwrap() + 2;
    let own = fs::read_to_string(place.path("second/ledger/checkpoint")).unwrap();
    let foreign = &own[own.rfind("\n\n").unwrap() + 2..];
    write(&place.path("request"), format!("{}{foreign}", &request[..at]).as_bytes());
    assert_eq!(cosign("second").refused(), "witness-signature");
    write(&place.path("request"), b"old 0\n");
    assert_eq!(cosign("second").refused(), "witness-request");
    // Another key under a name that is watched already.
    let vkey = place.show(&["ledger", "key"]).stdout;
    let other = place.show(&["ledger", "key", "--keep", "second"]).stdout;
    assert_ne!(vkey, other);
    place.run(&["witness", "add", "log.vkey", "--keep", "second"]).done();
    let hex = place.run(&["witness", "add", "keep/public/ledger.pub", "--keep", "second"]);
    assert_eq!(hex.refused(), "witness-key");
    assert_eq!(place.run(&["witness", "list", "--keep", "second"]).lines().len(), 1);
}
