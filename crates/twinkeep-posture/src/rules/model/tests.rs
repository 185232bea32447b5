//! Each rule over facts that were collected from real files.

use std::path::Path;

use crate::collect::model::tests::{facts, python};
use crate::facts::Facts;
use crate::facts::model::{Model, ModelSignature};
use crate::rules::find;

/// What a rule says about each file: outcomes with their words.
fn says(rule: &str, model: &Model) -> Vec<String> {
    let judged = find(rule).unwrap().check.judge(&Facts::Model(Box::new(model.clone()))).unwrap();
    let words = judged.iter().map(|it| {
        let name = Path::new(&it.resource).file_name().unwrap().to_str().unwrap().to_owned();
        format!("{name}: {} {}", it.outcome.word(), it.outcome.says())
    });
    words.map(|said| said.trim().to_owned()).collect()
}

#[test]
fn a_model_of_pickles_fails_and_one_of_data_passes() {
    let folder = tempfile::tempdir().unwrap();
    python(
        folder.path(),
        "open('a.pkl', 'wb').write(pickle.dumps([Calls()]))\n\
         open('b.pkl', 'wb').write(pickle.dumps([1, 2]))\n\
         open('c.bin', 'wb').write(b'\\x89HDF\\r\\n')\n\
         z = zipfile.ZipFile('d.pt', 'w'); z.writestr('m/data.pkl', pickle.dumps(Calls())); z.close()\n\
         json.dump({'layers': 3}, open('e.json', 'w'))\n",
    );
    let model = facts(folder.path());
    assert_eq!(
        says("model-code", &model),
        [
            "a.pkl: fail calls posix.system when it is loaded",
            "b.pkl: pass",
            "c.bin: not-checked it was not looked into: it is none of the formats that hold data only",
            "d.pt: fail calls posix.system when it is loaded (in `m/data.pkl`)",
            "e.json: pass"
        ]
    );
    assert_eq!(
        says("model-format", &model),
        [
            "a.pkl: fail is a pickle, which is a program",
            "b.pkl: fail is a pickle, which is a program",
            "c.bin: fail is not supported: it is none of the formats that hold data only",
            "d.pt: fail is a pickle, which is a program",
            "e.json: pass"
        ]
    );
}

#[test]
fn a_signature_counts_only_if_it_was_verified() {
    let folder = tempfile::tempdir().unwrap();
    let model = facts(folder.path());
    let with = |signature| {
        let said = says("model-signature", &Model { signature, ..model.clone() });
        said[0].split_once(": ").unwrap().1.to_owned()
    };
    assert_eq!(with(ModelSignature::Verified { by: "key".to_owned() }), "pass");
    assert_eq!(with(ModelSignature::Missing), "fail has no signature");
    let why = "a file was changed".to_owned();
    assert!(with(ModelSignature::Refused { why: why.clone() }).starts_with("fail"));
    assert!(with(ModelSignature::NotChecked { why }).starts_with("not-checked"));
}
