//! Use case: the rules by which the kernel writes audit records of who touches models and keys.
//!
//! They are the host's, not the keep's: nothing here opens the keep, and auditing itself is neither
//! turned on nor off.

use std::path::Path;

use serde::Serialize;
use twinkeep_vault::files::write_atomic;
use twinkeep_watch::access::rules::{
    AuditRule, Kernel, RuleForm, RuleList, RulesError, Watched, rules,
};

use crate::{AppError, Keep};

/// The key of the records.
pub const AUDIT_KEY: &str = "model_access";

/// How the rules are said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditRuleForm {
    /// `-w PATH -p rwa`.
    Watch,
    /// `-a always,exit -S …`, which costs other programs less.
    Calls,
}

/// What became of the rules in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct AuditRulesReport {
    /// Rules that are there now and were not.
    pub added: u32,
    /// Rules that were there already.
    pub kept: u32,
    /// Rules that are gone now.
    pub removed: u32,
    /// What is wrong, in words; nothing, if all is well.
    pub findings: Vec<String>,
}

/// Returns the rules as `auditctl -R` and `/etc/audit/rules.d` take them.
pub fn audit_rules_text(keep: &Keep, form: AuditRuleForm) -> Result<String, AppError> {
    let rules = all(keep, form)?;
    let lines: Vec<String> = rules.iter().filter_map(AuditRule::text).collect();
    if lines.is_empty() {
        let attempt = "a path of the keep has white space, which `auditctl` cannot take";
        return Err(AppError::usage("audit-rule-path", attempt).hint("`--load` can"));
    }
    let head = "# Who touches the models and keys of a keep; written by `twinkeep watch rules`.\n\
                # What io_uring does is not in here, since auditctl cannot say it: `--load` can.\n";
    Ok(format!("{head}{}\n", lines.join("\n")))
}

/// Writes them to a file.
pub fn write_audit_rules(keep: &Keep, form: AuditRuleForm, path: &Path) -> Result<(), AppError> {
    let text = audit_rules_text(keep, form)?;
    write_atomic(path, text.as_bytes(), RULES_MODE).map_err(|error| {
        AppError::environment("audit-rules-write", format!("cannot write `{}`", path.display()))
            .because(error)
    })
}

/// Gives the kernel the rules that it does not have.
pub fn load_audit_rules(keep: &Keep, form: AuditRuleForm) -> Result<AuditRulesReport, AppError> {
    let kernel = Kernel::open().map_err(refuse)?;
    let mut report = AuditRulesReport::default();
    for rule in all(keep, form)? {
        match kernel.add(&rule) {
            Ok(true) => report.added += 1,
            Ok(false) => report.kept += 1,
            Err(RulesError::Kernel { .. }) if rule.list == RuleList::Uring => {
                report.findings.push(NO_URING.to_owned());
            }
            Err(error) => return Err(refuse(error)),
        }
    }
    report.findings.dedup();
    Ok(report)
}

/// Takes the rules away again, whichever form they have.
pub fn unload_audit_rules(keep: &Keep) -> Result<AuditRulesReport, AppError> {
    let kernel = Kernel::open().map_err(refuse)?;
    let mut report = AuditRulesReport::default();
    for form in [AuditRuleForm::Watch, AuditRuleForm::Calls] {
        for rule in all(keep, form)? {
            match kernel.remove(&rule) {
                Ok(true) => report.removed += 1,
                Ok(false) => {}
                Err(RulesError::Kernel { .. }) if rule.list == RuleList::Uring => {}
                Err(error) => return Err(refuse(error)),
            }
        }
    }
    Ok(report)
}

/// Says whether the kernel has the rules, in either form, and whether anybody gets their records.
pub fn check_audit_rules(keep: &Keep) -> Result<AuditRulesReport, AppError> {
    let kernel = Kernel::open().map_err(refuse)?;
    let (status, loaded) = (kernel.status().map_err(refuse)?, kernel.rules().map_err(refuse)?);
    let forms = [all(keep, AuditRuleForm::Watch)?, all(keep, AuditRuleForm::Calls)?];
    let missing = |rules: &[AuditRule], list| {
        rules.iter().filter(|rule| rule.list == list && !loaded.contains(rule)).count()
    };
    let mut findings = Vec::new();
    let absent = forms.iter().map(|rules| missing(rules, RuleList::Exit)).min().unwrap_or(0);
    if absent > 0 {
        findings.push(format!("{absent} rules are not loaded: `watch rules --load`"));
    }
    if missing(&forms[0], RuleList::Uring) > 0 {
        findings.push("what io_uring does is not watched: `watch rules --load`".to_owned());
    }
    if status.enabled == 0 {
        findings.push("auditing is off: `auditctl -e 1`, and `audit=1` for the kernel".to_owned());
    }
    if status.daemon == 0 {
        findings.push("nobody gets the records: auditd does not run".to_owned());
    }
    if status.lost > 0 {
        findings.push(format!("{} records were lost", status.lost));
    }
    if status.backlog_limit < BACKLOG_LIMIT_MIN {
        findings.push(format!(
            "only {} records may wait: `auditctl -b {BACKLOG_LIMIT_MIN}`",
            status.backlog_limit
        ));
    }
    let kept = forms.iter().flatten().filter(|rule| loaded.contains(rule)).count();
    Ok(AuditRulesReport { kept: kept as u32, findings, ..AuditRulesReport::default() })
}

fn all(keep: &Keep, form: AuditRuleForm) -> Result<Vec<AuditRule>, AppError> {
    let root = keep.layout.root().canonicalize().map_err(|error| {
        AppError::environment("keep-read", "cannot look at the keep").because(error)
    })?;
    let watched = [
        Watched::Dir(root.join("models")),
        Watched::Dir(root.join("keys")),
        Watched::File(root.join("store/keyring")),
    ];
    let form = match form {
        AuditRuleForm::Watch => RuleForm::Watch,
        AuditRuleForm::Calls => RuleForm::Calls,
    };
    Ok(rules(form, &watched, AUDIT_KEY))
}

fn refuse(error: RulesError) -> AppError {
    let refusal = AppError::environment(error.code(), "cannot ask the kernel about audit rules");
    match &error {
        RulesError::NotPermitted { .. } => refusal.because(error).hint("run it as root"),
        RulesError::Kernel { .. } => refusal.because(error),
    }
}

const NO_URING: &str = "this kernel does not watch what io_uring does (before Linux 5.16)";

/// Below this, records are lost when many files are opened at once.
const BACKLOG_LIMIT_MIN: u32 = 8192;

/// As `auditd` has its rules: paths are nobody else's business.
const RULES_MODE: u32 = 0o640;
