//! Whether the files of a keep are their owner's alone; looked at whenever a keep opens.
//!
//! What holds secrets or people has mode 0600 in folders with 0700, and belongs to who runs the
//! program. Public keys, the configuration, and the pack may be read by others, not written.

use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use crate::{AppError, Layout};

/// Refuses a keep of which something can be read or changed by others.
///
/// The data files themselves are not looked at one by one: their folders let nobody else in.
pub(crate) fn check_modes(layout: &Layout) -> Result<(), AppError> {
    let store = layout.store();
    let folders = [
        layout.root().to_path_buf(),
        layout.keys(),
        layout.models(),
        layout.training(),
        layout.alerts(),
        layout.evidence(),
        store.join("events"),
        store.join("quarantine"),
        store.clone(),
        layout.ledger(),
    ];
    for folder in folders {
        check(&folder, PRIVATE_BITS, "700")?;
    }
    for name in ["catalog.sqlite", "catalog.sqlite-wal", "catalog.sqlite-shm", "keyring"] {
        check(&store.join(name), PRIVATE_BITS, "600")?;
    }
    for path in [layout.watermark(), layout.models().join("state.json")] {
        check(&path, PRIVATE_BITS, "600")?;
    }
    let keys = fs::read_dir(layout.keys()).map_err(|error| unreadable(&layout.keys(), error))?;
    for key in keys {
        let key = key.map_err(|error| unreadable(&layout.keys(), error))?;
        check(&key.path(), PRIVATE_BITS, "600")?;
    }
    for path in [layout.descriptor(), layout.config(), layout.pack(), layout.public()] {
        check(&path, WRITABLE_BITS, "go-w")?;
    }
    Ok(())
}

/// Looks at a file or folder, not at what a link leads to; one that is not there is somebody
/// else's to miss.
fn check(path: &Path, forbidden: u32, mode: &str) -> Result<(), AppError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(path, error)),
    };
    let shown = path.display();
    if metadata.permissions().mode() & forbidden != 0 {
        let what = if forbidden == WRITABLE_BITS { "changed" } else { "read or entered" };
        let attempt = format!("`{shown}` can be {what} by others");
        return Err(AppError::refused("keep-permissions", attempt)
            .hint(format!("run `chmod {mode} {shown}`, and ask who was there")));
    }
    check_owner(path, &metadata)
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), AppError> {
    let own = twinkeep_vault::process::effective_user();
    if metadata.uid() == own {
        return Ok(());
    }
    let attempt = format!("`{}` belongs to another user ({})", path.display(), metadata.uid());
    Err(AppError::refused("keep-owner", attempt).hint(format!(
        "run the program as that user, or `chown -R {own} {}` if the keep is yours",
        path.display()
    )))
}

fn unreadable(path: &Path, error: std::io::Error) -> AppError {
    AppError::environment("keep-read", format!("cannot look at `{}`", path.display()))
        .because(error)
}

/// Everything that lets somebody other than the owner in.
const PRIVATE_BITS: u32 = 0o077;

/// What lets somebody other than the owner change something.
const WRITABLE_BITS: u32 = 0o022;
