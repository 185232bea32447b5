//! What the rules about a keep say of real keeps: each is changed, and says so before and after.
//!
//! What this program never makes has facts that are made up, beside the rule: a version without
//! canaries, without a profile, without a part of its papers, or measured on nobody; a feed with
//! rows that nobody judged; an answer of which the ledger does not say who asked.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, icu_with_targets, ran, write};
use crate::release::{approver, damage};
use crate::serve::Server;
use crate::splits::{csv, numbers};

/// Scans the keep.
fn scan(place: &Place, more: &[&str]) -> Value {
    let ran = place.run(&[&["scan", "keep"], more].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr))
}

/// The gravest that a rule says of anything.
fn word(report: &Value, rule: &str) -> &'static str {
    let findings = report["findings"].as_array().unwrap();
    let said = |word: &str| findings.iter().any(|it| it["rule"] == rule && it["outcome"] == word);
    let words = ["fail", "not-checked", "pass", "not-applicable"];
    words.into_iter().find(|word| said(word)).unwrap_or("nothing")
}

#[track_caller]
fn says(report: &Value, expected: &str, rules: &[&str]) {
    for rule in rules {
        let of_rule: Vec<&Value> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["rule"] == *rule)
            .collect();
        assert_eq!(word(report, rule), expected, "{rule}: {of_rule:#?}");
    }
}

/// Replaces parts of the configuration, and adds to it.
fn configure(place: &Place, text: &str, changes: &[(&str, &str)], more: &str) {
    let mut text = text.to_owned();
    for &(from, to) in changes {
        assert!(text.contains(from), "{from}: {text}");
        text = text.replace(from, to);
    }
    write(&place.path("keep/twinkeep.toml"), format!("{text}\n{more}").as_bytes());
}

const ISSUER: &str = "[[issuer]]\nname = \"clinic\"\nurl = \"https://idp.example\"\n\
                      algorithms = [\"ES256\"]\naudience = [\"https://keep.example\"]\n";

/// What the configuration decides, and what lies beside it.
const SETTINGS: [&str; 10] = [
    "keep-alerts",
    "keep-budgets",
    "keep-client-certificates",
    "keep-danger-settings",
    "keep-deidentified",
    "keep-model-rechecked",
    "keep-policy",
    "keep-probe-profile",
    "keep-rate-limits",
    "keep-token-binding",
];

#[test]
fn settings_that_leave_something_open_are_found_until_they_are_changed() {
    let (place, _) = Place::with_model();
    let text = fs::read_to_string(place.path("keep/twinkeep.toml")).unwrap();
    says(&scan(&place, &[]), "not-applicable", &["keep-client-certificates", "keep-token-binding"]);

    let open = [
        ("listen = \"127.0.0.1:8443\"", "listen = \"0.0.0.0:8443\""),
        ("isolation = \"on\"", "isolation = \"danger-off\""),
        ("verify_every_seconds = 900", "verify_every_seconds = 3601"),
    ];
    configure(&place, &text, &open, ISSUER);
    let probe = include_str!("../../../twinkeep-watch/src/probe/probe.toml");
    let unseen = probe.replace("enabled = true", "enabled = false");
    write(&place.path("keep/probe.toml"), unseen.as_bytes());
    let policy = place.path("keep/policy.cedar");
    let shown = fs::read_to_string(&policy).unwrap();
    write(&policy, format!("{shown}\n// Somebody was here.\n").as_bytes());
    says(&scan(&place, &[]), "fail", &SETTINGS);

    let closed = [
        ("listen = \"127.0.0.1:8443\"", "listen = \"0.0.0.0:8443\""),
        ("client_certificates = \"off\"", "client_certificates = \"required\""),
        ("total_rate_per_second = 0", "total_rate_per_second = 50"),
        ("verify_every_seconds = 900", "verify_every_seconds = 3600"),
        ("[intake]\n", "[intake]\ndeidentify = \"safe-harbor\"\n"),
    ];
    let more = format!(
        "{ISSUER}require_bound = true\n\n\
         [[budget]]\nunit = \"new-subjects\"\nlimit = 20\nper = \"month\"\n\n\
         [[alert]]\nname = \"file\"\nkind = \"ocsf-file\"\nfile = {:?}\n",
        place.path("events.jsonl")
    );
    configure(&place, &text, &closed, &more);
    // An alarm that changes no answer stops nobody.
    let harmless = probe.replace("tier_hours = 24", "tier_hours = 0");
    write(&place.path("keep/probe.toml"), harmless.as_bytes());
    says(&scan(&place, &[]), "fail", &["keep-probe-profile"]);
    fs::remove_file(place.path("keep/probe.toml")).unwrap();
    place.run(&["policy", "apply", "keep/policy.cedar"]).done();
    says(&scan(&place, &[]), "pass", &SETTINGS);
}

#[test]
fn what_has_to_be_done_is_asked_for_until_it_was_done() {
    let (place, version) = Place::with_model();
    let rules = ["keep-approvals", "keep-drift-checked", "keep-keyring-backup"];
    let before = scan(&place, &[]);
    says(&before, "fail", &rules);
    says(&before, "fail", &["keep-model-attacked", "keep-model-backup", "keep-model-noise"]);
    says(&before, "not-applicable", &["keep-answers-recorded", "keep-api-key-lives"]);
    let learned = ["keep-model-canaries", "keep-model-groups", "keep-probe-profile"];
    says(&before, "pass", &learned);

    let key = place.run(&["key", "new", "ward", "--days", "365"]).done();
    says(&scan(&place, &[]), "fail", &["keep-api-key-lives"]);
    let id = key["id"].as_str().unwrap();
    place.run(&["key", "rotate", id, "--days", "90"]).done();
    place.run(&["key", "revoke", id]).done();
    place.run(&["keyring", "backup", "keyring.copy"]).done();
    place.run(&["drift"]).done();
    approver(&place, "ada");
    place.run(&["model", "approver", "require", "1"]).done();
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    place.run(&["twin", "forecast", list["twins"][0]["subject"].as_str().unwrap()]).done();
    let after = scan(&place, &[]);
    says(&after, "pass", &rules);
    says(&after, "pass", &["keep-answers-recorded", "keep-api-key-lives", "keep-feeds-signed"]);

    // What a version says under its signature is nothing if that does not hold.
    damage(&place, &version);
    let damaged = scan(&place, &[]);
    says(&damaged, "fail", &["keep-model-signature"]);
    let papers = ["keep-model-bill", "keep-model-evaluated", "keep-model-origin"];
    says(&damaged, "not-checked", &papers);
    says(&damaged, "not-checked", &learned);
    damage(&place, &version);
    let whole = scan(&place, &[]);
    says(&whole, "pass", &["keep-model-signature", "keep-model-decisions"]);
    says(&whole, "pass", &papers);
}

/// The `icu` pack with few targets and without groups.
fn pack_without_groups() -> String {
    let mut inside = false;
    let mut text = String::new();
    for line in icu_with_targets(&["HR", "Temp", "Urine"]).lines() {
        if line.starts_with('[') {
            inside = line == "[[subgroup]]";
        }
        if !inside {
            text.push_str(&format!("{line}\n"));
        }
    }
    text
}

/// A keep of made-up patients under a pack of its own.
fn keep_of(pack: &str, stays: u32) -> Place {
    let place = Place::empty();
    write(&place.path("own.toml"), pack.as_bytes());
    place.run(&["init", "keep", "--pack", "own.toml", "--key-file", "keep.kek"]).done();
    place.synth("feed.tar.gz", stays, 0, 42);
    place.run(&["ingest", "feed.tar.gz"]).done();
    place
}

fn train(place: &Place, more: &[&str]) -> String {
    let report = place.run(&[&["train"], more].concat()).done();
    report["version"].as_str().unwrap().to_owned()
}

fn release(place: &Place, version: &str, more: &[&str]) {
    let args = ["model", "release", version, "--without-comparison", "--reason", "test"];
    place.run(&[&args[..], more].concat()).done();
}

#[test]
fn a_version_is_attacked_and_backed_and_feeds_are_looked_at() {
    let place = keep_of(&pack_without_groups(), 400);
    release(&place, &train(&place, &[]), &[]);
    let changed =
        ["keep-influence", "keep-model-attacked", "keep-model-backup", "keep-poisoning-panel"];
    let before = scan(&place, &[]);
    says(&before, "fail", &changed);
    says(&before, "fail", &["keep-feeds-signed", "keep-model-groups", "keep-model-noise"]);

    place.run(&["attack", "membership", "--shadows", "4"]).done();
    says(&scan(&place, &[]), "fail", &["keep-model-attacked"]);
    place.run(&["attack", "extraction", "--answers", "50,200"]).done();
    let second = train(&place, &["--seed", "7"]);
    release(&place, &second, &["--stand-by"]);
    // By now enough people are known that the panel learns what is usual.
    place.synth("more.tar.gz", 60, 0, 43);
    if place.run(&["ingest", "more.tar.gz", "--site", "south"]).code != 0 {
        place.run(&["feed", "release", "feed-2", "--reason", "test"]).done();
    }
    // Whether the feed does harm is another question.
    place.run(&["model", "influence", "--target", "HR", "--only", "feed-2"]);
    says(&scan(&place, &[]), "pass", &changed);
    damage(&place, &second);
    says(&scan(&place, &[]), "fail", &["keep-model-backup"]);
}

#[test]
fn a_version_that_learned_with_noise_passes() {
    let noise = "\n[privacy]\nnoise = { epsilon = 8, delta = 1e-6 }\n";
    let place = keep_of(&(pack_without_groups() + noise), 240);
    release(&place, &train(&place, &[]), &[]);
    says(&scan(&place, &[]), "pass", &["keep-model-noise"]);
}

/// Whether somebody's heart beats from the second day on as nobody else's does.
fn is_unlike(at: usize) -> bool {
    at % 10 == 4
}

/// Makes up patients of whom some are unlike all others, and ingests them; returns their numbers.
fn unlike_some(place: &Place, stays: u32) -> Vec<String> {
    place.synth("feed.tar.gz", stays, 0, 42);
    let numbers = numbers(place, "feed.tar.gz");
    let tar = |args: &[&str]| {
        let status = Command::new("tar").current_dir(place.folder()).args(args).status().unwrap();
        assert!(status.success());
    };
    tar(&["xzf", "feed.tar.gz"]);
    for (at, number) in numbers.iter().enumerate().filter(|(at, _)| is_unlike(*at)) {
        let file = place.path(&format!("synth/{number}.txt"));
        let text = fs::read_to_string(&file).unwrap();
        let lines: Vec<String> = text.lines().map(faster).collect();
        assert_ne!(lines.join("\n"), text.trim_end(), "{at}");
        write(&file, (lines.join("\n") + "\n").as_bytes());
    }
    tar(&["czf", "changed.tar.gz", "synth"]);
    place.run(&["ingest", "changed.tar.gz"]).done();
    numbers
}

fn faster(line: &str) -> String {
    match line.split(',').collect::<Vec<_>>()[..] {
        [time, "HR", value] if "24:00" <= time => {
            let value: f64 = value.parse().unwrap();
            format!("{time},HR,{}", (value + 80.0).min(290.0))
        }
        _ => line.to_owned(),
    }
}

#[test]
fn intervals_that_are_too_narrow_for_one_target_are_found() {
    let place = Place::empty();
    let targets = ["HR", "SysABP", "RespRate", "Temp", "GCS", "Urine", "K", "Glucose"];
    write(&place.path("own.toml"), icu_with_targets(&targets).as_bytes());
    place.run(&["init", "keep", "--pack", "own.toml", "--key-file", "keep.kek"]).done();
    let numbers = unlike_some(&place, 240);
    let version = |turned: usize| {
        let split = |at: usize| match (at + turned) % 5 {
            0..3 => "train",
            3 => "tuning",
            _ => "held_out",
        };
        let rows = numbers.iter().enumerate().map(|(at, number)| (number.clone(), split(at)));
        write(&place.path("splits.csv"), csv(rows).as_bytes());
        train(&place, &["--splits", "splits.csv"])
    };
    // Half of those held out are unlike all whom the version learned from.
    let narrow = version(0);
    release(&place, &narrow, &[]);
    says(&scan(&place, &[]), "fail", &["keep-model-calibrated"]);
    // Now those who are unlike are among whom it learned from.
    release(&place, &version(2), &[]);
    place.run(&["model", "quarantine", &narrow, "--reason", "too narrow"]).done();
    says(&scan(&place, &[]), "pass", &["keep-model-calibrated"]);
}

#[test]
fn a_ledger_that_a_witness_saw_otherwise_is_found() {
    let place = Place::with_keep();
    place.run(&["init", "second", "--pack", "icu", "--key-file", "second.kek"]).done();
    write(&place.path("log.vkey"), place.show(&["ledger", "key"]).stdout.as_bytes());
    place.run(&["witness", "add", "log.vkey", "--keep", "second"]).done();
    let key = place.show(&["witness", "key", "--keep", "second"]).stdout;
    write(&place.path("witness.vkey"), key.as_bytes());
    place.copy("keep", "old");
    place.run(&["twin", "list"]).done();
    place.run(&["ledger", "consistency", "0", "--out", "request"]).done();
    let cosign = ["witness", "cosign", "request", "--out", "cosigned", "--keep", "second"];
    place.run(&cosign).done();
    let said = |witness: &str| {
        let report = scan(&place, &["--cosigned", "cosigned", "--witness-key", witness]);
        ["keep-witness", "keep-ledger"].map(|rule| word(&report, rule))
    };
    assert_eq!(said("witness.vkey"), ["pass", "pass"]);
    // The key of somebody else says nothing.
    assert_eq!(said("log.vkey"), ["not-checked", "pass"]);

    // The operator puts the old folder back, and goes on from there as if nothing had been.
    for folder in ["keep", "state"] {
        fs::remove_dir_all(place.path(folder)).unwrap();
    }
    fs::rename(place.path("old"), place.path("keep")).unwrap();
    place.run(&["twin", "list"]).done();
    assert_eq!(said("witness.vkey"), ["fail", "pass"]);
}

#[test]
fn what_somebody_put_into_the_folders_is_not_in_the_ledger() {
    let (place, version) = Place::with_version();
    place.copy("keep", "before");
    place.run(&["model", "release", &version, "--reason", "test"]).done();
    place.synth("more.tar.gz", 20, 0, 43);
    place.run(&["ingest", "more.tar.gz"]).done();
    let rules = ["keep-feeds-recorded", "keep-model-decisions"];
    says(&scan(&place, &[]), "pass", &rules);

    // Folders of a later day in a keep of an earlier one, and nobody who remembers the later one.
    fs::remove_dir_all(place.path("state")).unwrap();
    for folder in ["models", "store"] {
        fs::remove_dir_all(place.path(&format!("before/{folder}"))).unwrap();
        place.copy(&format!("keep/{folder}"), &format!("before/{folder}"));
    }
    says(&scan(&place, &["--keep", "before"]), "fail", &rules);
}

#[test]
fn keys_and_certificates_age() {
    let place = Place::with_keep();
    let rules = ["keep-certificate-dates", "keep-key-age"];
    says(&scan(&place, &[]), "pass", &rules);
    // A certificate that ends in a week stands for one that was not renewed.
    let issued = place.run(&["cert", "issue", "ward", "--days", "7", "--out", "."]).done();
    let shown = issued["certificate"].as_str().unwrap();
    write(&place.path("keep/public/server.pem"), shown.as_bytes());
    // Keys are as old as the keep says that it is.
    let descriptor = place.path("keep/keep.json");
    let text = fs::read_to_string(&descriptor).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let made = |day: &str| text.replace(json["created"].as_str().unwrap(), day);
    write(&descriptor, made("2021-01-01T00:00:00Z").as_bytes());
    says(&scan(&place, &[]), "fail", &rules);
    // Nobody knows how old what was made later than now is.
    write(&descriptor, made("2999-01-01T00:00:00Z").as_bytes());
    says(&scan(&place, &[]), "not-checked", &["keep-key-age"]);
    write(&descriptor, text.as_bytes());
    assert_eq!(Server::start(&place).stop(), Some(0));
    says(&scan(&place, &[]), "pass", &rules);
}

/// What the ledger is on has hardly more room than its journals take.
const SMALL_DISK: &str = "cp -a keep/ledger whole \
                          && mount -t tmpfs -o size=9m,mode=700 none keep/ledger \
                          && cp -a whole/. keep/ledger && exec \"$@\"";

#[test]
fn a_disk_without_room_for_six_years_is_found() {
    let place = Place::with_keep();
    let enough =
        Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !enough.is_ok_and(|output| output.status.success()) {
        println!("skipped: it takes root and `unshare`");
        return;
    }
    for _ in 0..20 {
        place.run(&["twin", "list"]).done();
    }
    says(&scan(&place, &[]), "pass", &["keep-retention"]);
    let program = place.command(&["scan", "keep", "--json"]);
    let mut small = Command::new("unshare");
    small.args(["-m", "sh", "-c", SMALL_DISK, "sh"]).arg(program.get_program());
    let ran = ran(&small
        .args(program.get_args())
        .current_dir(place.folder())
        .env("XDG_STATE_HOME", place.path("state"))
        .output()
        .unwrap());
    let report: Value =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{}", ran.stderr));
    says(&report, "fail", &["keep-retention"]);
}
