//! Why a model version was refused, or the registry could not be used.

use std::io;

use crate::{ImportId, OmsError, Status, VersionId, WeightsError};

/// Why the registry refused something, or could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// There is a registry in the folder already.
    #[error("the folder holds a registry already")]
    Exists,

    /// No version has this name.
    #[error("there is no model version `{id}`")]
    Unknown {
        /// What was asked for.
        id: VersionId,
    },

    /// The version's state does not permit what was asked.
    #[error("model version `{id}` is {status} and cannot be {action}")]
    Transition {
        /// Which version.
        id: VersionId,
        /// Its state.
        status: Status,
        /// What was asked.
        action: &'static str,
    },

    /// The version served before, and another one was released since.
    #[error("model version `{id}` was in service before, and serves again only by a rollback")]
    Older {
        /// Which version.
        id: VersionId,
    },

    /// Too few of the named approvers agreed.
    #[error("model version `{id}` needs the agreement of {required} approvers, and has {found}")]
    Approvals {
        /// Which version.
        id: VersionId,
        /// How many must agree.
        required: u32,
        /// How many did.
        found: usize,
    },

    /// Nobody but who put the version into quarantine agreed to take it out.
    #[error("model version `{id}` leaves quarantine only if a second person agrees")]
    SecondPerson {
        /// Which version.
        id: VersionId,
    },

    /// There is no version to go back to.
    #[error("no version that verifies was in service before")]
    NothingBefore,

    /// The list of approvers cannot be as asked.
    #[error("cannot change the approvers: {problem}")]
    Approver {
        /// Why not.
        problem: &'static str,
    },

    /// The version may have learned from somebody who was erased since.
    #[error("model version `{id}` may have learned from a person who was erased")]
    Marked {
        /// Which version.
        id: VersionId,
    },

    /// The version is not what was signed.
    #[error("model version `{id}` failed verification")]
    Verification {
        /// Which version.
        id: VersionId,
        /// What is wrong with it.
        source: VerificationError,
    },

    /// The report of an attack is not what was recorded.
    #[error(
        "the report of the attack `{kind}` on model version `{id}` is not authentic: {problem}"
    )]
    Report {
        /// Which version.
        id: VersionId,
        /// Which attack.
        kind: String,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The statement about all versions is not authentic.
    #[error("the registry's state is not authentic: {reason}")]
    State {
        /// What is wrong with it.
        reason: &'static str,
    },

    /// The state is older than one that was seen before.
    #[error("the registry's state was rolled back: it is number {found}, and {seen} was seen")]
    RolledBack {
        /// The number of the state on disk.
        found: u64,
        /// The newest number that was seen.
        seen: u64,
    },

    /// Something that was submitted cannot be taken.
    #[error("the model cannot be submitted: {problem}")]
    Submission {
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The tensors that were submitted cannot be stored.
    #[error("the model's tensors cannot be stored")]
    Tensors {
        /// What is wrong with them.
        source: WeightsError,
    },

    /// No imported material has this name.
    #[error("there is no imported model `{id}`")]
    ImportUnknown {
        /// What was asked for.
        id: ImportId,
    },

    /// Imported material that is in quarantine is not used.
    #[error("imported model `{id}` is quarantined and cannot be used")]
    ImportQuarantined {
        /// Which material.
        id: ImportId,
    },

    /// Imported material is not what was recorded.
    #[error("imported model `{id}` failed verification: {problem}")]
    Import {
        /// Which material.
        id: ImportId,
        /// What is wrong with it.
        problem: &'static str,
    },

    /// What is to be imported cannot be read as a model.
    #[error("the model cannot be imported")]
    ImportSource {
        /// What is wrong with it.
        source: OmsError,
    },

    /// The file system failed.
    #[error("cannot {action}")]
    Io {
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with a model version.
#[derive(Debug, thiserror::Error)]
pub enum VerificationError {
    /// A file cannot be read, or there is something that is no plain file.
    #[error("its folder cannot be read: {problem}")]
    Folder {
        /// What is wrong with it.
        problem: &'static str,
    },

    /// The signature does not hold, or the files are not those that were signed.
    #[error("its signature does not cover its files")]
    Signature {
        /// What is wrong.
        source: OmsError,
    },

    /// The content belongs to another version.
    #[error("its content is not that of its name")]
    Name,

    /// The data key does not open.
    #[error("its data key does not open")]
    Key,

    /// The weights do not open under the data key.
    #[error("its weights do not open under its data key")]
    Sealed,

    /// The weights are not the tensors of the manifest.
    #[error("its weights are not sound")]
    Weights {
        /// What is wrong with them.
        source: WeightsError,
    },
}

impl RegistryError {
    /// The name of this error in replies, in the ledger, and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Exists => "registry-exists",
            Self::Unknown { .. } => "model-unknown",
            Self::Transition { .. } => "model-state",
            Self::Older { .. } => "model-older",
            Self::Approvals { .. } => "model-approvals",
            Self::SecondPerson { .. } => "model-second-person",
            Self::NothingBefore => "model-nothing-before",
            Self::Approver { .. } => "approver",
            Self::Marked { .. } => "model-marked",
            Self::Verification { source, .. } => source.code(),
            Self::Report { .. } => "attack-report",
            Self::State { .. } => "registry-state",
            Self::RolledBack { .. } => "registry-rolled-back",
            Self::Submission { .. } => "model-submission",
            Self::Tensors { .. } => "model-tensors",
            Self::ImportUnknown { .. } => "model-unknown",
            Self::ImportQuarantined { .. } => "model-state",
            Self::Import { .. } => "model-import-changed",
            Self::ImportSource { source } => source.code(),
            Self::Io { .. } => "registry-io",
        }
    }

    pub(crate) fn io(action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, source }
    }
}

impl VerificationError {
    /// The name of this error in replies, in the ledger, and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Folder { .. } => "model-folder",
            Self::Signature { .. } => "model-signature",
            Self::Name => "model-name",
            Self::Key => "model-key",
            Self::Sealed => "model-sealed",
            Self::Weights { .. } => "model-weights",
        }
    }
}
