//! Keeps that many tests begin with, made once in a run and copied: making one anew for each test, and
//! training on it, took most of the time of all tests together.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use crate::harness::{Place, write};

/// What was made already, by name.
static MADE: Mutex<BTreeMap<String, Arc<OnceLock<PathBuf>>>> = Mutex::new(BTreeMap::new());

/// Returns a copy of what has this name, which is made first if it is not there.
pub(crate) fn copy(name: &str, make: impl FnOnce() -> Place) -> Place {
    let made = Arc::clone(MADE.lock().unwrap().entry(name.to_owned()).or_default());
    let original = made.get_or_init(|| {
        let path = shelf().join(name);
        clone(make().folder(), &path);
        move_key_file(&path);
        path
    });
    let place = Place::empty();
    clone(&original.join("."), place.folder());
    move_key_file(place.folder());
    place
}

/// The configuration of a keep says where its key file is.
fn move_key_file(to: &Path) {
    let config = to.join("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let moved = text.lines().map(|line| match line.strip_prefix("key_file = ") {
        Some(_) => format!("key_file = {:?}\n", to.join("keep.kek")),
        None => format!("{line}\n"),
    });
    write(&config, moved.collect::<String>().as_bytes());
}

fn clone(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// The folder of this run. Those of runs that ended are deleted.
fn shelf() -> &'static Path {
    static SHELF: OnceLock<PathBuf> = OnceLock::new();
    SHELF.get_or_init(|| {
        let shelves = Path::new(env!("CARGO_TARGET_TMPDIR")).join("templates");
        fs::create_dir_all(&shelves).unwrap();
        for entry in fs::read_dir(&shelves).unwrap().flatten() {
            if !Path::new("/proc").join(entry.file_name()).exists() {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
        let shelf = shelves.join(std::process::id().to_string());
        fs::create_dir(&shelf).unwrap();
        shelf
    })
}
