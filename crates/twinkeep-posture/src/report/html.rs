//! A report as a page for people to read and print. It loads nothing, and runs nothing.

use maud::{DOCTYPE, Markup, html as markup};

use super::time::rfc3339;
use super::{VERSION, plain};
use crate::outcome::{Finding, Outcome};
use crate::rules;
use crate::scan::Report;
use crate::score::{Requirement, Standing};

/// Writes a report as HTML.
pub fn html(report: &Report) -> String {
    let title = match report.profile {
        Some(profile) => format!("Posture: {}", profile.title()),
        None => "Posture".to_owned(),
    };
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy"
                    content="default-src 'none'; style-src 'unsafe-inline'";
                title { (title) }
                style { (STYLE) }
            }
            body {
                h1 { (title) }
                (summary(report))
                @if !report.requirements.is_empty() { (requirements(report)) }
                (failures(report))
                (not_checked(report))
            }
        }
    };
    page.into_string()
}

fn summary(report: &Report) -> Markup {
    let targets: Vec<&str> = report.targets.iter().map(String::as_str).collect();
    markup! {
        p {
            "Facts of " (rfc3339(report.taken_us)) " about " (plain(&targets.join(", ")))
            ", judged by Twinkeep " (VERSION) "."
        }
        @if let Some(score) = report.score {
            p.score {
                (score.met) " of " (score.of) " requirements that apply are met ("
                (score.per_mille / 10) "." (score.per_mille % 10) " %)."
            }
            p {
                "What no program can see needs somebody's attestation, and counts as not met here; \
                 so does what was not looked at. This page is evidence, not a certificate."
            }
        }
        table {
            tr { @for (word, _) in report.counts() { th { (word) } } }
            tr { @for (_, count) in report.counts() { td { (count) } } }
        }
    }
}

fn requirements(report: &Report) -> Markup {
    markup! {
        h2 { "Requirements" }
        table {
            tr { th { "Requirement" } th { "Title" } th { "Stands" } th { "Evidence" } }
            @for requirement in &report.requirements { (line(requirement)) }
        }
    }
}

fn line(requirement: &Requirement) -> Markup {
    let class = match requirement.standing {
        Standing::Failed => "fail",
        Standing::Met => "met",
        _ => "open",
    };
    markup! {
        tr {
            td { (requirement.id) br; small { (requirement.need) } }
            td { (requirement.title) }
            td class=(class) { (requirement.standing.words()) }
            td {
                @for evidence in &requirement.evidence {
                    p {
                        code { (evidence.rule) } " (" (evidence.strength.word()) "): "
                        @if evidence.outcomes.is_empty() { "not scanned" }
                        @for (index, (word, count)) in evidence.outcomes.iter().enumerate() {
                            @if index != 0 { ", " }
                            (count) " " (word)
                        }
                        br;
                        small { (evidence.because) }
                    }
                }
            }
        }
    }
}

fn failures(report: &Report) -> Markup {
    let failed = |it: &&Finding| matches!(it.outcome, Outcome::Fail { .. });
    markup! {
        h2 { "What fails" }
        @if !report.findings.iter().any(|it| failed(&it)) { p { "Nothing." } }
        @for finding in report.findings.iter().filter(failed) {
            div.finding {
                h3 { (finding.severity) ": " code { (finding.rule) } " " (plain(&finding.resource)) }
                @if finding.known { p { em { "Known from the baseline." } } }
                @if let Outcome::Fail { what, at } = &finding.outcome {
                    p { (plain(what)) ", at " code { (plain(&at.to_string())) } }
                }
                @if let Some(rule) = rules::find(&finding.rule) {
                    p { (rule.title) ". " (rule.protects) }
                    p { strong { "To fix it: " } (rule.remedy) "." }
                }
            }
        }
    }
}

fn not_checked(report: &Report) -> Markup {
    let unknown = |it: &&Finding| matches!(it.outcome, Outcome::NotChecked { .. });
    markup! {
        h2 { "What could not be checked" }
        @if !report.findings.iter().any(|it| unknown(&it)) { p { "Nothing." } }
        ul {
            @for finding in report.findings.iter().filter(unknown) {
                li {
                    code { (finding.rule) } " " (plain(&finding.resource)) ": "
                    (plain(finding.outcome.says()))
                }
            }
        }
    }
}

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;max-width:62em;margin:2em auto;\
    padding:0 1em;color:#111}table{border-collapse:collapse;width:100%}th,td{border:1px solid #999;\
    padding:.3em .5em;text-align:left;vertical-align:top}.score{font-size:1.3em}.fail{color:#a00;\
    font-weight:bold}.met{color:#060}.open{color:#640}.finding{break-inside:avoid}\
    small{color:#444}td p{margin:0 0 .4em}@media print{body{margin:0;max-width:none}}";
