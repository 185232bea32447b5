//! Connects to upstreams from a process of its own: `twinkeep upstream check`.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::body::Body;
use axum::http::header::{ACCEPT, HeaderName, HeaderValue, USER_AGENT};
use axum::http::{Request, Uri};
use serde::Serialize;
use tokio::runtime::Builder;
use twinkeep_app::UpstreamConfig;
use twinkeep_vault::SecretBytes;

use super::courier::Courier;
use super::fault::{FAULT, Fault, UPSTREAM};
use super::plan::UpstreamPlans;
use crate::GateError;

/// What came of asking an upstream.
#[derive(Debug, Serialize)]
pub struct UpstreamCheck {
    /// What the ledger calls it.
    pub name: String,
    /// Whether it answers as it should.
    pub well: bool,
    /// What it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<&'static str>,
    /// How long that took.
    pub milliseconds: u64,
}

/// Asks each upstream once: its health path, or `url` itself, where any answer will do.
pub fn check_upstreams(
    configs: &[UpstreamConfig],
    logins: &BTreeMap<String, SecretBytes>,
) -> Result<Vec<UpstreamCheck>, GateError> {
    let plans = UpstreamPlans::new(configs)?;
    let courier = Courier::new(&plans)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| GateError::Threads { source })?;
    let check = |config: &UpstreamConfig| {
        let plan = plans.each().iter().find(|plan| plan.name == config.name);
        let base = plan.map_or("/", |plan| plan.base.as_str());
        runtime.block_on(ask(&courier, config, base, logins.get(&config.name)))
    };
    Ok(configs.iter().map(check).collect())
}

async fn ask(
    courier: &Courier,
    config: &UpstreamConfig,
    base: &str,
    login: Option<&SecretBytes>,
) -> UpstreamCheck {
    let path = config.health_path.as_deref().unwrap_or(base);
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(USER_AGENT, HeaderValue::from_static("twinkeep"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    if let Ok(name) = HeaderValue::try_from(config.name.as_str()) {
        headers.insert(UPSTREAM, name);
    }
    if let Some(login) = login
        && let Ok(name) = HeaderName::try_from(config.login_header.as_str())
        && let Ok(value) = HeaderValue::from_bytes(login.expose())
    {
        headers.insert(name, value);
    }
    let begun = Instant::now();
    let response = courier.carry(request).await;
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let fault = response.headers().get(FAULT).map(|fault| Fault::parse(fault).code());
    let status = fault.is_none().then(|| response.status().as_u16());
    let good = |status: u16| config.health_path.is_none() || (200..400).contains(&status);
    UpstreamCheck {
        name: config.name.clone(),
        well: status.is_some_and(good),
        status,
        fault,
        milliseconds,
    }
}
