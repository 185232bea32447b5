//! The worker's way to the courier, which may die and be replaced.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use axum::http::{Request, Response};
use hyper::body::Incoming;
use tokio::sync::watch;

use super::fault::Fault;
use crate::isolation::{Outgoing, Sender, connect};

/// The way there, if there is one.
pub(crate) struct Outward(watch::Sender<Option<Sender>>);

impl Outward {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Takes the connection to a courier that has just been started.
    pub(crate) async fn attach(&self, socket: OwnedFd) -> io::Result<Sender> {
        let sender = connect(socket).await?;
        self.0.send_replace(Some(sender.clone()));
        Ok(sender)
    }

    /// Sends a request out.
    pub(crate) async fn send(
        &self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, Fault> {
        let mut way = self.0.subscribe();
        let open =
            |sender: &Option<Sender>| sender.as_ref().is_some_and(|sender| !sender.is_closed());
        let found = async { way.wait_for(open).await.ok().and_then(|sender| sender.clone()) };
        let found = tokio::time::timeout(PATIENCE, found).await;
        let mut sender = found.ok().flatten().ok_or(Fault::Courier)?;
        sender.send_request(request).await.map_err(|_| Fault::Courier)
    }
}

/// A courier that died is replaced within moments.
const PATIENCE: Duration = Duration::from_secs(5);
