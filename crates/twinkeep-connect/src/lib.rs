//! What Twinkeep opens to other systems as a client: databases, tunnels, message streams,
//! keys held elsewhere, and those who are alerted.
//!
//! A connection goes to whom it was meant for, or it is not made: certificates and host keys are
//! checked, and there is no mode that prefers a check over none.
//!
//! # Life of a query
//!
//! 1. [`DatabaseUrl`] is parsed; it holds no password, and one in it is refused.
//! 2. [`Tunnel::open`] starts the system's `ssh`, if the database is behind a bastion.
//! 3. [`Database::open`] speaks TLS to the server named in the URL, logs in, and begins one
//!    transaction that can only read and sees one state of the database.
//! 4. [`Database::copy`] gives the rows as a stream of CSV; memory does not grow with them.
//! 5. [`Database::finish`] ends the transaction: whoever stores what was read does so after it.
//!
//! # Invariants
//!
//! - Every function waits; none is async. The runtime under them is hidden.
//! - What a server says of a row is never in an error: it could show a value of a person.
//! - No secret is in an argument of a process, in a URL, or in a message.
//! - Nothing here reads a clock, the environment, or a configuration: whoever calls passes it.
//!   (TLS checks certificates against the system's time, as it must.)

#![deny(clippy::expect_used)]

pub mod alert;
mod database;
mod database_error;
mod database_url;
mod https;
pub mod kek;
mod key_set;
pub mod nats;
mod pgpass;
mod push;
mod query;
mod ssh;
mod tls;

pub use database::{Column, CopyReader, Database, DatabaseAdmin, DatabaseRequest, Security};
pub use database_error::{Answer, DatabaseError};
pub use database_url::{DatabaseUrl, Place, UrlError};
pub use https::{HttpsError, Trust};
pub use key_set::{discover_key_set, fetch_key_set};
pub use nats::{NatsError, NatsLogin, NatsRequest, NatsUrl};
pub use pgpass::find_password;
pub use push::{Part, PushAnswer, PushClient};
pub use query::{Newer, Query, QueryError};
pub use ssh::{SshTarget, Tunnel, TunnelError, TunnelRequest};
pub use tls::{ClientCertificate, TlsError, client_config};
