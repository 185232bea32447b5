//! `/`, `/sign-in`, `/sign-out`: the way in and out of the pages.
//!
//! One signs in by sending an API key in a form; the browser gets a cookie and forgets the key.

use std::sync::Arc;

use axum::Form;
use axum::body::Body;
use axum::extract::{FromRequest as _, State};
use axum::http::header::{HeaderMap, HeaderValue, LOCATION, SET_COOKIE};
use axum::http::{Request, Response, StatusCode};
use maud::{Markup, html};
use serde::Deserialize;
use twinkeep_app::{Caller, Scope};
use twinkeep_vault::SecretBytes;

use super::page;
use crate::address::AddressKey;
use crate::audit::RequestAction;
use crate::credential::{self, SESSION_COOKIE};
use crate::edge::Peer;
use crate::gate::Gate;
use crate::guard::{self, Note};
use crate::json;
use crate::refusal::Refusal;

/// The form.
#[derive(Deserialize)]
struct SignIn {
    key: String,
}

/// Shows the sign-in form, or goes on to the twins for who is signed in.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    headers: HeaderMap,
) -> Result<Response<Body>, Refusal> {
    if let Some(caller) = guard::signed_in(&gate, &headers).await? {
        return Ok(go_to(first_page(&caller)));
    }
    Ok(page("Sign in", None, &form(false)))
}

/// Opens a session for a valid key.
pub(crate) async fn sign_in(
    State(gate): State<Arc<Gate>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    require_same_origin(&request)?;
    let peer = request.extensions().get::<Peer>().cloned();
    json::require_type(request.headers(), "application/x-www-form-urlencoded")?;
    let (parts, body) = request.into_parts();
    let bytes =
        json::read_bytes(Request::from_parts(parts.clone(), body), gate.body_limits()).await?;
    let request = Request::from_parts(parts, Body::from(bytes));
    let form = Form::<SignIn>::from_request(request, &())
        .await
        .map_err(|_| Refusal::unprocessable("form-shape", "the form has one field, `key`"))?;
    let key = SecretBytes::new(form.0.key.trim().as_bytes().to_vec());
    let key = Arc::new(key);
    let address = peer.map(|peer| AddressKey::of(peer.address.ip()));
    let deaf = address.and_then(|address| gate.lockout.deaf(address, gate.elapsed()));
    if deaf.is_some() {
        return Err(Refusal::locked_out());
    }
    let Some(caller) = guard::authenticate(&gate, Arc::clone(&key)).await? else {
        let locked = address.and_then(|address| gate.lockout.failed(address, gate.elapsed()));
        return Err(locked.map_or_else(Refusal::unauthenticated, |_| Refusal::locked_out()));
    };
    let key = SecretBytes::new(key.expose().to_vec());
    let token = gate.sessions.open(&caller.id, key, gate.elapsed());
    let mut response = go_to(first_page(&caller));
    let cookie = format!("{SESSION_COOKIE}={token}; {COOKIE_RULES}");
    set_cookie(&mut response, &cookie)?;
    let action = Some(RequestAction::SignedIn);
    response.extensions_mut().insert(Note { caller: Some(caller.id), action, ..Note::default() });
    Ok(response)
}

/// Closes the session.
pub(crate) async fn sign_out(
    State(gate): State<Arc<Gate>>,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    require_same_origin(&request)?;
    let caller = guard::signed_in(&gate, request.headers()).await?;
    if let Some(token) = credential::session_token(request.headers()) {
        gate.sessions.close(token);
    }
    let mut response = go_to("/");
    set_cookie(&mut response, &format!("{SESSION_COOKIE}=; {COOKIE_RULES}; Max-Age=0"))?;
    let action = Some(RequestAction::SignedOut);
    let caller = caller.map(|caller| caller.id);
    response.extensions_mut().insert(Note { caller, action, ..Note::default() });
    Ok(response)
}

fn require_same_origin(request: &Request<Body>) -> Result<(), Refusal> {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    if credential::same_origin(request.headers(), authority) {
        return Ok(());
    }
    Err(Refusal::cross_site())
}

fn form(refused: bool) -> Markup {
    html! {
        section.sign-in {
            h1 { "Sign in" }
            p { "Live forecasts of the twins in this keep. Sign in with an API key." }
            @if refused {
                p.problem role="alert" { "This key is not valid." }
            }
            form method="post" action="/sign-in" {
                label for="key" { "API key" }
                input #key name="key" type="password" required autocomplete="current-password"
                    spellcheck="false" placeholder="tk_…";
                button type="submit" { "Sign in" }
            }
            (super::command("twinkeep key new NAME --scope twins:read --scope predict"))
        }
    }
}

/// The sign-in form again, after a key that is not valid.
pub(super) fn refused_form() -> Response<Body> {
    page("Sign in", None, &form(true))
}

/// Where somebody begins: at the twins, unless they may look at incidents only.
fn first_page(caller: &Caller) -> &'static str {
    let may = |scope| caller.scopes.contains(&scope);
    match may(Scope::ReadIncidents) && !may(Scope::ReadTwins) {
        true => "/incidents",
        false => "/twins",
    }
}

fn go_to(path: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, HeaderValue::from_static(path));
    response
}

fn set_cookie(response: &mut Response<Body>, cookie: &str) -> Result<(), Refusal> {
    let cookie = HeaderValue::try_from(cookie).map_err(|_| Refusal::bug())?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(())
}

/// No `Max-Age`: the cookie goes when the browser closes; the server ends it earlier.
const COOKIE_RULES: &str = "Path=/; Secure; HttpOnly; SameSite=Strict";
