//! The listener for metrics: HTTP/1.1 in the clear, one path, few connections, little time.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::headers;

/// What writes the metrics; nothing, if they cannot be had.
pub(crate) type Source =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Option<String>> + Send>> + Send + Sync>;

/// Serves until the task is dropped.
pub(crate) async fn run(listener: TcpListener, source: Source) {
    let permits = Arc::new(Semaphore::new(CONNECTION_COUNT_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        // Whoever finds no room comes again at the next interval.
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let source = Arc::clone(&source);
        tokio::spawn(async move {
            _ = tokio::time::timeout(CONNECTION_TIME, serve(stream, source)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, source: Source) {
    let service = service_fn(move |request| {
        let source = Arc::clone(&source);
        async move { Ok::<_, Infallible>(answer(&request, &source).await) }
    });
    // A client that breaks off has what it wanted, or will ask again.
    _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(HEAD_SIZE_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(request: &Request<Incoming>, source: &Source) -> Response<Body> {
    let found = match (request.method(), request.uri().path()) {
        (&Method::GET, "/metrics") => source().await.ok_or(StatusCode::SERVICE_UNAVAILABLE),
        (_, "/metrics") => Err(StatusCode::METHOD_NOT_ALLOWED),
        _ => Err(StatusCode::NOT_FOUND),
    };
    let mut response = Response::new(Body::empty());
    match found {
        Ok(text) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
            *response.body_mut() = Body::from(text);
        }
        Err(status) => *response.status_mut() = status,
    }
    headers::secure(&mut response);
    response
}

/// One or two programs ask, every few seconds.
const CONNECTION_COUNT_MAX: usize = 16;

/// From the first byte to the last: a scrape takes milliseconds.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// What a program that scrapes sends has some hundred bytes; hyper takes no less than this.
const HEAD_SIZE_MAX: usize = 8 * 1024;

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
