//! What has become of the newest snapshot, as far as the entry about it says where it was written.
//!
//! Only its manifest is looked at, which is written last: `restore_keep` verifies all of it.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;
use twinkeep_posture::facts::Known;
use twinkeep_posture::facts::keep::Snapshot;

use crate::posture_evidence::digest;
use crate::snapshot_keep::MANIFEST;
use crate::{App, AppError, LedgerQuery, SearchWith, search_ledger};

/// Looks for the newest snapshot where it was written.
pub(crate) fn newest_snapshot(app: &App) -> Result<Known<Snapshot>, AppError> {
    let query = LedgerQuery {
        action: Some("keep.snapshotted".to_owned()),
        outcome: Some("success".to_owned()),
        ..LedgerQuery::default()
    };
    let found = search_ledger(app.layout().root(), &query, SearchWith::Index, 1)?;
    let said = |name: &str| found.last()?.details.get(name).and_then(Value::as_str);
    let (Some(folder), Some(sha256)) = (said("folder"), said("manifest_sha256")) else {
        let why = "its entry does not say where it was written";
        return Ok(Known::Unknown(why.to_owned()));
    };
    Ok(look(Path::new(folder), sha256))
}

fn look(folder: &Path, sha256: &str) -> Known<Snapshot> {
    let shown = || folder.display().to_string();
    let failed = match digest(&folder.join(MANIFEST)) {
        Ok(found) if found == sha256 => return Known::Seen(Snapshot::There),
        Ok(_) => return Known::Seen(Snapshot::Other { folder: shown() }),
        Err(error) => error,
    };
    let is_missing = |path: &Path| {
        std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound)
    };
    match failed.kind() {
        ErrorKind::NotFound if !is_missing(folder) => {
            Known::Seen(Snapshot::Other { folder: shown() })
        }
        // A folder that no longer is in the folder that it was made in was taken away; one without
        // that is on a medium that is not here now.
        ErrorKind::NotFound if folder.parent().is_some_and(is_missing) => {
            Known::Seen(Snapshot::Away { folder: shown() })
        }
        ErrorKind::NotFound => Known::Seen(Snapshot::Gone { folder: shown() }),
        _ => Known::Unknown(format!("`{}` cannot be read ({failed})", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::{MANIFEST, Snapshot, look};
    use crate::posture_evidence::digest;
    use twinkeep_posture::facts::Known;

    #[test]
    fn a_snapshot_is_there_changed_gone_or_away() {
        let place = tempfile::tempdir().unwrap();
        let medium = place.path().join("medium");
        let folder = medium.join("monday");
        fs::create_dir_all(&folder).unwrap();
        let manifest = folder.join(MANIFEST);
        let write = |text: &str| {
            fs::File::create(&manifest).unwrap().write_all(text.as_bytes()).unwrap();
        };
        write("the manifest");
        let sha256 = digest(&manifest).unwrap();
        let shown = || folder.display().to_string();
        let found = || look(&folder, &sha256);
        assert_eq!(found(), Known::Seen(Snapshot::There));
        write("another");
        assert_eq!(found(), Known::Seen(Snapshot::Other { folder: shown() }));
        fs::remove_file(&manifest).unwrap();
        assert_eq!(found(), Known::Seen(Snapshot::Other { folder: shown() }));
        fs::create_dir(&manifest).unwrap();
        assert!(matches!(found(), Known::Unknown(_)));
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found(), Known::Seen(Snapshot::Gone { folder: shown() }));
        fs::remove_dir(&medium).unwrap();
        assert_eq!(found(), Known::Seen(Snapshot::Away { folder: shown() }));
    }
}
