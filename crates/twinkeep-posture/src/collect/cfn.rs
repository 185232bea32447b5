//! Reads templates of CloudFormation from files and folders.
//!
//! Needs paths. A file that is named must be a template; in a folder, files that end in `.yaml`,
//! `.yml`, `.json`, or `.template` and have `Resources` are taken, at any depth, links not followed.
//! What looks like a template and cannot be read is a fact.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::CollectError;
use crate::facts::cfn::{Cfn, Unread};
use crate::outcome::Place;
use crate::parse::cfn::{Kind, parse, resolve};

/// Reads all templates there.
pub fn collect(paths: &[PathBuf]) -> Result<Cfn, CollectError> {
    let mut facts = Cfn::default();
    for path in paths {
        if path.is_dir() {
            folder(path, 0, &mut facts)?;
        } else {
            file(path, Asked::ByName, &mut facts)?;
        }
        if facts.templates.len() > TEMPLATES_MAX {
            return Err(CollectError::Unexpected {
                what: path.display().to_string(),
                why: format!("more than {TEMPLATES_MAX} templates; scan them folder by folder"),
            });
        }
    }
    Ok(facts)
}

/// How a file came to be read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// Somebody says that it is a template.
    ByName,
    /// It lies in a folder and may be something else.
    ByFolder,
}

fn folder(path: &Path, depth: usize, facts: &mut Cfn) -> Result<(), CollectError> {
    let failed = |source| CollectError::Read { path: path.display().to_string(), source };
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        entries.push((entry.path(), entry.file_type().map_err(failed)?));
    }
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    for (path, kind) in entries {
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if kind.is_dir() && !hidden && depth < DEPTH_MAX {
            folder(&path, depth + 1, facts)?;
        } else if kind.is_file() && named_like_a_template(&path) {
            file(&path, Asked::ByFolder, facts)?;
        }
    }
    Ok(())
}

fn named_like_a_template(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
    extension.is_some_and(|extension| {
        ["yaml", "yml", "json", "template"].iter().any(|known| extension == *known)
    })
}

fn file(path: &Path, asked: Asked, facts: &mut Cfn) -> Result<(), CollectError> {
    let shown = path.display().to_string();
    let bytes = match read(path) {
        Ok(bytes) => bytes,
        // One file among many that cannot be read keeps nobody from the others.
        Err(error) if asked == Asked::ByFolder => {
            facts.unread.push(Unread { at: Place::of(shown), why: error.to_string() });
            return Ok(());
        }
        Err(source) => return Err(CollectError::Read { path: shown, source }),
    };
    let looks_like_one = asked == Asked::ByName || mentions_resources(&bytes);
    if !looks_like_one {
        return Ok(());
    }
    let mut unread = |at: Place, why: String| facts.unread.push(Unread { at, why });
    let whole = Place::of(shown.clone());
    if bytes.len() as u64 > FILE_BYTES_MAX {
        unread(whole, format!("it has more than {FILE_BYTES_MAX} bytes"));
        return Ok(());
    }
    let Ok(text) = String::from_utf8(bytes) else {
        unread(whole, "it is not UTF-8".to_owned());
        return Ok(());
    };
    match parse(text.trim_start_matches('\u{feff}')) {
        Ok(root) => match root.get("Resources").map(|node| &node.kind) {
            Some(Kind::Map(_) | Kind::Call(..)) => {
                facts.templates.push(resolve::template(&shown, &root));
            }
            _ if asked == Asked::ByName => unread(whole, "it has no `Resources`".to_owned()),
            _ => {}
        },
        Err(error) => {
            let (line, column) = (Some(error.at.line), Some(error.at.column));
            unread(Place { path: shown, line, column }, error.what.to_owned());
        }
    }
    Ok(())
}

/// Whether a file has the words that every template has.
fn mentions_resources(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
    has(b"Resources") && has(b"AWS::")
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A pipe is not waited for.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// CloudFormation takes one megabyte; packaged templates are larger for a while.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// How many templates one scan takes.
const TEMPLATES_MAX: usize = 10_000;

/// How deep folders are looked into.
const DEPTH_MAX: usize = 16;
