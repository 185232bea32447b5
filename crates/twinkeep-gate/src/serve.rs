//! Opens the gate and keeps it open until it is told to stop.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use rustls::server::ResolvesServerCert;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use twinkeep_app::App;

use crate::api::feeds;
use crate::door::Door;
use crate::edge::admission::Admission;
use crate::edge::{self, Edge, Lane};
use crate::gate::Gate;
use crate::isolation::{self, House, IsolationReport};
use crate::metrics::scrape;
use crate::routes::Routers;
use crate::tls::{self, Identities, certified, signing_key};
use crate::traces::Traces;
use crate::{
    GateError, GateSettings, TlsMaterial, audit, metrics, pipeline, streams, upstream, use_case,
};

#[cfg(test)]
mod tests;

/// Tells the gate to stop, or to show another certificate, from any thread. Dropping it stops the
/// gate too.
#[derive(Debug)]
pub struct Stopper {
    stop: Sender<bool>,
    chain: Showing,
}

/// Puts certificates of the server's key into the handshakes that begin from now on.
#[derive(Clone, Debug)]
pub(crate) struct Showing(Sender<Option<String>>);

impl Showing {
    /// Shows another certificate, if it is one of the key; connections that are open stay.
    pub(crate) fn certify(&self, material: &TlsMaterial) -> Result<(), GateError> {
        signing_key(material)?;
        self.0.send_replace(Some(material.cert_chain_pem.clone()));
        Ok(())
    }
}

/// What the gate listens to.
#[derive(Clone, Debug)]
pub struct Stop {
    pub(crate) told: Receiver<bool>,
    /// The chain to show from now on.
    pub(crate) chain: Receiver<Option<String>>,
    /// By which an operator who is elsewhere has it read again.
    pub(crate) showing: Showing,
}

/// Makes a pair: one for the gate, one for who may stop it.
pub fn stopper() -> (Stopper, Stop) {
    let (stop, told) = channel(false);
    let (sender, chain) = channel(None);
    let showing = Showing(sender);
    (Stopper { stop, chain: showing.clone() }, Stop { told, chain, showing })
}

impl Stopper {
    /// Stops the gate: no new connections; what is under way finishes, within bounds.
    pub fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// Shows another certificate of the same key in the handshakes that begin from now on, if it
    /// is one; connections that are open stay.
    pub fn certify(&self, material: &TlsMaterial) -> Result<(), GateError> {
        self.chain.certify(material)
    }
}

/// What is open.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Where clients come in.
    pub address: SocketAddr,
    /// Where operators do, if they have a listener of their own.
    pub admin: Option<SocketAddr>,
    /// How far the processes are confined, if they are several.
    pub isolation: Option<IsolationReport>,
}

/// Where the connections are.
#[derive(Debug)]
pub enum Front {
    /// In this process: for tests, and where isolation is switched off.
    Within,
    /// In a process of their own.
    Apart(House),
}

/// Serves until `stop`, and calls `opened` once it listens.
///
/// Blocks; the threads that it starts are gone when it returns. Requests that were answered are
/// recorded by then, and so are the counts of what was turned away.
pub fn serve(
    app: Arc<App>,
    settings: &GateSettings,
    tls: &TlsMaterial,
    front: Front,
    stop: Stop,
    opened: &mut dyn FnMut(Opened),
) -> Result<(), GateError> {
    let traces = settings.trace_file.as_deref().map(Traces::open).transpose()?;
    let gate =
        Arc::new(Gate::new(app, settings.clone()).tracing(traces).showing(stop.showing.clone()));
    let runtime = runtime(settings)?;
    let served = runtime.block_on(async {
        let counting = tokio::spawn(count(Arc::clone(&gate)));
        let storing = tokio::spawn(feeds::store_waiting(Arc::clone(&gate)));
        let watching = tokio::spawn(streams::watch(Arc::clone(&gate)));
        let closing = tokio::spawn(close_streams(Arc::clone(&gate), stop.clone()));
        let each = gate.upstreams.each().iter();
        let after: Vec<_> = each
            .map(|it| tokio::spawn(upstream::look_after(Arc::clone(&gate), Arc::clone(it))))
            .collect();
        let served = match front {
            Front::Within => serve_within(&gate, tls, stop, opened).await,
            Front::Apart(house) => {
                let routers = Routers::new(&gate);
                isolation::serve(Arc::clone(&gate), routers, house, tls, stop, opened).await
            }
        };
        match served {
            Ok(()) => _ = closing.await,
            Err(_) => closing.abort(),
        }
        watching.abort();
        after.iter().for_each(|task| task.abort());
        counting.abort();
        storing.abort();
        record_counts(&gate).await;
        served
    });
    // A use case that is still at work holds the keep's files; it is given the same grace.
    runtime.shutdown_timeout(settings.drain_time);
    served
}

async fn serve_within(
    gate: &Arc<Gate>,
    tls: &TlsMaterial,
    stop: Stop,
    opened: &mut dyn FnMut(Opened),
) -> Result<(), GateError> {
    let plans = &gate.settings.upstreams;
    if !plans.is_empty() {
        isolation::serve_courier_within(&gate.upstreams.outward, plans).await?;
    }
    let key = signing_key(tls)?;
    let identities = Identities::new(certified(&tls.cert_chain_pem, Arc::clone(&key))?);
    let routers = Routers::new(gate);
    let (listener, public) =
        door(gate, Door::Public, gate.settings.listen, &routers, &identities).await?;
    let admin = match gate.settings.admin_listen {
        Some(address) => Some(door(gate, Door::Admin, address, &routers, &identities).await?),
        None => None,
    };
    if let Some(address) = gate.settings.metrics_listen {
        let listen = |source| GateError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        let gate = Arc::clone(gate);
        let source = move || -> Pin<Box<dyn Future<Output = Option<String>> + Send>> {
            let gate = Arc::clone(&gate);
            Box::pin(async move { metrics::render(&gate).await })
        };
        tokio::spawn(scrape::run(listener, Arc::new(source)));
    }
    let bound = |listener: &TcpListener| {
        let address = gate.settings.listen;
        listener.local_addr().map_err(|source| GateError::Listen { address, source })
    };
    let address = bound(&listener)?;
    let at = admin.as_ref().map(|(listener, _)| bound(listener)).transpose()?;
    opened(Opened { address, admin: at, isolation: None });
    let Stop { told, mut chain, .. } = stop;
    let certifying = tokio::spawn(async move {
        while chain.changed().await.is_ok() {
            let chain = chain.borrow_and_update().clone().unwrap_or_default();
            if let Ok(identity) = certified(&chain, Arc::clone(&key)) {
                identities.replace(identity);
            }
        }
    });
    let admin = admin.map(|(listener, edge)| tokio::spawn(edge::run(edge, listener, told.clone())));
    edge::run(public, listener, told).await;
    if let Some(admin) = admin {
        _ = admin.await;
    }
    certifying.abort();
    Ok(())
}

/// Opens a listener, and what stands behind it.
async fn door(
    gate: &Arc<Gate>,
    door: Door,
    address: SocketAddr,
    routers: &Routers,
    identities: &Arc<Identities>,
) -> Result<(TcpListener, Vec<Lane>), GateError> {
    let shown = Arc::clone(identities) as Arc<dyn ResolvesServerCert>;
    let config = tls::config(shown, door.certificates(gate.settings.client_certificates))?;
    let listen = |source| GateError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let edge = edge(gate, door, routers.of(door), TlsAcceptor::from(config));
    Ok((listener, Lane::here(edge)))
}

fn runtime(settings: &GateSettings) -> Result<Runtime, GateError> {
    Builder::new_multi_thread()
        .thread_name("gate")
        .max_blocking_threads(blocking_thread_count(settings))
        .enable_all()
        .build()
        .map_err(|source| GateError::Threads { source })
}

/// Returns how many use cases may be at work at once.
pub(crate) fn blocking_thread_count(settings: &GateSettings) -> usize {
    settings.request_count_max.clamp(1, BLOCKING_THREAD_COUNT_MAX)
}

fn edge(gate: &Arc<Gate>, door: Door, router: Router, tls: TlsAcceptor) -> Edge {
    let settings = &gate.settings;
    let gate = Arc::clone(gate);
    Edge {
        tls,
        admission: Admission::new(
            door.connections(settings.connection_count_max),
            door.connections(settings.connection_count_per_address_max),
        ),
        limits: settings.edge(),
        tally: Arc::clone(&gate.tally),
        answer: Box::new(move |peer, request| {
            Box::pin(pipeline::answer(Arc::clone(&gate), router.clone(), peer, request))
        }),
    }
}

/// Ends what would go on for ever, when the gate is told to stop.
async fn close_streams(gate: Arc<Gate>, mut stop: Stop) {
    _ = stop.told.wait_for(|stop| *stop).await;
    gate.streams.close(gate.settings.drain_time).await;
}

/// Records the counts once per interval.
async fn count(gate: Arc<Gate>) {
    let mut ticks = interval(gate.settings.report_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        record_counts(&gate).await;
    }
}

async fn record_counts(gate: &Arc<Gate>) {
    gate.forget_haste();
    let counts = gate.tally.take();
    if counts.is_empty() {
        return;
    }
    let kept = counts.clone();
    let written = use_case::blocking(gate, move |app| audit::record_counts(app, &counts)).await;
    if !matches!(written, Ok(Ok(()))) {
        // The ledger is full or gone; every answer says so already. The counts wait.
        gate.tally.put_back(kept);
    }
}

/// Each may hold a model's working memory and one connection to the catalog.
const BLOCKING_THREAD_COUNT_MAX: usize = 64;
