//! What a scan reads that others wrote: configurations of nginx, templates of CloudFormation, facts of
//! a workstation, lists of signers, signatures, objects of git, databases, models, and files of any kind.
//!
//! The first byte says what the rest is. Whatever it is, it is judged, the same facts give the same
//! report, and no report has a character that could do something to a terminal.

#![no_main]

use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use twinkeep_posture::baseline::Baseline;
use twinkeep_posture::collect::{cfn, model, nginx, phi, sqlite, windows};
use twinkeep_posture::facts::model::{Content, ModelSignature};
use twinkeep_posture::facts::windows::Choices;
use twinkeep_posture::facts::{FactFile, Facts};
use twinkeep_posture::parse::{bucket_policy, git_object, pickle, s3_xml, signers};
use twinkeep_posture::{judge, report, signature};

/// A folder in memory, of this process.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new("/dev/shm").join(format!("twinkeep-fuzz-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("there is memory for files");
    folder
});

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let path = FOLDER.join("input");
    let written = File::create(&path).and_then(|mut file| file.write_all(rest));
    written.expect("there is memory for files");
    let facts: Option<Facts> = match first % 9 {
        0 => nginx::collect(&path).ok().map(Facts::from),
        1 => cfn::collect(std::slice::from_ref(&path)).ok().map(Facts::from),
        2 => windows::collect(&path, Choices::default()).ok().map(Facts::from),
        3 => sqlite::collect(&path).ok().map(Facts::from),
        4 => {
            let other = |_: &str, _: &mut dyn Read| {
                Ok(Content::Unsupported { why: "it is of another format".to_owned() })
            };
            model::collect(&path, &other, ModelSignature::Missing).ok().map(Facts::from)
        }
        5 => phi::collect(&path, phi::Options::verdicts(2026)).ok().map(Facts::from),
        6 => {
            texts(rest);
            None
        }
        7 => {
            answers(rest);
            None
        }
        _ => {
            objects(rest);
            None
        }
    };
    let Some(facts) = facts else { return };
    let file = FactFile::new(0, vec![facts]);
    let judged = judge(&file, None, &Baseline::default());
    let text = report::text(&judged);
    assert!(!text.chars().any(|char| char.is_control() && char != '\n'), "{text:?}");
    // Facts go through a file without a change.
    let written = serde_json::to_vec(&file).expect("facts can be written");
    let read = FactFile::parse(&written).expect("what was written can be read");
    assert_eq!(report::text(&judge(&read, None, &Baseline::default())), text);
});

/// A list of signers, and a signature before the first empty line with what it is of after it.
fn texts(data: &[u8]) {
    let at = data.windows(2).position(|two| two == b"\n\n").unwrap_or(data.len());
    let (head, body) = data.split_at(at);
    let list = signers::parse(&String::from_utf8_lossy(body));
    let _ = signature::verify(head, body, &list.keys, 1_780_000_000);
    let _ = signature::Certificate::read(head);
    let _ = pickle::scan(&mut &*data);
}

/// A commit and a tag. What is signed and the signatures are all that there is, and nothing twice.
fn objects(data: &[u8]) {
    let keys = signers::parse("").keys;
    let commit = git_object::parse(data);
    // What is left of a commit has no signature that a second look would find.
    let again = commit.as_ref().and_then(|it| git_object::parse(&it.payload));
    assert!(again.is_none_or(|it| it.signatures.is_empty()));
    for object in [commit, git_object::parse_tag(data)].into_iter().flatten() {
        let signatures: usize = object.signatures.iter().map(Vec::len).sum();
        assert!(object.payload.len() + signatures <= data.len());
        for signature in &object.signatures {
            let _ = signature::verify(signature, &object.payload, &keys, object.time_s);
        }
    }
}

/// Answers of an object store.
fn answers(data: &[u8]) {
    let _ = s3_xml::buckets(data);
    let _ = s3_xml::grants(data);
    let _ = s3_xml::encryption(data);
    let _ = s3_xml::error_code(data);
    if let Ok(root) = s3_xml::parse(data) {
        let again = s3_xml::parse(s3_xml::write(&root).as_bytes()).expect("what was written");
        assert_eq!(again, root);
    }
    let Ok(value) = serde_json::from_slice(data) else { return };
    if let Ok(policy) = bucket_policy::Policy::parse(&value) {
        let _ = (policy.public().count(), policy.refuses_plaintext("b"), policy.others("1"));
    }
}
