//! Knows a keep by what lies in it, and which of its files others may read.
//!
//! # Invariants
//!
//! - Nothing that holds people or secrets is among what others may read: a folder that looks like a
//!   keep takes no more than [`SHOWN`] out of the judgment of others.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use serde::Deserialize;

/// What of a keep others may read, and never write: what it is, its configuration, its pack, and
/// public keys and certificates.
pub const SHOWN: [&str; 7] = [
    "keep.json",
    "twinkeep.toml",
    "pack.toml",
    "policy.cedar",
    "drift.toml",
    "public",
    "playbooks",
];

/// Whether a path is among what others may read of the keep that has this root.
pub fn is_shown(root: &Path, path: &Path) -> bool {
    SHOWN.iter().any(|name| path.starts_with(root.join(name)))
}

/// Whether a folder is a keep: it says so, and has a catalog and a ledger.
pub(super) fn is_keep(folder: &Path) -> bool {
    let is_file = |name: &str| {
        fs::symlink_metadata(folder.join(name)).is_ok_and(|metadata| metadata.is_file())
    };
    let parts = ["store/catalog.sqlite", "ledger/checkpoint"];
    parts.into_iter().all(is_file) && describes_keep(&folder.join("keep.json"))
}

/// What every `keep.json` has.
#[derive(Deserialize)]
struct Descriptor {
    version: u32,
    keep_id: String,
}

fn describes_keep(path: &Path) -> bool {
    // A link is not followed, and a pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else { return false };
    let mut text = Vec::new();
    if File::from(file).take(DESCRIPTOR_BYTES_MAX).read_to_end(&mut text).is_err() {
        return false;
    }
    serde_json::from_slice(&text).is_ok_and(|descriptor: Descriptor| {
        let is_hex = descriptor.keep_id.bytes().all(|byte| byte.is_ascii_hexdigit());
        descriptor.version != 0 && is_hex && !descriptor.keep_id.is_empty()
    })
}

/// No `keep.json` is longer.
const DESCRIPTOR_BYTES_MAX: u64 = 64 << 10;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write as _;
    use std::path::Path;

    use super::{is_keep, is_shown};

    #[test]
    fn a_folder_is_a_keep_by_all_of_its_parts() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
        };
        let whole = r#"{"version":1,"keep_id":"d6dbcd6f75046f5d","pack":"icu"}"#;
        put("keep.json", whole);
        assert!(!is_keep(folder.path()));
        put("store/catalog.sqlite", "");
        put("ledger/checkpoint", "");
        assert!(is_keep(folder.path()));
        for other in
            ["", "{}", "[[[", r#"{"version":0,"keep_id":"d6"}"#, r#"{"version":1,"keep_id":""}"#]
        {
            put("keep.json", other);
            assert!(!is_keep(folder.path()), "{other}");
        }
        put("other.json", whole);
        fs::remove_file(folder.path().join("keep.json")).unwrap();
        std::os::unix::fs::symlink("other.json", folder.path().join("keep.json")).unwrap();
        assert!(!is_keep(folder.path()), "a link is not followed");
    }

    #[test]
    fn others_may_read_what_is_named_whole_and_nothing_that_begins_like_it() {
        let shown = |path: &str| is_shown(Path::new("/keep"), Path::new(path));
        assert!(shown("/keep/public/ca.pem") && shown("/keep/keep.json"));
        for path in ["/keep", "/keep/public-data/a.csv", "/keep/store/public/a", "/public/ca.pem"] {
            assert!(!shown(path), "{path}");
        }
    }
}
