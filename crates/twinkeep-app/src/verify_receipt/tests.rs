//! Receipts of a test key: what holds, and what an attacker tries. The vectors in
//! `conformance/receipt` are made and checked here.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use twinkeep_ledger::{Activity, Class, Entry, Ledger};
use twinkeep_vault::SecretKey;
use twinkeep_vault::digest::{hmac_sha256, sha256, to_hex};
use twinkeep_vault::sign::SigningKey;

use super::{check, parse};
use crate::canonical_json::canonical;
use crate::envelope::Envelope;
use crate::ledger_key::LedgerKey;
use crate::receipt::{PAYLOAD_TYPE, Receipt};

const ORIGIN: &str = "keep.example/ledger";
const INPUT: &str = "twinkeep input v1\nprediction_time\t946695600000000\nhorizons_hours\t1,6\n\
                     event\t946684800000000\tHR\t88.5\t-\n";
const OPENING: [u8; 32] = [3; 32];

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32]).unwrap()
}

fn answer() -> Value {
    json!({"model": "model-1", "targets": [{"code": "HR", "points": [{"q50": 88.125}]}]})
}

fn statement() -> Value {
    let answer = canonical(answer().to_string().as_bytes(), None).unwrap();
    let commitment = hmac_sha256(&SecretKey::from_slice(&OPENING).unwrap(), INPUT.as_bytes());
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "answer", "digest": {"sha256": to_hex(&sha256(answer.as_bytes()))}}],
        "predicateType": "https://twinkeep.local/receipt/v1",
        "predicate": {
            "keep": ORIGIN,
            "time": "2026-11-22T12:00:00Z",
            "action": "twin.forecast",
            "person": "00112233445566778899aabbccddeeff",
            "model": {"version": "model-1", "digest": {"sha256": to_hex(&[1; 32])}},
            "data": {"training_record": {"sha256": to_hex(&[2; 32])}, "store_epoch": 17},
            "input": {"hmac_sha256": to_hex(&commitment)},
            "decision": {"result": "permit", "caller": "key:0123456789abcdef", "scope": "twins:read"},
        },
    })
}

fn entry(statement: &[u8]) -> Entry {
    let time_ms = 1_795_348_800_123;
    Entry::new(
        time_ms,
        Class::DatastoreActivity,
        Activity::Read,
        "twin.forecast",
        "key:0123456789abcdef",
    )
    .about("00112233445566778899aabbccddeeff")
    .with("receipt", to_hex(&sha256(statement)).as_str())
}

/// A receipt whose statement and entry are as given, in a ledger with others around it.
fn receipt_of(signer: &SigningKey, statement: &[u8], entry: &Entry) -> Receipt {
    let dir = tempfile::tempdir().unwrap();
    let seed = signer.expose_seed();
    Ledger::create(dir.path(), ORIGIN, signer).unwrap();
    let again = SigningKey::from_seed(seed).unwrap();
    let ledger = Ledger::open(dir.path(), ORIGIN, again, None).unwrap();
    let other = |action: &str| {
        let entry = Entry::new(1, Class::ApiActivity, Activity::Other, action, "operator");
        entry.encode().unwrap()
    };
    let entries = [other("a"), other("b"), entry.encode().unwrap(), other("c"), other("d")];
    ledger.append(&entries).unwrap();
    Receipt {
        version: 1,
        statement: Envelope::sign(signer, PAYLOAD_TYPE, statement),
        proof: ledger.view().unwrap().prove(2).unwrap().encode(),
        opening: Some(STANDARD.encode(OPENING)),
    }
}

fn receipt() -> Receipt {
    let statement = statement().to_string();
    receipt_of(&key(), statement.as_bytes(), &entry(statement.as_bytes()))
}

fn public(signer: &SigningKey) -> LedgerKey {
    LedgerKey { origin: None, key: signer.verifying_key() }
}

fn code(receipt: &Receipt, answer: Option<&Value>) -> &'static str {
    let answer = answer.map(|answer| canonical(answer.to_string().as_bytes(), None).unwrap());
    match check(receipt, &public(&key()), answer.as_deref(), None) {
        Ok(_) => "ok",
        Err(refusal) => refusal.said().0,
    }
}

/// The code with a statement that was changed before it was signed and recorded.
fn code_with(edit: impl FnOnce(&mut Value)) -> &'static str {
    let mut changed = statement();
    edit(&mut changed);
    let statement = changed.to_string();
    code(&receipt_of(&key(), statement.as_bytes(), &entry(statement.as_bytes())), None)
}

#[test]
fn a_receipt_holds_for_its_answer_and_its_input() {
    let receipt = receipt();
    let text = canonical(answer().to_string().as_bytes(), None).unwrap();
    let report = check(&receipt, &public(&key()), Some(&text), Some(INPUT.as_bytes())).unwrap();
    assert_eq!((report.keep.as_str(), report.ledger_index, report.ledger_size), (ORIGIN, 2, 5));
    assert!(report.answer_checked && report.input_checked);
    let report = check(&receipt, &public(&key()), None, None).unwrap();
    assert!(!report.answer_checked && !report.input_checked);
}

#[test]
fn a_changed_digit_in_the_answer_is_refused() {
    let receipt = receipt();
    assert_eq!(code(&receipt, Some(&answer())), "ok");
    let mut changed = answer();
    changed["targets"][0]["points"][0]["q50"] = json!(88.126);
    assert_eq!(code(&receipt, Some(&changed)), "receipt-answer");
    let mut longer = answer();
    longer["note"] = json!("all is well");
    assert_eq!(code(&receipt, Some(&longer)), "receipt-answer");
}

#[test]
fn another_input_is_refused_and_a_receipt_without_its_opening_tells_nothing_of_it() {
    let mut receipt = receipt();
    let changed = INPUT.replace("88.5", "88.6");
    let refused = check(&receipt, &public(&key()), None, Some(changed.as_bytes()));
    assert_eq!(refused.unwrap_err().said().0, "receipt-input");
    receipt.opening = None;
    assert_eq!(code(&receipt, Some(&answer())), "ok");
    let refused = check(&receipt, &public(&key()), None, Some(INPUT.as_bytes()));
    assert_eq!(refused.unwrap_err().said().0, "receipt-opening");
}

#[test]
fn the_receipt_of_another_keep_is_refused() {
    let other = SigningKey::from_seed(&[8; 32]).unwrap();
    let statement = statement().to_string();
    let foreign = receipt_of(&other, statement.as_bytes(), &entry(statement.as_bytes()));
    assert_eq!(code(&foreign, None), "receipt-signature");
    let named = LedgerKey { origin: Some("keep.example/other".into()), ..public(&key()) };
    let refused = check(&receipt(), &named, None, None).unwrap_err();
    assert_eq!(refused.said().0, "receipt-statement");
    // Our statement, recorded in the ledger of another keep.
    let mixed = Receipt { proof: foreign.proof, ..receipt() };
    assert_eq!(code(&mixed, None), "receipt-proof");
}

#[test]
fn a_proof_or_an_entry_that_does_not_fit_is_refused() {
    let good = receipt();
    let proof = |proof: String| code(&Receipt { proof, ..good.clone() }, None);
    assert_eq!(proof(good.proof.replace("index 2", "index 3")), "receipt-proof");
    assert_eq!(proof(String::new()), "receipt-proof");
    // The entry of another statement, of the same keep.
    let other = statement().to_string().replace("model-1", "model-2");
    let exchanged = receipt_of(&key(), other.as_bytes(), &entry(other.as_bytes()));
    assert_eq!(proof(exchanged.proof), "receipt-entry");
    // An entry that names the statement and says something else.
    let text = statement().to_string();
    let with = |entry: Entry| code(&receipt_of(&key(), text.as_bytes(), &entry), None);
    let right = entry(text.as_bytes());
    assert_eq!(with(right.clone()), "ok");
    assert_eq!(with(Entry { action: "predict".into(), ..right.clone() }), "receipt-entry");
    assert_eq!(with(Entry { actor: "operator".into(), ..right.clone() }), "receipt-entry");
    assert_eq!(with(Entry { subject: None, ..right.clone() }), "receipt-entry");
    assert_eq!(with(Entry { time_ms: 5, ..right.clone() }), "receipt-entry");
    assert_eq!(with(right.failed("model-none")), "receipt-entry");
}

#[test]
fn a_statement_of_another_kind_is_refused_even_if_signed() {
    assert_eq!(code_with(|_| ()), "ok");
    let wrong = "receipt-statement";
    assert_eq!(code_with(|it| it["_type"] = json!("https://in-toto.io/Statement/v0.1")), wrong);
    assert_eq!(
        code_with(|it| it["predicateType"] = json!("https://slsa.dev/provenance/v1")),
        wrong
    );
    assert_eq!(code_with(|it| it["subject"][0]["name"] = json!("model")), wrong);
    assert_eq!(code_with(|it| it["subject"] = json!([])), wrong);
    assert_eq!(code_with(|it| it["predicate"]["more"] = json!(1)), wrong);
    assert_eq!(code_with(|it| it["predicate"]["decision"]["result"] = json!("deny")), wrong);
}

#[test]
fn changing_any_byte_of_a_receipt_is_found_or_changes_nothing() {
    let receipt = receipt();
    let text = serde_json::to_vec(&receipt).unwrap();
    let opening = text.windows(10).position(|part| part == b",\"opening\"").unwrap();
    let mut same = 0;
    for at in 0..text.len() {
        let mut changed = text.clone();
        changed[at] ^= 1 << (at % 8);
        let Some((read, _)) = parse(&changed) else { continue };
        if check(&read, &public(&key()), None, None).is_ok() {
            // The id of the key is a hint that is not signed, and the opening is checked with an
            // input only.
            let named = String::from_utf8_lossy(&text[..at]).ends_with("keyid\":\"")
                || read.statement != receipt.statement
                || opening <= at;
            assert!(named, "byte {at} was changed and not found");
            same += 1;
        }
    }
    assert!(same < 120, "{same} changes were not found");
    assert_eq!(parse(br#"{"version":1,"version":1}"#), None);
    assert_eq!(parse(b"[]"), None);
    assert_eq!(parse(b""), None);
}

#[test]
fn an_answer_with_its_receipt_inside_is_one_file() {
    let mut whole = answer();
    whole["receipt"] = json!(receipt());
    let bytes = serde_json::to_vec_pretty(&whole).unwrap();
    let (read, inside) = parse(&bytes).unwrap();
    assert!(inside && read == receipt());
    let form = canonical(&bytes, Some("receipt")).unwrap();
    assert!(check(&read, &public(&key()), Some(&form), None).is_ok());
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/receipt")
}

/// Each vector: its name, the file, and the code that it must give.
fn made() -> Vec<(&'static str, Value, &'static str)> {
    let with = |receipt: &Receipt, answer: Value| {
        let mut whole = answer;
        whole["receipt"] = json!(receipt);
        whole
    };
    let good = receipt();
    let mut digit = answer();
    digit["targets"][0]["points"][0]["q50"] = json!(88.126);
    let other = SigningKey::from_seed(&[8; 32]).unwrap();
    let text = statement().to_string();
    let foreign = receipt_of(&other, text.as_bytes(), &entry(text.as_bytes()));
    let exchanged = statement().to_string().replace("model-1", "model-2");
    let exchanged = receipt_of(&key(), exchanged.as_bytes(), &entry(exchanged.as_bytes()));
    let unopened = Receipt { opening: None, ..good.clone() };
    let moved = Receipt { proof: good.proof.replace("index 2", "index 3"), ..good.clone() };
    vec![
        ("answer-with-receipt", with(&good, answer()), "ok"),
        ("receipt-alone", json!(good), "ok"),
        ("without-opening", with(&unopened, answer()), "ok"),
        ("digit-changed", with(&good, digit), "receipt-answer"),
        ("another-keep", with(&foreign, answer()), "receipt-signature"),
        (
            "proof-of-another-receipt",
            with(&Receipt { proof: exchanged.proof, ..good.clone() }, answer()),
            "receipt-entry",
        ),
        ("index-changed", with(&moved, answer()), "receipt-proof"),
        (
            "proof-of-another-keep",
            with(&Receipt { proof: foreign.proof, ..good }, answer()),
            "receipt-proof",
        ),
    ]
}

#[test]
fn the_vectors_are_judged_as_they_say() {
    let folder = vectors();
    if std::env::var_os("UPDATE_CONFORMANCE").is_some() {
        for (name, value, expected) in made() {
            let side = if expected == "ok" { "valid" } else { "invalid" };
            let text = serde_json::to_string_pretty(&json!({"expect": expected, "file": value}));
            let path = folder.join(side).join(format!("{name}.json"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let written = std::io::Write::write_all(
                &mut fs::File::create(path).unwrap(),
                format!("{}\n", text.unwrap()).as_bytes(),
            );
            written.unwrap();
        }
    }
    let mut seen = 0;
    for side in ["valid", "invalid"] {
        for file in fs::read_dir(folder.join(side)).unwrap() {
            let path = file.unwrap().path();
            let vector: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            let bytes = vector["file"].to_string();
            let (receipt, inside) = parse(bytes.as_bytes()).unwrap();
            let form = canonical(bytes.as_bytes(), Some("receipt")).unwrap();
            let judged = check(&receipt, &public(&key()), inside.then_some(form.as_str()), None);
            let found = judged.map_or_else(|refusal| refusal.said().0, |_| "ok");
            assert_eq!(vector["expect"], found, "{}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, made().len());
}
