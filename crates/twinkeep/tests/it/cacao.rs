//! Playbooks as others read them: by the public schemas of CACAO 2.0.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};

/// Checks documents against the schemas of OASIS: each as a whole, and its commands, which the schema
/// of the whole leaves open.
const VALIDATE: &str = "\
import json, pathlib, sys
import jsonschema, referencing
from referencing.jsonschema import DRAFT7
read = [json.loads(p.read_text()) for p in pathlib.Path(sys.argv[1]).rglob('*.json')]
known = {schema['$id']: schema for schema in read}
registry = referencing.Registry().with_resources(
    [(name, DRAFT7.create_resource(schema)) for name, schema in known.items()])
def validator(end):
    [schema] = [schema for name, schema in known.items() if name.endswith('/schemas/' + end)]
    return jsonschema.Draft7Validator(schema, registry=registry)
whole, manual = validator('playbook.json'), validator('commands/manual.json')
found = []
for name in sys.argv[2:]:
    document = json.load(open(name))
    found += [f'{name} {list(e.path)} {e.message}' for e in whole.iter_errors(document)]
    for step in document['workflow'].values():
        for command in step.get('commands', []):
            found += [f'{name} {e.message}' for e in manual.iter_errors(command)]
sys.exit('\\n'.join(found) if found else 0)
";

/// The schemas, and what validates by them; in no package, so that they are missing where GitHub
/// cannot be reached.
fn schemas() -> Option<(PathBuf, PathBuf)> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    let schemas = peers.join("cacao-json-schemas/schemas");
    let python = peers.join("bin/python3");
    let has = Command::new(&python).args(["-c", "import jsonschema, referencing"]).output();
    if schemas.is_dir() && has.is_ok_and(|output| output.status.success()) {
        return Some((python, schemas));
    }
    println!("skipped: the schemas of CACAO are missing; .ci/peers.sh fetches them");
    None
}

#[test]
fn what_is_exported_is_valid_by_the_schemas_of_oasis() {
    let Some((python, schemas)) = schemas() else { return };
    let place = Place::with_keep();
    // One that has what the shipped ones do not: what follows a failure, and things by their names.
    let own = "name = \"own\"\nid = \"playbook--5b0f63d2-7a14-4c86-9d1e-3f2a7c90b1e4\"\n\
               created = \"2026-11-23T00:00:00.000Z\"\nmodified = \"2026-11-23T00:00:00.000Z\"\n\
               description = \"A test.\"\ndetectors = [\"drill\"]\nseverity = \"critical\"\n\
               irreversible = true\n\
               [[step]]\naction = \"close-route\"\non = \"/api/v1/predict\"\non_failure = \"stop\"\n\
               [[step]]\naction = \"drop-port\"\non = \"tcp/8500\"\non_failure = \"undo\"\n\
               [[step]]\naction = \"revoke-credential\"\n\
               [[step]]\naction = \"notify\"\n";
    write(&place.path("own.toml"), own.as_bytes());
    place.run(&["incident", "playbook", "import", "own.toml", "--confirm"]).done();
    let list = place.run(&["incident", "playbook", "list"]).done();
    let mut files = Vec::new();
    for playbook in list["playbooks"].as_array().unwrap() {
        let name = playbook["name"].as_str().unwrap();
        let file = format!("{name}.json");
        place.run(&["incident", "playbook", "export", name, "--out", &file]).done();
        files.push(place.path(&file));
    }
    assert_eq!(files.len(), 6);
    let validate = |files: &[PathBuf]| {
        Command::new(&python).args(["-c", VALIDATE]).arg(&schemas).args(files).output().unwrap()
    };
    let valid = validate(&files);
    assert!(valid.status.success(), "{}", String::from_utf8_lossy(&valid.stderr));

    // What is wrong is found: in the playbook, in a step, and in a command.
    let text = fs::read_to_string(&files[0]).unwrap();
    let whole: Value = serde_json::from_str(&text).unwrap();
    let action = whole["workflow"].as_object().unwrap().keys().find(|id| id.starts_with("action"));
    let action = action.unwrap().clone();
    let break_it: [&dyn Fn(&mut Value); 3] = [
        &|it| it["spec_version"] = "cacao-9".into(),
        &|it| it["workflow"][&action]["agent"] = 7.into(),
        &|it| it["workflow"][&action]["commands"][0]["command"] = 7.into(),
    ];
    for (number, change) in break_it.iter().enumerate() {
        let mut broken = whole.clone();
        change(&mut broken);
        let file = place.path("broken.json");
        write(&file, broken.to_string().as_bytes());
        assert!(!validate(&[file]).status.success(), "{number}");
    }
}
