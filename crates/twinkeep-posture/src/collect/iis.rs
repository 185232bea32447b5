//! Reads the configuration of an IIS from its files.
//!
//! Needs the path of a file, or of a folder with copies of them: `applicationHost.config` and any
//! `web.config`, at any depth, links not followed, with the sections that lie beside them. What cannot be read is a fact, not an error:
//! rules then say what they could not check.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::{CollectError, regular};
use crate::facts::iis::{Iis, Repairs, Unread};
use crate::outcome::Place;
use crate::parse::iis::effective::{self, Source};
use crate::parse::iis::parse;
use crate::rules::iis::repairs;

mod follow;

#[cfg(test)]
mod tests;

/// Reads all files there, and works out what holds where.
pub fn collect(root: &Path) -> Result<Iis, CollectError> {
    let shown = root.display().to_string();
    let failed = |source| CollectError::Read { path: shown.clone(), source };
    let mut found = Found::default();
    if fs::metadata(root).map_err(failed)?.is_dir() {
        found.folder(root, 0).map_err(failed)?;
    } else {
        found.file(root).map_err(failed)?;
    }
    if found.documents.is_empty() && found.unread.is_empty() {
        return Err(CollectError::Unexpected {
            what: shown,
            why: "there is no applicationHost.config and no web.config; name their folder"
                .to_owned(),
        });
    }
    let documents = found.with_sections();
    let (mut facts, innermost) = effective::facts(&shown, &documents)
        .map_err(|error| CollectError::Unexpected { what: shown, why: error.to_string() })?;
    facts.files.append(&mut found.followed);
    facts.unread.extend(found.unread);
    facts.unread.sort_by(|one, other| one.at.cmp(&other.at));
    // A plan has whole texts: that of a very large server is left to people.
    let held: usize = found.texts.iter().map(String::len).sum();
    let editable = found.are_utf8 && found.edits_apply;
    if editable && held <= REPAIRED_BYTES_MAX && innermost.len() <= REPAIRED_PLACES_MAX {
        let steps = repairs::find(&facts.root, found.documents, found.texts);
        facts.repairs = Repairs { steps };
    }
    Ok(facts)
}

#[derive(Default)]
struct Found {
    documents: Vec<Source>,
    texts: Vec<String>,
    /// Whether an edit of a text is an edit of its file.
    are_utf8: bool,
    /// Whether no section that an edit would touch lies in another file.
    edits_apply: bool,
    /// Files that hold one section of another one.
    followed: Vec<String>,
    unread: Vec<Unread>,
    bytes: u64,
}

impl Found {
    fn folder(&mut self, path: &Path, depth: usize) -> io::Result<()> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            entries.push((entry.path(), entry.file_type()?));
        }
        entries.sort_by(|one, other| one.0.cmp(&other.0));
        for (path, kind) in entries {
            if kind.is_dir() {
                let deeper = match depth < DEPTH_MAX {
                    true => self.folder(&path, depth + 1),
                    false => Err(io::Error::other("folders are nested too deep; scan it itself")),
                };
                deeper.unwrap_or_else(|error| self.missed(&path, &error.to_string()));
            } else if named_like_one(&path) && !kind.is_file() {
                self.missed(&path, "it is a link or no regular file; name what it leads to");
            } else if named_like_one(&path) {
                self.file(&path).unwrap_or_else(|error| self.missed(&path, &error.to_string()));
            }
        }
        Ok(())
    }

    fn missed(&mut self, path: &Path, why: &str) {
        let at = Place::of(path.display().to_string());
        self.unread.push(Unread { at, why: why.to_owned() });
    }

    /// The documents, with the sections that lie in other files: what edits are worked out on has
    /// just what stands in the files themselves.
    fn with_sections(&mut self) -> Vec<Source> {
        self.edits_apply = true;
        let mut documents = self.documents.clone();
        for document in &mut documents {
            let path = PathBuf::from(&document.path);
            follow::sections(&mut document.root, &path, self);
        }
        documents
    }

    /// Reads a text, and whether it is UTF-8 in its file; nothing if it is none.
    fn text(&mut self, path: &Path) -> io::Result<Option<(String, bool)>> {
        let bytes = regular::read(path, FILE_BYTES_MAX)?;
        self.bytes += bytes.len() as u64;
        let files = self.documents.len() + self.followed.len();
        if files >= FILES_MAX || self.bytes > ALL_BYTES_MAX {
            return Err(io::Error::other("there are more files than are read; scan its folders"));
        }
        let utf8 = std::str::from_utf8(&bytes).is_ok();
        // What was decoded has lost its mark; the offsets of an edit are those of the file.
        let text = match utf8 {
            true => String::from_utf8(bytes).ok(),
            false => super::windows::decoded(&bytes),
        };
        Ok(text.map(|text| (text, utf8)))
    }

    /// Reads one file; one that is no configuration is a fact.
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let shown = path.display().to_string();
        let Some((text, utf8)) = self.text(path)? else {
            self.missed(path, "it is neither UTF-8 nor UTF-16");
            return Ok(());
        };
        match parse(&text) {
            Ok(root) => {
                self.are_utf8 = utf8 && (self.are_utf8 || self.documents.is_empty());
                self.documents.push(Source { path: shown, folder: folders(path), root });
                self.texts.push(text);
            }
            Err(error) => {
                let (line, column) = (Some(error.line), Some(error.column));
                let at = Place { path: shown, line, column };
                self.unread.push(Unread { at, why: error.what.to_owned() });
            }
        }
        Ok(())
    }
}

/// The names of the folders down to a file.
fn folders(path: &Path) -> Vec<String> {
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let parts = whole.parent().into_iter().flat_map(Path::components);
    let names = parts.filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    names.collect()
}

fn named_like_one(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_ascii_lowercase());
    name.is_some_and(|name| name == "web.config" || name == "applicationhost.config")
}

/// IIS itself takes files of 250 KB unless it is told otherwise.
const FILE_BYTES_MAX: u64 = 4 << 20;
const ALL_BYTES_MAX: u64 = 64 << 20;

/// A server with a hundred sites has some hundred.
const FILES_MAX: usize = 1_000;

/// How deep folders are looked into.
const DEPTH_MAX: usize = 32;

/// Larger configurations are judged, and repaired by hand.
const REPAIRED_BYTES_MAX: usize = 256 << 10;
const REPAIRED_PLACES_MAX: usize = 200;
