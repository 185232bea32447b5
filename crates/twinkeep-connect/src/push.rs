//! Pushes sealed feeds to a keep over HTTPS, in parts that can be sent again.
//!
//! The other side is `/api/v1/feeds/{sender}/{sequence}` (docs/reference/api.md). This client does
//! one request at a time and judges nothing: whoever calls decides when to try again.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_vault::SecretBytes;

use crate::https::{Answered, Service};
use crate::{HttpsError, Trust};

/// One keep's gate.
pub struct PushClient {
    service: Service,
    credential: SecretBytes,
}

/// What a gate answered.
pub struct PushAnswer {
    /// The HTTP status.
    pub status: u16,
    /// How many bytes of the feed the gate has, if it says so.
    pub offset: Option<u64>,
    /// Whether the gate has the whole feed, if it says so.
    pub complete: Option<bool>,
    /// How long to wait before the next request, if it says so.
    pub retry_after: Option<Duration>,
    /// The answer itself.
    pub body: Vec<u8>,
}

/// A part of a feed.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// SHA-256 of the whole feed, with its last part.
    pub whole: Option<[u8; 32]>,
}

impl PushClient {
    /// Takes the address of a gate and an API key that has the scope `feeds:write`.
    pub fn new(base: &str, trust: &Trust, key: &SecretBytes) -> Result<Self, HttpsError> {
        let service = Service::with_timeout(base, trust, TIMEOUT)?;
        let credential = SecretBytes::new([b"Bearer ", key.expose()].concat());
        Ok(Self { service, credential })
    }

    /// Asks how much of a feed the gate has.
    pub fn offset(&self, path: &str) -> Result<PushAnswer, HttpsError> {
        self.send("HEAD", path, &[], &[])
    }

    /// Asks what became of a feed.
    pub fn status(&self, path: &str) -> Result<PushAnswer, HttpsError> {
        self.send("GET", path, &[], &[])
    }

    /// Sends a part of a feed.
    pub fn append(&self, path: &str, part: Part<'_>) -> Result<PushAnswer, HttpsError> {
        let offset = part.offset.to_string();
        let digest = part.whole.map(|digest| format!("sha-256=:{}:", STANDARD.encode(digest)));
        let mut headers = vec![
            ("content-type", "application/partial-upload"),
            ("upload-offset", offset.as_str()),
            ("upload-complete", if part.whole.is_some() { "?1" } else { "?0" }),
        ];
        headers.extend(digest.as_deref().map(|digest| ("repr-digest", digest)));
        self.send("PATCH", path, &headers, part.bytes)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<PushAnswer, HttpsError> {
        // A key is plain text; another one is refused by the gate.
        let credential = std::str::from_utf8(self.credential.expose()).unwrap_or_default();
        let headers = [&[("authorization", credential)], headers].concat();
        let Answered { status, headers, body } = self.service.send(method, path, &headers, body)?;
        let header = |name: &str| headers.get(name).map(String::as_str);
        let seconds = header("retry-after").and_then(|text| text.parse().ok());
        Ok(PushAnswer {
            status,
            offset: header("upload-offset").and_then(|text| text.parse().ok()),
            complete: header("upload-complete").map(|text| text == "?1"),
            retry_after: seconds.map(|seconds: u32| Duration::from_secs(seconds.into())),
            body,
        })
    }
}

/// A part on a slow line, and then the time that a gate takes to store a feed.
const TIMEOUT: Duration = Duration::from_secs(120);
