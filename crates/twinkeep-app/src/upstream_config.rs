//! `[[upstream]]` of `twinkeep.toml`: model servers that stand behind the gate, and who may reach
//! them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{ConfigError, Scope};

/// A model server behind the gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamConfig {
    /// What the ledger, policies, and the command line call it.
    pub name: String,
    /// What stands under it: everything whose path begins so. It ends in `/`.
    pub path: String,
    /// Where it is; the path takes the place of `path`.
    pub url: String,
    /// What it speaks.
    #[serde(default)]
    pub protocol: UpstreamProtocol,
    /// The authorities to trust; without it, those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The SHA-256 of the public key that its certificate must have: `sha256:` and 64 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<String>,
    /// Who may ask: whoever has one of these scopes.
    #[serde(default = "own_scope")]
    pub scopes: Vec<String>,
    /// Who may ask: whoever has one of these roles; empty for any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The header that `upstream login` is for.
    #[serde(default = "authorization")]
    pub login_header: String,
    /// Whether it may be asked for a WebSocket.
    #[serde(default)]
    pub websockets: bool,
    /// Longest time, in seconds, until it is connected, its handshake included.
    #[serde(default = "connect_seconds")]
    pub connect_seconds: u32,
    /// Longest time, in seconds, until its answer begins.
    #[serde(default = "answer_seconds")]
    pub answer_seconds: u32,
    /// Longest time, in seconds, in which an answer that has begun says nothing.
    #[serde(default = "idle_seconds")]
    pub idle_seconds: u32,
    /// Largest body of a request, in bytes.
    #[serde(default = "body_size_max")]
    pub body_size_max: u64,
    /// Requests that it is given at a time.
    #[serde(default = "request_count_max")]
    pub request_count_max: u32,
    /// What is asked to know whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_path: Option<String>,
    /// How often, in seconds.
    #[serde(default = "health_seconds")]
    pub health_seconds: u32,
    /// After how many bad answers in a row it is not well.
    #[serde(default = "unwell_after")]
    pub unwell_after: u32,
    /// After how many good answers in a row it is well again.
    #[serde(default = "well_after")]
    pub well_after: u32,
    /// After how many failures in a row nobody is let through.
    #[serde(default = "breaker_failures")]
    pub breaker_failures: u32,
    /// For how many seconds, before one request is let through to try.
    #[serde(default = "breaker_seconds")]
    pub breaker_seconds: u32,
}

/// What an upstream speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpstreamProtocol {
    /// HTTP/2 if it is secured and offers it, else HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, also where nothing is secured.
    Http2,
}

impl UpstreamConfig {
    /// Checks that it is whole, and resolves paths against the keep's folder.
    fn check(mut self, keep: &Path) -> Result<Self, ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_LEN_MAX).contains(&self.name.len()) || !self.name.chars().all(word) {
            return refuse("upstream.name", "1 to 32 small letters, digits, and `-`");
        }
        if !is_prefix(&self.path) || OWN.iter().any(|own| self.path.starts_with(own)) {
            return refuse(
                "upstream.path",
                "a path that begins and ends in `/`, of letters, digits, `-`, `_`, and `.`, and \
                 not one of the gate's own",
            );
        }
        if !is_address(&self.url) {
            return refuse("upstream.url", "`http://HOST:PORT/` or `https://HOST:PORT/PATH/`");
        }
        let secured = self.url.starts_with("https://");
        if !secured && (self.ca.is_some() || self.pin.is_some()) {
            return refuse("upstream.ca", "absent unless `url` is `https://`, and so must `pin`");
        }
        if self.pin.as_ref().is_some_and(|pin| pin_digest(pin).is_none()) {
            return refuse("upstream.pin", "`sha256:` and 64 hexadecimal digits");
        }
        if !self.scopes.iter().all(|scope| Scope::parse(scope).is_some()) {
            return refuse("upstream.scopes", "scopes of this keep");
        }
        let header = self.login_header.bytes();
        if self.login_header.is_empty()
            || !header.clone().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return refuse("upstream.login_header", "the name of a header");
        }
        let path =
            |path: &String| path.starts_with('/') && path.bytes().all(|b| b.is_ascii_graphic());
        if !self.health_path.iter().all(path) {
            return refuse("upstream.health_path", "a path that begins with `/`");
        }
        self.check_figures()?;
        self.ca = self.ca.take().map(|path| keep.join(path));
        Ok(self)
    }

    fn check_figures(&self) -> Result<(), ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let seconds = [
            self.connect_seconds,
            self.answer_seconds,
            self.idle_seconds,
            self.health_seconds,
            self.breaker_seconds,
        ];
        if !seconds.iter().all(|seconds| (1..=3600).contains(seconds)) {
            return refuse("upstream.answer_seconds", "1 to 3600, as all times of an upstream");
        }
        let counts = [self.unwell_after, self.well_after, self.breaker_failures];
        if !counts.iter().all(|count| (1..=1000).contains(count)) {
            return refuse("upstream.breaker_failures", "1 to 1000, as all counts of an upstream");
        }
        if !(1..=4096).contains(&self.request_count_max) {
            return refuse("upstream.request_count_max", "1 to 4096");
        }
        if self.body_size_max == 0 || BODY_SIZE_MOST < self.body_size_max {
            return refuse("upstream.body_size_max", "1 byte to 16 GiB");
        }
        Ok(())
    }

    /// Returns the digest that the public key of its certificate must have.
    pub fn pinned(&self) -> Option<Vec<u8>> {
        self.pin.as_deref().and_then(pin_digest)
    }
}

/// Checks all of them; no two may have one name or one path.
pub(crate) fn check_upstreams(
    upstreams: Vec<UpstreamConfig>,
    keep: &Path,
) -> Result<Vec<UpstreamConfig>, ConfigError> {
    let mut checked: Vec<UpstreamConfig> = Vec::with_capacity(upstreams.len());
    if UPSTREAM_COUNT_MAX < upstreams.len() {
        return Err(ConfigError::Value { key: "upstream", expected: "at most 64 of them" });
    }
    for upstream in upstreams {
        let upstream = upstream.check(keep)?;
        let same =
            |other: &UpstreamConfig| other.name == upstream.name || other.path == upstream.path;
        if checked.iter().any(same) {
            let expected = "other than those of every other upstream, and so must `upstream.path`";
            return Err(ConfigError::Value { key: "upstream.name", expected });
        }
        checked.push(upstream);
    }
    Ok(checked)
}

/// `/a/b/`: segments that every parser reads alike.
fn is_prefix(path: &str) -> bool {
    let Some(inner) = path.strip_prefix('/').and_then(|path| path.strip_suffix('/')) else {
        return false;
    };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    let segment = |text: &str| !matches!(text, "" | "." | "..") && text.bytes().all(plain);
    path.len() <= PATH_LEN_MAX && inner.split('/').all(segment)
}

/// Returns whether an address has a host and no login, and ends in `/`.
fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some((authority, path)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let plain = authority.bytes().all(host) && !authority.is_empty() && !authority.starts_with(':');
    plain && (path.is_empty() || is_prefix(&format!("/{path}")))
}

fn pin_digest(pin: &str) -> Option<Vec<u8>> {
    let digest = twinkeep_vault::digest::from_hex(pin.strip_prefix("sha256:")?)?;
    (digest.len() == 32).then_some(digest)
}

fn own_scope() -> Vec<String> {
    vec![Scope::UseUpstreams.name().to_owned()]
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn connect_seconds() -> u32 {
    5
}

fn answer_seconds() -> u32 {
    30
}

fn idle_seconds() -> u32 {
    60
}

fn body_size_max() -> u64 {
    10 << 20
}

fn request_count_max() -> u32 {
    64
}

fn health_seconds() -> u32 {
    5
}

fn unwell_after() -> u32 {
    3
}

fn well_after() -> u32 {
    2
}

fn breaker_failures() -> u32 {
    5
}

fn breaker_seconds() -> u32 {
    10
}

/// The gate answers these itself, and a path below them that it does not know is a mistake.
const OWN: [&str; 1] = ["/api/"];

/// A word in a list.
const NAME_LEN_MAX: usize = 32;

/// A few words.
const PATH_LEN_MAX: usize = 128;

/// Each may have a connection in use and a task that looks after it.
const UPSTREAM_COUNT_MAX: usize = 64;

/// It flows through; nobody holds it.
const BODY_SIZE_MOST: u64 = 16 << 30;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::{Config, ConfigError};

    fn check(lines: &str) -> Result<(), &'static str> {
        let text = format!("[[upstream]]\n{lines}\n");
        match Config::parse(&text).unwrap().check(Path::new("keep")) {
            Ok(settings) => {
                assert_eq!(settings.upstreams.len(), 1);
                Ok(())
            }
            Err(ConfigError::Value { key, .. }) => Err(key),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn an_upstream_needs_a_name_a_path_and_an_address_that_mean_one_thing() {
        let of = |path: &str, url: &str| {
            check(&format!("name = \"risk\"\npath = \"{path}\"\nurl = \"{url}\""))
        };
        let url = "http://127.0.0.1:8501/";
        for path in ["/models/risk/", "/r/", "/a.b/c_d/"] {
            assert_eq!(of(path, url), Ok(()), "{path}");
        }
        for path in
            ["", "/", "risk/", "/risk", "//", "/a//b/", "/../", "/a%2f/", "/a;b/", "/api/x/"]
        {
            assert_eq!(of(path, url), Err("upstream.path"), "{path}");
        }
        for url in ["https://model.example/", "http://[::1]:80/", "https://h:1/v1/models/"] {
            assert_eq!(of("/r/", url), Ok(()), "{url}");
        }
        for url in [
            "http://h",
            "ftp://h/",
            "http:///",
            "http://me:secret@h/",
            "http://h/a",
            "http://h/?a/",
            "http://h/a/../",
            "http://:80/",
        ] {
            assert_eq!(of("/r/", url), Err("upstream.url"), "{url}");
        }
    }

    #[test]
    fn a_pin_is_a_digest_and_belongs_to_a_secured_upstream() {
        let of = |url: &str, pin: &str| {
            check(&format!("name = \"r\"\npath = \"/r/\"\nurl = \"{url}\"\npin = \"{pin}\""))
        };
        let pin = format!("sha256:{}", "0f".repeat(32));
        assert_eq!(of("https://h/", &pin), Ok(()));
        assert_eq!(of("http://h/", &pin), Err("upstream.ca"));
        for pin in ["", "sha256:", "sha1:00", &pin[..pin.len() - 2]] {
            assert_eq!(of("https://h/", pin), Err("upstream.pin"), "{pin}");
        }
    }
}
