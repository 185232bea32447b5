//! Use cases: revoke access tokens, by their own id or by whom they are about; take it back; say
//! what a token would get.
//!
//! A provider ends a session, and the tokens of it live on until they expire. Here they end at once.
//! Revoking somebody ends all their tokens, and those to come, until it is taken back.
//!
//! The catalog has keyed digests: neither it nor the ledger shows an address that a provider uses
//! as a name.

use serde::Serialize;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};

use crate::issuers::TokenMark;
use crate::time_text::rfc3339;
use crate::{App, AppError, Caller};

/// What is revoked.
#[derive(Clone, Copy, Debug)]
pub enum RevokedToken<'a> {
    /// One token, by its `jti`.
    Id(&'a str),
    /// Everything about somebody, by `sub`.
    Subject(&'a str),
}

/// A revocation, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevocationLine {
    /// Whose tokens these are.
    pub issuer: String,
    /// `jti` or `sub`.
    pub by: String,
    /// A keyed digest of it: the end of a caller's name in the ledger, where it is `sub`.
    pub mark: String,
    /// When (RFC 3339).
    pub revoked: String,
}

/// What a token is taken for.
#[derive(Debug, Serialize)]
pub struct TokenReport {
    /// What the ledger calls who shows it.
    pub caller: String,
    /// What it may do.
    pub scopes: Vec<&'static str>,
    /// Its roles.
    pub roles: Vec<String>,
    /// Whether it may ask about one person only.
    pub one_person: bool,
}

/// Revokes tokens, at once.
pub fn revoke_token(
    app: &App,
    caller: &Caller,
    issuer: &str,
    what: RevokedToken<'_>,
) -> Result<RevocationLine, AppError> {
    let line = line(app, issuer, what)?;
    let RevocationLine { issuer, by, mark, revoked } = &line;
    let text = format!("{issuer} {by} {mark} {revoked}");
    let mut full = false;
    let changed = app.store.change_setting(SETTING, &mut |known| {
        let known = known.unwrap_or_default();
        full = REVOKED_COUNT_MAX <= known.lines().count();
        let there = known.lines().any(|line| parse(line).is_some_and(|line| line.mark == *mark));
        (!full && !there).then(|| format!("{known}{text}\n"))
    });
    let result = match full {
        true => Err(AppError::refused("token-revocations", "too many tokens are revoked").hint(
            "revoke by `--subject`, or allow again what has expired: `twinkeep token allow`",
        )),
        false => changed.map_err(AppError::from),
    };
    conclude(app, caller, "token.revoked", &line, result)
}

/// Takes a revocation back.
pub fn allow_token(
    app: &App,
    caller: &Caller,
    issuer: &str,
    what: RevokedToken<'_>,
) -> Result<RevocationLine, AppError> {
    let line = line(app, issuer, what)?;
    let mut there = false;
    let changed = app.store.change_setting(SETTING, &mut |known| {
        let known = known.unwrap_or_default();
        let other = |text: &&str| parse(text).is_none_or(|known| known.mark != line.mark);
        let rest: Vec<&str> = known.lines().filter(other).collect();
        there = rest.len() < known.lines().count();
        there.then(|| rest.iter().map(|line| format!("{line}\n")).collect())
    });
    let result = changed.map_err(AppError::from).and_then(|()| match there {
        true => Ok(()),
        false => Err(AppError::refused("token-not-revoked", "no such token is revoked")
            .hint("`twinkeep token list` shows what is")),
    });
    conclude(app, caller, "token.allowed", &line, result)
}

/// Lists what is revoked.
pub fn list_revoked_tokens(app: &App) -> Result<Vec<RevocationLine>, AppError> {
    app.revoked_tokens()
}

/// Says what the gate would take a token for now.
///
/// With the certificate (DER) that is shown beside it, if there is one.
pub fn check_token(
    app: &App,
    token: &str,
    certificate: Option<&[u8]>,
) -> Result<TokenReport, AppError> {
    let caller = app.recognize_with(token.trim(), certificate)?;
    let Caller { id, scopes, roles, about, .. } = caller;
    let scopes = scopes.into_iter().map(|scope| scope.name()).collect();
    Ok(TokenReport { caller: id, scopes, roles, one_person: about.is_some() })
}

impl App {
    pub(crate) fn revoked_tokens(&self) -> Result<Vec<RevocationLine>, AppError> {
        let text = self.store.setting(SETTING)?.unwrap_or_default();
        Ok(text.lines().filter_map(parse).collect())
    }
}

fn line(app: &App, issuer: &str, what: RevokedToken<'_>) -> Result<RevocationLine, AppError> {
    let issuer = &app.issuer(issuer)?.name;
    let (kind, value) = match what {
        RevokedToken::Id(value) => (TokenMark::Id, value),
        RevokedToken::Subject(value) => (TokenMark::Subject, value),
    };
    Ok(RevocationLine {
        issuer: issuer.clone(),
        by: kind.name().to_owned(),
        mark: app.token_mark(issuer, kind, value),
        revoked: rfc3339(app.now()),
    })
}

fn parse(text: &str) -> Option<RevocationLine> {
    let mut words = text.split(' ').map(str::to_owned);
    let line = RevocationLine {
        issuer: words.next()?,
        by: words.next()?,
        mark: words.next()?,
        revoked: words.next()?,
    };
    words.next().is_none().then_some(line)
}

fn conclude(
    app: &App,
    caller: &Caller,
    action: &str,
    line: &RevocationLine,
    result: Result<(), AppError>,
) -> Result<RevocationLine, AppError> {
    let entry = app
        .entry(caller, EventClass::EntityManagement, Activity::Update, action)
        .severity(Severity::Low)
        .with("issuer", line.issuer.as_str())
        .with("by", line.by.as_str())
        .with("mark", line.mark.as_str());
    app.conclude(entry, result.map(|()| line.clone()))
}

/// Where the catalog has what is revoked: one a line.
const SETTING: &str = "revoked-tokens";

/// Each is a line of the catalog that every change of it reads.
const REVOKED_COUNT_MAX: usize = 10_000;
