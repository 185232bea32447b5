//! `[[issuer]]` of `twinkeep.toml`: whose access tokens are believed, and what they may grant.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_vault::token::TokenAlgorithm;

use crate::sites::{LOCAL_SITE, check_site};
use crate::{ConfigError, Scope};

/// An issuer of access tokens. What it is, where its keys are, and what its tokens say.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IssuerConfig {
    /// What the ledger and the command line call it.
    pub name: String,
    /// What `iss` of its tokens says, to the letter; where its keys are found, if nothing else says.
    pub url: String,
    /// Where its keys are, if it does not describe itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// The file with its keys, if they are not fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_file: Option<PathBuf>,
    /// The authorities to trust when keys are fetched; without it, those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The algorithms that it signs by; no other is believed.
    pub algorithms: Vec<String>,
    /// Whom its tokens must be for: one of these in `aud`.
    pub audience: Vec<String>,
    /// The claim with what a token may do.
    #[serde(default = "scope_claim")]
    pub scope_claim: String,
    /// The claim with the roles of whom it is about.
    #[serde(default = "roles_claim")]
    pub roles_claim: String,
    /// Whether each of its tokens must be bound to a certificate that the client shows (RFC 8705).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub require_bound: bool,
    /// What other words in the claim of scopes mean here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scopes: BTreeMap<String, Vec<String>>,
    /// Whose record numbers its callers speak in.
    #[serde(default = "local_site")]
    pub site: String,
}

fn scope_claim() -> String {
    "scope".to_owned()
}

fn roles_claim() -> String {
    "roles".to_owned()
}

fn local_site() -> String {
    LOCAL_SITE.to_owned()
}

impl IssuerConfig {
    /// Returns the algorithms that it is pinned to.
    pub(crate) fn pinned(&self) -> Vec<TokenAlgorithm> {
        self.algorithms.iter().filter_map(|name| TokenAlgorithm::parse(name)).collect()
    }

    /// Returns the port at which its keys are fetched, unless they are in a file.
    pub fn port(&self) -> Option<u16> {
        let url = self.jwks_url.as_ref().unwrap_or(&self.url);
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let port = host.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        let usual = if scheme.eq_ignore_ascii_case("http") { 80 } else { 443 };
        self.jwks_file.is_none().then_some(port.unwrap_or(usual))
    }

    /// Checks that it is whole, and resolves paths against the keep's folder.
    fn check(mut self, keep: &Path) -> Result<Self, ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_LEN_MAX).contains(&self.name.len()) || !self.name.chars().all(word) {
            return refuse("issuer.name", "1 to 32 small letters, digits, and `-`");
        }
        if self.url.is_empty() {
            return refuse("issuer.url", "what `iss` of its tokens says");
        }
        if self.jwks_url.is_some() && self.jwks_file.is_some() {
            return refuse("issuer.jwks_file", "absent if `jwks_url` is there");
        }
        if self.algorithms.is_empty() || self.pinned().len() != self.algorithms.len() {
            return refuse(
                "issuer.algorithms",
                "some of `EdDSA`, `ES256`, `ES384`, `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, \
                 and `PS512`",
            );
        }
        if self.audience.is_empty() || self.audience.iter().any(String::is_empty) {
            return refuse("issuer.audience", "at least one name of this keep");
        }
        let known = |scope: &String| Scope::parse_without_certificate(scope).is_some();
        if !self.scopes.values().flatten().all(known) {
            return refuse(
                "issuer.scopes",
                "words of its tokens, each with scopes of this keep other than `admin`",
            );
        }
        if check_site(&self.site).is_err() {
            return refuse("issuer.site", "letters, digits, `-`, `_`, and `.`");
        }
        for path in [&mut self.jwks_file, &mut self.ca] {
            *path = path.take().map(|path| keep.join(path));
        }
        Ok(self)
    }
}

/// Checks all of them; no two may have one name or one `iss`.
pub(crate) fn check_issuers(
    issuers: Vec<IssuerConfig>,
    keep: &Path,
) -> Result<Vec<IssuerConfig>, ConfigError> {
    let mut checked: Vec<IssuerConfig> = Vec::with_capacity(issuers.len());
    for issuer in issuers {
        let issuer = issuer.check(keep)?;
        if checked.iter().any(|other| other.name == issuer.name || other.url == issuer.url) {
            let expected = "other than those of every other issuer, and so must `issuer.url`";
            return Err(ConfigError::Value { key: "issuer.name", expected });
        }
        checked.push(issuer);
    }
    Ok(checked)
}

/// A word in a list.
const NAME_LEN_MAX: usize = 32;
