//! Where things are inside a keep. ARCHITECTURE.md has the same table, with who writes what.

use std::path::{Path, PathBuf};

/// The paths of one keep.
#[derive(Clone, Debug)]
pub struct Layout {
    root: PathBuf,
}

impl Layout {
    /// Takes the folder of a keep, existing or not.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf() }
    }

    /// Returns the folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What the keep is and how its key is derived; holds no secret.
    pub fn descriptor(&self) -> PathBuf {
        self.root.join("keep.json")
    }

    /// The operator's choices.
    pub fn config(&self) -> PathBuf {
        self.root.join("twinkeep.toml")
    }

    /// The pack.
    pub fn pack(&self) -> PathBuf {
        self.root.join("pack.toml")
    }

    /// The policy as the operator edits it; the one in force is in the catalog.
    pub fn policy(&self) -> PathBuf {
        self.root.join("policy.cedar")
    }

    /// Wrapped private keys.
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// Public keys and certificates.
    pub fn public(&self) -> PathBuf {
        self.root.join("public")
    }

    /// The ledger.
    pub fn ledger(&self) -> PathBuf {
        self.root.join("ledger")
    }

    /// The newest checkpoint that was seen, apart from the ledger: finds a ledger rolled back.
    pub fn anchor(&self) -> PathBuf {
        self.root.join("anchor")
    }

    /// How far the catalog and the registry have come: finds either of them rolled back.
    pub fn watermark(&self) -> PathBuf {
        self.root.join("watermark")
    }

    /// Model versions.
    pub fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Sealed feeds that were pushed and are not stored yet.
    pub fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// Alerts that wait to be delivered.
    pub fn alerts(&self) -> PathBuf {
        self.root.join("alerts")
    }

    /// What was there when something was noticed.
    pub fn evidence(&self) -> PathBuf {
        self.root.join("evidence")
    }

    /// How drift is judged, where the operator wants it otherwise than usual.
    pub fn drift(&self) -> PathBuf {
        self.root.join("drift.toml")
    }

    /// What is done about incidents, where the operator wants it otherwise than usual.
    pub fn playbooks(&self) -> PathBuf {
        self.root.join("playbooks")
    }

    /// Held by whoever contains an incident.
    pub fn containing(&self) -> PathBuf {
        self.store().join("containment.lock")
    }

    /// Held by whoever does something on the host for an incident.
    pub fn containing_on_host(&self) -> PathBuf {
        self.store().join("containment-on-host.lock")
    }

    /// What the poisoning panel knows of clean data and of senders.
    pub fn screening(&self) -> PathBuf {
        self.root.join("screening")
    }

    /// Reports of scans of the posture that the ledger has.
    pub fn scans(&self) -> PathBuf {
        self.root.join("scans")
    }

    /// What unfinished trainings have learned so far.
    pub fn training(&self) -> PathBuf {
        self.root.join("training")
    }

    /// Events, quarantine, and catalog.
    pub fn store(&self) -> PathBuf {
        self.root.join("store")
    }
}
