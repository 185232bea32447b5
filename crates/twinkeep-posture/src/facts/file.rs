//! What is known about one file or folder: whose it is, and who may do what with it.

use serde::{Deserialize, Serialize};

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Its path.
    pub path: String,
    /// What it is.
    pub kind: FileKind,
    /// Its mode, without the bits of its kind.
    pub mode: u32,
    /// Who owns it.
    pub uid: u32,
    /// Whose group it has.
    pub gid: u32,
    /// Whether it has an access-control list beyond its mode; `None` if nobody could tell.
    pub acl: Option<bool>,
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link; it was not followed.
    Link,
    /// A socket, a pipe, or a device.
    Special,
}
