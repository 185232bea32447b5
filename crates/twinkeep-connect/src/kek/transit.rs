//! A transit engine, over the HTTP API of HashiCorp Vault and OpenBao.
//!
//! `POST /v1/<mount>/encrypt/<key>` and `/decrypt/<key>`, with the context as associated data: the
//! key must be of an authenticated type, such as `aes256-gcm96`, the default.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use twinkeep_vault::{KekDescriptor, KekError, KekProvider, SecretBytes, SecretKey};

use super::{UNWRAP, WRAP, failed};
use crate::https::{HttpsError, Service, Trust};

/// One key of a transit engine.
pub struct Transit {
    service: Service,
    mount: String,
    key: String,
    token: SecretBytes,
    namespace: Option<String>,
}

impl Transit {
    /// Takes the address of the server, where the engine is mounted, the name of the key, and a
    /// token that may use it.
    pub fn new(
        address: &str,
        mount: &str,
        key: &str,
        token: SecretBytes,
        namespace: Option<String>,
        trust: &Trust,
    ) -> Result<Self, HttpsError> {
        let service = Service::new(address, trust)?;
        let plain = |text: &str, also: &str| {
            let fits = |c: char| c.is_ascii_alphanumeric() || also.contains(c);
            !text.is_empty() && !text.contains("..") && text.chars().all(fits)
        };
        if !plain(mount, "-_./") || !plain(key, "-_.") {
            return Err(HttpsError::Address { address: format!("{address}/{mount}/{key}") });
        }
        let (mount, key) = (mount.to_owned(), key.to_owned());
        Ok(Self { service, mount, key, token, namespace })
    }

    fn ask<A: for<'a> Deserialize<'a>>(
        &self,
        action: &str,
        question: &Question<'_>,
    ) -> Result<A, HttpsError> {
        let token = String::from_utf8_lossy(self.token.expose()).into_owned();
        let mut headers = vec![
            ("X-Vault-Token".to_owned(), token),
            ("X-Vault-Request".to_owned(), "true".to_owned()),
            ("Content-Type".to_owned(), "application/json".to_owned()),
        ];
        if let Some(namespace) = &self.namespace {
            headers.push(("X-Vault-Namespace".to_owned(), namespace.clone()));
        }
        let body = SecretBytes::new(serde_json::to_vec(question).unwrap_or_default());
        let path = format!("/v1/{}/{action}/{}", self.mount, self.key);
        let (status, answer) = self.service.post(&path, &headers, body.expose())?;
        let answer = SecretBytes::new(answer);
        if status != 200 {
            return Err(self.service.refused(status));
        }
        let answer: Answer<A> =
            serde_json::from_slice(answer.expose()).map_err(|_| self.service.confused())?;
        Ok(answer.data)
    }
}

impl KekProvider for Transit {
    fn method(&self) -> &'static str {
        "transit"
    }

    fn create(&self) -> Result<(SecretKey, KekDescriptor), KekError> {
        KekDescriptor::wrapping(self.method(), &mut |kek, context| {
            let question = Question {
                plaintext: Some(STANDARD.encode(kek.expose())),
                ciphertext: None,
                associated_data: STANDARD.encode(context),
            };
            let answer: Encrypted =
                self.ask("encrypt", &question).map_err(|error| failed(TITLE, WRAP, error))?;
            Ok(answer.ciphertext.into_bytes())
        })
    }

    fn derive(&self, descriptor: &KekDescriptor) -> Result<SecretKey, KekError> {
        descriptor.unwrapping(&mut |wrapped, context| {
            let wrapped = std::str::from_utf8(wrapped).map_err(|_| KekError::Descriptor)?;
            let question = Question {
                plaintext: None,
                ciphertext: Some(wrapped),
                associated_data: STANDARD.encode(context),
            };
            let answer: Decrypted = match self.ask("decrypt", &question) {
                Ok(answer) => answer,
                // Vault says so of a ciphertext of another key or in another context.
                Err(HttpsError::Status { status: 400, .. }) => return Err(KekError::Wrong),
                Err(error) => return Err(failed(TITLE, UNWRAP, error)),
            };
            let plain = SecretBytes::new(answer.plaintext.into_bytes());
            let plain = STANDARD.decode(plain.expose()).map_err(|_| KekError::Wrong)?;
            Ok(SecretBytes::new(plain))
        })
    }
}

impl std::fmt::Debug for Transit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transit(hidden)")
    }
}

#[derive(Serialize)]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    plaintext: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ciphertext: Option<&'a str>,
    associated_data: String,
}

#[derive(Deserialize)]
struct Answer<A> {
    data: A,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: String,
}

const TITLE: &str = "the transit engine";
