//! `[[client_ca]]` of `twinkeep.toml`: whose client certificates are believed besides the keep's own,
//! and what the names in them may do.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_vault::client_chain::{is_dns_name, is_spiffe_id};

use crate::sites::{LOCAL_SITE, check_site};
use crate::{ConfigError, Scope};

/// Whether clients of the gate show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificateMode {
    /// They are not asked for one.
    #[default]
    Off,
    /// They may; whoever shows one that does not hold is refused.
    Asked,
    /// They must; a key or a token alone opens nothing.
    Required,
}

/// An authority of client certificates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCaConfig {
    /// What the ledger and the command line call it.
    pub name: String,
    /// The file with its certificate, or those of several that are trusted alike (PEM).
    pub file: PathBuf,
    /// Files with its revocation lists; where there are any, one must be in date.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub crl: Vec<PathBuf>,
    /// Whose record numbers its clients speak in.
    #[serde(default = "local_site")]
    pub site: String,
    /// What the names in its certificates may do; whom none fits is nobody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grant: Vec<ClientGrant>,
}

/// What a name may do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientGrant {
    /// A SPIFFE ID, or one that ends with `/*`; a DNS name, or one that begins with `*.`.
    pub san: String,
    /// What it may do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What it is to others, for the policy.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

fn local_site() -> String {
    LOCAL_SITE.to_owned()
}

impl ClientGrant {
    /// Returns whether this is about a name of a certificate.
    pub(crate) fn fits(&self, name: &str) -> bool {
        if let Some(begin) = self.san.strip_suffix('*').filter(|begin| begin.ends_with('/')) {
            return is_spiffe_id(name) && name.len() > begin.len() && name.starts_with(begin);
        }
        if let Some(end) = self.san.strip_prefix('*').filter(|end| end.starts_with('.')) {
            let label = name.strip_suffix(end);
            return is_dns_name(name) && label.is_some_and(|label| !label.contains('.'));
        }
        self.san == name
    }

    fn is_usable(&self) -> bool {
        let name = match (self.san.strip_suffix("/*"), self.san.strip_prefix("*.")) {
            (Some(begin), _) => is_spiffe_id(&format!("{begin}/any")),
            // More than a top-level domain.
            (None, Some(end)) => is_dns_name(end) && end.contains('.'),
            (None, None) => is_spiffe_id(&self.san) || is_dns_name(&self.san),
        };
        name && self.scopes.iter().all(|scope| Scope::parse_without_certificate(scope).is_some())
    }
}

impl ClientCaConfig {
    /// Checks that it is whole, and resolves paths against the keep's folder.
    fn check(mut self, keep: &Path) -> Result<Self, ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_LEN_MAX).contains(&self.name.len()) || !self.name.chars().all(word) {
            return refuse("client_ca.name", "1 to 32 small letters, digits, and `-`");
        }
        if !self.grant.iter().all(ClientGrant::is_usable) {
            return refuse(
                "client_ca.grant",
                "a SPIFFE ID (`/*` may end it) or a DNS name (`*.` may begin it) in lower case, \
                 and scopes of this keep other than `admin`",
            );
        }
        if check_site(&self.site).is_err() {
            return refuse("client_ca.site", "letters, digits, `-`, `_`, and `.`");
        }
        self.file = keep.join(self.file);
        self.crl = self.crl.into_iter().map(|path| keep.join(path)).collect();
        Ok(self)
    }
}

/// Checks all of them; no two may have one name.
pub(crate) fn check_client_cas(
    authorities: Vec<ClientCaConfig>,
    keep: &Path,
) -> Result<Vec<ClientCaConfig>, ConfigError> {
    let mut checked: Vec<ClientCaConfig> = Vec::with_capacity(authorities.len());
    for authority in authorities {
        let authority = authority.check(keep)?;
        if checked.iter().any(|other| other.name == authority.name) {
            let expected = "other than those of every other authority";
            return Err(ConfigError::Value { key: "client_ca.name", expected });
        }
        checked.push(authority);
    }
    Ok(checked)
}

/// A word in a list.
const NAME_LEN_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::ClientGrant;

    fn grant(san: &str) -> ClientGrant {
        ClientGrant { san: san.to_owned(), scopes: Vec::new(), roles: Vec::new() }
    }

    #[test]
    fn a_star_stands_for_what_is_below_and_for_one_label() {
        let below = grant("spiffe://mesh.example/ns/ward/*");
        assert!(below.fits("spiffe://mesh.example/ns/ward/one"));
        assert!(below.fits("spiffe://mesh.example/ns/ward/one/two"));
        for other in [
            "spiffe://mesh.example/ns/ward",
            "spiffe://mesh.example/ns/ward/",
            "spiffe://mesh.example/ns/warden/one",
            "spiffe://mesh.example.evil.example/ns/ward/one",
            "spiffe://mesh.example/ns/ward/../root",
        ] {
            assert!(!below.fits(other), "{other}");
        }
        let host = grant("*.clinic.example");
        assert!(host.fits("ward.clinic.example"));
        for other in
            ["clinic.example", "a.b.clinic.example", ".clinic.example", "ward.clinic.example.evil"]
        {
            assert!(!host.fits(other), "{other}");
        }
        assert!(grant("ward.clinic.example").fits("ward.clinic.example"));
        assert!(!grant("ward.clinic.example").fits("Ward.clinic.example"));
    }

    #[test]
    fn a_grant_that_is_too_wide_or_no_name_is_refused() {
        for san in [
            "*",
            "*.example",
            "spiffe://*",
            "spiffe://*/a",
            "/*",
            "spiffe://mesh.example/a*",
            "ward.*",
            "*.*.example",
            "http://mesh.example/a",
            "",
        ] {
            assert!(!grant(san).is_usable(), "{san}");
        }
        for san in ["spiffe://mesh.example/*", "*.clinic.example", "ward.clinic.example"] {
            assert!(grant(san).is_usable(), "{san}");
        }
    }
}
