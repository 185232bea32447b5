//! What an operator chooses about the watch that `serve` keeps.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::FileWatchMode;

/// Who touches the files of the keep, while the gate serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// What becomes of whoever is not the keep's own program.
    pub files: FileWatch,
    /// Programs that may read the files besides the keep's own, by the whole paths of their files:
    /// what makes backups. They are recorded, and no reason for an incident.
    pub permit: Vec<PathBuf>,
    /// Every how many hours what came in is compared with what serves; never, if 0.
    pub drift_hours: u32,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { files: FileWatch::Off, permit: Vec::new(), drift_hours: 24 }
    }
}

/// What becomes of whoever touches the files of models and keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileWatch {
    /// Nobody looks; `twinkeep watch` may.
    #[default]
    Off,
    /// It is recorded.
    Record,
    /// It is refused and recorded, or the gate does not open.
    Deny,
}

impl FileWatch {
    /// Returns how to watch; none if nobody looks.
    pub fn mode(self) -> Option<FileWatchMode> {
        match self {
            Self::Off => None,
            Self::Record => Some(FileWatchMode::Record),
            Self::Deny => Some(FileWatchMode::Deny),
        }
    }
}
