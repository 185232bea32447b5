//! Model servers behind the gate: the whole guard stands in front of them.
//!
//! # Life of a request
//!
//! 1. A path that no route of the gate takes is looked up here ([`Upstreams::find`]).
//! 2. [`relay`] has the use case admit the caller, asks [`condition`] whether the server is to be
//!    asked at all, and writes the request anew ([`passage`]).
//! 3. The worker has no network: [`outward`] hands the request to the courier, a process that can
//!    connect to the configured ports and has no keep, no key, and no file ([`courier`]).
//! 4. What came of it is in the ledger before the answer leaves. The answer flows at the pace of
//!    who reads it.
//!
//! # Invariants
//!
//! - No credential of a client reaches an upstream, and nothing that a client says about itself is
//!   passed on as if the gate had said it.
//! - Requests are never passed on as bytes: one HTTP library takes them apart, another writes them.
//! - What an upstream says is believed about its answer and about nothing else.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use twinkeep_app::{UpstreamConfig, UpstreamState};

use crate::gate::Gate;

mod check;
pub(crate) mod condition;
pub(crate) mod courier;
mod dial;
pub(crate) mod fault;
pub(crate) mod outward;
mod passage;
mod plan;
pub(crate) mod relay;
mod switched;

pub use check::{UpstreamCheck, check_upstreams};
pub(crate) use passage::{named_by_connection, path_forwardable};
pub(crate) use plan::Plan;
pub use plan::UpstreamPlans;

use condition::Condition;
use outward::Outward;

/// All upstreams of a gate.
pub(crate) struct Upstreams {
    each: Vec<Arc<Upstream>>,
    /// The way to the process that connects to them.
    pub(crate) outward: Outward,
}

/// One of them.
pub(crate) struct Upstream {
    pub(crate) config: UpstreamConfig,
    pub(crate) plan: Plan,
    /// What policies call it.
    pub(crate) name: &'static str,
    /// The route, as the ledger has it.
    pub(crate) route: &'static str,
    /// One permit for each request that it is given at a time.
    places: Arc<Semaphore>,
    pub(crate) condition: Condition,
}

impl Upstreams {
    pub(crate) fn new(configs: &[UpstreamConfig], plans: &UpstreamPlans) -> Self {
        let of = |config: &UpstreamConfig| {
            let plan = plans.each().iter().find(|plan| plan.name == config.name)?;
            Some(Arc::new(Upstream {
                // A few strings of the configuration, which live as long as the process.
                name: config.name.clone().leak(),
                route: format!("{}*", config.path).leak(),
                places: Arc::new(Semaphore::new(config.request_count_max as usize)),
                condition: Condition::new(config),
                plan: plan.clone(),
                config: config.clone(),
            }))
        };
        let mut each: Vec<_> = configs.iter().filter_map(of).collect();
        // The longest path is looked at first.
        each.sort_by_key(|upstream| std::cmp::Reverse(upstream.config.path.len()));
        Self { each, outward: Outward::new() }
    }

    /// Returns all of them.
    pub(crate) fn each(&self) -> &[Arc<Upstream>] {
        &self.each
    }

    /// Returns the upstream under whose path this one is.
    pub(crate) fn find(&self, path: &str) -> Option<&Arc<Upstream>> {
        self.each.iter().find(|upstream| path.starts_with(&upstream.config.path))
    }
}

/// Looks after one upstream until the gate closes: asks whether it is well, and notes what changes.
pub(crate) async fn look_after(gate: Arc<Gate>, upstream: Arc<Upstream>) {
    let mut states: watch::Receiver<UpstreamState> = upstream.condition.subscribe();
    states.mark_changed();
    let every = Duration::from_secs(upstream.config.health_seconds.into());
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = states.changed() => {
                if changed.is_err() {
                    return;
                }
                let state = states.borrow_and_update().clone();
                let name = upstream.config.name.clone();
                // A ledger that cannot be written refuses every request; nothing is added here.
                _ = crate::use_case::blocking(&gate, move |app| {
                    twinkeep_app::note_upstream(app, &name, &state)
                })
                .await;
            }
            _ = ticks.tick(), if upstream.config.health_path.is_some() => {
                let well = relay::probe(&gate, &upstream).await;
                upstream.condition.probed(well);
            }
        }
    }
}
