//! What has become of the newest snapshot, as far as the entry about it says where it was written.
//!
//! Its manifest is written last, and names all of its files: each has to be there as it was written,
//! or `restore_keep` would refuse it.

use std::io::ErrorKind;
use std::path::Path;

use serde_json::Value;
use twinkeep_posture::facts::Known;
use twinkeep_posture::facts::keep::Snapshot;
use twinkeep_vault::files::read_bounded;
use twinkeep_vault::sign::VerifyingKey;

use crate::posture_evidence::digest;
use crate::restore_keep::MANIFEST_SIZE_MAX;
use crate::snapshot_keep::{MANIFEST, MANIFEST_TYPE, Manifest};
use crate::{App, AppError, LedgerQuery, SearchWith, envelope, search_ledger};

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
    let folder = Path::new(folder);
    Ok(match look(folder, sha256) {
        Known::Seen(Snapshot::There) => whole(folder, &app.prover.verifying_key()),
        other => other,
    })
}

/// Whether all files are there that the manifest names, which is the one that the ledger knows.
fn whole(folder: &Path, key: &VerifyingKey) -> Known<Snapshot> {
    let Some(manifest) = manifest(folder, key) else {
        return Known::Unknown("its manifest is none that this program reads".to_owned());
    };
    let is_there = |name: &str, sha256: &str| {
        let path = folder.join(name);
        // A pipe in its place would be waited for.
        let is_file = std::fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_file());
        is_file && digest(&path).is_ok_and(|found| found == sha256)
    };
    if manifest.files.iter().all(|(name, sha256)| is_there(name, sha256)) {
        Known::Seen(Snapshot::There)
    } else {
        Known::Seen(Snapshot::Other { folder: folder.display().to_string() })
    }
}

fn manifest(folder: &Path, key: &VerifyingKey) -> Option<Manifest> {
    let signed = read_bounded(&folder.join(MANIFEST), MANIFEST_SIZE_MAX).ok()?;
    serde_json::from_slice(&envelope::verify(key, MANIFEST_TYPE, &signed)?).ok()
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

    use serde_json::json;
    use twinkeep_vault::sign::SigningKey;

    use super::{MANIFEST, MANIFEST_TYPE, Snapshot, envelope, look, whole};
    use crate::posture_evidence::digest;
    use twinkeep_posture::facts::Known;

    #[test]
    fn a_snapshot_without_one_of_its_files_is_not_whole() {
        let place = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            fs::File::create(place.path().join(name)).unwrap().write_all(bytes).unwrap();
        };
        write("a", b"events");
        let files = json!({ "a": digest(&place.path().join("a")).unwrap() });
        let manifest = json!({"keep": "k", "taken": "", "catalog": 1, "keyring": 1,
            "ledger_size": 1, "files": files});
        let sign = |key| envelope::sign(key, MANIFEST_TYPE, manifest.to_string().as_bytes());
        let key = SigningKey::generate();
        let whole = || whole(place.path(), &key.verifying_key());
        write(MANIFEST, &sign(&key));
        assert_eq!(whole(), Known::Seen(Snapshot::There));
        write("a", b"other");
        assert!(matches!(whole(), Known::Seen(Snapshot::Other { .. })));
        fs::remove_file(place.path().join("a")).unwrap();
        assert!(matches!(whole(), Known::Seen(Snapshot::Other { .. })));
        for other in [b"{}".to_vec(), sign(&SigningKey::generate())] {
            write(MANIFEST, &other);
            assert!(matches!(whole(), Known::Unknown(_)));
        }
    }

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
