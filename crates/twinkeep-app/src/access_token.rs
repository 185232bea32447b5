//! Recognizes an access token: signature, issuer, audience, time, revocation, and what it grants.
//!
//! # Life of a token
//!
//! 1. One that was verified before is found by its digest, and holds until it expires or is revoked.
//! 2. Its `iss` says whose keys to look for; the issuer's configuration says by which algorithms.
//! 3. Its signature is verified; only then its claims are looked at.
//! 4. What it grants becomes a [`Caller`], named by the issuer and a keyed digest of `sub`.
//!
//! # Invariants
//!
//! - Every claim that must be there is there: a token without an end, a subject, or an audience is
//!   refused, and so is one that is bound to something that is not shown (RFC 8705, RFC 9449).
//! - A token that was verified before is bound as it was then: its certificate is asked for with
//!   every request.
//! - Whoever asks learns that it was refused, not why; the ledger gets the reason.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use twinkeep_domain::Timestamp;
use twinkeep_vault::client_chain::thumbprint;
use twinkeep_vault::digest::sha256;
use twinkeep_vault::token::{SignedToken, TokenError};

use crate::caller::is_purpose;
use crate::issuers::{TokenMark, Verified};
use crate::token_scopes::grant;
use crate::{App, AppError, Caller, IssuerConfig, Scope};

#[cfg(test)]
mod tests;

impl App {
    /// Recognizes whoever shows a credential: an API key, or an access token.
    pub fn recognize(&self, credential: &str) -> Result<Caller, AppError> {
        self.recognize_with(credential, None)
    }

    /// The same for somebody who shows a certificate (DER), too.
    pub(crate) fn recognize_with(
        &self,
        credential: &str,
        certificate: Option<&[u8]>,
    ) -> Result<Caller, AppError> {
        if credential.contains('.') {
            return self.authenticate_token(credential, certificate);
        }
        self.authenticate(credential)
    }

    fn authenticate_token(
        &self,
        text: &str,
        certificate: Option<&[u8]>,
    ) -> Result<Caller, AppError> {
        let now = self.now();
        let digest = sha256(text.as_bytes());
        let bound = |token: &Verified| match token.bound {
            Some(expected) if certificate.map(thumbprint) != Some(expected) => {
                Err(refused("token-bound"))
            }
            _ => Ok(token.caller.clone()),
        };
        if let Some(token) = self.known_issuers()?.remembered(&digest, now) {
            return bound(token);
        }
        let token = self.verify_token(text, now)?;
        let mut known = self.known_issuers()?;
        if !known.holds(&token, now) {
            return Err(refused("token-revoked"));
        }
        let caller = bound(&token)?;
        known.remember(digest, token, now);
        Ok(caller)
    }

    fn verify_token(&self, text: &str, now: Timestamp) -> Result<Verified, AppError> {
        let signed = SignedToken::parse(text).map_err(refuse)?;
        let claimed = signed.claimed_issuer().map_err(refuse)?;
        let issuer = self.settings.issuers.iter().find(|issuer| issuer.url == claimed);
        let issuer = issuer.ok_or_else(|| refused("token-issuer"))?;
        let keys = self.known_issuers()?.keys(&issuer.name, now).cloned();
        let Some(keys) = keys else {
            self.want_keys(&issuer.name);
            return Err(refused("token-keys-missing"));
        };
        let payload = signed.verify(&keys.keys, &issuer.pinned()).map_err(|error| {
            if error == TokenError::Key {
                // Perhaps the issuer has new keys.
                self.want_keys(&issuer.name);
            }
            refuse(error)
        })?;
        let claims = read_claims(&payload).ok_or_else(|| refused("token-claims"))?;
        self.judge(issuer, &claims, now).map_err(refused)
    }

    /// Judges the claims of a token whose signature held.
    fn judge(
        &self,
        issuer: &IssuerConfig,
        claims: &Map<String, Value>,
        now: Timestamp,
    ) -> Result<Verified, &'static str> {
        if text(claims, "iss") != Some(&issuer.url) {
            return Err("token-issuer");
        }
        if !words(claims.get("aud"), false).iter().any(|name| issuer.audience.contains(name)) {
            return Err("token-audience");
        }
        let until = check_times(claims, now)?;
        let bound = binding(claims)?;
        if issuer.require_bound && bound.is_none() {
            return Err("token-unbound");
        }
        let subject = text(claims, "sub").filter(|text| is_name(text)).ok_or("token-subject")?;
        let id = match claims.get("jti") {
            None => None,
            Some(_) => {
                Some(text(claims, "jti").filter(|text| is_name(text)).ok_or("token-claims")?)
            }
        };
        let mark = |kind, value: &str| self.token_mark(&issuer.name, kind, value);
        let subject_mark = mark(TokenMark::Subject, subject);
        let caller = Caller {
            id: format!("{TOKEN_PREFIX}{}/{subject_mark}", issuer.name),
            name: issuer.name.clone(),
            ..granted(issuer, claims)
        };
        let marks = id.map(|id| mark(TokenMark::Id, id)).into_iter().chain([subject_mark]);
        Ok(Verified { caller, until, bound, marks: marks.collect() })
    }
}

/// Returns what a token grants, to nobody yet.
fn granted(issuer: &IssuerConfig, claims: &Map<String, Value>) -> Caller {
    let granted = grant(&words(claims.get(&issuer.scope_claim), true), &issuer.scopes);
    let patient = text(claims, "patient").map(String::as_str).filter(|text| is_name(text));
    let about =
        granted.one_person.then(|| format!("{}/{}", issuer.site, patient.unwrap_or_default()));
    // Whose chart it is, is not said: it is nobody's.
    let scopes: Vec<Scope> = match granted.one_person && patient.is_none() {
        true => Vec::new(),
        false => granted.scopes.into_iter().collect(),
    };
    let mut roles = words(claims.get(&issuer.roles_claim), true);
    roles.retain(|role| is_name(role));
    roles.truncate(ROLE_COUNT_MAX);
    let purpose = text(claims, PURPOSE_CLAIM).filter(|text| is_purpose(text)).cloned();
    Caller { scopes, roles, about, purpose, ..Caller::named("") }
}

/// Returns the digest of the certificate that a token is bound to, if it is bound to one (RFC 8705).
///
/// What it is bound to otherwise, to a key of its own (RFC 9449) or to something new, is not shown
/// here: then it is refused.
fn binding(claims: &Map<String, Value>) -> Result<Option<[u8; 32]>, &'static str> {
    let Some(confirmed) = claims.get("cnf") else { return Ok(None) };
    let members = confirmed.as_object().filter(|members| members.len() == 1);
    let digest = members.and_then(|members| members.get("x5t#S256")?.as_str());
    let digest = digest.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok());
    digest.map(Some).ok_or("token-bound")
}

/// Returns when the token ends, if it has begun and not ended.
fn check_times(claims: &Map<String, Value>, now: Timestamp) -> Result<Timestamp, &'static str> {
    let time = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or("token-claims"),
    };
    let (ends, begins, made) = (time("exp")?, time("nbf")?, time("iat")?);
    let ends = ends.ok_or("token-endless")?;
    let now_seconds = now.micros() as f64 / 1e6;
    if ends + SKEW_SECONDS <= now_seconds {
        return Err("token-expired");
    }
    if TOKEN_SECONDS_MAX < ends - now_seconds {
        return Err("token-endless");
    }
    for begins in [begins, made].into_iter().flatten() {
        if now_seconds + SKEW_SECONDS < begins {
            return Err("token-early");
        }
    }
    Ok(Timestamp::from_micros(((ends + SKEW_SECONDS) * 1e6) as i64))
}

fn seconds(value: &Value) -> Option<f64> {
    value.as_f64().filter(|number| number.is_finite() && 0.0 <= *number && *number < SECONDS_MAX)
}

fn text<'a>(claims: &'a Map<String, Value>, name: &str) -> Option<&'a String> {
    match claims.get(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Reads a claim of one word or several: a list, or, where `spaced`, a text with spaces.
fn words(value: Option<&Value>, spaced: bool) -> Vec<String> {
    match value {
        Some(Value::String(text)) if spaced => text.split(' ').map(str::to_owned).collect(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(list)) if list.len() <= WORD_COUNT_MAX => {
            list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

fn is_name(text: &str) -> bool {
    (1..=VALUE_LEN_MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

fn refuse(error: TokenError) -> AppError {
    refused(error.code())
}

/// Says no. The message is the same whatever the reason is; the code is for the ledger.
fn refused(code: &'static str) -> AppError {
    AppError::refused(code, "the access token is not valid")
        .hint("`twinkeep ledger search --action request.refused` shows the reason")
}

/// Reads claims, and refuses a name that is there twice: two readers might take different ones.
fn read_claims(payload: &[u8]) -> Option<Map<String, Value>> {
    struct Claims;
    impl<'de> Visitor<'de> for Claims {
        type Value = Map<String, Value>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object of claims")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut claims = Map::new();
            while let Some((name, value)) = access.next_entry::<String, Value>()? {
                if claims.insert(name, value).is_some() {
                    return Err(A::Error::custom("a claim is there twice"));
                }
            }
            Ok(claims)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(payload);
    let claims = reader.deserialize_map(Claims).ok()?;
    reader.end().ok()?;
    Some(claims)
}

/// The purpose of use in a token, as IHE's Internet User Authorization has it.
const PURPOSE_CLAIM: &str = "purpose_of_use";

/// Before the issuer's name where a caller is named.
pub(crate) const TOKEN_PREFIX: &str = "token:";

/// Clocks of servers agree to a second; those of clinics do not.
const SKEW_SECONDS: f64 = 30.0;

/// A day: what lives longer is a password.
const TOKEN_SECONDS_MAX: f64 = 86_400.0;

/// Before this, all arithmetic is exact; the year 9999 is before this.
const SECONDS_MAX: f64 = 253_402_300_800.0;

/// Longest name in a claim, in bytes, as OpenID Connect bounds `sub`.
const VALUE_LEN_MAX: usize = 255;

/// Words in a list: more than a provider gives, and little to walk through.
const WORD_COUNT_MAX: usize = 256;

const ROLE_COUNT_MAX: usize = 64;
