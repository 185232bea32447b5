//! What can be done about an incident, as data: its place in the order, and what it is done to.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Something that can be done to contain what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Keeps digests of what lies there now, before anything is changed.
    PreserveEvidence,
    /// Puts the backup into service in the place of a version.
    ActivateBackup,
    /// Takes a version away.
    QuarantineModel,
    /// Answers no more requests of a route.
    CloseRoute,
    /// Answers no more requests of somebody.
    SuspendIdentity,
    /// Ends a key or a certificate, for good.
    RevokeCredential,
    /// Learns nothing from a feed.
    HoldFeed,
    /// Makes no new version.
    PauseTraining,
    /// Drops what comes to a port of this host.
    DropPort,
    /// Stops a service of this host.
    StopService,
    /// Holds a service of this host where it is.
    FreezeService,
    /// Tells people.
    Notify,
}

/// In which order things are done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// What proves it is kept first: containment changes what it is about.
    Preserve,
    /// Then service goes on without what is not trusted.
    Backup,
    /// Then it is cut off.
    Isolate,
    /// Then people are told.
    Notify,
}

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Takes {
    /// The keep as a whole.
    Keep,
    /// A model version.
    Model,
    /// A route of the gate.
    Route,
    /// Somebody who calls.
    Identity,
    /// A feed.
    Feed,
    /// A port of this host: `tcp/8443`.
    Port,
    /// A service of this host, by its name in the configuration.
    Service,
}

/// An action, and the name of what it is done to; empty, if that is the keep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// What is done.
    pub action: Action,
    /// To what.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub on: String,
}

impl Action {
    /// All of them, in the order of their phases.
    pub const ALL: [Self; 12] = [
        Self::PreserveEvidence,
        Self::ActivateBackup,
        Self::QuarantineModel,
        Self::CloseRoute,
        Self::SuspendIdentity,
        Self::RevokeCredential,
        Self::HoldFeed,
        Self::PauseTraining,
        Self::DropPort,
        Self::StopService,
        Self::FreezeService,
        Self::Notify,
    ];

    /// Returns the name in playbooks and in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::PreserveEvidence => "preserve-evidence",
            Self::ActivateBackup => "activate-backup",
            Self::QuarantineModel => "quarantine-model",
            Self::CloseRoute => "close-route",
            Self::SuspendIdentity => "suspend-identity",
            Self::RevokeCredential => "revoke-credential",
            Self::HoldFeed => "hold-feed",
            Self::PauseTraining => "pause-training",
            Self::DropPort => "drop-port",
            Self::StopService => "stop-service",
            Self::FreezeService => "freeze-service",
            Self::Notify => "notify",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }

    /// Returns when it is done.
    pub fn phase(self) -> Phase {
        match self {
            Self::PreserveEvidence => Phase::Preserve,
            Self::ActivateBackup => Phase::Backup,
            Self::QuarantineModel
            | Self::CloseRoute
            | Self::SuspendIdentity
            | Self::RevokeCredential
            | Self::HoldFeed
            | Self::PauseTraining
            | Self::DropPort
            | Self::StopService
            | Self::FreezeService => Phase::Isolate,
            Self::Notify => Phase::Notify,
        }
    }

    /// Returns what it is done to.
    pub fn takes(self) -> Takes {
        match self {
            Self::ActivateBackup | Self::QuarantineModel => Takes::Model,
            Self::CloseRoute => Takes::Route,
            Self::SuspendIdentity | Self::RevokeCredential => Takes::Identity,
            Self::HoldFeed => Takes::Feed,
            Self::DropPort => Takes::Port,
            Self::StopService | Self::FreezeService => Takes::Service,
            Self::PreserveEvidence | Self::PauseTraining | Self::Notify => Takes::Keep,
        }
    }

    /// Returns whether it can be undone. What only tells or keeps needs no undoing.
    pub fn reversible(self) -> bool {
        !matches!(self, Self::PreserveEvidence | Self::RevokeCredential | Self::Notify)
    }

    /// Returns whether it takes something away from somebody: what guard rails are about.
    pub fn contains(self) -> bool {
        matches!(self.phase(), Phase::Backup | Phase::Isolate)
    }

    /// Returns what undoes it; nothing, where that is needless or cannot be.
    pub fn undone_by(self) -> &'static str {
        match self {
            Self::PreserveEvidence | Self::RevokeCredential | Self::Notify => "",
            Self::ActivateBackup => "the version before serves again, if it was only retired",
            Self::QuarantineModel => "it is a candidate again, if it verifies and a second agrees",
            Self::CloseRoute => "the gate answers the route again",
            Self::SuspendIdentity => "the gate answers it again",
            Self::HoldFeed => "it is learned from again",
            Self::PauseTraining => "`train` goes on",
            Self::DropPort => "the port is taken out of the set, as before",
            Self::StopService => "the service is started, if it ran before",
            Self::FreezeService => "the service goes on, if it did before",
        }
    }

    /// Returns whether it is done on the host around the keep.
    pub fn is_on_host(self) -> bool {
        matches!(self.takes(), Takes::Port | Takes::Service)
    }

    /// Returns what holds once it is done.
    pub fn expected(self) -> &'static str {
        match self {
            Self::PreserveEvidence => "digests of what is concerned are in the incident",
            Self::ActivateBackup => "the backup is in service, verified and loaded",
            Self::QuarantineModel => "the version is in quarantine, and nothing loads it",
            Self::CloseRoute => "the gate refuses the route with `route-closed`",
            Self::SuspendIdentity => "the gate refuses it with `identity-suspended`",
            Self::RevokeCredential => "the credential opens nothing, for good",
            Self::HoldFeed => "nothing is learned from the feed",
            Self::PauseTraining => "`train` refuses with `training-paused`",
            Self::DropPort => "what comes to the port is dropped",
            Self::StopService => "the service does not run",
            Self::FreezeService => "the service does nothing, and keeps its memory",
            Self::Notify => "an alert waits for each channel that is configured",
        }
    }
}

impl Measure {
    /// Names an action and what it is done to.
    pub fn new(action: Action, on: &str) -> Self {
        Self { action, on: on.to_owned() }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on.as_str() {
            "" => f.write_str(self.action.name()),
            on => write!(f, "{} {on}", self.action.name()),
        }
    }
}
