//! Rule `host-audit-rules`: who reads or writes a sensitive folder is recorded.

use std::path::Path;

use crate::facts::Check;
use crate::facts::host::Host;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "host-audit-rules",
    title: "Rules of auditd cover every sensitive folder, for reads and writes",
    severity: Severity::High,
    protects: "Nobody can say who read a file that no rule covers.",
    remedy: "run `twinkeep watch rules`, or `auditctl -w FOLDER -p rwa -k model_access`, and keep the rule in /etc/audit/rules.d",
    controls: &[
        Evidence {
            control: "hipaa-164.312(b)",
            strength: Strength::Strong,
            because: "A rule records each access to the folders that hold the data.",
        },
        Evidence {
            control: "hipaa-164.308(a)(1)(ii)(D)",
            strength: Strength::Partial,
            because: "There is something to review.",
        },
        Evidence {
            control: "aisvs-12.4.2",
            strength: Strength::Partial,
            because: "Accesses to models are recorded with who made them.",
        },
    ],
    check: Check::Host(Judge { judge }),
};

/// What a rule of auditd covers.
struct Covers<'a> {
    path: &'a Path,
    /// `None`: calls of programs of every kind.
    arch: Option<&'a str>,
}

fn judge(host: &Host) -> Vec<Judged> {
    let judged = host.sensitive.iter().map(|sensitive| {
        let outcome = match host.audit.rules.seen() {
            Ok(rules) => covered(rules, Path::new(&sensitive.path)),
            Err(why) => Outcome::not_checked(why),
        };
        Judged::new(&sensitive.path, outcome)
    });
    judged.collect()
}

fn covered(rules: &[String], path: &Path) -> Outcome {
    let covering: Vec<Covers<'_>> = rules
        .iter()
        .filter_map(|rule| covers(rule))
        .filter(|covers| path.starts_with(covers.path))
        .collect();
    let has = |arch| covering.iter().any(|it| it.arch == arch);
    let at = || Place::of("auditctl -l");
    if has(None) || (has(Some("b64")) && has(Some("b32"))) {
        Outcome::Pass
    } else if covering.is_empty() {
        Outcome::fail(at(), "no rule records who reads and writes it")
    } else {
        Outcome::fail(at(), "the rules miss calls of programs with 32 bits, or with 64")
    }
}

/// What a rule covers, if it records reads and writes: `-w PATH -p rwa`, or `-a always,exit` with
/// a field `dir=` or `path=`.
fn covers(rule: &str) -> Option<Covers<'_>> {
    let words: Vec<&str> = rule.split_whitespace().collect();
    let after = |option: &str| {
        let at = words.iter().position(|word| *word == option)?;
        words.get(at + 1).copied()
    };
    let field = |name: &str| words.iter().find_map(|word| word.strip_prefix(name));
    let path = |before: &str| rule.split_once(before).map(|(_, rest)| up_to_option(rest));
    let (path, rights) = match rule.strip_prefix("-w ").map(up_to_option) {
        Some(path) => (path, after("-p").unwrap_or("rwxa")),
        None => {
            let list = after("-a").or_else(|| after("-A"))?;
            if !list.split(',').any(|word| word == "always") {
                return None;
            }
            (path("-F dir=").or_else(|| path("-F path="))?, field("perm=").unwrap_or("rwxa"))
        }
    };
    let whole = rights.contains('r') && rights.contains('w');
    whole.then(|| Covers { path: Path::new(path), arch: field("arch=") })
}

/// A path, which may have spaces in it; `auditctl` puts no quotes around it.
fn up_to_option(text: &str) -> &str {
    let ends = [" -p ", " -k ", " -F ", " -S "].iter().filter_map(|option| text.find(option));
    text.get(..ends.min().unwrap_or(text.len())).unwrap_or(text).trim()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::covered;

    #[track_caller]
    fn check(rules: &[&str], word: &str) {
        let rules: Vec<String> = rules.iter().map(|&rule| rule.to_owned()).collect();
        assert_eq!(covered(&rules, Path::new("/srv/keep")).word(), word, "{rules:?}");
    }

    #[test]
    fn reads_and_writes_of_all_programs_have_to_be_covered() {
        check(&["-w /srv/keep/ -p rwa -k model_access"], "pass");
        check(&["-w /srv -p rwxa"], "pass");
        check(&["-w /srv/keep -p wa -k k"], "fail");
        check(&["-w /srv/keeper -p rwa"], "fail");
        check(&["-w /srv/keep/models -p rwa"], "fail");
        check(&["-a always,exit -S all -F dir=/srv/keep -F perm=rwa -F key=k"], "pass");
        check(&["-a never,exit -S all -F dir=/srv/keep -F perm=rwa"], "fail");
        check(&["-a always,exit -F arch=b64 -S all -F dir=/srv/keep -F perm=rwa"], "fail");
        check(
            &[
                "-a always,exit -F arch=b64 -S all -F dir=/srv/keep -F perm=rwa",
                "-a always,exit -F arch=b32 -S all -F dir=/srv/keep -F perm=rwa",
            ],
            "pass",
        );
        let spaced = |rule: &str| covered(&[rule.to_owned()], Path::new("/srv/my keep")).word();
        assert_eq!(spaced("-w /srv/my keep -p rwa -k k"), "pass");
        assert_eq!(spaced("-a always,exit -S all -F dir=/srv/my keep -F perm=rwa"), "pass");
        assert_eq!(spaced("-w /srv/my keepsake -p rwa"), "fail");
        assert_eq!(spaced("-w /srv/my -p rwa"), "fail");
        check(&["-w"], "fail");
        check(&[], "fail");
    }
}
