//! Webhooks: HTTPS POST of JSON, signed as Standard Webhooks says.
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>:
//! `webhook-id` stays the same however often a message is tried, so that a receiver takes it once;
//! `webhook-signature` has one signature for each secret that holds now, so that a secret can be
//! changed without a message being refused.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::aws_lc_rs;
use twinkeep_vault::SecretBytes;
use twinkeep_vault::digest::hmac_sha256_of;
use twinkeep_vault::files::read_bounded;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::TlsConfig;
use ureq::unversioned::transport::DefaultConnector;

use super::private::{OnlyPrivate, PublicResolver, RoutedResolver, is_link_local, is_public};
use super::{AlertError, FinalWord};
use crate::https::{CERTIFICATES_SIZE_MAX, Trust, roots};
use crate::{HttpsError, TlsError};

/// Where a webhook goes, and what signs it.
#[derive(Debug)]
pub struct WebhookRequest<'a> {
    /// `https://...`; `http://` where this machine itself is the receiver and may be.
    pub url: &'a str,
    /// The authorities to trust; without it, those of the system.
    pub ca: Option<&'a Path>,
    /// What signs: the secret that holds, and while it is changed the one before.
    pub secrets: Vec<WebhookSecret>,
    /// Where the name may lead.
    pub reach: Reach,
}

/// Where a name may lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To addresses of the public internet.
    Public,
    /// To this machine and to networks of its own, too; never to what leads no further than the wire.
    Anywhere,
}

/// A secret that signs webhooks.
pub struct WebhookSecret(SecretBytes);

impl std::fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WebhookSecret(hidden)")
    }
}

impl WebhookSecret {
    /// Reads `whsec_` and 24 to 64 bytes in Base64.
    pub fn parse(text: &SecretBytes) -> Result<Self, AlertError> {
        let wrong = || AlertError::Secret { expected: "`whsec_` and 24 to 64 bytes in Base64" };
        let text = text.expose().trim_ascii();
        let encoded = text.strip_prefix(b"whsec_").ok_or_else(wrong)?;
        let bytes = SecretBytes::new(STANDARD.decode(encoded).map_err(|_| wrong())?);
        match (24..=64).contains(&bytes.expose().len()) {
            true => Ok(Self(bytes)),
            false => Err(wrong()),
        }
    }

    fn sign(&self, message: &WebhookMessage<'_>) -> String {
        let mut signed = format!("{}.{}.", message.id, message.time_seconds).into_bytes();
        signed.extend_from_slice(message.body);
        format!("v1,{}", STANDARD.encode(hmac_sha256_of(&self.0, &signed)))
    }
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct WebhookMessage<'a> {
    /// Stays the same however often it is tried.
    pub id: &'a str,
    /// When it is tried, in seconds since 1970.
    pub time_seconds: i64,
    /// JSON.
    pub body: &'a [u8],
}

/// A receiver of webhooks.
#[derive(Debug)]
pub struct Webhook {
    agent: Agent,
    url: String,
    host: String,
    secrets: Vec<WebhookSecret>,
}

impl Webhook {
    /// Takes a receiver; nothing is asked yet.
    pub fn new(request: WebhookRequest<'_>) -> Result<Self, AlertError> {
        let WebhookRequest { url, ca, secrets, reach } = request;
        let host = check_webhook_url(url, reach)?;
        let tls = |source| AlertError::Tls { host: host.clone(), source };
        let trust = match ca {
            None => Trust::System,
            Some(path) => Trust::Authorities(
                read_bounded(path, CERTIFICATES_SIZE_MAX)
                    .map_err(|source| tls(TlsError::File { path: path.to_path_buf(), source }))?,
            ),
        };
        let roots = roots(&trust).map_err(|_: HttpsError| tls(TlsError::NoRoots))?;
        let config = Agent::config_builder()
            .tls_config(
                TlsConfig::builder()
                    .root_certs(roots)
                    .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
                    .build(),
            )
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .proxy(None)
            .http_status_as_error(false)
            .build();
        let agent = match reach {
            Reach::Anywhere => {
                Agent::with_parts(config, DefaultConnector::default(), RoutedResolver::default())
            }
            Reach::Public => {
                Agent::with_parts(config, DefaultConnector::default(), PublicResolver::default())
            }
        };
        Ok(Self { agent, url: url.to_owned(), host, secrets })
    }

    /// Sends a message; only an answer of 2xx is delivery.
    pub fn deliver(&self, message: &WebhookMessage<'_>) -> Result<(), AlertError> {
        let signatures: Vec<String> =
            self.secrets.iter().map(|secret| secret.sign(message)).collect();
        let answer = self
            .agent
            .post(self.url.as_str())
            .header("content-type", "application/json")
            .header("user-agent", USER_AGENT)
            .header("webhook-id", message.id)
            .header("webhook-timestamp", message.time_seconds.to_string())
            .header("webhook-signature", signatures.join(" "))
            .send(message.body)
            .map_err(|error| self.failed(error))?;
        let status = answer.status().as_u16();
        match status {
            200..=299 => Ok(()),
            // The receiver is gone for good, or never takes what is as large or as this one.
            410 | 413 | 415 => Err(self.refused(status, FinalWord::Never)),
            _ => Err(self.refused(status, FinalWord::AskAgain)),
        }
    }

    fn refused(&self, status: u16, final_word: FinalWord) -> AlertError {
        AlertError::Refused { host: self.host.clone(), status, final_word }
    }

    fn failed(&self, error: ureq::Error) -> AlertError {
        match error {
            ureq::Error::Other(source) if source.is::<OnlyPrivate>() => {
                AlertError::Private { host: self.host.clone() }
            }
            error => AlertError::unreachable(&self.host, error),
        }
    }
}

/// Checks where a webhook goes; returns the host, which is all that errors say of it: the path of a
/// webhook is often a secret.
pub fn check_webhook_url(url: &str, reach: Reach) -> Result<String, AlertError> {
    let wrong = |host: &str| AlertError::Address {
        address: host.to_owned(),
        expected: "`https://...`, without a login (`http://` is for this machine only)",
    };
    let uri: Uri = url.parse().map_err(|_| wrong("url"))?;
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| wrong("url"))?.to_owned();
    if uri.authority().is_some_and(|all| all.as_str().contains('@')) {
        return Err(wrong(&host));
    }
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    let local = host == "localhost" || address.as_ref().is_ok_and(IpAddr::is_loopback);
    let link = address.as_ref().is_ok_and(|address| is_link_local(*address));
    if reach == Reach::Public && (local || address.is_ok_and(|address| !is_public(address))) {
        return Err(AlertError::Private { host });
    }
    if link {
        return Err(AlertError::Private { host });
    }
    match uri.scheme_str() {
        Some("https") => Ok(host),
        Some("http") if local => Ok(host),
        _ => Err(wrong(&host)),
    }
}

/// The specification says 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

const USER_AGENT: &str = concat!("twinkeep/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use twinkeep_vault::SecretBytes;

    use super::{Reach, WebhookMessage, WebhookSecret, check_webhook_url};

    #[test]
    fn the_example_of_the_specification_is_signed_as_it_says() {
        // From the reference libraries of Standard Webhooks.
        let secret = SecretBytes::new(b"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n".to_vec());
        let message = WebhookMessage {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            time_seconds: 1_614_265_330,
            body: br#"{"test": 2432232314}"#,
        };
        let signature = WebhookSecret::parse(&secret).unwrap().sign(&message);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_secret_is_long_and_marked() {
        for wrong in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"]
        {
            let text = SecretBytes::new(wrong.as_bytes().to_vec());
            assert_eq!(WebhookSecret::parse(&text).unwrap_err().code(), "alert-secret", "{wrong}");
        }
    }

    #[test]
    fn webhooks_go_to_public_hosts_over_https_unless_the_operator_says_otherwise() {
        for fine in ["https://hooks.example/a?b=c", "https://1.1.1.1/x", "https://h.example:8443"] {
            assert!(check_webhook_url(fine, Reach::Public).is_ok(), "{fine}");
        }
        for private in
            ["https://localhost/x", "https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1"]
        {
            let error = check_webhook_url(private, Reach::Public).unwrap_err();
            assert_eq!(error.code(), "alert-private-address", "{private}");
            assert!(check_webhook_url(private, Reach::Anywhere).is_ok(), "{private}");
        }
        for never in ["https://169.254.169.254/", "https://[fe80::1]/", "http://[fd00:ec2::254]/"] {
            let error = check_webhook_url(never, Reach::Anywhere).unwrap_err();
            assert_eq!(error.code(), "alert-private-address", "{never}");
        }
        for wrong in [
            "http://hooks.example/",
            "ftp://localhost",
            "https://me:pass@h.example/",
            "h.example",
            "",
        ] {
            assert!(check_webhook_url(wrong, Reach::Anywhere).is_err(), "{wrong}");
        }
        assert!(check_webhook_url("http://localhost:8080/x", Reach::Anywhere).is_ok());
        assert!(check_webhook_url("http://10.0.0.1/x", Reach::Anywhere).is_err());
    }
}
