//! The model in service: verified, decrypted, and ready to forecast.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use twinkeep_domain::Tensor;
use twinkeep_forecast::Model;
use twinkeep_ledger::{Activity, Class as EventClass, Severity};
use twinkeep_registry::{ImportId, LoadedModel, RegistryError, VersionId};
use twinkeep_vault::digest::{sha256, to_hex};
use twinkeep_watch::{Detection, Detector, Severity as FoundSeverity, Target};

use crate::canaries::Canaries;
use crate::incidents::{detected, note_detection};
use crate::mark_answers::Stretches;
use crate::probe_config::PROFILE_FILE;
use crate::train_model::weights_digest;
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
    /// What its weights were when it was loaded.
    weights_sha256: String,
    /// What it knows by heart.
    pub(crate) canaries: Option<Canaries>,
    /// Its profile, as it was signed. It stays: questions to the version before are still looked at
    /// when this one serves, and then it is read again.
    pub(crate) profile: Option<Vec<u8>>,
    /// How wide the stretches are by which answers are marked, once somebody probed.
    pub(crate) stretches: OnceLock<Stretches>,
}

impl Served {
    /// Returns whether the weights in memory are what was loaded.
    pub(crate) fn is_unchanged(&self) -> bool {
        weights_digest(&self.model.to_tensors()) == self.weights_sha256
    }
}

impl App {
    /// Returns the model in service; loads and verifies it when it changed.
    ///
    /// A version that does not verify is quarantined and recorded, and the backup answers in its
    /// place; without a backup, nothing does.
    pub(crate) fn served(&self) -> Result<Arc<Served>, AppError> {
        let mut version = self.registry.in_service()?.ok_or_else(none_in_service)?;
        loop {
            let error = match self.serve(&version) {
                Ok(served) => return Ok(served),
                Err(error) => error,
            };
            // Each turn takes a version away, so that this ends.
            match self.registry.in_service()? {
                Some(other) if other != version => version = other,
                _ => return Err(error),
            }
        }
    }

    /// Forgets the model in memory: whoever asks next gets it from the disk, verified.
    pub(crate) fn forget_served(&self) -> Result<(), AppError> {
        *self.served.lock().map_err(|_| busy())? = None;
        Ok(())
    }

    /// Returns the name of the version in service, without loading it.
    pub fn served_version(&self) -> Result<String, AppError> {
        let version = self.registry.in_service()?;
        version.map(|version| version.to_string()).ok_or_else(none_in_service)
    }

    /// Returns the model in memory, if one was loaded.
    pub(crate) fn served_already(&self) -> Result<Option<Arc<Served>>, AppError> {
        Ok(self.served.lock().map_err(|_| busy())?.clone())
    }

    fn serve(&self, version: &VersionId) -> Result<Arc<Served>, AppError> {
        let mut served = self.served.lock().map_err(|_| busy())?;
        match served.as_ref() {
            Some(current) if current.version == version.to_string() => Ok(Arc::clone(current)),
            _ => {
                let loaded = Arc::new(self.load(version)?);
                *served = Some(Arc::clone(&loaded));
                Ok(loaded)
            }
        }
    }

    fn load(&self, version: &VersionId) -> Result<Served, AppError> {
        let loaded = self.registry.load(version).map_err(|error| self.distrust(version, error))?;
        let profile = loaded.documents.get(PROFILE_FILE).cloned();
        let model = self.model_of(&loaded)?;
        let system = Caller::system();
        let entry =
            self.entry(&system, EventClass::EntityManagement, Activity::Read, "model.loaded");
        // Not with the entries of what only reads: the model stays in memory.
        self.record_at(&entry.with("model", version.as_str()))?;
        let canaries = self.canaries_of(&loaded);
        if let Some(canaries) = &canaries {
            // It goes on: weights are what was signed, and another version would fare no better.
            // The next look at all models reports it; here the model is locked.
            let _recorded = self.ask_canaries(version.as_str(), canaries, &model)?;
        }
        let record = loaded.documents.get(TRAINING_RECORD).map(|record| to_hex(&sha256(record)));
        Ok(Served {
            version: version.to_string(),
            digest: loaded.digest.clone(),
            training_record: record.unwrap_or_default(),
            weights_sha256: weights_digest(&model.to_tensors()),
            profile,
            canaries,
            stretches: OnceLock::new(),
            model,
        })
    }

    /// Puts the model of a version together, if it was made for this keep's pack.
    pub(crate) fn model_of(&self, loaded: &LoadedModel) -> Result<Model, AppError> {
        self.model_from(loaded.id.as_str(), &loaded.tensors, &loaded.documents)
    }

    /// As [`App::model_of`], for a model that is no version yet.
    pub(crate) fn model_from(
        &self,
        version: &str,
        tensors: &[Tensor],
        documents: &BTreeMap<String, Vec<u8>>,
    ) -> Result<Model, AppError> {
        // The pack is signed with the model: another one would give each code another's trees.
        let trained_for = documents.get("pack.toml").map(|pack| sha256(pack));
        if trained_for != Some(self.pack_sha256) {
            let attempt = format!("model `{version}` was trained for another pack");
            return Err(AppError::refused("model-pack", attempt)
                .hint("train a new version with `twinkeep train`"));
        }
        Model::from_tensors(&self.pack, tensors).map_err(|error| {
            let attempt = format!("model `{version}` cannot be used with this keep's pack");
            AppError::refused(error.code(), attempt).because(error)
        })
    }

    /// As [`App::distrust`], for a model from elsewhere.
    pub(crate) fn distrust_import(&self, id: &ImportId, error: RegistryError) -> AppError {
        let changed = matches!(error, RegistryError::Import { .. });
        let code = error.code();
        let error = AppError::from(error);
        if !changed {
            return error;
        }
        let system = Caller::system();
        let entry = self
            .entry(&system, EventClass::DetectionFinding, Activity::Create, "model.quarantined")
            .severity(Severity::High)
            .with("model", id.as_str())
            .with("reason", code);
        // Before anything is done, as for a version. Taken away, it is verified no more: there is
        // one incident of each.
        let says = format!("the imported model is not what was recorded of it ({code})");
        let noted = note_detection(self, &changed_on_disk(self, id.as_str(), &says));
        let contained = self
            .registry
            .quarantine_import(id, &system.id, code, self.now())
            .map_err(AppError::from)
            .and_then(|_| self.remember_registry())
            .and_then(|()| self.record(&entry));
        match noted.and(contained) {
            Ok(_) => error.hint("it is quarantined; find out who could write to `models/`"),
            Err(failure) => failure,
        }
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
        match self.contain(version, code) {
            Ok(Some(backup)) => error.hint(format!(
                "it was moved to `models/quarantine`, and the backup `{backup}` serves in its \
                 place; find out who could write to `models/`"
            )),
            Ok(None) => error.hint(
                "it was moved to `models/quarantine`; release another version, and find out who \
                 could write to `models/`",
            ),
            Err(failure) => failure,
        }
    }

    /// Quarantines a version; returns the backup that took its place, if it was in service.
    fn contain(
        &self,
        version: &VersionId,
        code: &'static str,
    ) -> Result<Option<VersionId>, AppError> {
        let system = Caller::system();
        // Before anything is done: killed after this, whoever resumes incidents goes on.
        let says = format!("the files of the version are not what was signed ({code})");
        let noted = note_detection(self, &changed_on_disk(self, version.as_str(), &says));
        let found = self.registry.quarantine(version, &system.id, code, self.now())?;
        self.remember_registry()?;
        let entry = self
            .entry(&system, EventClass::DetectionFinding, Activity::Create, "model.quarantined")
            .severity(Severity::High)
            .with("model", version.as_str())
            .with("reason", code);
        let entry = match &found.replaced_by {
            Some(backup) => entry.with("replaced_by", backup.as_str()),
            None => entry,
        };
        self.record_at(&self.seal_quarantined(version, entry))?;
        noted.map(|()| found.replaced_by)
    }
}

/// What is on the disk is not what it was. Whoever finds it takes it away; whoever resumes incidents
/// does the rest.
fn changed_on_disk(app: &App, model: &str, says: &str) -> Detection {
    let target = Target::Model(model.to_owned());
    detected(app, Detector::ModelIntegrity, target, FoundSeverity::Critical, says)
}

fn none_in_service() -> AppError {
    AppError::refused("model-none", "no model is in service")
        .hint("train one with `twinkeep train`, then `twinkeep model release VERSION --reason ...`")
}

fn busy() -> AppError {
    AppError::environment("model-lock", "the model in service cannot be used")
}

/// The document of a version that says what it was trained from.
const TRAINING_RECORD: &str = "training.json";
