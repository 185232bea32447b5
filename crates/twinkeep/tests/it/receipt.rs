//! Receipts: what an application gets with an answer, and what somebody else can tell from it.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use twinkeep_vault::digest::{sha256, to_hex};

use crate::harness::{Place, Ran, peer, ran, write};
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
    for (path, action) in [
        ("trajectories?receipt=true&paths=50&show=2", "twin.simulated"),
        ("what-if?receipt=true&set=Temp%3D37", "twin.what_if"),
        ("drivers?receipt=true&target=HR", "twin.explained"),
    ] {
        let answer = server.call(&format!("/api/v1/twins/{twin}/{path}"), &["-H", &header]);
        if answer.status == 409 {
            // Made-up people may be too few for this question.
            continue;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        write(&place.path("other.json"), answer.body.as_bytes());
        assert_eq!(verify(&place, "other.json", &[]).done()["action"], action);
    }
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
    let why = ["twin", "explain", twin(0), "--target", "HR", "--receipt", "why"];
    let why = place.run(&why);
    why.done();
    write(&place.path("why.answer"), why.stdout.as_bytes());
    let explained = verify(&place, "why", &["--answer", "why.answer"]).done();
    assert_eq!(explained["action"], "twin.explained");
    write(&place.path("why.answer"), change_a_digit(&why.stdout).as_bytes());
    assert_eq!(verify(&place, "why", &["--answer", "why.answer"]).refused(), "receipt-answer");
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

#[test]
fn a_person_is_told_all_that_was_done_with_their_data_and_nothing_of_others() {
    let place = Place::with_patients(60);
    place.copy("keep/public/ledger.pub", "ledger.pub");
    let twins = place.run(&["twin", "list", "--limit", "2"]).done();
    let twin = |at: usize| twins["twins"][at]["subject"].as_str().unwrap();
    for _ in 0..3 {
        place.run(&["twin", "show", twin(0)]).done();
    }
    place.run(&["twin", "show", twin(1)]).done();
    place.run(&["export", "meds", "everybody"]).done();
    let told = place.run(&["subject", "disclosures", twin(0), "--out", "told.json"]).done();
    let actions: Vec<(&str, &str)> = told["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["about"].as_str().unwrap(), entry["action"].as_str().unwrap()))
        .collect();
    let count = |wanted: (&str, &str)| actions.iter().filter(|it| **it == wanted).count();
    assert_eq!(count(("person", "twin.read")), 3, "{actions:?}");
    assert_eq!(count(("person", "subject.accounted")), 1);
    assert_eq!(count(("feed", "feed.ingested")), 1);
    assert_eq!(count(("everybody", "store.exported")), 1);
    let checked = verify(&place, "told.json", &[]).done();
    assert_eq!(checked["entries"], told["entries"]);
    assert_eq!(checked["lineage"], told["lineage"]);
    let lineage = &told["lineage"];
    assert_eq!(lineage["feeds"].as_array().unwrap().len(), 1);
    let ingested = told["entries"].as_array().unwrap().iter().find(|it| it["about"] == "feed");
    assert_eq!(lineage["feeds"][0]["entries"][0], ingested.unwrap()["index"]);
    assert_eq!(lineage["shards"].as_array().unwrap().len(), 1);
    assert!(lineage["models"].as_array().unwrap().is_empty(), "nothing was trained");

    // Nobody else is in it, neither by pseudonym nor by reference.
    let other = place.run(&["proof", "subject", twin(1), "--out", "other.json"]).done();
    let text = fs::read_to_string(place.path("told.json")).unwrap();
    let mut decoded = text.clone();
    let file: Value = serde_json::from_str(&text).unwrap();
    for proof in file["proofs"].as_array().unwrap() {
        let extra = proof.as_str().unwrap().lines().nth(1).unwrap();
        let entry = STANDARD.decode(extra.strip_prefix("extra ").unwrap()).unwrap();
        decoded.push_str(&String::from_utf8(entry).unwrap());
    }
    assert!(decoded.contains(told["person"].as_str().unwrap()));
    assert!(!decoded.contains(other["person"].as_str().unwrap()));
    assert!(!decoded.contains(twin(1)) && !decoded.contains(twin(0)));

    // What is left out, exchanged, or added is found.
    let mut shorter = file.clone();
    shorter["proofs"].as_array_mut().unwrap().pop();
    write(&place.path("shorter.json"), shorter.to_string().as_bytes());
    assert_eq!(verify(&place, "shorter.json", &[]).refused(), "accounting-invalid");
    let theirs: Value =
        serde_json::from_slice(&fs::read(place.path("other.json")).unwrap()).unwrap();
    let mut mixed = file;
    mixed["proofs"][0] = theirs["proofs"][0].clone();
    write(&place.path("mixed.json"), mixed.to_string().as_bytes());
    assert_eq!(verify(&place, "mixed.json", &[]).refused(), "accounting-invalid");
    let with_answer = verify(&place, "told.json", &["--answer", "other.json"]);
    assert_eq!(with_answer.refused(), "receipt-usage");
    let unknown = place.run(&["subject", "disclosures", "sub-nobody", "--out", "x.json"]);
    assert_ne!(unknown.code, 0);
}

#[test]
fn the_lineage_of_a_person_leads_from_feeds_to_models_and_answers() {
    let place = ready();
    place.copy("keep/public/ledger.pub", "ledger.pub");
    let twins = place.run(&["twin", "list", "--limit", "40"]).done();
    let twins: Vec<&str> = twins["twins"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["subject"].as_str().unwrap())
        .collect();
    let forecast = place.run(&["twin", "forecast", twins[0]]).done();
    place.run(&["twin", "forecast", twins[1]]).done();
    let told = place.run(&["proof", "subject", twins[0], "--out", "told.json"]).done();
    let lineage = &told["lineage"];
    let models = lineage["models"].as_array().unwrap();
    assert_eq!(models.len(), 1);
    assert_eq!(models[0]["model"], forecast["model"]);
    let used = match lineage["split"].as_str().unwrap() {
        "train" => "learned",
        "tuning" => "calibrated",
        _ => "measured",
    };
    assert_eq!(models[0]["used"], used);
    assert_eq!(models[0]["shards"], lineage["shards"], "the training record names the files");
    let version = models[0]["model"].as_str().unwrap();
    let training = fs::read(place.path(&format!("keep/models/{version}/training.json"))).unwrap();
    assert_eq!(models[0]["training_record"], to_hex(&sha256(&training)));
    let listed = |index: &Value| {
        let entries = told["entries"].as_array().unwrap();
        entries.iter().find(|it| it["index"] == *index).unwrap()["action"].clone()
    };
    assert_eq!(listed(&models[0]["entries"][0]), "model.trained");
    let answers = lineage["answers"].as_array().unwrap();
    assert_eq!(answers.len(), 1, "the other forecast is of somebody else");
    assert_eq!(listed(&answers[0]["entry"]), "twin.forecast");
    assert_eq!(answers[0]["model"], forecast["model"]);
    assert_eq!(verify(&place, "told.json", &[]).done()["lineage"], *lineage);
    let shown = place.show(&["receipt", "verify", "told.json", "--key", "ledger.pub"]);
    assert!(shown.stdout.contains(&format!("model   {version} {used}")), "{}", shown.stdout);
}

#[test]
fn the_gate_serves_the_ledger_as_tiles_that_verify_elsewhere() {
    let place = Place::with_patients(60);
    let (reader, _) = key(&place, &["--scope", "ledger:read"]);
    let (other, _) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    let get =
        |path: &str, header: &str| server.call(&format!("/api/v1/ledger/{path}"), &["-H", header]);
    assert_eq!(server.call("/api/v1/ledger/checkpoint", &[]).status, 401);
    let note = server.call("/api/v1/ledger/checkpoint", &["-H", &other]);
    assert_eq!(note.status, 200);
    let size: u64 = note.body.lines().nth(1).unwrap().parse().unwrap();
    assert!(0 < size && size < 256, "{size}");
    assert_eq!(get(&format!("tile/0/000.p/{size}"), &other).status, 200);
    assert_eq!(get(&format!("tile/entries/000.p/{size}"), &other).status, 403);
    assert_eq!(get("tile/0/000.p/255", &other).status, 404);
    assert!((400..=404).contains(&get("tile/0/..%2f..%2fkeys", &other).status));
    assert_eq!(get("tile/entries/zzz", &reader).status, 404);

    // Somebody elsewhere puts the files together again, and verifies them with the public key.
    for name in ["keep.json", "public", "pack.toml"] {
        fs::create_dir_all(place.path("mirror/ledger/tile/0/000.p")).unwrap();
        fs::create_dir_all(place.path("mirror/ledger/tile/entries/000.p")).unwrap();
        place.copy(&format!("keep/{name}"), "mirror");
    }
    let chmod = std::process::Command::new("chmod").arg("700").arg(place.path("mirror")).status();
    assert!(chmod.unwrap().success());
    write(&place.path("mirror/ledger/checkpoint"), note.body.as_bytes());
    for tile in [format!("tile/0/000.p/{size}"), format!("tile/entries/000.p/{size}")] {
        let file = place.path(&format!("mirror/ledger/{tile}"));
        server.save(&format!("/api/v1/ledger/{tile}"), &reader, &file);
    }
    // On another machine: here it is remembered that the ledger has grown since.
    let mut verify = place.command(&["ledger", "verify", "--keep", "mirror", "--json"]);
    let verified = verify.env("XDG_STATE_HOME", place.path("elsewhere")).output().unwrap();
    assert_eq!(ran(&verified).done()["entries"], size);
    assert_eq!(server.stop(), Some(0));
    let read = place.run(&["ledger", "search", "--action", "ledger.read"]).lines();
    assert_eq!(read.iter().filter(|entry| entry["outcome"] == "success").count(), 1);
    let counted = place.run(&["ledger", "search", "--action", "gate.counted"]).lines();
    let hashes = counted.iter().filter_map(|entry| entry["details"]["ledger-hashes-read"].as_u64());
    assert_eq!(hashes.sum::<u64>(), 3);
}

/// Another implementation, of other hands than the program's: what a browser runs.
#[test]
fn the_page_for_browsers_judges_receipts_as_the_program_does() {
    let Some(node) = peer("node") else { return };
    let place = Place::empty();
    let vectors =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance/receipt");
    let public = "ea4a6c63e29c520abef5507b132ec5f9954776aebebe7b92421eea691446d22c";
    write(&place.path("key"), public.as_bytes());
    place.run(&["receipt", "page", "--key", "key", "--out", "verify.html"]).done();
    let page = fs::read_to_string(place.path("verify.html")).unwrap();
    assert!(page.contains(public) && !page.contains("{s") && !page.contains("http:"), "{page}");
    write(&place.path("judge.cjs"), JUDGE.as_bytes());
    let ran = std::process::Command::new(node)
        .arg(place.path("judge.cjs"))
        .args([place.path("verify.html"), vectors])
        .arg(public)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(ran.status.success(), "{said}{}", String::from_utf8_lossy(&ran.stderr));
    assert_eq!(said.trim(), "8 vectors, 8 as expected, 0 of 400 changes of one byte passed");
}

/// Runs the script of the page over the vectors, and over one that was changed at many places.
const JUDGE: &str = r#"
const fs = require("fs"), path = require("path");
globalThis.crypto ??= require("crypto").webcrypto;
const [page, vectors, key] = process.argv.slice(2);
const html = fs.readFileSync(page, "utf8");
const script = html.slice(html.indexOf("<script>") + 8, html.lastIndexOf("</script>"));
const hash = require("crypto").createHash("sha256").update(script).digest("base64");
if (!html.includes(`script-src 'sha256-${hash}'`)) throw new Error("the policy names another script");
const module_ = { exports: {} };
new Function("module", script)(module_);
const judge = async (text, answer) => {
  try { await module_.exports.verifyReceipt(text, key, answer); return "ok"; }
  catch (error) { if (!error.code) throw error; return error.code; }
};
(async () => {
  let [seen, right, passed] = [0, 0, 0];
  for (const side of ["valid", "invalid"]) {
    for (const name of fs.readdirSync(path.join(vectors, side))) {
      const text = fs.readFileSync(path.join(vectors, side, name), "utf8");
      const vector = JSON.parse(text);
      seen += 1;
      const found = await judge(JSON.stringify(vector.file), "");
      if (found === vector.expect) right += 1; else console.log(name, vector.expect, found);
    }
  }
  // Of what the signatures cover, no byte can be changed.
  const whole = JSON.parse(fs.readFileSync(path.join(vectors, "valid/answer-with-receipt.json"), "utf8")).file;
  const changed = (text, at) => text.slice(0, at) + (text[at] === "A" ? "B" : "A") + text.slice(at + 1);
  for (let n = 0; n < 200; n++) {
    const payload = structuredClone(whole), proof = structuredClone(whole);
    const sealed = payload.receipt.statement;
    sealed.payload = changed(sealed.payload, n % sealed.payload.length);
    proof.receipt.proof = changed(proof.receipt.proof, (n * 7) % proof.receipt.proof.length);
    for (const file of [payload, proof]) if ((await judge(JSON.stringify(file), "")) === "ok") passed += 1;
  }
  console.log(`${seen} vectors, ${right} as expected, ${passed} of 400 changes of one byte passed`);
})();
"#;
