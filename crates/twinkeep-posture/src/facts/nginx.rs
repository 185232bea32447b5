//! What is known about an nginx: what holds at each place where it answers.
//!
//! Settings are *effective*: what a location inherits is written out, and what it loses is too.
//! Keys that stand in the files are named by their place only.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Place;

/// The configuration of one nginx.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nginx {
    /// The main file.
    pub main: String,
    /// All files that were read.
    pub files: Vec<String>,
    /// What is included and could not be read.
    pub unread: Vec<Unread>,
    /// The zones for limits of the rate of requests.
    pub zones: Vec<Zone>,
    /// Keys that clients send or that upstreams get, and that stand in the files.
    pub static_keys: Vec<StaticKey>,
    /// The servers.
    pub servers: Vec<Server>,
    /// What could be edited. It is never written down, as keys may stand in the files: facts that
    /// were taken elsewhere have no repairs.
    #[serde(skip)]
    pub repairs: Repairs,
}

/// The files as they are, and edits that would make rules pass.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Repairs {
    /// The paths of the files, and their text.
    pub sources: Vec<(String, String)>,
    /// The edits.
    pub edits: Vec<Edit>,
}

impl fmt::Debug for Repairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Repairs({} edits)", self.edits.len())
    }
}

/// An edit of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The rule that asks for it.
    pub rule: String,
    /// The resource that it is for.
    pub resource: String,
    /// The path of the file.
    pub path: String,
    /// The first byte that goes.
    pub start: usize,
    /// The byte after the last one that goes.
    pub end: usize,
    /// What comes instead.
    pub text: String,
}

/// An `include` that led to nothing that could be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unread {
    /// Where it is included.
    pub at: Place,
    /// Why it could not be read.
    pub why: String,
}

/// A `limit_req_zone`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub at: Place,
    /// Whether clients say themselves by what they are counted: nginx counts nothing by what is
    /// empty.
    #[serde(default)]
    pub evaded: bool,
}

/// A key that stands in a file; never its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaticKey {
    /// What it is compared with or sent as: a variable or a header.
    pub name: String,
    /// Where it stands.
    pub at: Place,
}

/// A `server`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its first name, or its first listener.
    pub name: String,
    /// Where it starts.
    pub at: Option<Place>,
    /// Whether it passes on connections (`stream`) instead of requests.
    pub stream: bool,
    /// Where it listens.
    pub listens: Vec<Listen>,
    /// Whether all that it does is to send clients to `https`.
    pub redirects: bool,
    /// `ssl_protocols`.
    pub protocols: Option<Setting>,
    /// `ssl_ciphers`.
    pub ciphers: Option<Setting>,
    /// `ssl_verify_client`.
    pub client_verification: Option<Setting>,
    /// Whether it refuses by itself who did not show a certificate that it verified.
    pub unverified_refused: bool,
    /// `server_tokens`.
    pub tokens: Option<Setting>,
    /// Where it answers: its locations, and itself where no location catches all.
    pub locations: Vec<Location>,
    /// Where its connections go, if it passes them on as they come (`stream`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
}

/// A setting, and where it is made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Setting {
    /// Its words.
    pub words: Vec<String>,
    /// Where it stands.
    pub at: Place,
}

/// A `listen`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Where it stands.
    pub at: Place,
    /// The address, as written.
    pub address: String,
    /// Whether only this machine reaches it.
    pub local: bool,
    /// Whether it speaks TLS.
    pub tls: bool,
}

/// A place where a server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Location {
    /// What it is called in reports: `location /api/`.
    pub name: String,
    /// Where it starts.
    pub at: Option<Place>,
    /// Where its requests go, if they go on.
    pub upstream: Option<Upstream>,
    /// The headers that it adds to answers.
    pub headers: Vec<Header>,
    /// Names of headers, lower case, that levels above add and that it loses because it adds
    /// headers of its own.
    pub lost: Vec<String>,
    /// The zones whose limits it applies.
    pub limits: Vec<Setting>,
    /// `limit_req_dry_run on`, which counts and lets all pass.
    pub limits_dry: Option<Place>,
    /// Names of headers, lower case, that it takes away from what upstreams answer.
    pub hidden: Vec<String>,
    /// `access_log off`.
    pub log_off: Option<Place>,
    /// `autoindex on`.
    pub listing: Option<Place>,
}

/// A header that is added to answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Its name, lower case.
    pub name: String,
    /// Its value. Headers of answers go to anybody who asks, so it is no secret.
    pub value: String,
    /// Whether errors have it too.
    pub always: bool,
    /// Where it stands.
    pub at: Place,
}

/// Where requests go on to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// Where it is said.
    pub at: Place,
    /// The scheme: `http`, `https`, `grpc`, `grpcs`, `fastcgi`, `uwsgi`, `scgi`. Of connections,
    /// `tls` or `tcp`, or `preread` if nginx looks at the TLS of clients and lets it through.
    pub scheme: String,
    /// The hosts that it stands for, `upstream` blocks resolved; empty if a variable says it.
    pub hosts: Vec<Host>,
    /// Whether the certificate of the upstream is verified.
    pub verified: bool,
    /// Whether nginx shows a certificate of its own.
    pub certificate: bool,
}

impl Upstream {
    /// Whether nginx speaks TLS to it.
    pub fn is_tls(&self) -> bool {
        matches!(self.scheme.as_str(), "https" | "grpcs" | "suwsgi" | "tls")
    }
}

/// A host that requests go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// As written.
    pub name: String,
    /// Whether it is this machine.
    pub local: bool,
}
