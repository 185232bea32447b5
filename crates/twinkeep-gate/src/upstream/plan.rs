//! What the courier must know of an upstream: where it is, and whom to believe.
//!
//! It is made while files are still open to the process, so that the courier needs none.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use twinkeep_app::{UpstreamConfig, UpstreamProtocol};
use twinkeep_vault::files::read_bounded;

use crate::GateError;

/// Everything that the courier is told, once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamPlans {
    /// Those that the system trusts, in base64, if anybody needs them.
    system_roots: Vec<String>,
    each: Vec<Plan>,
}

/// One upstream.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Plan {
    pub(crate) name: String,
    /// A name or an address, without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    /// Host and port, as a request names them.
    pub(crate) authority: String,
    /// What takes the place of the configured path; begins and ends in `/`.
    pub(crate) base: String,
    pub(crate) secured: bool,
    /// The authorities to trust, in base64; none for those of the system.
    pub(super) roots: Option<Vec<String>>,
    pub(crate) pin: Option<Vec<u8>>,
    pub(crate) protocol: UpstreamProtocol,
    pub(crate) connect_seconds: u32,
    pub(crate) answer_seconds: u32,
    pub(crate) idle_seconds: u32,
}

impl UpstreamPlans {
    /// Takes what an operator chose, checked by [`twinkeep_app::Config::check`].
    pub fn new(configs: &[UpstreamConfig]) -> Result<Self, GateError> {
        let each: Vec<Plan> = configs.iter().map(Plan::new).collect::<Result<_, _>>()?;
        let system = each.iter().any(|plan| plan.secured && plan.roots.is_none());
        let system_roots = if system {
            rustls_native_certs::load_native_certs().certs.iter().map(text).collect()
        } else {
            Vec::new()
        };
        Ok(Self { system_roots, each })
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.each.is_empty()
    }

    /// Returns the longest time, in seconds, that the beginning of an answer may take.
    pub fn answer_seconds_max(&self) -> u32 {
        let time = |plan: &Plan| plan.connect_seconds.saturating_add(plan.answer_seconds);
        self.each.iter().map(time).max().unwrap_or(0)
    }

    pub(crate) fn each(&self) -> &[Plan] {
        &self.each
    }

    /// Returns the ports to connect to.
    pub(crate) fn ports(&self) -> Vec<u16> {
        self.each.iter().map(|plan| plan.port).collect()
    }

    /// Returns whether a host is a name, so that its address must be asked for.
    pub(crate) fn has_names(&self) -> bool {
        self.each.iter().any(|plan| plan.host.parse::<std::net::IpAddr>().is_err())
    }

    /// Returns whom to believe about an upstream.
    pub(crate) fn roots_of(&self, plan: &Plan) -> Vec<CertificateDer<'static>> {
        let texts = plan.roots.as_ref().unwrap_or(&self.system_roots);
        texts.iter().filter_map(|text| STANDARD_NO_PAD.decode(text).ok()).map(Into::into).collect()
    }
}

impl Plan {
    fn new(config: &UpstreamConfig) -> Result<Self, GateError> {
        let address = || GateError::Upstream { name: config.name.clone(), what: "its address" };
        let (scheme, rest) = config.url.split_once("://").ok_or_else(address)?;
        let (authority, base) = rest.split_once('/').ok_or_else(address)?;
        let uri: axum::http::uri::Authority = authority.parse().map_err(|_| address())?;
        let secured = scheme == "https";
        let host = uri.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self {
            name: config.name.clone(),
            host,
            port: uri.port_u16().unwrap_or(if secured { 443 } else { 80 }),
            authority: authority.to_owned(),
            base: format!("/{base}"),
            secured,
            roots: roots(config)?,
            pin: config.pinned(),
            protocol: config.protocol,
            connect_seconds: config.connect_seconds,
            answer_seconds: config.answer_seconds,
            idle_seconds: config.idle_seconds,
        })
    }

    /// `http` or `https`.
    pub(crate) fn scheme(&self) -> &'static str {
        if self.secured { "https" } else { "http" }
    }
}

fn roots(config: &UpstreamConfig) -> Result<Option<Vec<String>>, GateError> {
    let Some(path) = &config.ca else { return Ok(None) };
    let unusable = || GateError::Upstream { name: config.name.clone(), what: "its `ca`" };
    let pem = read_bounded(path, CA_LEN_MAX).map_err(|_| unusable())?;
    let roots: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|_| unusable())?;
    if roots.is_empty() {
        return Err(unusable());
    }
    Ok(Some(roots.iter().map(text).collect()))
}

fn text(certificate: &CertificateDer<'_>) -> String {
    STANDARD_NO_PAD.encode(certificate)
}

/// A whole store of authorities has some 250 KiB.
const CA_LEN_MAX: u64 = 4 << 20;
