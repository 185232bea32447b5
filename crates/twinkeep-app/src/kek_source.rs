//! Which device or service holds the key around the keep's key, from what a person typed.
//!
//! The address comes from whoever opens the keep, never from the keep: who can write to a keep
//! must not choose where credentials are sent or which library is loaded.

use twinkeep_connect::Trust;
use twinkeep_connect::kek::{AwsCredentials, AwsKms, Pkcs11, Pkcs11Uri, Transit};
use twinkeep_domain::Timestamp;
use twinkeep_vault::{KekSource, SecretBytes};

use crate::AppError;

/// What a device or service needs besides its address.
pub struct KekQuestion<'a> {
    /// Returns a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Returns a PIN or token that is asked for by this name.
    pub secret: &'a mut dyn FnMut(&str) -> Result<SecretBytes, AppError>,
    /// Reads a file with certificates.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>, AppError>,
    /// Tells the time, for signatures.
    pub clock: fn() -> Timestamp,
}

/// Takes the address of a device or service:
/// `pkcs11:token=LABEL;object=LABEL?module-path=FILE`,
/// `transit:https://HOST/MOUNT/KEY`, or `aws-kms:KEY`.
pub fn kek_source(uri: &str, question: KekQuestion<'_>) -> Result<KekSource, AppError> {
    match uri.split_once(':') {
        Some(("pkcs11", _)) => pkcs11(uri, question),
        Some(("transit", address)) => transit(address, question),
        Some(("aws-kms", key)) => aws_kms(key, question),
        _ => {
            let attempt = "`--kek-uri` begins with `pkcs11:`, `transit:`, or `aws-kms:`";
            Err(AppError::usage("kek-uri", attempt).hint(HINT))
        }
    }
}

fn pkcs11(uri: &str, question: KekQuestion<'_>) -> Result<KekSource, AppError> {
    let uri = Pkcs11Uri::parse(uri)
        .map_err(|error| AppError::usage("kek-uri", "cannot use `--kek-uri`").because(error))?;
    let pin = (question.secret)("the PIN of the token")?;
    Ok(KekSource::Provider(Box::new(Pkcs11::new(uri, pin))))
}

fn transit(address: &str, question: KekQuestion<'_>) -> Result<KekSource, AppError> {
    let wrong = || AppError::usage("kek-uri", "cannot use `--kek-uri`").hint(HINT);
    let start = address.find("://").map(|at| at + 3).ok_or_else(wrong)?;
    let slash = address[start..].find('/').map(|at| at + start).ok_or_else(wrong)?;
    let (server, path) = address.split_at(slash);
    let (mount, key) = path.trim_start_matches('/').rsplit_once('/').ok_or_else(wrong)?;
    let trust = trust(&question, "VAULT_CACERT")?;
    let namespace = (question.variable)("VAULT_NAMESPACE");
    let token = match (question.variable)("VAULT_TOKEN") {
        Some(token) => SecretBytes::new(token.into_bytes()),
        None => (question.secret)("the token of the transit engine")?,
    };
    let transit = Transit::new(server, mount, key, token, namespace, &trust)
        .map_err(|error| wrong().because(error))?;
    Ok(KekSource::Provider(Box::new(transit)))
}

fn aws_kms(key: &str, question: KekQuestion<'_>) -> Result<KekSource, AppError> {
    let variable = |names: [&str; 2]| names.into_iter().find_map(|name| (question.variable)(name));
    let missing =
        |name: &str| AppError::usage("kek-credentials", format!("`{name}` is not set")).hint(HINT);
    let required = |name| (question.variable)(name).ok_or_else(|| missing(name));
    let credentials = AwsCredentials {
        access_key_id: required("AWS_ACCESS_KEY_ID")?,
        secret_access_key: SecretBytes::new(required("AWS_SECRET_ACCESS_KEY")?.into_bytes()),
        session_token: (question.variable)("AWS_SESSION_TOKEN"),
    };
    // An ARN names its region: arn:aws:kms:REGION:ACCOUNT:key/ID.
    let named = key.strip_prefix("arn:").and_then(|arn| arn.split(':').nth(2)).map(str::to_owned);
    let region = named.or_else(|| variable(["AWS_REGION", "AWS_DEFAULT_REGION"]));
    let region = region.ok_or_else(|| missing("AWS_REGION"))?;
    let endpoint = variable(["AWS_ENDPOINT_URL_KMS", "AWS_ENDPOINT_URL"]);
    let trust = trust(&question, "AWS_CA_BUNDLE")?;
    let kms = AwsKms::new(&region, key, credentials, endpoint.as_deref(), &trust, question.clock)
        .map_err(|error| {
        AppError::usage("kek-uri", "cannot use `--kek-uri`").because(error).hint(HINT)
    })?;
    Ok(KekSource::Provider(Box::new(kms)))
}

/// The authorities that a variable names, or those of the system.
fn trust(question: &KekQuestion<'_>, name: &str) -> Result<Trust, AppError> {
    match (question.variable)(name) {
        Some(path) => Ok(Trust::Authorities((question.read)(&path)?)),
        None => Ok(Trust::System),
    }
}

const HINT: &str =
    "docs/guides/keys.md shows how each kind is written and what it reads from the environment";
