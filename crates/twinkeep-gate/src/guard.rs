//! What stands before every route: who asks, whether they ask too often, and whether the policy
//! permits it.
//!
//! A caller with a valid key is charged to that key, everybody else to their address. A wrong key
//! is charged to the address too, so that guessing is no faster than asking without one.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, Response};
use axum::middleware::Next;
use axum::response::IntoResponse as _;
use twinkeep_app::{AppError, Caller, Class, PolicyAction, Scope};
use twinkeep_vault::SecretBytes;

use crate::address::AddressKey;
use crate::audit::RequestAction;
use crate::credential;
use crate::edge::{Peer, ShownCertificates};
use crate::gate::{Client, Gate};
use crate::limiter::Decision;
use crate::refusal::Refusal;
use crate::tls::ClientCertificates;
use crate::use_case;

/// Who may use a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// Who shows an API key, an access token, or a client certificate, and may do this.
    Key(PolicyAction),
    /// Who is signed in with a browser, and may do this.
    Session(PolicyAction),
    /// Who shows an API key or an access token, and may use the upstream of this name.
    Upstream(&'static str),
    /// An operator who is elsewhere, by a client certificate and nothing else.
    Admin,
}

impl Access {
    /// Returns what the policy calls it, and the name of what it is done to.
    fn action(self) -> Option<(PolicyAction, Option<&'static str>)> {
        match self {
            Self::Open => None,
            Self::Key(action) | Self::Session(action) => Some((action, None)),
            Self::Upstream(name) => Some((PolicyAction::UseUpstream, Some(name))),
            Self::Admin => Some((PolicyAction::Administer, None)),
        }
    }

    /// Returns whether judging a request may have to wait for a disk. Of an API key everything is in
    /// memory, as of the version of the catalog; breaking the glass is recorded.
    fn waits(self, gate: &Gate, peer: &Peer, headers: &HeaderMap) -> bool {
        if gate.settings.client_certificates == ClientCertificates::Required {
            return true;
        }
        match self {
            Self::Open => false,
            Self::Session(_) | Self::Admin => true,
            Self::Key(_) | Self::Upstream(_) => {
                peer.certificates.is_some() || credential::may_wait(headers)
            }
        }
    }

    /// Returns whether a program shows a credential of its own.
    fn by_credential(self) -> bool {
        matches!(self, Self::Key(_) | Self::Upstream(_))
    }
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
    /// Why a credential was not taken: for the ledger, not for who showed it.
    pub(crate) reason: Option<&'static str>,
}

/// Nobody was recognized: what the client is told, and why.
pub(crate) struct Unknown {
    refusal: Refusal,
    reason: Option<&'static str>,
}

impl From<Refusal> for Unknown {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, reason: None }
    }
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
    let Some(peer) = request.extensions().get::<Peer>().cloned() else {
        return Refusal::bug().into_response();
    };
    let judged = if access.waits(&gate, &peer, request.headers()) {
        // One thread that may block does all of it: each change of threads costs more than the rest.
        let (gate, headers) = (Arc::clone(&gate), request.headers().clone());
        let work = move || judge(&gate, (access, route), &peer, &headers);
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Judged::bug())
    } else {
        judge(&gate, (access, route), &peer, request.headers())
    };
    if gate.app.has_unwritten_uses() {
        let gate = Arc::clone(&gate);
        // When a key was used last is not worth a refusal: what cannot be written is counted, and
        // told once.
        tokio::task::spawn_blocking(move || _ = gate.app.write_uses());
    }
    let Judged { verdict, id, reason, decision } = judged;
    let response = match verdict {
        Ok(caller) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    };
    let mut response = noted(response, id, access, route);
    if let Some(note) = response.extensions_mut().get_mut::<Note>() {
        note.reason = note.reason.or(reason);
    }
    if let Some(decision) = decision {
        response.extensions_mut().insert(decision);
    }
    response
}

/// What was found out about a request before its handler.
struct Judged {
    /// Who asks, as the policy lets them; nobody, of what is everybody's.
    verdict: Result<Option<Caller>, Refusal>,
    /// The caller's id, if recognized.
    id: Option<String>,
    /// Why a credential was not taken.
    reason: Option<&'static str>,
    /// What the limiter said.
    decision: Option<Decision>,
}

impl Judged {
    fn refused(refusal: Refusal, decision: Option<Decision>) -> Self {
        Self { verdict: Err(refusal), id: None, reason: None, decision }
    }

    /// The judging panicked.
    fn bug() -> Self {
        Self::refused(Refusal::bug(), None)
    }

    /// Somebody unknown, at the cost of their address.
    fn unknown(gate: &Gate, peer: &Peer, refusal: Refusal) -> Self {
        let decision = gate.charge(&Client::of(peer));
        let refusal = if decision.allowed() { refusal } else { Refusal::rate_limited() };
        Self::refused(refusal, Some(decision))
    }

    /// Somebody from an address that is locked, at no cost but theirs.
    fn locked(gate: &Gate, wait: Duration) -> Self {
        let decision = Decision::locked_out(gate.settings.address_rate, wait);
        Self::refused(Refusal::locked_out(), Some(decision))
    }
}

/// Finds out who asks, whether they ask too often, and whether the policy lets them. It may read the
/// catalog.
fn judge(gate: &Gate, post: (Access, &str), peer: &Peer, headers: &HeaderMap) -> Judged {
    let (access, route) = post;
    let address = AddressKey::of(peer.address.ip());
    if access.by_credential()
        && let Some(wait) = gate.lockout.deaf(address, gate.elapsed())
    {
        return Judged::locked(gate, wait);
    }
    if access != Access::Admin
        && let Err(error) = gate.app.refuse_closed_route(route)
    {
        return Judged::unknown(gate, peer, use_case::refuse(&error));
    }
    let caller = match recognize(gate, access, peer, headers) {
        Ok(caller) => caller,
        Err(Unknown { refusal, reason }) => {
            let failed = reason.and_then(|_| gate.lockout.failed(address, gate.elapsed()));
            let judged = match failed {
                Some(wait) => Judged::locked(gate, wait),
                None => Judged::unknown(gate, peer, refusal),
            };
            return Judged { reason, ..judged };
        }
    };
    let caller = match caller.map(|caller| credential::with_purpose(caller, headers)).transpose() {
        Ok(caller) => caller,
        Err(refusal) => return Judged::unknown(gate, peer, refusal),
    };
    let from = Some(address.mark());
    let caller = caller.map(|caller| Caller { from, ..caller });
    let id = caller.as_ref().map(|caller| caller.id.clone());
    // Whoever was never here and is right now may have guessed.
    let new = id.as_ref().filter(|_| access.by_credential());
    if let Some(wait) = new.and_then(|id| gate.lockout.recognized(address, id, gate.elapsed())) {
        return Judged::locked(gate, wait);
    }
    let client = id.clone().map_or(Client::of(peer), Client::Identity);
    let decision = gate.charge(&client);
    let suspended = id.as_ref().and_then(|id| gate.app.refuse_suspended(id).err());
    let verdict = match (decision.allowed(), suspended) {
        (false, _) => Err(Refusal::rate_limited()),
        (true, Some(error)) => Err(use_case::refuse(&error)),
        (true, None) => permit(gate, access, caller),
    };
    Judged { verdict, id, reason: None, decision: Some(decision) }
}

/// Asks the policy.
fn permit(gate: &Gate, access: Access, caller: Option<Caller>) -> Result<Option<Caller>, Refusal> {
    let (Some((action, name)), Some(caller)) = (access.action(), caller) else { return Ok(None) };
    if access == Access::Admin {
        caller.require(Scope::Administer).map_err(|error| use_case::refuse(&error))?;
    }
    let permitted = gate.app.permit_on(&caller, action, name);
    permitted.map(Some).map_err(|error| use_case::refuse(&error))
}

/// Refuses a request of somebody unknown, at the cost of their address.
pub(crate) fn refuse(gate: &Gate, peer: &Peer, refusal: Refusal) -> Response<Body> {
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
    let (gate, headers) = (Arc::clone(gate), headers.clone());
    blocking(move || of_session(&gate, &headers)).await
}

/// Asks the keep who an API key belongs to. No access token: a session would outlive it.
pub(crate) async fn authenticate(
    gate: &Arc<Gate>,
    key: Arc<SecretBytes>,
) -> Result<Option<Caller>, Refusal> {
    let gate = Arc::clone(gate);
    blocking(move || of_key(&gate, &key)).await
}

/// Does what may read the catalog on a thread that may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refusal> + Send + 'static,
) -> Result<T, Refusal> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Refusal::bug())?
}

fn of_session(gate: &Gate, headers: &HeaderMap) -> Result<Option<Caller>, Refusal> {
    let Some(token) = credential::session_token(headers) else { return Ok(None) };
    let Some(key) = gate.sessions.key(token, gate.elapsed()) else { return Ok(None) };
    let caller = of_key(gate, &key)?;
    if caller.is_none() {
        // Revoked or expired since: the session ends with its key.
        gate.sessions.close(token);
    }
    Ok(caller)
}

fn of_key(gate: &Gate, key: &SecretBytes) -> Result<Option<Caller>, Refusal> {
    let key = std::str::from_utf8(key.expose()).unwrap_or_default();
    ask(gate.app.authenticate(key)).map(Result::ok)
}

/// Takes what the keep says of who somebody is; if they are nobody, why.
fn ask<T>(said: Result<T, AppError>) -> Result<Result<T, &'static str>, Refusal> {
    match said {
        Ok(known) => Ok(Ok(known)),
        Err(error) if error.class() == Class::Refused => Ok(Err(error.code())),
        // A catalog that cannot be read recognizes nobody: fail closed.
        Err(_) => Err(Refusal::busy()),
    }
}

fn recognize(
    gate: &Gate,
    access: Access,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Unknown> {
    if !access.by_credential() && access != Access::Admin {
        admit(gate, peer)?;
    }
    match access {
        Access::Admin => recognize_operator(gate, peer, headers).map(Some),
        Access::Open => Ok(None),
        Access::Key(_) | Access::Upstream(_) => recognize_client(gate, peer, headers).map(Some),
        Access::Session(_) => Ok(Some(of_session(gate, headers)?.ok_or_else(Refusal::signed_out)?)),
    }
}

/// Recognizes whoever shows a key, a token, or a certificate.
fn recognize_client(gate: &Gate, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Unknown> {
    let shown = credential::shown(headers)?;
    if shown.is_none() && peer.certificates.is_none() {
        return Err(Refusal::unauthenticated().into());
    }
    match ask(gate.app.recognize_client(shown, &ders(peer.certificates.as_ref())))? {
        Ok(Some(caller)) => Ok(caller),
        Ok(None) => Err(Refusal::unauthenticated().into()),
        Err(reason) => Err(Unknown { refusal: Refusal::unauthenticated(), reason: Some(reason) }),
    }
}

/// Recognizes an operator by the certificate of the handshake. A key or a token is nobody's there:
/// who sends one has taken the listener for the other.
fn recognize_operator(gate: &Gate, peer: &Peer, headers: &HeaderMap) -> Result<Caller, Unknown> {
    if credential::shown(headers)?.is_some() {
        return Err(Refusal::certificate_only().into());
    }
    match ask(gate.app.recognize_operator(&ders(peer.certificates.as_ref())))? {
        Ok(caller) => Ok(caller),
        Err(reason) => Err(Unknown { refusal: Refusal::certificate_only(), reason: Some(reason) }),
    }
}

/// Refuses whoever shows no certificate that holds, where one is required: for what is everybody's,
/// and for pages, too.
fn admit(gate: &Gate, peer: &Peer) -> Result<(), Unknown> {
    if gate.settings.client_certificates != ClientCertificates::Required {
        return Ok(());
    }
    match ask(gate.app.admit_client(&ders(peer.certificates.as_ref())))? {
        Ok(()) => Ok(()),
        Err(reason) => Err(Unknown { refusal: Refusal::unauthenticated(), reason: Some(reason) }),
    }
}

fn ders(certificates: Option<&ShownCertificates>) -> Vec<&[u8]> {
    let chain = certificates.map_or(&[][..], ShownCertificates::chain);
    chain.iter().map(|certificate| certificate.as_ref()).collect()
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
