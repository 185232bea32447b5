//! Use case: have nobody change what is in quarantine, not even root, where the configuration says so.
//!
//! Best effort: a version is taken away whether this succeeds or not, and whoever has the privileges
//! later does it then. Before a version is given back, a person with these privileges undoes it.

use twinkeep_ledger::{Activity, Class as EventClass, Entry};
use twinkeep_registry::{Decision, Status, VersionId};
use twinkeep_watch::host::is_immutable;

use crate::act_on_host::{quarantined_paths, seal_on_host, unseal_on_host};
use crate::{App, AppError, Caller};

impl App {
    /// Has nobody change the files of a version that was just taken away; says in the entry of that
    /// whether it succeeded, or why it did not.
    pub(crate) fn seal_quarantined(&self, version: &VersionId, entry: Entry) -> Entry {
        if !self.settings.host.immutable {
            return entry;
        }
        let sealed = seal_on_host(self, version);
        entry.with("immutable", sealed.map_or_else(|error| error.code(), |()| "yes"))
    }

    /// Returns whether nobody changes the files of a version in quarantine.
    pub(crate) fn is_sealed(&self, version: &VersionId) -> bool {
        let root = self.layout.root();
        let paths = quarantined_paths(root, version);
        !paths.is_empty() && paths.iter().all(|path| is_immutable(&root.join(path)))
    }

    /// Does it for all that is in quarantine, by whomever it was taken away.
    pub(crate) fn seal_what_is_quarantined(&self) -> Result<(), AppError> {
        if !self.settings.host.immutable {
            return Ok(());
        }
        for record in self.registry.list()? {
            let wanted = record.status == Status::Quarantined && !self.is_sealed(&record.id);
            // Without the privileges, nothing changed: that was said when it was taken away.
            if wanted && seal_on_host(self, &record.id).is_ok() && self.is_sealed(&record.id) {
                let class = EventClass::EntityManagement;
                let entry = self.entry(&Caller::system(), class, Activity::Update, "model.sealed");
                self.record(&entry.with("model", record.id.as_str()))?;
            }
        }
        Ok(())
    }

    /// Makes a version in quarantine a candidate again.
    pub(crate) fn restore_quarantined(
        &self,
        version: &VersionId,
        decision: &Decision<'_>,
    ) -> Result<(), AppError> {
        let root = self.layout.root();
        let paths = quarantined_paths(root, version);
        let sealed = paths.iter().any(|path| is_immutable(&root.join(path)));
        if sealed {
            unseal_on_host(self, version)?;
        }
        let restored = self.registry.restore(version, decision).map_err(AppError::from);
        if restored.is_err() && sealed {
            // It stays where it is, and as it was: now, or at the next check of the models. Why it was
            // not given back is what people have to know.
            let _ = seal_on_host(self, version);
        }
        restored.and_then(|()| self.remember_registry())
    }
}
