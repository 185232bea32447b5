//! Receipts: what an application gets with an answer, and what somebody else can tell from it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::harness::{Place, Ran, write};
use crate::serve::{Server, key, ready};

/// Checks a receipt where there is no keep, but for its public key.
fn verify(place: &Place, file: &str, more: &[&str]) -> Ran {
    let args = ["receipt", "verify", file, "--key", "ledger.pub", "--keep", "nowhere"];
    place.run(&[&args[..], more].concat())
}

fn statement(receipt: &Value) -> Value {
    let payload = receipt["statement"]["payload"].as_str().unwrap();
    serde_json::from_slice(&STANDARD.decode(payload).unwrap()).unwrap()
}

/// Changes the last digit of the first number that has a fraction.
fn change_a_digit(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let point = (1..bytes.len() - 1)
        .find(|&at| {
            bytes[at] == b'.' && bytes[at - 1].is_ascii_digit() && bytes[at + 1].is_ascii_digit()
        })
        .unwrap();
    let mut last = point + 1;
    while bytes[last + 1].is_ascii_digit() {
        last += 1;
    }
    // Never to 0 and never from it: 0.10 and 0.1 are one number.
    bytes[last] = if bytes[last] == b'1' { b'2' } else { b'1' };
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_answer_carries_a_receipt_that_anybody_can_check_offline() {
    let place = ready();
    place.copy("keep/public/ledger.pub", "ledger.pub");
    let (header, id) = key(&place, &[]);
    let server = Server::start(&place);
    let history = r#"{"events":[{"time":0,"code":"Age","value":60},{"time":1,"code":"HR","value":88.5},
        {"time":2,"code":"HR","value":90},{"time":3,"code":"Temp","value":37}],"horizons_hours":[1,6]}"#;
    let call = |path: &str| server.call(path, &["-H", &header, "--json", history]);
    assert!(call("/predict").json()["receipt"].is_null());
    let answer = call("/api/v1/predict?receipt=true");
    assert_eq!(answer.status, 200, "{}", answer.body);
    write(&place.path("answer.json"), answer.body.as_bytes());
    let checked = verify(&place, "answer.json", &[]).done();
    assert_eq!(checked["action"], "predict");
    assert_eq!(checked["caller"], format!("key:{id}"));
    assert_eq!(checked["scope"], "predict");
    assert_eq!(checked["answer_checked"], true);
    assert_eq!(checked["model"], answer.json()["model"]);
    // The input is what was sent, in the words of the pack; whoever has it can show so.
    let input = "twinkeep input v1\nprediction_time\t946695600000000\nhorizons_hours\t1,6\n\
                 event\t-\tAge\t60\t-\nevent\t946688400000000\tHR\t88.5\t-\n\
                 event\t946692000000000\tHR\t90\t-\nevent\t946695600000000\tTemp\t37\t-\n";
    write(&place.path("input"), input.as_bytes());
    assert_eq!(verify(&place, "answer.json", &["--input", "input"]).done()["input_checked"], true);
    write(&place.path("input"), input.replace("88.5", "88.6").as_bytes());
    let other = verify(&place, "answer.json", &["--input", "input"]);
    assert_eq!(other.refused(), "receipt-input");

    // Programs that read and write it again do no harm; one digit does.
    let again = serde_json::to_string_pretty(&answer.json()).unwrap();
    write(&place.path("again.json"), again.as_bytes());
    verify(&place, "again.json", &[]).done();
    let receipt_at = answer.body.find("\"receipt\"").unwrap();
    let (numbers, rest) = answer.body.split_at(receipt_at);
    let changed = format!("{}{rest}", change_a_digit(numbers));
    assert_ne!(changed, answer.body);
    write(&place.path("changed.json"), changed.as_bytes());
    assert_eq!(verify(&place, "changed.json", &[]).refused(), "receipt-answer");

    let twins = server.call("/api/v1/twins?limit=1", &["-H", &header]).json();
    let twin = twins["twins"][0]["subject"].as_str().unwrap();
    let path = format!("/api/v1/twins/{twin}/forecast?receipt=true");
    let forecast = server.call(&path, &["-H", &header]);
    write(&place.path("forecast.json"), forecast.body.as_bytes());
    let checked = verify(&place, "forecast.json", &[]).done();
    assert_eq!(checked["action"], "twin.forecast");
    assert!(!forecast.json()["receipt"].to_string().contains(twin), "it names the pseudonym");
    let entry = checked["ledger_index"].as_u64().unwrap().to_string();
    let shown = place.run(&["ledger", "show", "--from", &entry, "--limit", "1"]).done();
    assert_eq!(shown["subject"], checked["person"]);
    assert_eq!(server.stop(), Some(0));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_receipt_from_the_command_line_is_a_file_of_its_own_and_fits_its_answer_only() {
    let place = ready();
    place.copy("keep/public/ledger.pub", "ledger.pub");
    let twins = place.run(&["twin", "list", "--limit", "2"]).done();
    let twin = |at: usize| twins["twins"][at]["subject"].as_str().unwrap();
    let forecast = |twin: &str, file: &str| {
        let ran = place.run(&["twin", "forecast", twin, "--receipt", file]);
        write(&place.path(&format!("{file}.answer")), ran.stdout.as_bytes());
        assert!(ran.done()["receipt"].is_null());
    };
    forecast(twin(0), "one");
    forecast(twin(1), "two");
    let checked = verify(&place, "one", &["--answer", "one.answer"]).done();
    assert_eq!(
        (&checked["caller"], &checked["answer_checked"]),
        (&"operator".into(), &true.into())
    );
    assert_eq!(verify(&place, "one", &[]).done()["answer_checked"], false);
    let shown = place.show(&["receipt", "verify", "one", "--answer", "one.answer"]);
    assert!(shown.stdout.starts_with("the receipt holds\n"), "{}", shown.stdout);
    let wrong = verify(&place, "one", &["--answer", "two.answer"]);
    assert_eq!(wrong.refused(), "receipt-answer");

    let read = |file: &str| -> Value {
        serde_json::from_slice(&fs::read(place.path(file)).unwrap()).unwrap()
    };
    let (one, two) = (read("one"), read("two"));
    let stated = statement(&one);
    assert_eq!(stated["_type"], "https://in-toto.io/Statement/v1");
    let version = stated["predicate"]["model"]["version"].as_str().unwrap();
    let digest = stated["predicate"]["model"]["digest"]["sha256"].as_str().unwrap();
    let model = place.run(&["model", "verify", version]).done();
    assert_eq!(model["digest"], digest);
    assert_ne!(stated["predicate"]["input"], statement(&two)["predicate"]["input"]);

    let mut mixed = one.clone();
    mixed["proof"] = two["proof"].clone();
    write(&place.path("mixed"), mixed.to_string().as_bytes());
    assert_eq!(verify(&place, "mixed", &[]).refused(), "receipt-entry");
    let mut unopened = one;
    unopened.as_object_mut().unwrap().remove("opening");
    write(&place.path("unopened"), unopened.to_string().as_bytes());
    verify(&place, "unopened", &["--answer", "one.answer"]).done();
    place.run(&["init", "other", "--pack", "icu", "--key-file", "other.kek"]).done();
    let foreign = ["receipt", "verify", "one", "--key", "other/public/ledger.pub"];
    assert_eq!(place.run(&foreign).refused(), "receipt-signature");
    assert_eq!(place.run(&["receipt", "verify", "one.answer"]).refused(), "receipt-malformed");
    assert_eq!(place.run(&["receipt", "verify", "nothing"]).refused(), "receipt-read");
}
