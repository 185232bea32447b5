//! Rule `win-defender-exclusions`: Defender looks where models and data are.
//!
//! Folders above and below those with models count, whole drives, kinds of files that models come
//! in, and programs that load them.

use super::on;
use crate::facts::Check;
use crate::facts::windows::Defender;
use crate::facts::windows::Windows;
use crate::outcome::Place;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-defender-exclusions",
    title: "No exclusion of Defender covers models, health data, or the programs that load them",
    severity: Severity::High,
    protects: "A model that carries code is not looked at, because somebody told Defender to skip its folder.",
    remedy: "take the exclusion away (`Remove-MpPreference -ExclusionPath …`)",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(5)(ii)(B)",
        strength: Strength::Strong,
        because: "What is excluded is not guarded against malicious software.",
    }],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let Some(defender) = &facts.defender else {
        return vec![on(facts, "exclusions", Outcome::not_checked("Defender could not be asked"))];
    };
    let bad = covering(defender, &facts.sensitive_paths);
    if !bad.is_empty() {
        let told = |(kind, what): (Kind, &str)| {
            let outcome = Outcome::fail(Place::of(kind.property()), "it covers models or data");
            on(facts, &format!("exclusion {what}"), outcome)
        };
        return bad.into_iter().map(told).collect();
    }
    let left = &defender.excluded_paths;
    // To others, Windows says "N/A: Must be an administrator to view exclusions".
    let hidden = !facts.elevated || left.iter().any(|path| path.starts_with("N/A:"));
    let outcome = match left.first() {
        _ if hidden => Outcome::not_checked("exclusions are told to administrators only"),
        Some(_) if facts.sensitive_paths.is_empty() => Outcome::not_checked(
            "there are exclusions, and the collector was not told where models are (-SensitivePath)",
        ),
        _ => Outcome::Pass,
    };
    vec![on(facts, "exclusions", outcome)]
}

/// What an exclusion is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A folder or file.
    Path,
    /// A kind of files.
    Extension,
    /// A program.
    Process,
}

impl Kind {
    /// The property of `MpPreference` that has it.
    pub(crate) fn property(self) -> &'static str {
        match self {
            Kind::Path => "ExclusionPath",
            Kind::Extension => "ExclusionExtension",
            Kind::Process => "ExclusionProcess",
        }
    }
}

/// The exclusions that cover what must be looked at.
pub(crate) fn covering<'a>(defender: &'a Defender, sensitive: &[String]) -> Vec<(Kind, &'a str)> {
    let paths = defender.excluded_paths.iter().filter(|path| {
        let path = normal(path);
        is_drive(&path) || sensitive.iter().any(|folder| overlap(&path, &normal(folder)))
    });
    let extensions = defender.excluded_extensions.iter().filter(|extension| {
        let bare = extension.trim_start_matches(['*', '.']).to_ascii_lowercase();
        extension.trim() == "*" || EXTENSIONS.contains(&bare.as_str())
    });
    let processes = defender.excluded_processes.iter().filter(|program| {
        let program = program.to_ascii_lowercase();
        ["python", "jupyter"].iter().any(|name| program.contains(name))
    });
    let named = |kind| move |what: &'a String| (kind, what.as_str());
    paths
        .map(named(Kind::Path))
        .chain(extensions.map(named(Kind::Extension)))
        .chain(processes.map(named(Kind::Process)))
        .collect()
}

/// A path without what Windows does not tell apart. A star matches within one name.
fn normal(path: &str) -> String {
    let path = path.replace('/', "\\").to_ascii_lowercase();
    path.strip_suffix("\\*").unwrap_or(&path).trim_end_matches('\\').to_owned()
}

fn is_drive(path: &str) -> bool {
    path.is_empty() || (path.len() == 2 && path.ends_with(':'))
}

/// Whether one of two paths lies in the other. A variable or a star in the exclusion may stand for
/// anything, so that only what is before it counts.
fn overlap(exclusion: &str, folder: &str) -> bool {
    let fixed = exclusion.split(['*', '?', '%']).next().unwrap_or_default();
    if fixed.len() < exclusion.len() {
        return folder.starts_with(fixed) || fixed.starts_with(folder);
    }
    let lies_in = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('\\'))
    };
    lies_in(exclusion, folder) || lies_in(folder, exclusion)
}

/// Files that models and their data come in.
const EXTENSIONS: &[&str] = &[
    "bin",
    "ckpt",
    "csv",
    "h5",
    "hdf5",
    "ipynb",
    "joblib",
    "keras",
    "npy",
    "npz",
    "onnx",
    "parquet",
    "pb",
    "pickle",
    "pkl",
    "pt",
    "pth",
    "py",
    "safetensors",
];
