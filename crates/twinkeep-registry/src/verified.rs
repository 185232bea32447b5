//! The mark that a model was verified, which nobody but the registry can give.

use std::collections::BTreeMap;
use std::ops::Deref;

use twinkeep_domain::Tensor;

use crate::VersionId;

/// Something that was verified against its signature and its state.
#[derive(Debug)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(inner)
    }

    /// Gives the mark up and the content out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// The content of a model version.
pub struct LoadedModel {
    /// Which version it is.
    pub id: VersionId,
    /// SHA-256 over the digests of all its files, in hexadecimal; the id is its beginning.
    pub digest: String,
    /// The weights, sorted by name.
    pub tensors: Vec<Tensor>,
    /// Everything else that was submitted, by name.
    pub documents: BTreeMap<String, Vec<u8>>,
}

impl std::fmt::Debug for LoadedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Weights are the business's secret.
        write!(f, "LoadedModel({})", self.id)
    }
}
