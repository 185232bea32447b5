//! The policy: who may do what, by role, attribute, and purpose, in Cedar.
//!
//! A policy is text that was checked against `policy/schema.cedarschema`. Cedar evaluates every
//! policy of a set, one after the other, so each action gets the slice that can concern it, and a
//! decision is remembered until the policy changes ([`crate::permit`]).
//!
//! # Invariants
//!
//! - What is not permitted is denied, and a `forbid` outweighs every `permit`.
//! - No policy speaks of one person: who withdrew consent is data, not a policy.
//! - Nothing here reads a clock, a file, or the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    PolicyId, PolicySet, Request, RestrictedExpression, Schema, ValidationMode, Validator,
};

use crate::Caller;
use crate::access_token::TOKEN_PREFIX;
use crate::api_keys::CALLER_PREFIX;
use crate::client_certificates::CERTIFICATE_PREFIX;
use crate::obligation::Obligations;

#[cfg(test)]
mod tests;

/// What somebody does, as a policy names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PolicyAction {
    /// Ask for a forecast from a history in the request.
    Predict,
    /// List twins.
    ListTwins,
    /// Read the state and history of a twin.
    ReadTwin,
    /// Be told what changes.
    Follow,
    /// Forecast a twin.
    Forecast,
    /// Ask why a forecast is what it is.
    Explain,
    /// Draw paths of a twin.
    Simulate,
    /// Ask what if.
    WhatIf,
    /// Ask how it went on with others.
    Compare,
    /// Record live events.
    RecordEvents,
    /// Deliver a sealed feed.
    DeliverFeed,
    /// Read about feeds.
    ReadFeeds,
    /// Release or reject a feed.
    DecideFeed,
    /// Read about models.
    ReadModels,
    /// Hand out everything that is kept about a person.
    ExportSubject,
    /// Erase a person.
    EraseSubject,
    /// Read the ledger.
    ReadLedger,
    /// Read about incidents.
    ReadIncidents,
    /// Use a model server behind the gate.
    UseUpstream,
    /// Do what an operator does, from elsewhere.
    Administer,
    /// Ask about somebody who withdrew consent.
    OverrideConsent,
}

impl PolicyAction {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Predict,
        Self::ListTwins,
        Self::ReadTwin,
        Self::Follow,
        Self::Forecast,
        Self::Explain,
        Self::Simulate,
        Self::WhatIf,
        Self::Compare,
        Self::RecordEvents,
        Self::DeliverFeed,
        Self::ReadFeeds,
        Self::DecideFeed,
        Self::ReadModels,
        Self::ExportSubject,
        Self::EraseSubject,
        Self::ReadLedger,
        Self::ReadIncidents,
        Self::UseUpstream,
        Self::Administer,
        Self::OverrideConsent,
    ];

    /// Returns the name in policies.
    pub fn name(self) -> &'static str {
        match self {
            Self::Predict => "predict",
            Self::ListTwins => "list-twins",
            Self::ReadTwin => "read-twin",
            Self::Follow => "follow",
            Self::Forecast => "forecast",
            Self::Explain => "explain",
            Self::Simulate => "simulate",
            Self::WhatIf => "what-if",
            Self::Compare => "compare",
            Self::RecordEvents => "record-events",
            Self::DeliverFeed => "deliver-feed",
            Self::ReadFeeds => "read-feeds",
            Self::DecideFeed => "decide-feed",
            Self::ReadModels => "read-models",
            Self::ExportSubject => "export-subject",
            Self::EraseSubject => "erase-subject",
            Self::ReadLedger => "read-ledger",
            Self::ReadIncidents => "read-incidents",
            Self::UseUpstream => "use-upstream",
            Self::Administer => "administer",
            Self::OverrideConsent => "override-consent",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Returns the type of what it is done to.
    fn resource(self) -> &'static str {
        match self {
            Self::Predict | Self::ReadModels => "Model",
            Self::DeliverFeed | Self::ReadFeeds | Self::DecideFeed => "Feed",
            Self::ExportSubject | Self::EraseSubject => "Subject",
            Self::ReadLedger => "Ledger",
            Self::UseUpstream => "Upstream",
            Self::Administer | Self::ReadIncidents => "Keep",
            _ => "Twin",
        }
    }
}

/// What a decision rests on, besides the policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Question {
    pub(crate) action: PolicyAction,
    /// The name of what it is done to, where that has one.
    pub(crate) resource: Option<String>,
    pub(crate) caller: String,
    pub(crate) scopes: BTreeSet<&'static str>,
    pub(crate) roles: BTreeSet<String>,
    pub(crate) purpose: String,
    pub(crate) break_glass: bool,
}

impl Question {
    pub(crate) fn new(caller: &Caller, action: PolicyAction, break_glass: bool) -> Self {
        Self {
            action,
            resource: None,
            caller: caller.id.clone(),
            scopes: caller.scopes.iter().map(|scope| scope.name()).collect(),
            roles: caller.roles.iter().cloned().collect(),
            purpose: caller.purpose.clone().unwrap_or_default(),
            break_glass,
        }
    }

    /// The same about one thing of its kind.
    pub(crate) fn on(self, name: Option<&str>) -> Self {
        Self { resource: name.map(str::to_owned), ..self }
    }

    /// `operator`, `key`, `token`, or `certificate`, and who issued the last two; nobody, if that is
    /// the keep itself.
    fn kind(&self) -> (&'static str, &str) {
        if let Some(token) = self.caller.strip_prefix(TOKEN_PREFIX) {
            return ("token", token.split('/').next().unwrap_or_default());
        }
        if let Some(certificate) = self.caller.strip_prefix(CERTIFICATE_PREFIX) {
            let issuer = certificate.split_once('/').map_or("", |(issuer, _)| issuer);
            return ("certificate", issuer);
        }
        (if self.caller.starts_with(CALLER_PREFIX) { "key" } else { "operator" }, "")
    }
}

/// What was decided, and by which policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decided {
    pub(crate) permitted: bool,
    pub(crate) because: Vec<String>,
    /// In what form it may be answered.
    pub(crate) obligations: Obligations,
}

/// Why a text is no policy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PolicyError {
    /// It is not Cedar.
    #[error("it is not Cedar: {reason}")]
    Syntax {
        /// What is wrong, in one line.
        reason: String,
    },
    /// It speaks of what there is not.
    #[error("it does not fit the schema: {reason}")]
    Schema {
        /// What is wrong, in one line.
        reason: String,
    },
    /// It obliges to what there is not.
    #[error("the policy `{name}`: {reason}")]
    Obligation {
        /// Which one.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

/// A policy that was checked.
pub(crate) struct Policy {
    schema: Schema,
    pack: String,
    /// For each action what can concern it.
    slices: BTreeMap<PolicyAction, PolicySet>,
    names: Vec<String>,
    /// By policy that obliges to something.
    obligations: BTreeMap<String, Obligations>,
}

impl Policy {
    /// Reads and checks a text.
    pub(crate) fn parse(text: &str, pack: &str) -> Result<Self, PolicyError> {
        let syntax = |error: &dyn std::fmt::Display| PolicyError::Syntax { reason: line(error) };
        let unfit = |error: &dyn std::fmt::Display| PolicyError::Schema { reason: line(error) };
        let (schema, _) = Schema::from_cedarschema_str(SCHEMA).map_err(|error| unfit(&error))?;
        let parsed = PolicySet::from_str(text).map_err(|error| syntax(&error))?;
        if parsed.templates().next().is_some() {
            return Err(syntax(&"a policy has a slot to fill in (`?principal`, `?resource`)"));
        }
        let mut named = PolicySet::new();
        for policy in parsed.policies() {
            let name = policy.annotation("id").map_or(policy.id().to_string(), str::to_owned);
            named.add(policy.new_id(PolicyId::new(name))).map_err(|error| syntax(&error))?;
        }
        let checked = Validator::new(schema.clone()).validate(&named, ValidationMode::default());
        if let Some(error) = checked.validation_errors().next() {
            return Err(unfit(error));
        }
        // A rule that can never hold is a typing error.
        if let Some(warning) = checked.validation_warnings().next() {
            return Err(unfit(warning));
        }
        let mut slices: BTreeMap<PolicyAction, PolicySet> = BTreeMap::new();
        for policy in named.policies() {
            let environments = policy.get_valid_request_envs(&schema);
            let concerned: BTreeSet<PolicyAction> = environments
                .filter_map(|found| PolicyAction::parse(found.action().id().unescaped()))
                .collect();
            for action in concerned {
                let slice = slices.entry(action).or_default();
                slice.add(policy.clone()).map_err(|error| syntax(&error))?;
            }
        }
        let names = named.policies().map(|policy| policy.id().to_string()).collect();
        let obligations = named.policies().map(obligations).collect::<Result<_, _>>()?;
        Ok(Self { schema, pack: pack.to_owned(), slices, names, obligations })
    }

    /// Returns the names of its policies.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// Decides. What cannot be decided is denied.
    pub(crate) fn decide(&self, question: &Question) -> Decided {
        let denied =
            Decided { permitted: false, because: Vec::new(), obligations: Obligations::default() };
        let Some(slice) = self.slices.get(&question.action) else { return denied };
        let Some((request, entities)) = self.request(question) else { return denied };
        let response = Authorizer::new().is_authorized(&request, slice, &entities);
        // A policy that fails does not count, and a `forbid` that fails must not let anybody in.
        if response.diagnostics().errors().next().is_some() {
            return denied;
        }
        let because: Vec<String> =
            response.diagnostics().reason().map(ToString::to_string).collect();
        let mut obligations = Obligations::default();
        because.iter().filter_map(|name| self.obligations.get(name)).for_each(|more| {
            obligations.join(more);
        });
        Decided { permitted: response.decision() == Decision::Allow, because, obligations }
    }

    fn request(&self, question: &Question) -> Option<(Request, Entities)> {
        let text = |text: &str| RestrictedExpression::new_string(text.to_owned());
        let (kind, issuer) = question.kind();
        let scopes = question.scopes.iter().map(|scope| text(scope));
        let attributes = [
            ("kind".to_owned(), text(kind)),
            ("issuer".to_owned(), text(issuer)),
            ("scopes".to_owned(), RestrictedExpression::new_set(scopes)),
        ];
        let principal = entity("Caller", &question.caller)?;
        let roles: Option<Vec<_>> =
            question.roles.iter().map(|role| entity("Role", role)).collect();
        let caller = Entity::new(
            principal.clone(),
            attributes.into_iter().collect(),
            roles?.into_iter().collect(),
        );
        let entities = Entities::from_entities([caller.ok()?], Some(&self.schema)).ok()?;
        let context = Context::from_pairs([
            ("purpose".to_owned(), text(&question.purpose)),
            ("break_glass".to_owned(), RestrictedExpression::new_bool(question.break_glass)),
            ("pack".to_owned(), text(&self.pack)),
        ]);
        let action = entity("Action", question.action.name())?;
        let resource =
            entity(question.action.resource(), question.resource.as_deref().unwrap_or("any"))?;
        let request =
            Request::new(principal, action, resource, context.ok()?, Some(&self.schema)).ok()?;
        Some((request, entities))
    }
}

/// Reads what a policy obliges to.
fn obligations(policy: &cedar_policy::Policy) -> Result<(String, Obligations), PolicyError> {
    let name = policy.id().to_string();
    let refuse = |reason| PolicyError::Obligation { name: name.clone(), reason };
    let mut obligations = Obligations::default();
    for (key, value) in policy.annotations() {
        obligations.annotate(key, value).map_err(refuse)?;
    }
    if policy.effect() == Effect::Forbid && !obligations.is_none() {
        return Err(refuse("what is forbidden has no form".to_owned()));
    }
    Ok((name, obligations))
}

fn entity(kind: &str, name: &str) -> Option<EntityUid> {
    let kind = EntityTypeName::from_str(kind).ok()?;
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(name)))
}

fn line(error: &dyn std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

const SCHEMA: &str = include_str!("policy/schema.cedarschema");

/// What holds until somebody applies another one.
pub(crate) const DEFAULT_POLICY: &str = include_str!("policy/default.cedar");
