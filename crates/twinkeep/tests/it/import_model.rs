//! Models from elsewhere as a person meets them: checked to the last byte and kept, quarantined, or
//! a candidate if another keep exported them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, peer, write};
use crate::incident::{actions, drill, steps};

/// A keep, and whoever makes models with a key of OpenSSL.
fn keep_and_maker() -> Option<Place> {
    peer("openssl")?;
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", "icu", "--key-file", "keep.kek"]).done();
    let openssl = |args: &[&str]| {
        let done = Command::new("openssl").args(args).current_dir(place.path("")).output().unwrap();
        assert!(done.status.success());
    };
    openssl(&["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "maker.key"]);
    fs::set_permissions(place.path("maker.key"), fs::Permissions::from_mode(0o600)).unwrap();
    openssl(&["ec", "-in", "maker.key", "-pubout", "-out", "maker.pub"]);
    fs::create_dir(place.path("m")).unwrap();
    write(&place.path("m/model.bin"), &tensors(&[1; 40]));
    write(&place.path("m/config.json"), br#"{"hidden_size":5}"#);
    write(&place.path("m/README.md"), b"# A model\n");
    Some(place)
}

fn tensors(data: &[u8]) -> Vec<u8> {
    let length = data.len();
    let header =
        format!(r#"{{"a":{{"dtype":"U8","shape":[{length}],"data_offsets":[0,{length}]}}}}"#);
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

fn sign(place: &Place) {
    place.run(&["model", "sign", "m", "--private-key", "maker.key"]).done();
}

/// Imports; returns the report and the exit code.
fn import(place: &Place, args: &[&str]) -> (Value, i32) {
    let ran = place.run(&[["model", "import"].as_slice(), args].concat());
    let report = ran.stdout.lines().next().unwrap_or_else(|| panic!("{}", ran.stderr));
    (serde_json::from_str(report).unwrap(), ran.code)
}

const TRUSTED: [&str; 3] = ["m", "--public-key", "maker.pub"];

fn entries(place: &Place, action: &str) -> Vec<Value> {
    let lines = place.run(&["ledger", "show", "--limit", "1000"]).lines();
    lines.into_iter().filter(|line| line["action"] == action).collect()
}

#[test]
fn a_model_of_data_by_a_trusted_maker_is_verified_listed_and_recorded() {
    let Some(place) = keep_and_maker() else { return };
    sign(&place);
    let (report, code) = import(&place, &TRUSTED);
    assert_eq!((&report["state"], code), (&"verified".into(), 0), "{report}");
    let formats: Vec<&str> = report["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["format"].as_str().unwrap())
        .collect();
    assert_eq!(formats, ["text", "json", "safetensors"]);
    let model = report["model"].as_str().unwrap();
    let list = place.run(&["model", "list"]).lines();
    assert_eq!((&list[0]["version"], &list[0]["state"]), (&model.into(), &"verified".into()));
    let verified = place.run(&["model", "verify", model]).done();
    assert_eq!(verified["digest"], report["digest"]);
    assert_eq!(entries(&place, "model.imported").len(), 1);
    assert_ne!(place.run(&["model", "release", model, "--reason", "x"]).code, 0);
    assert_ne!(place.run(&["model", "show", model]).code, 0);

    let kept = place.files(&format!("keep/models/imports/{model}"));
    assert_eq!(kept.len(), 4);
    place.flip(&kept[1], 99);
    assert_eq!(place.run(&["model", "verify", model]).refused(), "model-import-changed");
    assert_eq!(place.run(&["model", "list"]).lines()[0]["state"], "quarantined");
    assert_eq!(entries(&place, "model.quarantined").len(), 1);
    // It is an incident, which was on record before anything was done about it; one of each.
    assert_eq!(place.run(&["model", "verify", model]).refused(), "model-state");
    let done = actions(&place);
    let of = |action: &str| done.iter().position(|it| it == action).unwrap();
    assert!(of("incident.opened") < of("model.quarantined"), "{done:?}");
    place.run(&["incident", "resume"]).done();
    let [incident] = &place.run(&["incident", "list"]).lines()[..] else { panic!("one") };
    assert_eq!((&incident["detector"], &incident["count"]), (&"model-integrity".into(), &1.into()));
    assert_eq!(
        (&incident["target"]["name"], &incident["state"]),
        (&model.into(), &"contained".into())
    );
    let expected = [
        "done preserve-evidence",
        "skipped activate-backup no-backup",
        "skipped quarantine-model in-place",
        "done notify",
    ];
    assert_eq!(steps(incident), expected);
    let kept = incident["evidence"].as_object().unwrap();
    assert_eq!(kept.keys().filter(|name| name.starts_with(model)).count(), 4, "{incident}");
    // What was changed does not come back by importing it again.
    let (again, code) = import(&place, &TRUSTED);
    assert_eq!((&again["state"], &again["code"], code), (&"quarantined".into(), &"held".into(), 1));
}

#[test]
fn an_imported_model_that_an_incident_took_away_stays_away() {
    let Some(place) = keep_and_maker() else { return };
    sign(&place);
    let (report, _) = import(&place, &TRUSTED);
    let model = report["model"].as_str().unwrap();
    let incident = drill(&place, &["--as", "model-integrity", "--model", model]);
    assert_eq!(steps(&incident)[2], "done quarantine-model", "{incident}");
    assert_eq!(place.run(&["model", "verify", model]).refused(), "model-state");
    let undo = place.run(&["incident", "rollback", "inc-1", "--reason", "a drill"]);
    assert_eq!(undo.refused(), "rollback-partial");
    let shown = place.run(&["incident", "show", "inc-1"]).done();
    assert_eq!(steps(&shown)[2], "kept quarantine-model model-import-held");
    assert_eq!(place.run(&["model", "list"]).lines()[0]["state"], "quarantined");
}

#[test]
fn what_cannot_be_checked_is_quarantined_whoever_signed_it() {
    let Some(place) = keep_and_maker() else { return };
    for (name, content, code) in [
        ("m/model.safetensors", b"cos\nsystem\n(S'id'\ntR.".as_slice(), "unsupported"),
        ("m/README.txt", b"\x80\x04\x95\x1e\0\0\0\0\0\0\0\x8c\x05posix", "unsupported"),
        ("m/modeling.py", b"import os", "unsupported"),
        ("m/archive.json", b"PK\x03\x04", "unsupported"),
        ("m/tokenizer_config.json", br#"{"chat_template":"{{ x }}"}"#, "unsupported"),
        ("m/more.safetensors", &tensors(&[0; 400])[..300], "unsound"),
        ("m/config2.json", br#"{"a":1,"a":2}"#, "unsound"),
    ] {
        write(&place.path(name), content);
        sign(&place);
        let (report, exit) = import(&place, &TRUSTED);
        assert_eq!((&report["state"], exit), (&"quarantined".into(), 1), "{name}");
        assert_eq!(report["code"], code, "{name}");
        let model = report["model"].as_str().unwrap();
        assert_eq!(place.run(&["model", "verify", model]).refused(), "model-state");
        fs::remove_file(place.path(name)).unwrap();
    }
    let unscanned = entries(&place, "model.imported");
    assert_eq!(unscanned.len(), 7);
}

#[test]
fn a_model_that_nobody_trusted_signed_waits_until_somebody_did() {
    let Some(place) = keep_and_maker() else { return };
    let (report, exit) = import(&place, &["m"]);
    assert_eq!((&report["code"], exit), (&"model-unsigned".into(), 1));
    sign(&place);
    assert_eq!(import(&place, &["m"]).0["code"], "model-signer-unknown");
    let (verified, exit) = import(&place, &TRUSTED);
    assert_eq!((&verified["model"], exit), (&report["model"], 0), "the same material");
    let model = verified["model"].as_str().unwrap();
    place.run(&["model", "verify", model]).done();
    let line = place.run(&["model", "quarantine", model, "--reason", "a rumor"]).done();
    assert_eq!(line["state"], "quarantined");
    assert_eq!(import(&place, &TRUSTED).0["code"], "held");
    // Whom the operator revoked, nobody believes.
    let signer = place.run(&["model", "verify", "m", "--public-key", "maker.pub"]).done();
    write(&place.path("lost"), signer["signer"].as_str().unwrap().as_bytes());
    write(&place.path("m/config.json"), br#"{"hidden_size":6}"#);
    sign(&place);
    let (revoked, exit) = import(&place, &[&TRUSTED[..], &["--revoked", "lost"]].concat());
    assert_eq!((&revoked["code"], exit), (&"model-signer-revoked".into(), 1));
}

#[test]
fn a_version_of_another_keep_becomes_a_candidate_and_forecasts() {
    let (place, version) = Place::with_version();
    let version = version.as_str();
    let trained = place.run(&["model", "show", version]).done()["training"].clone();
    let export = ["model", "export", version, "--out", "exported"];
    let report = place.run(&export).done();
    assert!(7 <= report["files"].as_u64().unwrap(), "{report}");
    assert_eq!(place.run(&export).refused(), "model-export-exists");
    assert_eq!(fs::metadata(place.path("exported")).unwrap().permissions().mode() & 0o077, 0);

    let other = Place::another_with_patients(240);
    let moved = |name: &str| other.path(name).to_str().unwrap().to_owned();
    let copy = |from: &Path, to: &str| {
        let done = Command::new("cp").arg("-a").arg(from).arg(other.path(to)).status().unwrap();
        assert!(done.success());
    };
    copy(&place.path("exported"), "exported");
    copy(&place.path("keep/public/model.pem"), "maker.pub");
    let own = moved("keep/public/model.pem");
    // Signed by somebody who is not believed here: kept, and never a candidate.
    let (foreign, exit) = import(&other, &["exported", "--public-key", &own]);
    assert_eq!((&foreign["state"], exit), (&"quarantined".into(), 1));
    let (report, exit) = import(&other, &["exported", "--public-key", "maker.pub"]);
    assert_eq!((&report["state"], exit), (&"candidate".into(), 0), "{report}");
    let imported = report["model"].as_str().unwrap();
    let shown = other.run(&["model", "show", imported]).done();
    assert_eq!(shown["training"]["weights_sha256"], trained["weights_sha256"]);
    other.run(&["model", "release", imported, "--reason", "from the other house"]).done();
    let list = other.run(&["twin", "list", "--limit", "1"]).done();
    let subject = list["twins"][0]["subject"].as_str().unwrap();
    let answer = other.run(&["twin", "forecast", subject]).done();
    assert_eq!(answer["model"], report["model"]);

    // A changed weight, and a file that nobody signed.
    other.flip(&other.path("exported/weights.safetensors"), 8_000_001);
    let (changed, _) = import(&other, &["exported", "--public-key", "maker.pub"]);
    assert_eq!(changed["state"], "quarantined");
    other.flip(&other.path("exported/weights.safetensors"), 8_000_001);
    write(&other.path("exported/more.json"), b"{}");
    let (added, _) = import(&other, &["exported", "--public-key", "maker.pub"]);
    assert_eq!(added["state"], "quarantined");
    fs::remove_file(other.path("exported/more.json")).unwrap();

    // Another pack gives each code another's trees.
    other.run(&["init", "shop", "--pack", "audience", "--key-file", "shop.kek"]).done();
    let elsewhere = ["--keep", "shop", "model", "import", "exported", "--public-key", "maker.pub"];
    assert_eq!(other.run(&elsewhere).refused(), "model-pack");
}
