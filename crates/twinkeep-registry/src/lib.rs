//! Model versions: signed, verified, released, quarantined.
//!
//! A version is a folder of encrypted weights and readable documents, signed as a whole (OpenSSF
//! Model Signing v1.0), so that the reference client verifies it. Its name is a digest of its
//! content. What may be done with a version is in one signed statement about all of them.
//! `docs/formats/model-version.md` specifies the files.
//!
//! # Life of a version
//!
//! 1. [`Registry::submit`] encrypts the weights under a key of their own, signs the folder, and
//!    records the version as a candidate.
//! 2. [`Registry::release`] verifies it and puts it into service; the version before it retires.
//! 3. [`Registry::load`] verifies it again, and gives its tensors as [`Verified`].
//! 4. [`Registry::quarantine`] takes away a version that is not what it was.
//!
//! # Invariants
//!
//! - Only [`Registry::load`] makes a [`Verified`], and only of a version in service.
//! - What was hashed is what is used: files are read once, into memory.
//! - No name from a caller or from a file becomes a path unless it is on the list of safe ones.

pub mod contents;
mod error;
mod imported;
mod material;
mod names;
pub mod oms;
mod registry;
mod state;
mod verified;
mod version;
mod weights;

pub use error::{RegistryError, VerificationError};
pub use imported::{ImportRecord, ImportStatus, ImportStep, Imported, ImportedFile, ModelId};
pub use names::{ImportId, VersionId};
pub use oms::OmsError;
pub use registry::{
    Decision, Exported, Import, Quarantined, Registry, RegistryKeys, Released, Report, is_export,
    read_export,
};
pub use state::{Approver, AttackNote, Mark, Status, Step, VersionRecord};
pub use verified::{LoadedModel, Verified};
pub use weights::WeightsError;
