//! Sections that lie in files of their own: `configSource`, and the `file` of `appSettings`.
//!
//! IIS and .NET take such a file from the folder of the file that names it, or from below. Whatever
//! leads elsewhere, is a link, or cannot be read as that section is said, and not followed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Found;
use crate::facts::iis::Unread;
use crate::parse::iis::{Element, parse_section};

/// Puts what lies in other files where it is named, in all of a document.
pub(super) fn sections(element: &mut Element, file: &Path, found: &mut Found) {
    for child in &mut element.children {
        let attributes: &[&str] = match child.name.as_str() {
            "appSettings" => &["configSource", "file"],
            _ => &["configSource"],
        };
        for &attribute in attributes {
            let Some(source) = child.attribute(attribute).map(str::to_owned) else { continue };
            child.attributes.retain(|(name, _)| name != attribute);
            match section(&child.name, &source, file, found) {
                Ok(section) => put(child, section, found),
                // .NET goes on without the one, and fails without the other.
                Err(Missing::Nothing) if attribute == "file" => {}
                Err(missing) => {
                    let why = format!("a section lies in another file: {}", missing.words());
                    let at = child.place(&file.display().to_string());
                    found.unread.push(Unread { at, why });
                }
            }
        }
        if !child.children.iter().any(|inner| inner.file.is_some()) {
            sections(child, file, found);
        }
    }
}

fn put(child: &mut Element, section: Element, found: &mut Found) {
    // Edits are of the file that names it, and know nothing of the other one.
    found.edits_apply &= UNEDITED.contains(&child.name.as_str());
    child.attributes.extend(section.attributes);
    child.children.extend(section.children);
}

/// Why a section is not there.
enum Missing {
    Elsewhere,
    Nothing,
    Unread(String),
}

impl Missing {
    fn words(&self) -> String {
        match self {
            Missing::Elsewhere => {
                "`configSource` names one outside of the folder, which is not followed".to_owned()
            }
            Missing::Nothing => "`configSource` names one that is not there".to_owned(),
            Missing::Unread(why) => format!("`configSource` names one that is not read: {why}"),
        }
    }
}

fn section(name: &str, source: &str, file: &Path, found: &mut Found) -> Result<Element, Missing> {
    let path = within(file, source)?;
    let shown = path.display().to_string();
    let read = found.text(&path).map_err(|error| Missing::Unread(error.to_string()))?;
    let (text, _) =
        read.ok_or_else(|| Missing::Unread("it is neither UTF-8 nor UTF-16".to_owned()))?;
    let mut section =
        parse_section(&text, name).map_err(|error| Missing::Unread(error.to_string()))?;
    section.children.iter_mut().for_each(|child| mark(child, &shown));
    found.followed.push(shown);
    Ok(section)
}

/// Says of elements that they stand in another file.
fn mark(element: &mut Element, file: &str) {
    element.file = Some(file.to_owned());
    element.children.iter_mut().for_each(|child| mark(child, file));
}

/// The file that is meant: names of Windows, in any case, and no link on the way.
fn within(file: &Path, source: &str) -> Result<PathBuf, Missing> {
    let mut path = file.parent().map(Path::to_owned).unwrap_or_default();
    if source.contains([':', '\0', '%']) || source.starts_with(['/', '\\']) {
        return Err(Missing::Elsewhere);
    }
    let parts: Vec<&str> =
        source.split(['/', '\\']).filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() || PARTS_MAX < parts.len() || parts.contains(&"..") {
        return Err(Missing::Elsewhere);
    }
    for part in parts {
        let exact = path.join(part);
        path = match fs::symlink_metadata(&exact) {
            Ok(_) => exact,
            Err(_) => in_any_case(&path, part).map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => Missing::Nothing,
                _ => Missing::Unread(error.to_string()),
            })?,
        };
        if fs::symlink_metadata(&path).is_ok_and(|it| it.is_symlink()) {
            return Err(Missing::Unread("there is a link on the way".to_owned()));
        }
    }
    Ok(path)
}

fn in_any_case(folder: &Path, name: &str) -> io::Result<PathBuf> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let wanted = name.to_lowercase();
    let mut found: Vec<PathBuf> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().to_lowercase() == wanted {
            found.push(entry.path());
        }
    }
    match (found.pop(), found.is_empty()) {
        (Some(path), true) => Ok(path),
        (None, _) => Err(io::ErrorKind::NotFound.into()),
        _ => Err(io::Error::other("two files are called so")),
    }
}

/// Sections that no edit touches.
const UNEDITED: &[&str] = &["appSettings", "connectionStrings"];

/// Real names are two or three parts deep.
const PARTS_MAX: usize = 16;
