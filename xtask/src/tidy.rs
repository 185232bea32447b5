//! Checks the tree itself: arrows, file headers, file lengths, and marks that must not spread.
//!
//! Each check is a pure function from text to findings, so that its test needs no tree.

use std::fs;
use std::path::Path;

use crate::arrows::{LIVES_IN, MAY_USE};
use crate::files::with_extension;
use crate::manifest::{self, Manifest};

#[cfg(test)]
mod tests;

/// Runs every check and returns one line per finding.
pub(crate) fn run(root: &Path) -> Vec<String> {
    let mut findings = Vec::new();
    for path in with_extension(root, "toml") {
        if path.file_name().is_some_and(|name| name == "Cargo.toml")
            && path != root.join("Cargo.toml")
        {
            let name = path.parent().and_then(Path::file_name).unwrap_or_default();
            let manifest = manifest::parse(&fs::read_to_string(&path).unwrap_or_default());
            findings.extend(check_arrows(&name.to_string_lossy(), &manifest));
        }
    }
    for path in with_extension(root, "rs") {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap_or_default();
        findings.extend(check_source(&name, &text));
    }
    for path in with_extension(&root.join("docs"), "md") {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        findings.extend(check_links(root, &name, &fs::read_to_string(&path).unwrap_or_default()));
    }
    for name in ["README.md", "ARCHITECTURE.md", "SECURITY.md"] {
        let text = fs::read_to_string(root.join(name)).unwrap_or_default();
        findings.extend(check_links(root, name, &text));
    }
    findings
}

/// Arrows point down only, and a heavy dependency lives in its room only.
fn check_arrows(krate: &str, manifest: &Manifest) -> Vec<String> {
    let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == krate) else {
        return vec![format!("`{krate}` is not in xtask/src/arrows.rs")];
    };
    let mut findings = Vec::new();
    for used in manifest.uses.iter().chain(&manifest.tests_use) {
        if used.starts_with("twinkeep") && !allowed.contains(&used.as_str()) {
            findings.push(format!("`{krate}` must not use `{used}`; see ARCHITECTURE.md"));
        }
    }
    for used in &manifest.uses {
        let room = LIVES_IN.iter().find(|(name, _)| name == used);
        if room.is_some_and(|(_, rooms)| !rooms.contains(&krate)) {
            findings.push(format!("`{used}` must not live in `{krate}`; see ARCHITECTURE.md"));
        }
    }
    findings
}

fn check_source(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !text.starts_with("//!") {
        findings.push(format!("{name}: the file does not start with a `//!` header"));
    }
    let lines = text.lines().count();
    if FILE_LINES_MAX < lines {
        findings.push(format!("{name}: {lines} lines; split it (the limit is {FILE_LINES_MAX})"));
    }
    // Tidy names the marks that it looks for.
    if name.starts_with("xtask/") {
        return findings;
    }
    for (number, line) in text.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        for mark in ["TODO", "FIXME", "XXX"] {
            if line.contains(mark) {
                findings
                    .push(format!("{place}: `{mark}`: finish it, or file an issue and remove it"));
            }
        }
        for (mark, home) in ONLY_IN {
            if line.contains(mark) && !home.iter().any(|prefix| name.starts_with(prefix)) {
                findings.push(format!("{place}: `{mark}` belongs in {} only", home.join(", ")));
            }
        }
    }
    findings
}

/// A relative link in our documents points to a file that exists.
fn check_links(root: &Path, name: &str, text: &str) -> Vec<String> {
    let dir = root.join(name).parent().map(Path::to_path_buf).unwrap_or_default();
    let mut findings = Vec::new();
    for part in text.split("](").skip(1) {
        let target = part.split([')', '#', ' ']).next().unwrap_or_default();
        let outside = target.is_empty() || target.contains("://") || target.starts_with("mailto:");
        if !outside && !dir.join(target).exists() {
            findings.push(format!("{name}: the link to `{target}` leads nowhere"));
        }
    }
    findings
}

/// Longer files are where style goes to die.
const FILE_LINES_MAX: usize = 800;

/// Marks, and the places that may have them.
const ONLY_IN: &[(&str, &[&str])] = &[
    // Only intake can make a screened batch.
    (
        "Screened::attest",
        &[
            "crates/twinkeep-intake/",
            "crates/twinkeep-domain/src/screened.rs",
            "crates/twinkeep-store/src/tests",
        ],
    ),
    // Two files may hold unsafe code: locked memory, and the system calls of fanotify.
    (
        "unsafe {",
        &[
            "crates/twinkeep-vault/src/secret/",
            "crates/twinkeep-watch/src/access/fanotify/system.rs",
        ],
    ),
    // The program reads the clock in one place.
    ("SystemTime::now", &["crates/twinkeep/src/clock.rs"]),
];
