//! The API: one file a resource. A handler reads the wire type, calls one use case, and answers.

pub(crate) mod certificates;
pub(crate) mod changes;
pub(crate) mod events;
pub(crate) mod feed_decisions;
pub(crate) mod feeds;
pub(crate) mod health;
pub(crate) mod ledger;
pub(crate) mod models;
pub(crate) mod openapi;
pub(crate) mod predict;
pub(crate) mod subjects;
pub(crate) mod time;
pub(crate) mod twins;
pub(crate) mod upload_head;
pub(crate) mod what_follows;
