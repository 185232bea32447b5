//! A scan of a real keep and a real folder: what it says, how it ends, and what a fix does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Place, write};

fn findings<'a>(report: &'a Value, rule: &str) -> Vec<&'a Value> {
    let of_rule = |it: &&Value| it["rule"] == rule;
    report["findings"].as_array().unwrap().iter().filter(of_rule).collect()
}

#[test]
fn a_keep_is_scanned_recorded_and_held_against_requirements() {
    let (place, version) = Place::with_model();
    let ran = place.run(&["scan", "keep", "--profile", "hipaa", "--out", "report.json"]);
    // Nobody has taken a snapshot of it.
    assert_eq!((ran.code, ran.refused().as_str()), (1, "scan-findings"));
    let report: Value =
        serde_json::from_slice(&fs::read(place.folder().join("report.json")).unwrap()).unwrap();
    let model = findings(&report, "keep-model-signature");
    assert!(model.iter().any(|it| it["resource"] == version.as_str() && it["outcome"] == "pass"));
    assert!(findings(&report, "keep-file-modes").iter().all(|it| it["outcome"] == "pass"));
    assert_eq!(findings(&report, "keep-ledger")[0]["outcome"], "pass");
    assert_eq!(findings(&report, "keep-witness")[0]["outcome"], "not-checked");
    assert_eq!(findings(&report, "keep-snapshot")[0]["outcome"], "fail");
    let score = &report["score"];
    assert!(score["met"].as_u64().unwrap() < score["of"].as_u64().unwrap(), "{score}");

    // What the keep has on record of its model, its feeds, and its settings is evidence.
    for (rule, outcome) in [
        ("keep-model-origin", "pass"),
        ("keep-model-bill", "pass"),
        ("keep-model-evaluated", "pass"),
        ("keep-model-decisions", "pass"),
        ("keep-feeds-recorded", "pass"),
        ("keep-feeds-screened", "pass"),
        ("keep-store-intact", "pass"),
        ("keep-policy", "pass"),
        ("keep-alerts", "fail"),
        ("keep-budgets", "fail"),
        ("keep-influence", "fail"),
        ("keep-answers-recorded", "not-applicable"),
    ] {
        let found = findings(&report, rule);
        assert!(!found.is_empty() && found.iter().all(|it| it["outcome"] == outcome), "{found:?}");
    }

    // What is known is no longer a finding, but what could not be checked stays so.
    let again = place.run(&["scan", "keep", "--baseline", "report.json"]);
    assert_eq!((again.code, again.refused().as_str()), (3, "scan-not-checked"));
}

/// What `init` makes is as the rules want it, from inside and from outside; a plan that closes what
/// is open leaves public keys to be read.
#[test]
fn a_keep_as_it_is_made_is_open_to_nobody_who_must_not_be_let_in() {
    let place = Place::with_keep();
    let scan = || -> Value {
        place.run(&["scan", "keep", "host", "--out", "report.json"]);
        serde_json::from_slice(&fs::read(place.folder().join("report.json")).unwrap()).unwrap()
    };
    let report = scan();
    for rule in ["host-modes", "keep-file-modes"] {
        let found = findings(&report, rule);
        assert!(!found.is_empty() && found.iter().all(|it| it["outcome"] == "pass"), "{found:?}");
    }
    let shown = place.folder().join("keep/public/ca.pem");
    fs::set_permissions(&shown, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(findings(&scan(), "host-modes")[0]["outcome"], "fail");
    place.run(&["scan", "plan", "host", "--out", "plan"]).done();
    let plan: Value =
        serde_json::from_slice(&fs::read(place.folder().join("plan")).unwrap()).unwrap();
    let steps = plan["steps"].as_array().unwrap();
    let modes: Vec<&Value> = steps.iter().filter(|it| it["rule"] == "host-modes").collect();
    assert_eq!(modes.len(), 1, "{modes:?}");
    assert_eq!(modes[0]["change"]["to"], 0o644, "{modes:?}");
}

#[test]
fn a_file_of_events_that_was_exchanged_is_found() {
    let place = Place::with_patients(60);
    let mut folders = vec![place.folder().join("keep/store/events")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.extension().is_some_and(|it| it == "parquet"));
    let mut bytes = fs::read(&files[0]).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    write(&files[0], &bytes);
    fs::set_permissions(&files[0], fs::Permissions::from_mode(0o600)).unwrap();
    place.run(&["scan", "keep", "--profile", "aisvs", "--out", "report.json"]);
    let report: Value =
        serde_json::from_slice(&fs::read(place.folder().join("report.json")).unwrap()).unwrap();
    let found = findings(&report, "keep-store-intact");
    assert_eq!(found[0]["outcome"], "fail", "{found:?}");
    assert_eq!(findings(&report, "keep-feeds-recorded")[0]["outcome"], "pass");
    let about = |it: &&Value| it["id"] == "aisvs-1.1.4";
    let requirement = report["requirements"].as_array().unwrap().iter().find(about).unwrap();
    assert_eq!(requirement["standing"], "failed");
}

/// A ledger whose end was changed does not open, and is no less wrong for that.
#[test]
fn a_ledger_that_was_changed_is_found() {
    let place = Place::with_keep();
    let said = || {
        let ran = place.run(&["scan", "keep"]);
        let report: Value = serde_json::from_str(&ran.stdout).unwrap();
        let found = findings(&report, "keep-ledger");
        found[0]["outcome"].as_str().unwrap().to_owned()
    };
    assert_eq!(said(), "pass");
    let tiles = place.files("keep/ledger/tile/entries");
    place.flip(&tiles[0], 320);
    assert_eq!(said(), "fail");
    place.flip(&tiles[0], 320);
    assert_eq!(said(), "pass");
}

#[test]
fn a_keep_that_refuses_to_open_is_repaired_by_a_plan() {
    let place = Place::with_patients(60);
    let store = place.folder().join("keep/store/catalog.sqlite");
    fs::set_permissions(&store, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(place.run(&["feed", "list"]).refused(), "keep-permissions");
    let ran = place.run(&["scan", "keep", "--out", "report.json"]);
    assert_eq!(ran.code, 1);
    let report: Value =
        serde_json::from_slice(&fs::read(place.folder().join("report.json")).unwrap()).unwrap();
    assert_eq!(findings(&report, "keep-ledger")[0]["outcome"], "not-checked");

    let planned = place.run(&["scan", "plan", "keep", "--out", "plan"]).done();
    assert_eq!(planned["changes"].as_array().unwrap().len(), 1, "{planned}");
    place.run(&["scan", "apply", "plan"]).done();
    let verified = place.run(&["scan", "verify", "plan", "keep"]).done();
    assert_eq!(verified["outcome"], "pass");
    place.run(&["feed", "list"]);
    place.run(&["scan", "rollback", "plan.journal"]).done();
    assert_eq!(place.run(&["scan", "verify", "plan", "keep"]).code, 1);
    assert_eq!(fs::metadata(&store).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_certificate_that_is_none_hides_nothing_else() {
    let place = Place::with_keep();
    write(&place.path("keep/public/server.pem"), b"nothing of the kind");
    let ran = place.run(&["scan", "keep"]);
    assert_eq!(ran.refused(), "scan-findings");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(findings(&report, "keep-certificate-dates")[0]["outcome"], "not-checked");
    assert_eq!(findings(&report, "keep-ledger")[0]["outcome"], "pass");
}

#[test]
fn wrong_words_and_hostile_files_are_usage() {
    let place = Place::empty();
    for args in [
        &["scan", "everything"][..],
        &["scan", "phi:"],
        &["scan", "explain", "no-such-rule"],
        &["scan", "--facts", "missing"],
        &["scan", "--facts", "hostile"],
        &["scan", "host", "--baseline", "hostile"],
        &["scan", "apply", "hostile"],
        &["scan", "rollback", "hostile"],
    ] {
        write(&place.folder().join("hostile"), "[".repeat(100_000).as_bytes());
        assert_eq!(place.run(args).code, 2, "{args:?}");
    }
    let all = place.run(&["scan", "explain"]);
    assert_eq!(all.code, 0);
    assert!(all.stdout.lines().count() > 20);
}

#[test]
fn a_pipe_is_refused_and_not_waited_for() {
    let place = Place::empty();
    assert!(Command::new("mkfifo").arg(place.path("pipe")).status().unwrap().success());
    for (args, code) in [
        (&["scan", "--facts", "pipe"][..], 2),
        (&["scan", "host", "--baseline", "pipe"], 2),
        (&["scan", "apply", "pipe"], 2),
        (&["scan", "windows:pipe"], 3),
        (&["scan", "--facts", "/dev/zero"], 2),
    ] {
        let ran = place.run(args);
        assert_eq!(ran.code, code, "{args:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("regular file"), "{}", ran.stderr);
    }
}

#[test]
fn names_of_files_do_nothing_at_a_terminal() {
    let place = Place::empty();
    fs::create_dir(place.path("exports")).unwrap();
    let rows: String = (0..40)
        .map(|n| format!("Ada Lovelace,1980-05-{:02},078-05-11{:02}\n", 1 + n % 28, 20 + n))
        .collect();
    let file = place.path("exports/a\u{1b}[2Jb\n.csv");
    write(&file, format!("patient_name,birth_date,ssn\n{rows}").as_bytes());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let steps: [&[&str]; 4] = [
        &["scan", "plan", "phi:exports", "--out", "plan"],
        &["scan", "apply", "plan"],
        &["scan", "verify", "plan", "phi:exports"],
        &["scan", "rollback", "plan.journal"],
    ];
    for args in steps {
        let ran = place.show(args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains(r"a\u{1b}[2Jb\u{a}.csv"), "{args:?}: {}", ran.stdout);
        assert!(!ran.stdout.contains('\u{1b}'), "{args:?}");
    }
}

#[test]
fn a_report_about_requirements_is_json_if_that_is_asked_for() {
    let place = Place::with_patients(60);
    let ran = place.run(&["compliance", "report", "keep", "--profile", "gdpr"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert!(report["requirements"].as_array().unwrap().len() > 20);
    let page = place.show(&["compliance", "report", "keep", "--profile", "gdpr"]);
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{}", page.stdout);
}

#[test]
fn the_configuration_of_an_iis_is_repaired_by_a_plan() {
    let place = Place::empty();
    fs::create_dir(place.path("site")).unwrap();
    let text = "<configuration>\n  <system.webServer>\n    <directoryBrowse enabled=\"true\" />\n  \
                </system.webServer>\n</configuration>\n";
    write(&place.path("site/web.config"), text.as_bytes());
    place.run(&["scan", "iis:site", "--out", "report.json"]);
    let report: Value =
        serde_json::from_slice(&fs::read(place.path("report.json")).unwrap()).unwrap();
    assert_eq!(findings(&report, "iis-listing")[0]["outcome"], "fail");
    assert_eq!(findings(&report, "iis-rate-limit")[0]["outcome"], "not-checked");
    place.run(&["scan", "plan", "iis:site", "--out", "plan"]).done();
    place.run(&["scan", "apply", "plan"]).done();
    assert_eq!(place.run(&["scan", "verify", "plan", "iis:site"]).done()["outcome"], "pass");
    place.run(&["scan", "rollback", "plan.journal"]).done();
    assert_eq!(fs::read_to_string(place.path("site/web.config")).unwrap(), text);
}

#[test]
fn recorded_scans_have_a_trend_that_nobody_can_change_unseen() {
    let place = Place::with_patients(60);
    let nothing = place.show(&["scan", "trend"]);
    assert_eq!(nothing.code, 0, "{}", nothing.stderr);
    assert!(nothing.stdout.contains("nothing to compare"), "{}", nothing.stdout);
    place.run(&["scan", "keep", "--profile", "hipaa", "--out", "first.json"]);
    place.run(&["store", "snapshot", "copy"]).done();
    // A scan of something else is recorded, and no part of the trend of the keep.
    fs::create_dir(place.path("exports")).unwrap();
    place.run(&["scan", "phi:exports", "--record", "--out", "other.json"]);
    place.run(&["scan", "keep", "--profile", "hipaa", "--out", "last.json"]);
    let ran = place.run(&["scan", "trend", "--only", "keep"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let trend: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(trend["scans"].as_array().unwrap().len(), 2, "{trend}");
    let fixed: Vec<&Value> = trend["changes"].as_array().unwrap().iter().collect();
    assert!(fixed.iter().any(|it| it["rule"] == "keep-snapshot" && it["became"] == "fixed"));
    assert_eq!(trend["requirements"][0]["standings"].as_array().unwrap().len(), 2);
    let table = place.show(&["scan", "trend", "--only", "keep", "--format", "csv"]);
    assert!(
        table.stdout.contains("\"fixed\",\"high\",\"keep-snapshot\"")
            || table.stdout.contains("\"keep-snapshot\""),
        "{}",
        table.stdout
    );
    // The snapshot has the reports, too.
    assert_eq!(place.files("copy/scans").len(), 1);

    // What is not as it was recorded is compared with nothing.
    let reports = place.files("keep/scans");
    assert_eq!(reports.len(), 3);
    for path in &reports {
        place.flip(path, 77);
    }
    let ran = place.show(&["scan", "trend", "--only", "keep"]);
    assert!(ran.stderr.contains("its report was changed since"), "{}", ran.stderr);
    assert!(ran.stdout.contains("nothing to compare"), "{}", ran.stdout);
    fs::remove_file(&reports[0]).unwrap();
    let ran = place.show(&["scan", "trend"]);
    assert!(ran.stderr.contains("its report is not in the keep"), "{}", ran.stderr);
    assert_eq!(place.run(&["scan", "trend", "--only", "everything"]).code, 2);
}

#[test]
fn units_of_systemd_are_printed_and_nothing_is_installed() {
    let place = Place::empty();
    let args = ["scan", "timer", "keep", "phi:a b%c", "--every", "hourly", "--profile", "gdpr"];
    let ran = place.show(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        "OnCalendar=hourly\n",
        "scan keep \"phi:a b%%c\" --record --alert --fail-on high --profile gdpr\n",
        "WantedBy=timers.target\n",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {}", ran.stdout);
    }
    assert_eq!(place.run(&["scan", "timer", "--every", "daily\nExecStart=/bin/sh"]).code, 2);
    assert_eq!(place.run(&["scan", "timer", "everything"]).code, 2);
    // What opens the keep is named as a whole: the unit runs in no folder of the person's.
    let ran = place.show(&["scan", "timer", "--key-file", "the key"]);
    let expected = format!("--key-file \"{}\" scan keep host", place.path("the key").display());
    assert!(ran.stdout.contains(&expected), "{expected}: {}", ran.stdout);
}

#[test]
fn what_a_scan_finds_anew_is_told_once_and_without_names() {
    let place = Place::with_keep();
    let file = place.path("told.jsonl");
    let config = place.path("keep/twinkeep.toml");
    let mut text = fs::read_to_string(&config).unwrap();
    let told = file.display();
    text.push_str(&format!(
        "\n[[alert]]\nname = \"collector\"\nkind = \"ocsf-file\"\nfile = \"{told}\"\n"
    ));
    write(&config, text.as_bytes());
    fs::create_dir(place.path("exports")).unwrap();
    let patient = |name: &str| {
        let rows = "name,ssn,date_of_birth\nAda Lovelace,078-05-1120,1990-12-10\n".repeat(30);
        write(&place.path(name), rows.as_bytes());
    };
    let scan = || {
        let args = ["scan", "phi:exports", "--record", "--alert", "--fail-on", "high"];
        place.run(&args);
        fs::read_to_string(&file).map_or(0, |text| text.lines().count())
    };
    assert_eq!(scan(), 0, "there is nothing to tell");
    patient("exports/lovelace.csv");
    assert_eq!(scan(), 1);
    assert_eq!(scan(), 1, "it is known");
    patient("exports/second.csv");
    assert_eq!(scan(), 2);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("phi-plaintext") && text.contains("posture"), "{text}");
    for part in ["lovelace", "Lovelace", "078-05", "exports"] {
        assert!(!text.contains(part), "{part}: {text}");
    }
    // A scan of something else does not make it new again.
    place.run(&["scan", "sqlite:exports", "--record", "--alert"]);
    assert_eq!(scan(), 2);
    // Nor does one of another place of the kind, which has a trend of its own.
    fs::create_dir(place.path("elsewhere")).unwrap();
    place.run(&["scan", "phi:elsewhere", "--record", "--alert"]);
    assert_eq!(scan(), 2);
    let trend = |only: &str| {
        let ran = place.run(&["scan", "trend", "--only", only]);
        let trend: Value = serde_json::from_str(&ran.stdout).unwrap();
        trend["scans"].as_array().unwrap().len()
    };
    assert_eq!(["phi:elsewhere", "phi", "phi:./exports"].map(trend), [1, 6, 6]);
    let remarks = place.show(&["scan", "trend", "--only", "phi"]).stderr;
    assert!(remarks.contains("1 scans of other places are left out"), "{remarks}");
    // What was recorded last is the one before, whichever facts are older.
    place.run(&["scan", "phi:exports", "--format", "facts", "--out", "older"]);
    fs::remove_file(place.path("exports/second.csv")).unwrap();
    assert_eq!(scan(), 2, "nothing new fails");
    place.run(&["scan", "--facts", "older", "--record", "--alert"]);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 3);
    // Without a record, nobody could say what is new.
    assert_eq!(place.run(&["scan", "phi:exports", "--alert"]).code, 2);
}

#[test]
fn a_record_of_processing_says_what_nobody_configured() {
    let place = Place::with_patients(60);
    let ran = place.run(&["compliance", "record"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let record: Value = serde_json::from_str(&ran.stdout).unwrap();
    let parts = record["parts"].as_array().unwrap();
    let ids: Vec<&str> = parts.iter().map(|part| part["id"].as_str().unwrap()).collect();
    let wanted = ["(a)", "(b)", "(c)", "(d)", "(e)", "(f)", "(g)"].map(|it| format!("30(1){it}"));
    assert_eq!(ids, wanted);
    assert_eq!(parts[0]["missing"][0]["key"], "processing.controller");
    assert!(parts[2]["says"].to_string().contains("patients"));
    assert!(parts[6]["says"].to_string().contains("keep-file-modes"));
    let shown = place.show(&["compliance", "record", "--format", "text"]);
    assert!(shown.stderr.contains("processing.transfers"), "{}", shown.stderr);

    let path = place.path("keep/twinkeep.toml");
    let before = fs::read_to_string(&path).unwrap();
    let said = "\n[processing]\ncontroller = \"St. Mary's <Hospital>\"\ncontact = \"privacy@hospital.example\"\n\
                joint_controller = \"none\"\nrepresentative = \"none\"\ndata_protection_officer = \"A. Officer\"\n\
                persons = [\"adults in intensive care\"]\nrecipients = [\"none\"]\ntransfers = [\"none\"]\n\
                retention = \"ten years after the stay\"\nmeasures = [\"locked doors\"]\n\
                [processing.purposes]\ncare = \"article 9(2)(h)\"\n";
    write(&path, format!("{before}{said}").as_bytes());
    let ran = place.show(&["compliance", "record"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("missing"), "{}", ran.stderr);
    assert!(ran.stdout.contains("St. Mary's &lt;Hospital&gt;"), "{}", ran.stdout);
    let text = place.show(&["compliance", "record", "--format", "text"]).stdout;
    assert!(text.contains("care: article 9(2)(h)  (processing.purposes)"), "{text}");
    let entries = place.run(&["ledger", "search", "--action", "processing.recorded"]).lines();
    assert_eq!(entries.len(), 4);

    write(&path, format!("{before}\n[processing]\ncontroller = \"\"\n").as_bytes());
    assert_eq!(place.run(&["compliance", "record"]).code, 2);
}
