//! One sighting: what was done to which file, by whom, and when.

use std::cmp::Ordering;
use std::fs::Metadata;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::sync::Arc;

use twinkeep_domain::Timestamp;

/// What was done to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// It was opened.
    Open,
    /// It was run as a program.
    Execute,
    /// Bytes were read from it.
    Read,
    /// Bytes were written to it.
    Write,
    /// Its owner, mode, times, or extended attributes were changed.
    Attribute,
    /// It was given a further name.
    Link,
    /// It appeared in a watched folder.
    Create,
    /// It was given another name.
    Rename,
    /// One of its names was removed.
    Delete,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 9] = [
        Self::Open,
        Self::Execute,
        Self::Read,
        Self::Write,
        Self::Attribute,
        Self::Link,
        Self::Create,
        Self::Rename,
        Self::Delete,
    ];

    /// The word for it, in entries and answers. Never changes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Execute => "execute",
            Self::Read => "read",
            Self::Write => "write",
            Self::Attribute => "attribute",
            Self::Link => "link",
            Self::Create => "create",
            Self::Rename => "rename",
            Self::Delete => "delete",
        }
    }

    /// Returns the action that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The watch was asked, and let it happen.
    Allowed,
    /// The watch was asked, and refused.
    Denied,
    /// It had happened when the watch was told.
    Told,
}

impl Answer {
    /// The word for it, in entries and answers. Never changes.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::Told => "told",
        }
    }

    /// Returns the answer that `word` names.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Allowed, Self::Denied, Self::Told].into_iter().find(|it| it.word() == word)
    }
}

/// A process, as it was when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The number of the process that started it.
    pub parent: u32,
    /// The user it ran as.
    pub user: u32,
    /// The user who logged in, whatever became of the user since; none if nobody did.
    pub login: Option<u32>,
    /// What it calls itself. It can say anything here.
    pub name: String,
    /// What it runs.
    pub program: Arc<Program>,
    /// Whether it is the keep's own program, run by the keep's own user.
    pub own: bool,
    /// Whether it is a program that the operator permits, run by the keep's own user.
    pub permitted: bool,
}

/// The program that a process runs.
#[derive(Debug)]
pub struct Program {
    /// Where its file was when it was started.
    pub path: String,
    /// Which file it is; none for a process of the kernel.
    pub file: Option<FileId>,
    /// The file as a place, to be opened for its digest even if it has no name any more.
    pub handle: Option<OwnedFd>,
}

impl Program {
    fn key(&self) -> (&str, Option<FileId>) {
        (&self.path, self.file)
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Program {}

impl PartialOrd for Program {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Program {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Which file it is, and whether it is still as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId {
    device: u64,
    number: u64,
    size: u64,
    /// When it was last changed in any way, in seconds and nanoseconds.
    changed: (i64, i64),
}

impl FileId {
    /// Takes what the system says of a file.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            number: metadata.ino(),
            size: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Returns whether both are the same file, whatever changed about it.
    pub(super) fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.number) == (other.device, other.number)
    }
}

/// Who did it, as far as it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// This process.
    Process(Process),
    /// A process with this number, which had ended when it was looked for.
    Gone {
        /// Its number.
        pid: u32,
    },
    /// What told of it does not tell who it was.
    Unknown,
}

/// What was done to one file, by whom, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// When it was seen.
    pub time: Timestamp,
    /// The file, as a path within the keep.
    pub file: String,
    /// What was done to it.
    pub action: Action,
    /// What became of that.
    pub answer: Answer,
    /// By whom.
    pub who: Who,
}

#[cfg(test)]
mod tests {
    use super::{Action, Answer};

    #[test]
    fn words_are_read_as_they_are_written() {
        for action in Action::ALL {
            assert_eq!(Action::from_word(action.word()), Some(action));
        }
        for answer in [Answer::Allowed, Answer::Denied, Answer::Told] {
            assert_eq!(Answer::from_word(answer.word()), Some(answer));
        }
        assert_eq!(Action::from_word("Open"), None);
        assert_eq!(Answer::from_word(""), None);
    }
}
