//! Every route, as data: what it is, who may use it, and what answers it.
//!
//! The router is built from this table, and a test holds `openapi.json` against it.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodRouter, any, delete, get, head, patch, post, put};
use tower::ServiceExt as _;
use twinkeep_app::PolicyAction::{
    Compare, DecideFeed, DeliverFeed, EraseSubject, Explain, ExportSubject, Follow, Forecast,
    ListTwins, Predict, ReadFeeds, ReadIncidents, ReadLedger, ReadModels, ReadTwin, RecordEvents,
    Simulate, WhatIf,
};

use crate::admin;
use crate::api::{
    cds_hooks, certificates, changes, events, feed_decisions, feeds, health, inference, ledger,
    models, openapi, predict, subjects, twins, what_follows,
};
use crate::door::Door;
use crate::edge::Peer;
use crate::gate::Gate;
use crate::guard::{self, Access, Post};
use crate::pages::{assets, home, incident_pages, model_pages, twin_pages, why_page};
use crate::refusal::Refusal;
use crate::upstream::{Upstream, relay};

/// One route.
pub(crate) struct Route {
    /// The method, in lower case as in OpenAPI.
    #[cfg_attr(not(test), expect(dead_code, reason = "only the OpenAPI test compares it"))]
    pub(crate) method: &'static str,
    /// The path, with `{id}` for what varies.
    pub(crate) path: &'static str,
    /// Who may use it, and what the policy calls it.
    pub(crate) access: Access,
    /// What answers.
    pub(crate) mount: fn() -> MethodRouter<Arc<Gate>>,
}

/// The API; `openapi.json` describes exactly these.
pub(crate) const API: &[Route] = &[
    Route {
        method: "post",
        path: "/predict",
        access: Access::Key(Predict),
        mount: || post(predict::predict),
    },
    Route {
        method: "post",
        path: "/api/v1/predict",
        access: Access::Key(Predict),
        mount: || post(predict::predict),
    },
    Route {
        method: "get",
        path: "/api/v1/twins",
        access: Access::Key(ListTwins),
        mount: || get(twins::list),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}",
        access: Access::Key(ReadTwin),
        mount: || get(twins::show),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/history",
        access: Access::Key(ReadTwin),
        mount: || get(twins::history),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/forecast",
        access: Access::Key(Forecast),
        mount: || get(twins::forecast),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/drivers",
        access: Access::Key(Explain),
        mount: || get(twins::drivers),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/trajectories",
        access: Access::Key(Simulate),
        mount: || get(what_follows::trajectories),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/what-if",
        access: Access::Key(WhatIf),
        mount: || get(what_follows::what_if),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/similar",
        access: Access::Key(Compare),
        mount: || get(what_follows::similar),
    },
    Route {
        method: "get",
        path: "/api/v1/twins/{id}/changes",
        access: Access::Key(Follow),
        mount: || get(changes::one),
    },
    Route {
        method: "get",
        path: "/api/v1/changes",
        access: Access::Key(Follow),
        mount: || get(changes::all),
    },
    Route {
        method: "post",
        path: "/api/v1/events",
        access: Access::Key(RecordEvents),
        mount: || post(events::record),
    },
    Route {
        method: "get",
        path: "/api/v1/feeds",
        access: Access::Key(ReadFeeds),
        mount: || get(feed_decisions::list),
    },
    Route {
        method: "get",
        path: "/api/v1/feeds/{id}",
        access: Access::Key(ReadFeeds),
        mount: || get(feed_decisions::show),
    },
    Route {
        method: "post",
        path: "/api/v1/feeds/{id}/release",
        access: Access::Key(DecideFeed),
        mount: || post(feed_decisions::release),
    },
    Route {
        method: "post",
        path: "/api/v1/feeds/{id}/reject",
        access: Access::Key(DecideFeed),
        mount: || post(feed_decisions::reject),
    },
    Route {
        method: "get",
        path: "/api/v1/models",
        access: Access::Key(ReadModels),
        mount: || get(models::list),
    },
    Route {
        method: "get",
        path: "/api/v1/models/{version}",
        access: Access::Key(ReadModels),
        mount: || get(models::show),
    },
    Route {
        method: "get",
        path: "/api/v1/subjects/{id}/export",
        access: Access::Key(ExportSubject),
        mount: || get(subjects::export),
    },
    Route {
        method: "delete",
        path: "/api/v1/subjects/{id}",
        access: Access::Key(EraseSubject),
        mount: || delete(subjects::erase),
    },
    Route {
        method: "get",
        path: "/api/v1/ledger/checkpoint",
        access: Access::Key(ReadLedger),
        mount: || get(ledger::checkpoint),
    },
    Route {
        method: "get",
        path: "/api/v1/ledger/tile/{*path}",
        access: Access::Key(ReadLedger),
        mount: || get(ledger::tile),
    },
    Route {
        method: "put",
        path: FEED,
        access: Access::Key(DeliverFeed),
        mount: || put(feeds::receive),
    },
    Route {
        method: "patch",
        path: FEED,
        access: Access::Key(DeliverFeed),
        mount: || patch(feeds::receive),
    },
    Route {
        method: "head",
        path: FEED,
        access: Access::Key(DeliverFeed),
        mount: || head(feeds::offset),
    },
    Route {
        method: "get",
        path: FEED,
        access: Access::Key(DeliverFeed),
        mount: || get(feeds::show),
    },
    Route {
        method: "delete",
        path: FEED,
        access: Access::Key(DeliverFeed),
        mount: || delete(feeds::cancel),
    },
    Route { method: "get", path: "/v2", access: Access::Open, mount: || get(inference::server) },
    Route {
        method: "get",
        path: "/v2/health/live",
        access: Access::Open,
        mount: || get(inference::live),
    },
    Route {
        method: "get",
        path: "/v2/health/ready",
        access: Access::Open,
        mount: || get(inference::ready),
    },
    Route {
        method: "get",
        path: "/v2/models/{name}",
        access: Access::Key(Predict),
        mount: || get(inference::model),
    },
    Route {
        method: "get",
        path: "/v2/models/{name}/ready",
        access: Access::Key(Predict),
        mount: || get(inference::model_ready),
    },
    Route {
        method: "post",
        path: "/v2/models/{name}/infer",
        access: Access::Key(Predict),
        mount: || post(inference::infer),
    },
    Route {
        method: "get",
        path: "/v2/models/{name}/versions/{version}",
        access: Access::Key(Predict),
        mount: || get(inference::model),
    },
    Route {
        method: "get",
        path: "/v2/models/{name}/versions/{version}/ready",
        access: Access::Key(Predict),
        mount: || get(inference::model_ready),
    },
    Route {
        method: "post",
        path: "/v2/models/{name}/versions/{version}/infer",
        access: Access::Key(Predict),
        mount: || post(inference::infer),
    },
    Route {
        method: "get",
        path: "/cds-services",
        access: Access::Open,
        mount: || get(cds_hooks::services),
    },
    Route {
        method: "post",
        path: "/cds-services/{id}",
        access: Access::Key(Forecast),
        mount: || post(cds_hooks::ask),
    },
    Route { method: "get", path: "/healthz", access: Access::Open, mount: || get(health::healthz) },
    Route {
        method: "get",
        path: "/ca.crl",
        access: Access::Open,
        mount: || get(certificates::revocation_list),
    },
    Route { method: "get", path: "/readyz", access: Access::Open, mount: || get(health::readyz) },
    Route {
        method: "get",
        path: "/openapi.json",
        access: Access::Open,
        mount: || get(openapi::document),
    },
];

/// One pushed feed.
const FEED: &str = "/api/v1/feeds/{sender}/{sequence}";

/// The pages, and what they load.
const PAGES: &[Route] = &[
    Route { method: "get", path: "/", access: Access::Open, mount: || get(home::show) },
    Route { method: "post", path: "/sign-in", access: Access::Open, mount: || post(home::sign_in) },
    Route {
        method: "post",
        path: "/sign-out",
        access: Access::Open,
        mount: || post(home::sign_out),
    },
    Route {
        method: "get",
        path: "/twins",
        access: Access::Session(ListTwins),
        mount: || get(twin_pages::list),
    },
    Route {
        method: "get",
        path: "/twins/{id}",
        access: Access::Session(Forecast),
        mount: || get(twin_pages::show),
    },
    Route {
        method: "get",
        path: "/twins/{id}/why",
        access: Access::Session(Explain),
        mount: || get(why_page::show),
    },
    Route {
        method: "get",
        path: "/models",
        access: Access::Session(ReadModels),
        mount: || get(model_pages::list),
    },
    Route {
        method: "get",
        path: "/models/{version}",
        access: Access::Session(ReadModels),
        mount: || get(model_pages::show),
    },
    Route {
        method: "get",
        path: "/incidents",
        access: Access::Session(ReadIncidents),
        mount: || get(incident_pages::list),
    },
    Route {
        method: "get",
        path: "/incidents/{id}",
        access: Access::Session(ReadIncidents),
        mount: || get(incident_pages::show),
    },
    Route {
        method: "get",
        path: "/incidents/{id}/report",
        access: Access::Session(ReadIncidents),
        mount: || get(incident_pages::report),
    },
    Route { method: "get", path: "/style.css", access: Access::Open, mount: || get(assets::style) },
    Route { method: "get", path: "/icon.svg", access: Access::Open, mount: || get(assets::icon) },
];

/// What answers at each door.
pub(crate) struct Routers {
    public: Router,
    admin: Router,
}

impl Routers {
    /// Builds both.
    pub(crate) fn new(gate: &Arc<Gate>) -> Self {
        Self { public: router(gate), admin: admin_router(gate) }
    }

    /// Returns what answers at a door.
    pub(crate) fn of(&self, door: Door) -> Router {
        match door {
            Door::Public => self.public.clone(),
            Door::Admin => self.admin.clone(),
        }
    }
}

/// Builds the router of the public listener.
pub(crate) fn router(gate: &Arc<Gate>) -> Router {
    mounted(gate, API.iter().chain(PAGES)).fallback(not_found).with_state(Arc::clone(gate))
}

/// Builds the router of the listener for operators.
fn admin_router(gate: &Arc<Gate>) -> Router {
    mounted(gate, admin::API.iter()).fallback(nothing_here).with_state(Arc::clone(gate))
}

fn mounted<'a>(gate: &Arc<Gate>, routes: impl Iterator<Item = &'a Route>) -> Router<Arc<Gate>> {
    let mut router = Router::new();
    for Route { path, access, mount, .. } in routes {
        let post = Post { gate: Arc::clone(gate), access: *access, route: path };
        router = router.route(path, mount().route_layer(from_fn_with_state(post, guard::stand)));
    }
    router.method_not_allowed_fallback(method_not_allowed)
}

/// Nothing of what clients reach is here, and no model server.
async fn nothing_here(State(gate): State<Arc<Gate>>, request: Request) -> Response<Body> {
    unmatched(&gate, &request, Refusal::not_found())
}

async fn not_found(State(gate): State<Arc<Gate>>, request: Request) -> Response<Body> {
    if let Some(upstream) = gate.upstreams.find(request.uri().path()) {
        return behind(&gate, Arc::clone(upstream), request).await;
    }
    unmatched(&gate, &request, Refusal::not_found())
}

/// Passes the guard, and then to a model server behind the gate. Where a route of the gate's own
/// takes the path, it has been taken before this.
async fn behind(gate: &Arc<Gate>, upstream: Arc<Upstream>, request: Request) -> Response<Body> {
    let access = Access::Upstream(upstream.name);
    let post = Post { gate: Arc::clone(gate), access, route: upstream.route };
    let state = Arc::clone(gate);
    let handler = any(move |request: Request| relay::answer(state, upstream, request));
    let guarded: MethodRouter = handler.layer(from_fn_with_state(post, guard::stand));
    match guarded.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

async fn method_not_allowed(State(gate): State<Arc<Gate>>, request: Request) -> Response<Body> {
    unmatched(&gate, &request, Refusal::method_not_allowed())
}

fn unmatched(gate: &Gate, request: &Request, refusal: Refusal) -> Response<Body> {
    match request.extensions().get::<Peer>() {
        Some(peer) => guard::refuse(gate, peer, refusal),
        None => axum::response::IntoResponse::into_response(Refusal::bug()),
    }
}
