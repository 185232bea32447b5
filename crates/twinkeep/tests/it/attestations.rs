//! What is signed with a version about where it comes from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};

/// Checks a bill of materials against the public schema.
const VALIDATE: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
found = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(sys.argv[1]).read())
sys.exit(str(found) if found else 0)
";

fn python() -> Option<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python3");
    let python = std::env::var_os("TWINKEEP_PYTHON").map_or(own, PathBuf::from);
    let has = Command::new(&python).args(["-c", "import cyclonedx.validation.json"]).output();
    if has.is_ok_and(|output| output.status.success()) {
        return Some(python);
    }
    assert!(std::env::var_os("CI").is_none(), "the package `cyclonedx-python-lib` is missing");
    None
}

#[test]
fn a_version_says_where_it_comes_from_in_the_fields_own_formats() {
    let place = Place::with_patients(240);
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let wrong = format!("{text}\n[card]\ndevelopers = \"nobody\"\n");
    write(&config, wrong.as_bytes());
    assert_eq!(place.run(&["train"]).refused(), "config-value");
    let told = format!("{text}\n[card]\ndeveloper = \"Example Hospital\"\n");
    write(&config, told.as_bytes());
    let version = place.run(&["train"]).done()["version"].as_str().unwrap().to_owned();

    let shown = place.run(&["model", "show", &version]).done();
    let attributes = shown["card"]["source_attributes"].as_array().unwrap();
    assert_eq!(attributes.len(), 31);
    let value = |key: &str| {
        attributes.iter().find(|one| one["key"] == key).map(|one| one["value"].clone()).unwrap()
    };
    assert_eq!(value("developer"), "Example Hospital");
    assert_eq!(value("output_kind"), "prediction");
    assert_eq!(value("funding"), Value::Null, "nobody said it");
    assert!(value("fairness_same_source").as_str().unwrap().contains("median MASE"));

    let read = |name: &str| -> Value {
        let file = place.path(&format!("keep/models/{version}/{name}"));
        serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
    };
    let (provenance, bom) = (read("provenance.json"), read("bom.json"));
    let weights = &shown["training"]["weights_sha256"];
    assert_eq!(&provenance["subject"][0]["digest"]["sha256"], weights);
    let build = &provenance["predicate"]["buildDefinition"];
    assert_eq!(build["externalParameters"]["configuration"]["seed"], 42);
    let from = build["resolvedDependencies"].as_array().unwrap();
    let data = &shown["training"]["data_sha256"];
    assert!(from.iter().any(|one| one["digest"]["sha256"] == *data), "{build}");
    let builder = &provenance["predicate"]["runDetails"]["builder"]["builderDependencies"][0];
    assert_eq!(builder["digest"]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!(&bom["metadata"]["component"]["hashes"][0]["content"], weights);

    validate(&place.path(&format!("keep/models/{version}/bom.json")));
}

/// Checks a bill of materials against the public schema, where that is.
fn validate(file: &Path) {
    let Some(python) = python() else {
        println!("skipped: the schema of CycloneDX is not here (TWINKEEP_PYTHON)");
        return;
    };
    let checked = Command::new(python).args(["-c", VALIDATE]).arg(file).output().unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

#[test]
fn the_cryptography_of_a_keep_is_listed_without_a_key() {
    let place = Place::with_keep();
    let found = place.run(&["crypto", "inventory"]).done();
    let named = |list: &str, name: &str| {
        let all = found[list].as_array().unwrap();
        all.iter()
            .find(|one| one["name"] == name)
            .unwrap_or_else(|| panic!("{name}: {found}"))
            .clone()
    };
    assert_eq!(named("algorithms", "Ed25519")["quantum_safe"], false);
    assert_eq!(named("algorithms", "X-Wing")["quantum_safe"], true);
    let sender = place.run(&["sender", "list"]).lines()[0]["key_id"].clone();
    assert_eq!(named("keys", "sender hospital")["key_id"], sender);
    assert_eq!(named("keys", "root")["age_days"], 0);
    let certificates = found["certificates"].as_array().unwrap();
    assert!(certificates.iter().any(|one| one["days_left"] == 59), "{certificates:?}");
    assert_eq!(found["findings"], Value::Array(vec![]));
    let bom = place.run(&["crypto", "inventory", "--cyclonedx"]).done();
    write(&place.path("cbom.json"), bom.to_string().as_bytes());
    validate(&place.path("cbom.json"));
    // No key, and nothing of a key.
    let digits = fs::read_to_string(place.path("keep.kek")).unwrap();
    assert!(!found.to_string().contains(&digits[..16]));
}

/// A keep is as old as `keep.json` says that it is; what was rotated since is not.
#[test]
fn a_key_that_was_rotated_is_young_again() {
    let place = Place::with_patients(60);
    let descriptor = place.path("keep/keep.json");
    let text = fs::read_to_string(&descriptor).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let old = text.replace(json["created"].as_str().unwrap(), "2021-01-01T00:00:00Z");
    write(&descriptor, old.as_bytes());
    let young = |key_file: &str| {
        let found = place.run(&["crypto", "inventory", "--key-file", key_file]).done();
        let keys = found["keys"].as_array().unwrap();
        ["data keys", "key-encryption key", "root"].map(|name| {
            let key = keys.iter().find(|key| key["name"] == name).unwrap();
            key["age_days"].as_i64().unwrap() < 2
        })
    };
    assert_eq!(young("keep.kek"), [false, false, false]);
    place.run(&["key", "rotate", "--data"]).done();
    assert_eq!(young("keep.kek"), [true, false, false]);
    place.run(&["key", "rotate", "--kek", "--new-key-file", "new.kek"]).done();
    assert_eq!(young("new.kek"), [true, true, false]);
}
