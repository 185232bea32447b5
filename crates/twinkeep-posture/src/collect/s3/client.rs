//! A client of S3, S3 Control, and STS: signed requests over verified TLS, within bounds.
//!
//! # Invariants
//!
//! - Plain HTTP goes to this machine itself only.
//! - No redirect is followed, and no proxy of the environment is used: a signed request goes where
//!   it was signed for.
//! - No error says what was sent, or by whom.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use rustls::crypto::aws_lc_rs;
use ureq::Agent;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

use super::credentials::Settings;
use crate::parse::s3_xml;

/// A service that speaks S3, and who asks it.
pub struct Client {
    agent: Agent,
    settings: Settings,
    clock: fn() -> SystemTime,
    /// Regions of buckets that turned out to lie elsewhere.
    regions: Mutex<BTreeMap<String, String>>,
}

/// Why a service cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// An address is not one that is asked.
    #[error("the address `{address}` must begin with https:// (http:// is for this machine only)")]
    Address {
        /// What was given.
        address: String,
    },
    /// There is nobody who asks.
    #[error(
        "there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
         or AWS_PROFILE for a profile of ~/.aws/credentials"
    )]
    NoCredentials,
    /// A file of settings or certificates cannot be used.
    #[error("reading `{}`: {problem}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// A profile is asked for that no file has.
    #[error("there is no profile `{name}` in ~/.aws/credentials or ~/.aws/config")]
    Profile {
        /// Its name.
        name: String,
    },
    /// There is no certificate to believe.
    #[error(
        "there is no usable certificate authority; install `ca-certificates`, or set AWS_CA_BUNDLE"
    )]
    Trust,
    /// The request cannot be signed.
    #[error("the request cannot be signed with these credentials")]
    Signature,
    /// The connection, the handshake, or the answer failed, again and again.
    #[error("cannot reach `{host}`")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What failed last.
        source: Box<ureq::Error>,
    },
}

impl ClientError {
    /// Its permanent code.
    pub fn code(&self) -> &'static str {
        match self {
            ClientError::Address { .. } => "s3-address",
            ClientError::NoCredentials => "s3-no-credentials",
            ClientError::File { .. } => "s3-file",
            ClientError::Profile { .. } => "s3-profile",
            ClientError::Trust => "s3-trust",
            ClientError::Signature => "s3-signature",
            ClientError::Unreachable { .. } => "s3-unreachable",
        }
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub(super) service: Service,
    pub(super) method: &'static str,
    pub(super) bucket: Option<String>,
    pub(super) path: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    S3,
    /// Of this account.
    Control(String),
    Sts,
}

impl Call {
    /// Asks something of a bucket: `acl`, `policy`, and so on.
    pub fn get(bucket: &str, question: &str) -> Call {
        Call {
            service: Service::S3,
            method: "GET",
            bucket: Some(bucket.to_owned()),
            path: format!("?{question}"),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Sets something of a bucket.
    pub fn put(bucket: &str, question: &str, body: Vec<u8>) -> Call {
        let kind = if question == "policy" { "application/json" } else { "application/xml" };
        let headers = vec![
            ("content-type", kind.to_owned()),
            ("x-amz-sdk-checksum-algorithm", "CRC32".to_owned()),
            ("x-amz-checksum-crc32", base64(&crc32(&body).to_be_bytes())),
        ];
        Call { method: "PUT", headers, body, ..Call::get(bucket, question) }
    }

    /// Removes something of a bucket.
    pub fn delete(bucket: &str, question: &str) -> Call {
        Call { method: "DELETE", ..Call::get(bucket, question) }
    }

    /// Asks for a page of the list of buckets.
    pub(super) fn list(token: Option<&str>) -> Call {
        let mut path = "/?max-buckets=1000".to_owned();
        if let Some(token) = token {
            path.push_str("&continuation-token=");
            path.push_str(&escape(token));
        }
        Call { bucket: None, path, ..Call::get("", "") }
    }

    /// Asks what an account blocks.
    pub(super) fn account_block(account: &str) -> Call {
        Call {
            service: Service::Control(account.to_owned()),
            bucket: None,
            path: "/v20180820/configuration/publicAccessBlock".to_owned(),
            headers: vec![("x-amz-account-id", account.to_owned())],
            ..Call::get("", "")
        }
    }

    /// Asks who asks.
    pub(super) fn caller() -> Call {
        Call {
            service: Service::Sts,
            method: "POST",
            bucket: None,
            path: "/".to_owned(),
            headers: vec![("content-type", "application/x-www-form-urlencoded".to_owned())],
            body: b"Action=GetCallerIdentity&Version=2011-06-15".to_vec(),
        }
    }
}

/// Says what is asked, as a plan shows it.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = self.bucket.as_deref().unwrap_or_default();
        write!(f, "{} {bucket}{}", self.method, self.path)
    }
}

/// What a service answered.
#[derive(Debug)]
pub struct Answered {
    /// The status.
    pub status: u16,
    /// The body, within bounds.
    pub body: Vec<u8>,
    region: Option<String>,
}

impl Answered {
    /// Returns the code of an error, or the status if there is none.
    pub fn code(&self) -> String {
        s3_xml::error_code(&self.body).unwrap_or_else(|| format!("status-{}", self.status))
    }

    /// Returns whether the bucket is there, and what was asked for is not.
    pub fn is_absent(&self) -> bool {
        self.status == 404 && ABSENT.contains(&self.code().as_str())
    }
}

impl Client {
    /// Prepares to ask.
    pub fn new(settings: Settings, clock: fn() -> SystemTime) -> Result<Client, ClientError> {
        for address in settings.endpoints() {
            check_address(address)?;
        }
        let tls = TlsConfig::builder()
            .root_certs(roots(&settings)?)
            .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
            .build();
        let agent = Agent::config_builder()
            .tls_config(tls)
            .timeout_global(Some(TIMEOUT))
            .max_redirects(0)
            .max_idle_connections_per_host(16)
            .proxy(None)
            .http_status_as_error(false)
            .build()
            .new_agent();
        Ok(Client { agent, settings, clock, regions: Mutex::default() })
    }

    /// Returns the address of the service.
    pub fn endpoint(&self) -> &str {
        &self.settings.endpoint
    }

    /// Sends a request, as often as it takes within reason.
    pub fn send(&self, call: &Call) -> Result<Answered, ClientError> {
        let mut region = self.region_of(call);
        let mut waits = RETRY_WAITS.iter();
        let mut moved = false;
        loop {
            let answered = self.send_once(call, &region);
            let again = match &answered {
                Ok(answered) => matches!(answered.status, 429 | 500 | 502 | 503 | 504),
                Err(ClientError::Unreachable { .. }) => true,
                Err(_) => false,
            };
            if let Ok(Answered { status: 301 | 307 | 400, region: Some(real), .. }) = &answered
                && *real != region
                && !moved
                && let Some(bucket) = &call.bucket
            {
                // Once: a service that sends on and on is not followed.
                moved = true;
                region = real.clone();
                if let Ok(mut regions) = self.regions.lock() {
                    regions.insert(bucket.clone(), region.clone());
                }
                continue;
            }
            match waits.next() {
                Some(wait) if again => thread::sleep(*wait),
                _ => return answered,
            }
        }
    }

    fn region_of(&self, call: &Call) -> String {
        let known = call.bucket.as_ref().and_then(|bucket| {
            self.regions.lock().ok().and_then(|regions| regions.get(bucket).cloned())
        });
        known.unwrap_or_else(|| self.settings.region.clone())
    }

    fn send_once(&self, call: &Call, region: &str) -> Result<Answered, ClientError> {
        let address = self.address(call, region);
        let headers = self.signature(call, &address, region)?;
        let host = address.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
        let unreachable = |source: ureq::Error| ClientError::Unreachable {
            host: host.clone().unwrap_or_default(),
            source: Box::new(source),
        };
        let mut request = ureq::http::Request::builder().method(call.method).uri(&address);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request =
            request.body(call.body.as_slice()).map_err(|error| unreachable(error.into()))?;
        let (parts, mut body) = self.agent.run(request).map_err(unreachable)?.into_parts();
        let region = parts.headers.get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
        let region = region.filter(|region| is_region(region)).map(str::to_owned);
        let body = body.with_config().limit(ANSWER_LEN_MAX).read_to_vec().map_err(unreachable)?;
        Ok(Answered { status: parts.status.as_u16(), body, region })
    }

    fn address(&self, call: &Call, region: &str) -> String {
        let settings = &self.settings;
        let base = match &call.service {
            Service::S3 => settings.s3(region),
            Service::Control(account) => settings.control(account),
            Service::Sts => settings.sts(),
        };
        let Some(bucket) = &call.bucket else { return format!("{base}{}", call.path) };
        // A certificate for `*.s3…` does not hold for a name with a dot in it.
        match base.split_once("://") {
            Some((scheme, host)) if settings.is_virtual() && !bucket.contains('.') => {
                format!("{scheme}://{bucket}.{host}/{}", call.path)
            }
            _ => format!("{base}/{bucket}{}", call.path),
        }
    }

    /// Returns all headers of a request, with its signature.
    fn signature(
        &self,
        call: &Call,
        address: &str,
        region: &str,
    ) -> Result<Vec<(String, String)>, ClientError> {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = self.settings.credentials.clone().into();
        let parameters = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name(if call.service == Service::Sts { "sts" } else { "s3" })
            .time((self.clock)())
            .settings(settings)
            .build()
            .map_err(|_| ClientError::Signature)?
            .into();
        let named = call.headers.iter().map(|(name, value)| (*name, value.as_str()));
        let body = SignableBody::Bytes(&call.body);
        let request = SignableRequest::new(call.method, address, named, body)
            .map_err(|_| ClientError::Signature)?;
        let (instructions, _) =
            sign(request, &parameters).map_err(|_| ClientError::Signature)?.into_parts();
        let own = call.headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Ok(own.chain(instructions.headers().map(pair)).collect())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.settings.endpoint)
    }
}

fn check_address(address: &str) -> Result<(), ClientError> {
    let wrong = || ClientError::Address { address: address.escape_default().to_string() };
    let uri: Uri = address.parse().map_err(|_| wrong())?;
    let host = uri.host().ok_or_else(wrong)?;
    let local = host == "localhost"
        || host.ends_with(".localhost")
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let plain = matches!(uri.path(), "" | "/")
        && uri.query().is_none()
        && uri.authority().is_some_and(|all| !all.as_str().contains('@'));
    match uri.scheme_str() {
        Some("https") if plain => Ok(()),
        Some("http") if plain && local => Ok(()),
        _ => Err(wrong()),
    }
}

fn roots(settings: &Settings) -> Result<RootCerts, ClientError> {
    // Nothing is verified where nothing is encrypted.
    let plain = settings.endpoints().next().is_some()
        && settings.endpoints().all(|address| address.starts_with("http://"));
    let certificates: Vec<Certificate<'static>> = match settings.authorities()? {
        Some(pem) => parse_pem(&pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(found)) => Some(found),
                _ => None,
            })
            .collect(),
        None => {
            let found = rustls_native_certs::load_native_certs().certs;
            found.iter().map(|found| Certificate::from_der(found).to_owned()).collect()
        }
    };
    match certificates.is_empty() && !plain {
        true => Err(ClientError::Trust),
        false => Ok(RootCerts::Specific(Arc::new(certificates))),
    }
}

/// Returns whether a text is the name of a region: it becomes part of an address.
pub(super) fn is_region(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 40 && text.chars().all(plain)
}

fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                escaped.push(char::from(byte));
            }
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// The checksum that S3 asks of what is sent to it (CRC-32 of IEEE 802.3), bit by bit: bodies have
/// a few hundred bytes.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

/// What S3 says of something that a bucket does not have.
const ABSENT: &[&str] = &[
    "NoSuchBucketPolicy",
    "NoSuchPublicAccessBlockConfiguration",
    "NoSuchWebsiteConfiguration",
    "ObjectLockConfigurationNotFoundError",
    "OwnershipControlsNotFoundError",
    "ServerSideEncryptionConfigurationNotFoundError",
];

/// A bucket answers in milliseconds; a service that takes longer is down.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long is waited before a request is sent again.
const RETRY_WAITS: [Duration; 3] =
    [Duration::from_millis(200), Duration::from_millis(800), Duration::from_millis(3_200)];

/// A page of 1,000 buckets has 300 KB.
const ANSWER_LEN_MAX: u64 = 8 << 20;

#[cfg(test)]
mod tests {
    use super::{check_address, crc32, escape};

    #[test]
    fn the_checksum_is_the_one_that_s3_computes() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn only_this_machine_may_be_asked_without_tls() {
        for fine in ["https://s3.example", "http://127.0.0.1:9000", "http://[::1]:1/"] {
            assert!(check_address(fine).is_ok(), "{fine}");
        }
        for wrong in [
            "http://s3.example",
            "http://10.0.0.1:9000",
            "ftp://localhost",
            "https://user:pass@s3.example",
            "https://s3.example/path",
            "https://s3.example/?x",
            "s3.example",
            "",
        ] {
            assert!(check_address(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn tokens_are_escaped() {
        assert_eq!(escape("a/b+c=&~"), "a%2Fb%2Bc%3D%26~");
    }
}
