//! `/api/v1/feeds/{sender}/{sequence}`: sealed feeds, pushed in one request or in several.
//!
//! The address of a feed is its upload resource, in the terms of
//! draft-ietf-httpbis-resumable-upload: `PUT` begins (or is) an upload, `HEAD` says how far it is,
//! `PATCH` appends, `DELETE` cancels; and `GET` says what became of the feed.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use twinkeep_app::{
    Caller, DeliveryReport, DeliveryState, FeedAddress, Upload, UploadStart, cancel_upload,
    open_upload, show_delivery, store_delivery,
};
use twinkeep_vault::digest::Sha256;

use crate::api::upload_head::UploadHead;
use crate::gate::Gate;
use crate::json;
use crate::refusal::Refusal;
use crate::use_case;

type Place = Path<(String, String)>;

/// Takes a feed, or a part of one.
pub(crate) async fn receive(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path((sender, sequence)): Place,
    request: Request<Body>,
) -> Result<Response<Body>, Refusal> {
    let address = address(&sender, &sequence)?;
    if request.method() == Method::PATCH {
        json::require_type(request.headers(), PARTIAL)?;
    }
    let head = UploadHead::read(request.method(), request.headers())?;
    let size_max = gate.app.settings().gate.feed_size_max;
    if head.length.is_some_and(|length| size_max < head.offset.unwrap_or(0).saturating_add(length))
    {
        let message = "the feed is larger than this gate takes";
        return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "feed-size", message));
    }
    let (asked, place) = (caller.clone(), address.clone());
    let start = use_case::run(&gate, move |app| open_upload(app, &asked, &place)).await?;
    let upload = match start {
        UploadStart::Known(report) => return known(&head, &report),
        UploadStart::Open(upload) => upload,
    };
    let upload = match head.place(upload.offset()) {
        Ok(0) => blocking(&gate, upload, |upload| upload.undo(0)).await?,
        Ok(_) => upload,
        Err(refusal) => return Ok(moved(upload.offset(), refusal)),
    };
    let upload = take(&gate, upload, &head, request.into_body()).await?;
    if !head.complete {
        let upload = blocking(&gate, upload, |upload| upload.pause()).await?;
        return arriving(upload.offset());
    }
    let whole = head.whole_digest();
    let done = use_case::blocking(&gate, move |app| upload.complete(app, whole)).await?;
    done.map_err(|error| use_case::refuse(&error))?;
    answer(&store(&gate, caller, address).await?)
}

/// Says how far a feed is, in the headers only.
pub(crate) async fn offset(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path((sender, sequence)): Place,
) -> Result<Response<Body>, Refusal> {
    let address = address(&sender, &sequence)?;
    let report = use_case::run(&gate, move |app| show_delivery(app, &caller, &address)).await?;
    let mut response = use_case::recorded_json(&report)?;
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.body_mut() = Body::empty();
    response.headers_mut().remove("content-type");
    let size_max = gate.app.settings().gate.feed_size_max;
    mark(response.headers_mut(), &report, Some(size_max));
    Ok(response)
}

/// Says how far a feed is, and what became of it.
pub(crate) async fn show(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path((sender, sequence)): Place,
) -> Result<Response<Body>, Refusal> {
    let address = address(&sender, &sequence)?;
    let report = use_case::run(&gate, move |app| show_delivery(app, &caller, &address)).await?;
    let mut response = use_case::recorded_json(&report)?;
    mark(response.headers_mut(), &report, None);
    Ok(response)
}

/// Forgets what has arrived of a feed.
pub(crate) async fn cancel(
    State(gate): State<Arc<Gate>>,
    Extension(caller): Extension<Caller>,
    Path((sender, sequence)): Place,
) -> Result<Response<Body>, Refusal> {
    let address = address(&sender, &sequence)?;
    use_case::run(&gate, move |app| cancel_upload(app, &caller, &address)).await?;
    let mut response = use_case::recorded_json(&())?;
    *response.status_mut() = StatusCode::NO_CONTENT;
    *response.body_mut() = Body::empty();
    response.headers_mut().remove("content-type");
    Ok(response)
}

/// Stores feeds that were whole when the gate closed last, one after the other.
pub(crate) async fn store_waiting(gate: Arc<Gate>) {
    let waiting = use_case::blocking(&gate, twinkeep_app::waiting_deliveries).await;
    for address in waiting.into_iter().flatten().flatten() {
        // What becomes of it is in the ledger and in its status; here nobody waits for it.
        _ = store(&gate, Caller::system(), address).await;
    }
}

/// Stores a feed that is whole; if that takes long, the answer says that it waits.
async fn store(
    gate: &Arc<Gate>,
    caller: Caller,
    address: FeedAddress,
) -> Result<DeliveryReport, Refusal> {
    let (shared, place) = (Arc::clone(gate), address.clone());
    let job = tokio::spawn(async move {
        let _turn = shared.storing.acquire().await.map_err(|_| Refusal::busy())?;
        use_case::run(&shared, move |app| store_delivery(app, &caller, &place)).await
    });
    match tokio::time::timeout(STORE_WAIT, job).await {
        Ok(done) => done.map_err(|_| Refusal::bug())?,
        Err(_) => Ok(DeliveryReport::waiting(&address)),
    }
}

/// Appends a body; whatever ends it early, what has arrived stays.
async fn take(
    gate: &Arc<Gate>,
    mut upload: Upload,
    head: &UploadHead,
    mut body: Body,
) -> Result<Upload, Refusal> {
    let start = upload.offset();
    let mut digest = Sha256::default();
    let mut buffer: Vec<u8> = Vec::with_capacity(BUFFER_LEN);
    loop {
        let frame = body.frame().await;
        if let Some(Ok(frame)) = &frame {
            buffer.extend(frame.data_ref().map(Bytes::as_ref).unwrap_or_default());
        }
        let ended = !matches!(frame, Some(Ok(_)));
        if ended || BUFFER_LEN <= buffer.len() {
            digest.update(&buffer);
            let bytes = std::mem::replace(&mut buffer, Vec::with_capacity(BUFFER_LEN));
            upload = blocking(gate, upload, move |upload| upload.write(&bytes)).await?;
        }
        if let Some(Err(_)) = frame {
            blocking(gate, upload, |upload| upload.pause()).await?;
            let message = "the body ended early, or its chunks are malformed; what came is kept";
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "body-broken", message));
        }
        if ended {
            break;
        }
    }
    if head.content_digest.is_some_and(|expected| expected != digest.finish()) {
        blocking(gate, upload, move |upload| upload.undo(start)).await?;
        let message = "the body is not what `Content-Digest` says; it was forgotten";
        return Err(Refusal::unprocessable("digest-mismatch", message));
    }
    Ok(upload)
}

/// Works on the file of an upload, on a thread that may block.
async fn blocking(
    gate: &Arc<Gate>,
    mut upload: Upload,
    work: impl FnOnce(&mut Upload) -> Result<(), twinkeep_app::AppError> + Send + 'static,
) -> Result<Upload, Refusal> {
    let done = use_case::blocking(gate, move |_| work(&mut upload).map(|()| upload)).await?;
    done.map_err(|error| use_case::refuse(&error))
}

/// Answers who sends a feed that is here already.
fn known(head: &UploadHead, report: &DeliveryReport) -> Result<Response<Body>, Refusal> {
    if head.whole_digest().and_then(|digest| report.is(&digest)) == Some(false) {
        let message = "another feed of this sender with this number is here already";
        return Err(Refusal::new(StatusCode::CONFLICT, "feed-forked", message));
    }
    answer(report)
}

fn answer(report: &DeliveryReport) -> Result<Response<Body>, Refusal> {
    let mut response = use_case::recorded_json(report)?;
    if report.state == DeliveryState::Waiting {
        *response.status_mut() = StatusCode::ACCEPTED;
        let place = format!("/api/v1/feeds/{}/{}", report.sender, report.sequence);
        if let Ok(place) = HeaderValue::try_from(place) {
            response.headers_mut().insert(LOCATION, place);
        }
    }
    mark(response.headers_mut(), report, None);
    Ok(response)
}

fn arriving(offset: u64) -> Result<Response<Body>, Refusal> {
    let mut response =
        use_case::recorded_json(&serde_json::json!({ "state": "uploading", "offset": offset }))?;
    insert(response.headers_mut(), UPLOAD_OFFSET, &offset.to_string());
    insert(response.headers_mut(), UPLOAD_COMPLETE, "?0");
    Ok(response)
}

/// Tells a client that meant another place where the upload is.
fn moved(offset: u64, refusal: Refusal) -> Response<Body> {
    let mut response = axum::response::IntoResponse::into_response(refusal);
    insert(response.headers_mut(), UPLOAD_OFFSET, &offset.to_string());
    insert(response.headers_mut(), UPLOAD_COMPLETE, "?0");
    response
}

fn mark(headers: &mut HeaderMap, report: &DeliveryReport, size_max: Option<u64>) {
    let complete = report.state != DeliveryState::Uploading;
    insert(headers, UPLOAD_COMPLETE, if complete { "?1" } else { "?0" });
    if let Some(offset) = report.offset {
        insert(headers, UPLOAD_OFFSET, &offset.to_string());
    }
    if let Some(size_max) = size_max {
        insert(headers, UPLOAD_LIMIT, &format!("max-size={size_max}"));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::try_from(value) {
        headers.insert(name, value);
    }
}

fn address(sender: &str, sequence: &str) -> Result<FeedAddress, Refusal> {
    let plain = !sequence.is_empty() && sequence.bytes().all(|byte| byte.is_ascii_digit());
    let sequence = sequence.parse().ok().filter(|_| plain && !sequence.starts_with('0'));
    sequence.and_then(|sequence| FeedAddress::new(sender, sequence)).ok_or_else(Refusal::not_found)
}

const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const UPLOAD_COMPLETE: HeaderName = HeaderName::from_static("upload-complete");
const UPLOAD_LIMIT: HeaderName = HeaderName::from_static("upload-limit");

/// The type of a part, as the draft names it.
const PARTIAL: &str = "application/partial-upload";

/// One write to the disk, and what each upload holds in memory.
const BUFFER_LEN: usize = 256 * 1024;

/// Most feeds are stored sooner; a sender of a larger one asks again.
const STORE_WAIT: Duration = Duration::from_secs(20);
