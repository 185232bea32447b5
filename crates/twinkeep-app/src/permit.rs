//! Use cases: decide whether a caller may do what is asked, and answer for broken glass.
//!
//! The policy in force is in the catalog, where nobody writes without the key; a change of it holds
//! from the next request on, in every process. Decisions are remembered until then.
//!
//! Whoever may break the glass in an emergency gets in where the policy says so, and leaves an alarm
//! in the ledger and the reason they gave, sealed, for whoever looks at it afterwards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use twinkeep_domain::Subject;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_vault::digest::to_hex;
use twinkeep_vault::{Purpose, open, random_bytes, seal};
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::incidents::{detected, note_detection};
use crate::obligation::{Obligations, unmet};
use crate::policy::{DEFAULT_POLICY, Decided, Policy, PolicyAction, Question};
use crate::reason::check_reason;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller};

/// The policy in force, and what it decided so far.
#[derive(Default)]
pub(crate) struct Policies {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The version of the settings that this is as of.
    version: Vec<u8>,
    text: Option<String>,
    policy: Option<Arc<Policy>>,
    decided: BTreeMap<Question, Option<Arc<Obligations>>>,
}

/// Somebody broke the glass.
#[derive(Debug, Serialize)]
pub struct GlassLine {
    /// The name of this in the ledger.
    pub id: String,
    /// When (RFC 3339).
    pub time: String,
    /// Who, as the ledger calls them.
    pub caller: String,
    /// What they did.
    pub action: String,
    /// Why, in their words.
    pub reason: String,
}

impl App {
    /// Decides whether `caller` may do this, for the purpose they named, and returns them with what
    /// the policy obliges to.
    ///
    /// Where only breaking the glass would help, and the caller gave a reason, it is broken.
    pub fn permit(&self, caller: &Caller, action: PolicyAction) -> Result<Caller, AppError> {
        self.permit_on(caller, action, None)
    }

    /// The same about one thing of its kind, by its name.
    pub fn permit_on(
        &self,
        caller: &Caller,
        action: PolicyAction,
        name: Option<&str>,
    ) -> Result<Caller, AppError> {
        let mut found = self.decide(&Question::new(caller, action, false).on(name))?;
        if found.is_none() && caller.glass.is_some() {
            found = self.decide(&Question::new(caller, action, true).on(name))?;
            if found.is_some() {
                self.break_glass(caller, action, None)?;
            }
        }
        let Some(obligations) = found else {
            let attempt = "the policy of this keep does not permit this";
            return Err(AppError::refused("policy-denied", attempt)
                .hint("`twinkeep policy test` says which policy decides"));
        };
        let mut caller = caller.clone();
        caller.obligations.join(&obligations);
        if caller.obligations.can_be_met(action) { Ok(caller) } else { Err(unmet()) }
    }

    /// Returns whether the glass may be broken to ask about somebody who withdrew consent; if so, it
    /// is broken.
    pub(crate) fn override_consent(
        &self,
        caller: &Caller,
        subject: Subject,
    ) -> Result<bool, AppError> {
        let action = PolicyAction::OverrideConsent;
        if caller.glass.is_none() || self.decide(&Question::new(caller, action, true))?.is_none() {
            return Ok(false);
        }
        self.break_glass(caller, action, Some(subject)).map(|()| true)
    }

    /// Returns the policy in force.
    pub(crate) fn policy_text(&self) -> Result<String, AppError> {
        Ok(self.store.setting(POLICY)?.unwrap_or_else(|| DEFAULT_POLICY.to_owned()))
    }

    /// Returns what is obliged to, if it is permitted.
    fn decide(&self, question: &Question) -> Result<Option<Arc<Obligations>>, AppError> {
        let [version, _] = self.store.rules_version()?;
        let mut state = self.policies.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.version != version {
            let text = self.policy_text()?;
            if state.text.as_ref() != Some(&text) {
                let policy = Policy::parse(&text, self.pack.name()).map_err(|error| {
                    AppError::refused("policy-unusable", "the policy in force cannot be used")
                        .because(error)
                        .hint("apply another one: `twinkeep policy apply FILE`")
                })?;
                state.policy = Some(Arc::new(policy));
                state.text = Some(text);
                state.decided.clear();
            }
            state.version = version;
        }
        if let Some(decided) = state.decided.get(question) {
            return Ok(decided.clone());
        }
        let Some(policy) = state.policy.clone() else { return Ok(None) };
        let Decided { permitted, obligations, .. } = policy.decide(question);
        let decided = permitted.then(|| Arc::new(obligations));
        if DECISION_COUNT_MAX <= state.decided.len() {
            state.decided.clear();
        }
        state.decided.insert(question.clone(), decided.clone());
        Ok(decided)
    }

    fn break_glass(
        &self,
        caller: &Caller,
        action: PolicyAction,
        subject: Option<Subject>,
    ) -> Result<(), AppError> {
        let reason = check_reason(caller.glass.as_deref().unwrap_or_default())?;
        let id = to_hex(&random_bytes::<8>());
        let entry = self
            .entry(caller, EventClass::DetectionFinding, Activity::Create, "glass.broken")
            .severity(Severity::High)
            .with("glass", id.as_str())
            .with("asked", action.name());
        let entry = match subject {
            Some(subject) => entry.about(&self.reference(subject)),
            None => entry,
        };
        let sealed = seal(self.access_key(), Purpose::Access, id.as_bytes(), reason.as_bytes());
        let (now, who, action_name) = (rfc3339(self.now()), &caller.id, action.name());
        let line = format!("{id} {now} {who} {action_name} {}", STANDARD.encode(sealed));
        let kept = self.store.change_setting(GLASS, &mut |known| {
            let known = known.unwrap_or_default();
            let surplus = (known.lines().count() + 1).saturating_sub(GLASS_COUNT_MAX);
            let mut lines: Vec<&str> = known.lines().skip(surplus).collect();
            lines.push(&line);
            Some(lines.iter().map(|line| format!("{line}\n")).collect())
        });
        if let Err(error) = kept {
            return self.conclude(entry, Err(AppError::from(error)));
        }
        // Not with the entries of what only reads: it is on record before anything follows from it.
        self.record_at(&entry)?;
        note_detection(self, &glass_broken(self, &caller.id, action.name()))
    }
}

/// Somebody says that it was an emergency: a person has to look whether it was.
fn glass_broken(app: &App, caller: &str, action: &str) -> Detection {
    let says =
        format!("somebody broke the glass ({action}); `twinkeep policy glass` has the reason");
    detected(
        app,
        Detector::BreakGlass,
        Target::Identity(caller.to_owned()),
        FoundSeverity::Medium,
        &says,
    )
}

/// Lists who broke the glass, and why; the newest last.
pub fn list_broken_glass(app: &App) -> Result<Vec<GlassLine>, AppError> {
    let text = app.store.setting(GLASS)?.unwrap_or_default();
    let damaged =
        || AppError::refused("glass-damaged", "a reason for breaking the glass is damaged");
    let read = |line: &str| {
        let [id, time, caller, action, sealed] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(damaged());
        };
        let sealed = STANDARD.decode(sealed).map_err(|_| damaged())?;
        let reason = open(app.access_key(), Purpose::Access, id.as_bytes(), &sealed)
            .map_err(|error| damaged().because(error))?;
        Ok(GlassLine {
            id: id.to_owned(),
            time: time.to_owned(),
            caller: caller.to_owned(),
            action: action.to_owned(),
            reason: String::from_utf8_lossy(reason.expose()).into_owned(),
        })
    };
    text.lines().map(read).collect()
}

/// Where the catalog has the policy in force.
pub(crate) const POLICY: &str = "policy";

/// Where the catalog has who broke the glass.
const GLASS: &str = "broken-glass";

/// The newest are kept; the ledger has all of them, without their reasons.
const GLASS_COUNT_MAX: usize = 500;

/// Decisions that are remembered: callers by actions, a few hundred bytes each.
const DECISION_COUNT_MAX: usize = 10_000;
