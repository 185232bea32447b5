//! `twinkeep scan trend` and `twinkeep scan timer`.

use std::collections::BTreeSet;
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;
use twinkeep_app::{AppError, MissingReport, recorded_scans};
use twinkeep_posture::facts::Target;
use twinkeep_posture::trend::{Trend, trend};

use super::targets::{scope, target};
use super::{hand_over, written};
use crate::cli::{Global, ProfileName, SecretArgs, SeverityName, TrendFormat};
use crate::output::Output;

/// A trend, and what of the record could not be compared.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    trend: &'a Trend,
    missing: &'a [MissingReport],
}

/// Which recorded scans, and how they are shown.
pub(super) struct Asked<'a> {
    pub(super) last: usize,
    pub(super) only: &'a [String],
    pub(super) format: TrendFormat,
}

pub(super) fn show_trend(
    global: &Global,
    asked: &Asked<'_>,
    file: Option<&Path>,
    out: &Output,
) -> Result<(), AppError> {
    let named = |word: &String| word.split(':').next().unwrap_or_default().to_owned();
    let only: BTreeSet<String> = asked.only.iter().map(named).collect();
    let known = |word: &String| Target::ALL.iter().any(|target| target.word() == word);
    if !only.iter().all(known) {
        let words: Vec<&str> = Target::ALL.iter().map(|target| target.word()).collect();
        return Err(AppError::usage(
            "scan-target",
            "a target is none of those that can be scanned",
        )
        .hint(words.join(", ")));
    }
    let recorded = recorded_scans(&global.keep, RECORDED_MAX)?;
    for missing in &recorded.missing {
        out.remark(&format!("entry {} of {}: {}", missing.entry, missing.time, missing.why));
    }
    let mut reports = recorded.reports;
    let newest = reports.last().map(|report| report.targets.clone()).unwrap_or_default();
    let wanted = if only.is_empty() { newest } else { only };
    // Scans of other targets say nothing about what became of these.
    reports.retain(|report| report.targets == wanted);
    let scope = match asked.only.iter().any(|word| word.contains(':')) {
        true => Some(scope(asked.only.iter().cloned())),
        false => reports.last().and_then(|report| report.scope.clone()),
    };
    let all = reports.len();
    // What was recorded before there were scopes has none.
    reports.retain(|report| report.scope.is_none() || report.scope == scope);
    let others = all - reports.len();
    if others != 0 {
        out.remark(&format!(
            "{others} scans of other places are left out: name what you mean, as in \
             `--only phi:/srv/exports`"
        ));
    }
    reports.drain(..reports.len().saturating_sub(asked.last));
    let trend = trend(reports);
    let text = match asked.format {
        TrendFormat::Text if !out.json() => trend.text(),
        TrendFormat::Csv => trend.csv(),
        TrendFormat::Text | TrendFormat::Json => {
            let shown = Shown { trend: &trend, missing: &recorded.missing };
            written(serde_json::to_string_pretty(&shown).map(|text| text + "\n"))?
        }
    };
    hand_over(&text, file, out)
}

/// Prints a service and a timer; nothing is installed.
pub(super) fn print_timer(
    global: &Global,
    every: &str,
    fail_on: SeverityName,
    profile: Option<ProfileName>,
    targets: &[String],
    out: &Output,
) -> Result<(), AppError> {
    let usual = ["keep".to_owned(), "host".to_owned()];
    let targets = if targets.is_empty() { &usual[..] } else { targets };
    for word in targets {
        target(word)?;
    }
    let keep = std::path::absolute(&global.keep).map_err(|error| {
        AppError::environment("keep-read", "cannot tell where the keep is").because(error)
    })?;
    let mut words = vec!["--keep".to_owned(), keep.display().to_string()];
    words.extend(secret_words(&global.secret)?);
    words.push("scan".to_owned());
    words.extend(targets.iter().cloned());
    words.extend(["--record", "--alert", "--fail-on"].map(str::to_owned));
    words.push(word_of(fail_on));
    if let Some(profile) = profile {
        words.extend(["--profile".to_owned(), word_of(profile)]);
    }
    let here = std::env::current_dir().map(|path| path.display().to_string());
    let here = here.ok().filter(|path| !path.chars().any(char::is_control));
    let here = here.unwrap_or_else(|| "/".to_owned()).replace('%', "%%");
    let quoted_words: Option<Vec<String>> = words.iter().map(|it| quoted(it)).collect();
    let Some(words) = quoted_words.filter(|_| !every.chars().any(char::is_control)) else {
        let attempt = "a unit of systemd cannot name what has control characters";
        return Err(AppError::usage("scan-timer", attempt));
    };
    let program = std::env::current_exe().ok().and_then(|path| quoted(&path.display().to_string()));
    let program = program.unwrap_or_else(|| "twinkeep".to_owned());
    out.verbatim(&format!(
        "# /etc/systemd/system/twinkeep-scan.service\n[Unit]\nDescription=Scan of the posture\n\
         # OnFailure= names a unit that tells somebody.\n\n[Service]\nType=oneshot\n\
         # The key of the keep, if no option below names it: see `twinkeep --help` for the variables.\n\
         EnvironmentFile=-/etc/twinkeep/scan.env\n\
         # Targets without a `/` in front are in this folder.\nWorkingDirectory={here}\n\
         ExecStart={program} {}\n\n\
         # /etc/systemd/system/twinkeep-scan.timer\n[Unit]\nDescription=Scans of the posture\n\n\
         [Timer]\nOnCalendar={every}\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n",
        words.join(" ")
    ))
}

/// What opens the keep without anybody who types.
fn secret_words(secret: &SecretArgs) -> Result<Vec<String>, AppError> {
    if secret.passphrase_fd.is_some() {
        let attempt = "a unit of systemd has no open descriptor with a passphrase";
        return Err(AppError::usage("scan-timer", attempt)
            .hint("name a file: `--passphrase-file`, or `--key-file`"));
    }
    let mut words = Vec::new();
    let files = [("--passphrase-file", &secret.passphrase_file), ("--key-file", &secret.key_file)];
    for (option, path) in files {
        let Some(path) = path else { continue };
        let path = std::path::absolute(path).map_err(|error| {
            AppError::environment("keep-read", "cannot tell where the secret is").because(error)
        })?;
        words.extend([option.to_owned(), path.display().to_string()]);
    }
    if let Some(uri) = &secret.kek_uri {
        words.extend(["--kek-uri".to_owned(), uri.clone()]);
    }
    Ok(words)
}

fn word_of(value: impl ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A word as `ExecStart=` takes it; nothing if it cannot.
fn quoted(word: &str) -> Option<String> {
    if word.chars().any(char::is_control) {
        return None;
    }
    // systemd reads `%` as a specifier and `$` as a variable.
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    let escaped = escaped.replace('%', "%%").replace('$', "$$");
    let safe = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@".contains(c);
    Some(if word.chars().all(safe) { escaped } else { format!("\"{escaped}\"") })
}

/// Some years of daily scans.
const RECORDED_MAX: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn words_are_those_that_systemd_hands_over() {
        assert_eq!(quoted("/srv/keep").unwrap(), "/srv/keep");
        assert_eq!(quoted("a b").unwrap(), "\"a b\"");
        assert_eq!(quoted("100%$HOME\\\"").unwrap(), "\"100%%$$HOME\\\\\\\"\"");
        assert_eq!(quoted("a\nExecStart=/bin/sh"), None);
    }
}
