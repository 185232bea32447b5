//! Tests of the forms of reports.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::baseline::Baseline;
use crate::facts::FactFile;
use crate::facts::file::{File, FileKind};
use crate::facts::keep::Keep;
use crate::outcome::Severity;
use crate::profile::Profile;
use crate::scan::{Report, Verdict, judge};

use super::{csv, html, json, ocsf, oscal, sarif, text};

fn file(path: &str, mode: u32, acl: Option<bool>) -> File {
    File { path: path.into(), kind: FileKind::File, mode, uid: 0, gid: 0, acl }
}

/// A keep with something of each outcome.
fn facts() -> FactFile {
    let files = vec![
        file("/k/<b>=\"ä\"", 0o644, Some(false)),
        file("=cmd()", 0o644, Some(false)),
        file("/k/good", 0o600, Some(false)),
        file("/k/unknown", 0o600, None),
    ];
    FactFile::new(1_795_348_800_000_000, vec![Keep { files, ..Keep::default() }.into()])
}

fn report() -> Report {
    judge(&facts(), Some(Profile::Hipaa), &Baseline::default())
}

#[test]
fn every_form_of_the_same_facts_is_the_same_bytes() {
    let forms = |report: &Report| {
        [
            text(report),
            json(report).unwrap(),
            csv(report),
            html(report),
            sarif(report).unwrap(),
            ocsf(report).unwrap(),
            oscal(report).unwrap(),
        ]
    };
    assert_eq!(forms(&report()), forms(&report()));
}

#[test]
fn facts_and_reports_survive_the_way_through_a_file() {
    let text = serde_json::to_vec(&facts()).unwrap();
    assert_eq!(FactFile::parse(&text).unwrap(), facts());
    let again: Report = serde_json::from_str(&json(&report()).unwrap()).unwrap();
    assert_eq!(again, report());
    assert!(FactFile::parse(&text[..text.len() / 2]).is_err());
    assert!(FactFile::parse(br#"{"format":"other/1","taken_us":0,"facts":[]}"#).is_err());
}

#[test]
fn what_the_baseline_knows_is_no_longer_a_finding() {
    assert_eq!(report().verdict(Severity::High), Verdict::Findings);
    let baseline = Baseline::parse(json(&report()).unwrap().as_bytes()).unwrap();
    let again = judge(&facts(), None, &baseline);
    // What could not be checked is no less unknown for being known.
    assert_eq!(again.verdict(Severity::High), Verdict::NotChecked);
    assert_eq!(again.findings.iter().filter(|it| it.known).count(), again.counts()[0].1);
    assert!(Baseline::parse(b"{}").is_err());
}

#[test]
fn sarif_has_a_result_a_finding_and_only_failures_have_a_level() {
    let document: Value = serde_json::from_str(&sarif(&report()).unwrap()).unwrap();
    let run = &document["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), report().findings.len());
    for result in results {
        let index = result["ruleIndex"].as_u64().unwrap() as usize;
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["kind"] == "fail", result["level"] != "none", "{result}");
    }
    let place = &results.iter().find(|it| it["message"]["text"].as_str().unwrap().contains("<b>"));
    let uri = &place.unwrap()["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
    assert_eq!(uri, "file:///k/%3Cb%3E%3D%22%C3%A4%22");
}

#[test]
fn ocsf_tells_unknown_from_pass() {
    let events: Vec<Value> =
        ocsf(&report()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let status = |of: &str| {
        let about = |it: &&Value| it["resources"][0]["name"] == of;
        events.iter().find(about).unwrap()["compliance"]["status_id"].clone()
    };
    assert_eq!(status("/k/good"), 1);
    assert_eq!(status("/k/unknown"), 0);
    assert_eq!(status("=cmd()"), 3);
}

#[test]
fn oscal_refers_to_what_it_has_and_only_what_is_met_is_satisfied() {
    let document: Value = serde_json::from_str(&oscal(&report()).unwrap()).unwrap();
    let result = &document["assessment-results"]["results"][0];
    let observations = result["observations"].as_array().unwrap();
    let ids: BTreeSet<&str> = observations.iter().map(|it| it["uuid"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), observations.len());
    let findings = result["findings"].as_array().unwrap();
    assert_eq!(findings.len(), report().requirements.len());
    for (finding, requirement) in findings.iter().zip(report().requirements) {
        for related in finding["related-observations"].as_array().into_iter().flatten() {
            assert!(ids.contains(related["observation-uuid"].as_str().unwrap()));
        }
        let satisfied = finding["target"]["status"]["state"] == "satisfied";
        assert_eq!(satisfied, requirement.standing == crate::score::Standing::Met);
        let id = finding["target"]["target-id"].as_str().unwrap();
        assert!(!id.contains(['(', ')', ' ']), "{id}");
    }
}

#[test]
fn names_of_files_are_neither_markup_nor_formulas() {
    let page = html(&report());
    assert!(page.contains("/k/&lt;b&gt;") && !page.contains("<b>"));
    let table = csv(&report());
    assert!(table.contains("\"'=cmd()\"") && !table.contains(",\"=cmd()"));
    assert!(table.contains("/k/<b>=\"\"ä\"\""));
}

#[test]
fn no_form_for_people_turns_what_is_read_around() {
    let hostile = "/k/\u{202e}vsc.exe\u{2066}\u{200b}\u{1b}[2J";
    let files = vec![file(hostile, 0o644, Some(false)), file(&hostile[3..], 0o600, None)];
    let facts = FactFile::new(0, vec![Keep { files, ..Keep::default() }.into()]);
    let report = judge(&facts, Some(Profile::Hipaa), &Baseline::default());
    let sarif: Value = serde_json::from_str(&sarif(&report).unwrap()).unwrap();
    for form in [text(&report), csv(&report), html(&report), sarif.to_string()] {
        assert!(form.contains("u{202e}vsc.exe"), "{form}");
        for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{1b}'] {
            assert!(!form.contains(hidden), "{form}");
        }
    }
    // What programs read has the names as they are.
    let again: Report = serde_json::from_str(&json(&report).unwrap()).unwrap();
    assert_eq!(again, report);
}
