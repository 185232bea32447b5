//! What an operator watches: counts and times in the text format of OpenMetrics and Prometheus.
//!
//! They are served on a listener of their own ([`scrape`]), in the clear, to whoever reaches it; so
//! they say how much was asked and how it went, and never who asked or about whom.
//!
//! # Invariants
//!
//! - Every label is one of a fixed set: a route as a pattern, a method, a status, a code, the name of
//!   a count, or the version in service. No request can make a new one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::http::Method;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::gate::Gate;
use crate::use_case;

pub(crate) mod scrape;
#[cfg(test)]
mod tests;

/// What the gate measures.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram>,
    refusals: Family<CodeLabels, Counter>,
    turned_away: Family<ReasonLabels, Counter>,
    under_way: Gauge,
    streams: Gauge,
    ledger_entries: Gauge<u64, AtomicU64>,
    model: Family<ModelLabels, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    method: Verb,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ModelLabels {
    version: String,
    pack: String,
}

/// A method of the standard; a client may make others up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Verb(&'static str);

impl EncodeLabelValue for Verb {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }
}

impl Verb {
    pub(crate) fn of(method: &Method) -> Self {
        let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"];
        Self(known.into_iter().find(|known| *known == method.as_str()).unwrap_or("other"))
    }

    /// Returns the name, or `other`.
    pub(crate) fn name(self) -> &'static str {
        self.0
    }
}

/// A request that was answered.
pub(crate) struct Answered {
    /// The route as a pattern; empty if there is none.
    pub(crate) route: &'static str,
    pub(crate) method: Verb,
    pub(crate) status: u16,
    /// Why it was refused, if it was.
    pub(crate) code: Option<&'static str>,
    /// From its head to its answer's head, the entry of the ledger included.
    pub(crate) took: Duration,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("twinkeep");
        let requests = Family::default();
        registry.register("requests", "Requests that were answered", requests.clone());
        let seconds: Family<RouteLabels, Histogram> = Family::new_with_constructor(histogram);
        let told = "Time from a request's head to its answer's, its entry of the ledger included";
        registry.register_with_unit("request", told, Unit::Seconds, seconds.clone());
        let refusals = Family::default();
        registry.register("refusals", "Requests that were refused, by code", refusals.clone());
        let turned_away = Family::default();
        let told = "What was counted instead of being recorded singly, by reason";
        registry.register("turned_away", told, turned_away.clone());
        let under_way = Gauge::default();
        registry.register(
            "requests_under_way",
            "Requests that wait for an answer",
            under_way.clone(),
        );
        let streams = Gauge::default();
        registry.register("streams", "Streams of changes that are open", streams.clone());
        let ledger_entries = Gauge::default();
        registry.register("ledger_entries", "Entries of the ledger", ledger_entries.clone());
        let model = Family::default();
        registry.register("model_in_service", "The version that forecasts", model.clone());
        Self {
            registry,
            requests,
            seconds,
            refusals,
            turned_away,
            under_way,
            streams,
            ledger_entries,
            model,
        }
    }

    /// Counts an answer.
    pub(crate) fn answered(&self, answered: &Answered) {
        let &Answered { route, method, status, code, took } = answered;
        let route = if route.is_empty() { NO_ROUTE } else { route };
        self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
        self.seconds.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
        if let Some(code) = code {
            self.refusals.get_or_create(&CodeLabels { code }).inc();
        }
    }

    fn count_turned_away(&self, totals: &BTreeMap<&'static str, u64>) {
        for (&reason, &total) in totals {
            let counter = self.turned_away.get_or_create(&ReasonLabels { reason });
            counter.inc_by(total.saturating_sub(counter.get()));
        }
    }
}

/// Writes everything as it is now.
pub(crate) async fn render(gate: &Arc<Gate>) -> Option<String> {
    let metrics = &gate.metrics;
    let (entries, version) =
        use_case::blocking(gate, |app| (app.ledger_entries().ok(), app.served_version().ok()))
            .await
            .ok()?;
    metrics.count_turned_away(&gate.tally.totals());
    metrics.count_turned_away(&BTreeMap::from([
        (QUESTIONS_LOST, gate.app.questions_lost()),
        (KEY_USES_LOST, gate.app.unwritten_uses()),
    ]));
    let under_way = gate.settings.request_count_max - gate.permits.available_permits();
    metrics.under_way.set(i64::try_from(under_way).unwrap_or(i64::MAX));
    metrics.streams.set(i64::try_from(gate.streams.count()).unwrap_or(i64::MAX));
    metrics.ledger_entries.set(entries.unwrap_or_default());
    metrics.model.clear();
    if let Some(version) = version {
        let pack = gate.app.pack().name().to_owned();
        metrics.model.get_or_create(&ModelLabels { version, pack }).set(1);
    }
    let mut text = String::new();
    encode(&mut text, &metrics.registry).ok()?;
    Some(text)
}

/// From half a millisecond to half a minute, doubling.
fn histogram() -> Histogram {
    Histogram::new((0..17).map(|power| 0.000_5 * f64::from(1 << power)))
}

/// Questions that were answered, and found no room to be looked at.
const QUESTIONS_LOST: &str = "questions-lost";

/// Uses of keys that could not be written into the catalog: when they were used last is not known.
const KEY_USES_LOST: &str = "key-uses-lost";

/// The route of what has none.
const NO_ROUTE: &str = "none";
