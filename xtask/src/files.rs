//! Lists the files of the tree that are ours.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns all files below `dir` with this extension, sorted, without build output.
pub(crate) fn with_extension(dir: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(dir, &mut |path| {
        if path.extension().is_some_and(|other| other == extension) {
            found.push(path.to_path_buf());
        }
    });
    found.sort();
    found
}

fn walk(dir: &Path, visit: &mut dyn FnMut(&Path)) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let hidden = name.to_string_lossy().starts_with('.');
        if path.is_dir() && !path.is_symlink() && !hidden && name != "target" {
            walk(&path, visit);
        } else if path.is_file() {
            visit(&path);
        }
    }
}
