//! Turns the errors of the crates below into errors for people: who can mend it, and how.

use twinkeep_ledger::LedgerError;
use twinkeep_registry::RegistryError;
use twinkeep_store::StoreError;

use crate::AppError;

impl From<LedgerError> for AppError {
    fn from(error: LedgerError) -> Self {
        let code = error.code();
        if error.is_tampering() {
            let hint = match &error {
                LedgerError::RolledBack { .. } => {
                    "if a snapshot of this keep was restored on this machine, use the restored \
                     one; otherwise stop using this keep, keep a copy of it, and find out who \
                     could write to `ledger/`"
                }
                _ => {
                    "stop using this keep, keep a copy of it, and find out who could write to \
                     `ledger/`"
                }
            };
            return Self::refused(code, "the ledger does not hold").because(error).hint(hint);
        }
        Self::environment(code, "the ledger cannot be used").because(error)
    }
}

impl From<StoreError> for AppError {
    fn from(error: StoreError) -> Self {
        let code = error.code();
        match &error {
            StoreError::FeedAlreadyIngested { .. } | StoreError::FeedReplayed { .. } => {
                Self::refused(code, "the feed was refused; nothing was stored").because(error)
            }
            StoreError::Damaged { .. }
            | StoreError::Sealed { .. }
            | StoreError::RowChanged { .. } => Self::refused(code, "the store does not hold")
                .because(error)
                .hint("restore the file from a backup, and find out who could write to `store/`"),
            StoreError::KeyDestroyed { .. } => Self::refused(code, "this data was destroyed")
                .because(error)
                .hint("it belongs to a copy from before an erasure or a rotation of the data keys"),
            StoreError::SubjectErased => Self::refused(code, "the store refused")
                .because(error)
                .hint("an erased person can be stored again under another site only"),
            StoreError::Keyring { .. } => Self::refused(code, "the keyring cannot be used")
                .because(error)
                .hint("put its newest backup back: `twinkeep keyring restore FILE`"),
            StoreError::SchemaVersion { .. } => {
                Self::usage(code, "the store cannot be opened").because(error).hint(
                    "make a new keep with `twinkeep init` and ingest the feeds again; before the \
                    first release, keeps are not carried over",
                )
            }
            StoreError::Busy => Self::environment(code, "the keep is in use")
                .because(error)
                .hint("wait until the other command is done, then run this one again"),
            StoreError::Incomplete { .. } => {
                Self::refused(code, "the snapshot is not whole").because(error).hint(
                    "give the newest backup of the keyring, or the keyring in the keep itself, \
                    or a newer snapshot; `--accept-loss` goes on without them",
                )
            }
            StoreError::Catalog { .. } | StoreError::File { .. } => {
                Self::environment(code, "the store cannot be used").because(error)
            }
            _ => Self::refused(code, "the store refused").because(error),
        }
    }
}

impl From<RegistryError> for AppError {
    fn from(error: RegistryError) -> Self {
        let code = error.code();
        match &error {
            RegistryError::Io { .. } => {
                Self::environment(code, "the model registry cannot be used").because(error)
            }
            RegistryError::State { .. } | RegistryError::RolledBack { .. } => {
                Self::refused(code, "the model registry does not hold")
                    .because(error)
                    .hint("restore `models/` from a backup, and find out who could write there")
            }
            RegistryError::Marked { .. } => Self::refused(code, "the model was refused")
                .because(error)
                .hint("train a new version with `twinkeep train`, and release that"),
            RegistryError::Unknown { .. } => Self::refused(code, "there is no such model version")
                .hint("`twinkeep model list` shows the versions"),
            _ => Self::refused(code, "the model was refused").because(error),
        }
    }
}
