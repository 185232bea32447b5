//! Use cases: check a policy, ask it, show the one in force, and apply another one.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::digest::{sha256, to_hex};

use crate::permit::POLICY;
use crate::policy::{DEFAULT_POLICY, Decided, Policy, PolicyAction, Question};
use crate::{App, AppError, Caller};

/// A policy that was checked.
#[derive(Debug, Serialize)]
pub struct PolicyReport {
    /// SHA-256 of its text, in hexadecimal.
    pub sha256: String,
    /// The names of its policies.
    pub policies: Vec<String>,
    /// Whether it is the one that the program brings along.
    pub shipped: bool,
    /// Its text, if it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What a policy would decide.
#[derive(Debug, Serialize)]
pub struct PolicyDecision {
    /// Whether it is permitted.
    pub permitted: bool,
    /// The policies that decided; none if nothing permits it.
    pub because: Vec<String>,
    /// In what form it may be answered, in words; absent if in any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub obligations: String,
    /// Whether an answer of this kind has such a form; if not, it is refused.
    #[serde(skip_serializing_if = "is_true")]
    pub can_be_met: bool,
}

/// Whom a policy is asked about.
#[derive(Clone, Copy, Debug)]
pub struct PolicyQuestion<'a> {
    /// What they would do.
    pub action: PolicyAction,
    /// Who asks; what they may do, their roles and their purpose are of this caller.
    pub caller: &'a Caller,
    /// The name of what it would be done to, where that has one.
    pub resource: Option<&'a str>,
    /// Whether they would break the glass.
    pub break_glass: bool,
}

/// The policy that the program brings along, as text.
pub fn shipped_policy() -> &'static str {
    DEFAULT_POLICY
}

/// Checks a text, for a pack of this name.
pub fn check_policy(text: &str, pack: &str) -> Result<PolicyReport, AppError> {
    Ok(report(text, &parse(text, pack)?))
}

/// Returns the policy in force.
pub fn show_policy(app: &App) -> Result<PolicyReport, AppError> {
    let text = app.policy_text()?;
    let report = report(&text, &parse(&text, app.pack.name())?);
    Ok(PolicyReport { text: Some(text), ..report })
}

/// Asks the policy in force, or another text. Nobody is let in by this.
pub fn test_policy(
    app: &App,
    text: Option<&str>,
    question: PolicyQuestion<'_>,
) -> Result<PolicyDecision, AppError> {
    let text = text.map_or_else(|| app.policy_text(), |text| Ok(text.to_owned()))?;
    let policy = parse(&text, app.pack.name())?;
    let PolicyQuestion { action, caller, resource, break_glass } = question;
    let question = Question::new(caller, action, break_glass).on(resource);
    let Decided { permitted, because, obligations } = policy.decide(&question);
    let can_be_met = obligations.can_be_met(action);
    Ok(PolicyDecision { permitted, because, obligations: obligations.to_string(), can_be_met })
}

/// Puts a policy in force, from the next request on.
pub fn apply_policy(app: &App, caller: &Caller, text: &str) -> Result<PolicyReport, AppError> {
    let checked = check_policy(text, app.pack.name());
    let class = EventClass::EntityManagement;
    let entry = app
        .entry(caller, class, Activity::Update, "policy.applied")
        .severity(Severity::Medium)
        .with("policy_sha256", to_hex(&sha256(text.as_bytes())).as_str());
    let result = checked.and_then(|report| {
        app.store.set_setting(POLICY, text)?;
        Ok(report)
    });
    app.conclude(entry, result)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_true(value: &bool) -> bool {
    *value
}

fn parse(text: &str, pack: &str) -> Result<Policy, AppError> {
    if POLICY_LEN_MAX < text.len() {
        let attempt = format!("a policy has at most {POLICY_LEN_MAX} bytes");
        return Err(AppError::usage("policy-size", attempt));
    }
    Policy::parse(text, pack).map_err(|error| {
        AppError::usage("policy-invalid", "the policy cannot be used").because(error)
    })
}

fn report(text: &str, policy: &Policy) -> PolicyReport {
    PolicyReport {
        sha256: to_hex(&sha256(text.as_bytes())),
        policies: policy.names().to_vec(),
        shipped: text == DEFAULT_POLICY,
        text: None,
    }
}

/// Largest policy, in bytes: hundreds of rules, and a line of the catalog.
pub const POLICY_LEN_MAX: usize = 64 << 10;
