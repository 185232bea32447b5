//! The model in service: verified, decrypted, and ready to forecast.

use std::sync::Arc;

use twinkeep_forecast::Model;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::{LoadedModel, RegistryError, VersionId};
use twinkeep_vault::digest::{sha256, to_hex};

use crate::{App, AppError, Caller};

/// A version that is in service.
pub(crate) struct Served {
    /// Its name.
    pub(crate) version: String,
    /// SHA-256 over the digests of all its files, in hexadecimal.
    pub(crate) digest: String,
    /// SHA-256 of its training record, in hexadecimal.
    pub(crate) training_record: String,
    /// What forecasts.
    pub(crate) model: Model,
}

impl App {
    /// Returns the model in service; loads and verifies it when it changed.
    ///
    /// A version that does not verify is quarantined and recorded, and nothing is served.
    pub(crate) fn served(&self) -> Result<Arc<Served>, AppError> {
        let version = self.registry.in_service()?.ok_or_else(|| {
            AppError::refused("model-none", "no model is in service").hint(
                "train one with `twinkeep train`, then `twinkeep model release VERSION --reason ...`",
            )
        })?;
        let busy = || AppError::environment("model-lock", "the model in service cannot be used");
        let mut served = self.served.lock().map_err(|_| busy())?;
        match served.as_ref() {
            Some(current) if current.version == version.to_string() => Ok(Arc::clone(current)),
            _ => {
                let loaded = Arc::new(self.load(&version)?);
                *served = Some(Arc::clone(&loaded));
                Ok(loaded)
            }
        }
    }

    fn load(&self, version: &VersionId) -> Result<Served, AppError> {
        let loaded = self.registry.load(version).map_err(|error| self.distrust(version, error))?;
        let model = self.model_of(&loaded)?;
        let system = Caller::system();
        let entry =
            self.entry(&system, EventClass::EntityManagement, Activity::Read, "model.loaded");
        self.record(&entry.with("model", version.as_str()))?;
        let record = loaded.documents.get(TRAINING_RECORD).map(|record| to_hex(&sha256(record)));
        Ok(Served {
            version: version.to_string(),
            digest: loaded.digest.clone(),
            training_record: record.unwrap_or_default(),
            model,
        })
    }

    /// Puts the model of a version together, if it was made for this keep's pack.
    pub(crate) fn model_of(&self, loaded: &LoadedModel) -> Result<Model, AppError> {
        let version = &loaded.id;
        // The pack is signed with the model: another one would give each code another's trees.
        let trained_for = loaded.documents.get("pack.toml").map(|pack| sha256(pack));
        if trained_for != Some(self.pack_sha256) {
            let attempt = format!("model `{version}` was trained for another pack");
            return Err(AppError::refused("model-pack", attempt)
                .hint("train a new version with `twinkeep train`"));
        }
        Model::from_tensors(&self.pack, &loaded.tensors).map_err(|error| {
            let attempt = format!("model `{version}` cannot be used with this keep's pack");
            AppError::refused(error.code(), attempt).because(error)
        })
    }

    /// Takes a version that is not what was signed out of reach, and records why.
    ///
    /// Returns the error to answer with: what failed, or that it could not be contained.
    pub(crate) fn distrust(&self, version: &VersionId, error: RegistryError) -> AppError {
        let changed = matches!(error, RegistryError::Verification { .. });
        let code = error.code();
        let error = AppError::from(error);
        if !changed {
            return error;
        }
        let system = Caller::system();
        let entry = self
            .entry(&system, EventClass::DetectionFinding, Activity::Create, "model.quarantined")
            .severity(Severity::High)
            .with("model", version.as_str())
            .with("reason", code);
        let contained = self
            .registry
            .quarantine(version, &system.id, code, self.now())
            .map_err(AppError::from)
            .and_then(|()| self.remember_registry())
            .and_then(|()| self.record(&entry));
        match contained {
            Ok(_) => error.hint(
                "it was moved to `models/quarantine`; release another version, and find out who \
                 could write to `models/`",
            ),
            Err(failure) => failure,
        }
    }
}

/// The document of a version that says what it was trained from.
const TRAINING_RECORD: &str = "training.json";
