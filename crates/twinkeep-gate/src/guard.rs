//! What stands before every route: who asks, and whether they ask too often.
//!
//! A caller with a valid key is charged to that key, everybody else to their address. A wrong key
//! is charged to the address too, so that guessing is no faster than asking without one.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use twinkeep_app::Caller;
use twinkeep_vault::SecretBytes;

use crate::audit::RequestAction;
use crate::credential;
use crate::edge::Peer;
use crate::gate::{Client, Gate};
use crate::refusal::Refusal;
use crate::use_case;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// Who shows an API key.
    Key,
    /// Who is signed in with a browser.
    Session,
}

/// What the audit entry needs to know, if the handler writes none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Note {
    /// The caller's id, if recognized.
    pub(crate) caller: Option<String>,
    /// The route, as a pattern; empty if there is none.
    pub(crate) route: &'static str,
    /// What was done, if it deserves an entry although it was not refused.
    pub(crate) action: Option<RequestAction>,
    /// Whether the route is everybody's: only then an answer may do without an entry.
    pub(crate) open: bool,
}

/// What a guard needs to know about its route.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) gate: Arc<Gate>,
    pub(crate) access: Access,
    pub(crate) route: &'static str,
}

/// Lets a request through to its handler, or refuses it.
pub(crate) async fn stand(
    State(post): State<Post>,
    mut request: Request<Body>,
    next: Next,
) -> Response<Body> {
    let Post { gate, access, route } = post;
    let Some(&peer) = request.extensions().get::<Peer>() else {
        return Refusal::bug().into_response();
    };
    let caller = match recognize(&gate, access, request.headers()).await {
        Ok(caller) => caller,
        Err(refusal) => return noted(refuse(&gate, peer, refusal), None, access, route),
    };
    let id = caller.as_ref().map(|caller| caller.id.clone());
    let client = id.clone().map_or(Client::of(peer), Client::Identity);
    let decision = gate.charge(&client);
    let response = if decision.allowed() {
        if let Some(caller) = caller {
            request.extensions_mut().insert(caller);
        }
        next.run(request).await
    } else {
        Refusal::rate_limited().into_response()
    };
    let mut response = noted(response, id, access, route);
    response.extensions_mut().insert(decision);
    response
}

/// Refuses a request of somebody unknown, at the cost of their address.
pub(crate) fn refuse(gate: &Gate, peer: Peer, refusal: Refusal) -> Response<Body> {
    let decision = gate.charge(&Client::of(peer));
    let refusal = if decision.allowed() { refusal } else { Refusal::rate_limited() };
    let mut response = refusal.into_response();
    response.extensions_mut().insert(decision);
    response
}

/// Recognizes the key that opened the request's session, if there is one and it still holds.
pub(crate) async fn signed_in(
    gate: &Arc<Gate>,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Refusal> {
    let Some(token) = credential::session_token(headers) else { return Ok(None) };
    let Some(key) = gate.sessions.key(token, gate.elapsed()) else { return Ok(None) };
    let caller = authenticate(gate, key).await?;
    if caller.is_none() {
        // Revoked or expired since: the session ends with its key.
        gate.sessions.close(token);
    }
    Ok(caller)
}

/// Asks the keep who an API key belongs to.
pub(crate) async fn authenticate(
    gate: &Arc<Gate>,
    key: Arc<SecretBytes>,
) -> Result<Option<Caller>, Refusal> {
    use_case::blocking(gate, move |app| {
        let key = std::str::from_utf8(key.expose()).unwrap_or_default();
        match app.authenticate(key) {
            Ok(caller) => Ok(Some(caller)),
            Err(error) if error.class() == twinkeep_app::Class::Refused => Ok(None),
            // A catalog that cannot be read recognizes nobody: fail closed.
            Err(_) => Err(Refusal::busy()),
        }
    })
    .await?
}

async fn recognize(
    gate: &Arc<Gate>,
    access: Access,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Refusal> {
    match access {
        Access::Open => Ok(None),
        Access::Key => {
            let key = credential::api_key(headers)?.ok_or_else(Refusal::unauthenticated)?;
            let key = Arc::new(SecretBytes::new(key.as_bytes().to_vec()));
            let caller = authenticate(gate, key).await?;
            caller.ok_or_else(Refusal::unauthenticated).map(Some)
        }
        Access::Session => {
            signed_in(gate, headers).await?.ok_or_else(Refusal::signed_out).map(Some)
        }
    }
}

fn noted(
    mut response: Response<Body>,
    caller: Option<String>,
    access: Access,
    route: &'static str,
) -> Response<Body> {
    let mut note = response.extensions_mut().remove::<Note>().unwrap_or_default();
    note.caller = note.caller.or(caller);
    note.route = route;
    note.open = access == Access::Open;
    response.extensions_mut().insert(note);
    response
}
