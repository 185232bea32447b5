//! AWS KMS, over its HTTP API (`TrentService`), signed with Signature Version 4.
//!
//! The context is the encryption context, which KMS authenticates and writes to CloudTrail: it
//! names the descriptor's salt and nothing else.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_domain::Timestamp;
use twinkeep_vault::{KekDescriptor, KekError, KekProvider, SecretBytes, SecretKey};

use super::{UNWRAP, WRAP, failed};
use crate::https::{HttpsError, Service, Trust};

/// Who asks.
#[derive(Debug)]
pub struct AwsCredentials {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: SecretBytes,
    /// `AWS_SESSION_TOKEN`, for a role.
    pub session_token: Option<String>,
}

/// One key of AWS KMS.
pub struct AwsKms {
    service: Service,
    region: String,
    key: String,
    credentials: AwsCredentials,
    clock: fn() -> Timestamp,
}

impl AwsKms {
    /// Takes a region, a key (id, ARN, or `alias/…`), who asks, and, for another endpoint than
    /// that of the region, its address.
    pub fn new(
        region: &str,
        key: &str,
        credentials: AwsCredentials,
        endpoint: Option<&str>,
        trust: &Trust,
        clock: fn() -> Timestamp,
    ) -> Result<Self, HttpsError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if region.is_empty() || !region.chars().all(plain) {
            return Err(HttpsError::Address { address: region.to_owned() });
        }
        let regional = format!("https://kms.{region}.amazonaws.com");
        let service = Service::new(endpoint.unwrap_or(&regional), trust)?;
        let (region, key) = (region.to_owned(), key.to_owned());
        Ok(Self { service, region, key, credentials, clock })
    }

    fn ask<A: for<'a> Deserialize<'a>>(
        &self,
        action: &str,
        question: &Question<'_>,
    ) -> Result<A, AwsError> {
        let body = SecretBytes::new(serde_json::to_vec(question).unwrap_or_default());
        let mut headers = vec![
            ("content-type".to_owned(), "application/x-amz-json-1.1".to_owned()),
            ("x-amz-target".to_owned(), format!("TrentService.{action}")),
        ];
        headers.extend(self.signature(&headers, body.expose())?);
        let (status, answer) =
            self.service.post("/", &headers, body.expose()).map_err(AwsError::reach)?;
        let answer = SecretBytes::new(answer);
        if status != 200 {
            let refusal: Refusal = serde_json::from_slice(answer.expose()).unwrap_or_default();
            return Err(AwsError::Refused { kind: refusal.name(), status });
        }
        serde_json::from_slice(answer.expose())
            .map_err(|_| AwsError::reach(self.service.confused()))
    }

    fn signature(
        &self,
        headers: &[(String, String)],
        body: &[u8],
    ) -> Result<Vec<(String, String)>, AwsError> {
        let secret = String::from_utf8_lossy(self.credentials.secret_access_key.expose());
        let identity = Credentials::new(
            &self.credentials.access_key_id,
            secret,
            self.credentials.session_token.clone(),
            None,
            "twinkeep",
        )
        .into();
        let micros = u64::try_from((self.clock)().micros()).unwrap_or_default();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name("kms")
            .time(SystemTime::UNIX_EPOCH + Duration::from_micros(micros))
            .settings(SigningSettings::default())
            .build()
            .map_err(|_| AwsError::Signature)?
            .into();
        let address = self.service.address("/");
        let named = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let request = SignableRequest::new("POST", &address, named, SignableBody::Bytes(body))
            .map_err(|_| AwsError::Signature)?;
        let (instructions, _) =
            sign(request, &parameters).map_err(|_| AwsError::Signature)?.into_parts();
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(instructions.headers().map(pair).collect())
    }

    fn question<'a>(&'a self, context: &'a str) -> Question<'a> {
        Question {
            key: &self.key,
            plaintext: None,
            ciphertext: None,
            context: Context { descriptor: context },
        }
    }
}

impl KekProvider for AwsKms {
    fn method(&self) -> &'static str {
        "aws-kms"
    }

    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        KekDescriptor::wrapping(self.method(), &mut |kek, context| {
            let context = String::from_utf8_lossy(context);
            let plaintext = Some(STANDARD.encode(kek.expose()));
            let question = Question { plaintext, ..self.question(&context) };
            let answer: Encrypted =
                self.ask("Encrypt", &question).map_err(|error| failed(TITLE, WRAP, error))?;
            let wrapped = STANDARD.decode(answer.ciphertext);
            wrapped.map_err(|_| failed(TITLE, WRAP, self.service.confused()))
        })
    }

    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        descriptor.unwrapping(&mut |wrapped, context| {
            let context = String::from_utf8_lossy(context);
            let ciphertext = Some(STANDARD.encode(wrapped));
            let question = Question { ciphertext, ..self.question(&context) };
            let answer: Decrypted = match self.ask("Decrypt", &question) {
                Ok(answer) => answer,
                Err(AwsError::Refused { kind, .. }) if WRONG.contains(&kind) => {
                    return Err(KekError::Wrong);
                }
                Err(error) => return Err(failed(TITLE, UNWRAP, error)),
            };
            let plain = SecretBytes::new(answer.plaintext.into_bytes());
            let plain = STANDARD.decode(plain.expose()).map_err(|_| KekError::Wrong)?;
            Ok(SecretBytes::new(plain))
        })
    }
}

impl fmt::Debug for AwsKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AwsKms(hidden)")
    }
}

/// Why KMS did not answer.
#[derive(Debug, thiserror::Error)]
enum AwsError {
    #[error("cannot ask AWS KMS")]
    Reach { source: Box<HttpsError> },
    #[error("the request cannot be signed with these credentials")]
    Signature,
    #[error("AWS KMS refused with {kind} (status {status})")]
    Refused { kind: &'static str, status: u16 },
}

impl AwsError {
    fn reach(source: HttpsError) -> Self {
        Self::Reach { source: Box::new(source) }
    }
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(rename = "KeyId")]
    key: &'a str,
    #[serde(rename = "Plaintext", skip_serializing_if = "Option::is_none")]
    plaintext: Option<String>,
    #[serde(rename = "CiphertextBlob", skip_serializing_if = "Option::is_none")]
    ciphertext: Option<String>,
    #[serde(rename = "EncryptionContext")]
    context: Context<'a>,
}

#[derive(Serialize)]
struct Context<'a> {
    #[serde(rename = "twinkeep")]
    descriptor: &'a str,
}

#[derive(Deserialize)]
struct Encrypted {
    #[serde(rename = "CiphertextBlob")]
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    #[serde(rename = "Plaintext")]
    plaintext: String,
}

/// What KMS says when it refuses; its message is not shown, as it may name the account.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl Refusal {
    fn name(&self) -> &'static str {
        let named = self.kind.rsplit('#').next().unwrap_or_default();
        KINDS.iter().find(|kind| **kind == named).copied().unwrap_or("an unknown error")
    }
}

/// AWS KMS API reference, "Decrypt" and "Common errors".
const KINDS: &[&str] = &[
    "InvalidCiphertextException",
    "IncorrectKeyException",
    "AccessDeniedException",
    "DisabledException",
    "InvalidKeyUsageException",
    "KMSInvalidStateException",
    "KeyUnavailableException",
    "NotFoundException",
    "ThrottlingException",
    "UnrecognizedClientException",
    "InvalidSignatureException",
    "ExpiredTokenException",
];

/// What KMS says of a wrapped key that is another key's, altered, or in another context.
const WRONG: &[&str] = &["InvalidCiphertextException", "IncorrectKeyException"];

const TITLE: &str = "AWS KMS";
