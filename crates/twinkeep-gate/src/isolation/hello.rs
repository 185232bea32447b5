//! What the worker tells an edge: how to behave, who to be, and when to stop.
//!
//! The worker's answer to the edge's first request never ends: each line of it is one of these.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sandbox::Confinement;
use crate::GateSettings;
use crate::door::Door;
use crate::edge::EdgeLimits;
use crate::edge::watch::StallLimits;
use crate::tls::ClientCertificates;

/// One line from the worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum Word {
    /// The first.
    Hello(Hello),
    /// Prove the server's name with these from now on.
    Identity(Identity),
    /// Finish what is under way, and end.
    Stop,
}

/// How the edge is to behave.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hello {
    pub(super) identity: Identity,
    pub(super) client_certificates: ClientCertificates,
    pub(super) connection_count_max: usize,
    pub(super) connection_count_per_address_max: usize,
    limits: Limits,
}

/// Whose name the edge proves, by signatures that the worker makes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Identity {
    pub(super) chain_pem: String,
    /// What the worker's key can sign with, by number, best first.
    pub(super) schemes: Vec<u16>,
}

/// [`EdgeLimits`] in milliseconds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    handshake: u64,
    head: u64,
    idle: u64,
    request: u64,
    read_rate_min: u64,
    write: u64,
    write_rate_min: u64,
    connection: u64,
    drain: u64,
}

/// What the edge says once it listens, and from time to time.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum Report {
    /// It listens, and found itself confined so.
    Ready(Confinement),
    /// What it turned away since it last said so.
    TurnedAway(BTreeMap<String, u64>),
}

impl Hello {
    pub(super) fn new(settings: &GateSettings, door: Door, identity: Identity) -> Self {
        let EdgeLimits { handshake, stall } = settings.edge();
        let limits = Limits {
            handshake: millis(handshake),
            head: millis(stall.head),
            idle: millis(stall.idle),
            request: millis(stall.request),
            read_rate_min: stall.read_rate_min,
            write: millis(stall.write),
            write_rate_min: stall.write_rate_min,
            connection: millis(stall.connection),
            drain: millis(stall.drain),
        };
        Self {
            identity,
            client_certificates: door.certificates(settings.client_certificates),
            connection_count_max: door.connections(settings.connection_count_max),
            connection_count_per_address_max: door
                .connections(settings.connection_count_per_address_max),
            limits,
        }
    }

    pub(super) fn limits(&self) -> EdgeLimits {
        let limits = &self.limits;
        EdgeLimits {
            handshake: Duration::from_millis(limits.handshake),
            stall: StallLimits {
                head: Duration::from_millis(limits.head),
                idle: Duration::from_millis(limits.idle),
                request: Duration::from_millis(limits.request),
                read_rate_min: limits.read_rate_min,
                write: Duration::from_millis(limits.write),
                write_rate_min: limits.write_rate_min,
                connection: Duration::from_millis(limits.connection),
                drain: Duration::from_millis(limits.drain),
            },
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
