//! What is known about targets: plain data, as JSON in files that may have been taken elsewhere.
//!
//! The table at the end of this file names all targets. A fact that could not be collected is an
//! `Option` that is `None`, with the reason beside it: a rule must be able to tell "no" from
//! "nobody knows".

use serde::{Deserialize, Serialize};

use crate::fix::Change;
use crate::outcome::Judged;
use crate::rule::Judge;

pub mod cfn;
pub mod file;
pub mod git;
pub mod host;
pub mod iis;
pub mod keep;
pub mod model;
pub mod nginx;
pub mod phi;
pub mod postgres;
pub mod s3;
pub mod sqlite;
pub mod tls;
pub mod windows;

/// The facts of some targets, as they were at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactFile {
    /// The version of this form: [`FACTS_FORMAT`].
    pub format: String,
    /// When they were taken, in microseconds since 1970.
    pub taken_us: i64,
    /// What is known, target by target.
    pub facts: Vec<Facts>,
}

/// The version of the form of fact files.
pub const FACTS_FORMAT: &str = "twinkeep-facts/1";

/// No file of facts is longer.
pub const FACT_FILE_BYTES_MAX: u64 = 256 << 20;

impl FactFile {
    /// What is known at a moment.
    pub fn new(taken_us: i64, facts: Vec<Facts>) -> FactFile {
        FactFile { format: FACTS_FORMAT.to_owned(), taken_us, facts }
    }

    /// Reads a file of facts.
    pub fn parse(text: &[u8]) -> Result<FactFile, FactFileError> {
        let file: FactFile = serde_json::from_slice(text)
            .map_err(|error| FactFileError::Malformed { line: error.line() })?;
        if file.format != FACTS_FORMAT {
            return Err(FactFileError::OtherFormat);
        }
        Ok(file)
    }
}

/// Why a file is no file of facts.
#[derive(Debug, thiserror::Error)]
pub enum FactFileError {
    /// It is not JSON of the right shape.
    #[error(
        "reading a file of facts: line {line} is not what it should be; \
         make the file with `twinkeep scan --format facts`"
    )]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
    /// It has another version.
    #[error("reading a file of facts: its format is not `{FACTS_FORMAT}`; take the facts anew")]
    OtherFormat,
}

impl FactFileError {
    /// Its permanent code.
    pub fn code(&self) -> &'static str {
        match self {
            FactFileError::Malformed { .. } => "facts-malformed",
            FactFileError::OtherFormat => "facts-format",
        }
    }
}

/// A fact, or why it is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known<T> {
    /// What was seen.
    Seen(T),
    /// Why nothing was seen.
    Unknown(String),
}

impl<T> Known<T> {
    /// What was seen, or why nothing was.
    pub fn seen(&self) -> Result<&T, &str> {
        match self {
            Known::Seen(fact) => Ok(fact),
            Known::Unknown(why) => Err(why),
        }
    }
}

impl<T> Default for Known<T> {
    fn default() -> Known<T> {
        Known::Unknown("nobody looked".to_owned())
    }
}

/// Makes the types that have one variant a target.
macro_rules! targets {
    ($($(#[$doc:meta])* $name:ident($word:literal) = $module:ident::$facts:ident;)*) => {
        /// What can be scanned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Target {
            $($(#[$doc])* #[serde(rename = $word)] $name,)*
        }

        impl Target {
            /// All of them.
            pub const ALL: &[Target] = &[$(Target::$name),*];

            /// The word that it is asked for with.
            pub fn word(self) -> &'static str {
                match self {
                    $(Target::$name => $word,)*
                }
            }
        }

        /// The facts of one target.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "target", content = "facts")]
        pub enum Facts {
            $($(#[$doc])* #[serde(rename = $word)] $name(Box<$module::$facts>),)*
        }

        $(impl From<$module::$facts> for Facts {
            fn from(facts: $module::$facts) -> Facts {
                Facts::$name(Box::new(facts))
            }
        })*

        impl Facts {
            /// What they are of.
            pub fn target(&self) -> Target {
                match self {
                    $(Facts::$name(_) => Target::$name,)*
                }
            }
        }

        /// The function of a rule, over the facts of its target.
        #[derive(Debug)]
        pub enum Check {
            $($(#[$doc])* $name(Judge<$module::$facts>),)*
        }

        impl Check {
            /// What it judges.
            pub fn target(&self) -> Target {
                match self {
                    $(Check::$name(_) => Target::$name,)*
                }
            }

            /// Judges facts, if they are of its target.
            pub(crate) fn judge(&self, facts: &Facts) -> Option<Vec<Judged>> {
                match (self, facts) {
                    $((Check::$name(check), Facts::$name(facts)) => Some((check.judge)(facts)),)*
                    _ => None,
                }
            }
        }

        /// The function of a fix, over the facts of its target and what failed. It returns
        /// nothing if the resource has to be repaired by hand.
        #[derive(Debug)]
        pub enum FixOf {
            $($(#[$doc])* $name(fn(&$module::$facts, &Judged) -> Vec<Change>),)*
        }

        impl FixOf {
            /// What would be changed, if the facts are of its target.
            pub(crate) fn changes(&self, facts: &Facts, judged: &Judged) -> Vec<Change> {
                match (self, facts) {
                    $((FixOf::$name(changes), Facts::$name(facts)) => changes(facts, judged),)*
                    _ => Vec::new(),
                }
            }
        }
    };
}

targets! {
    /// A keep: its files, keys, models, and settings.
    Keep("keep") = keep::Keep;
    /// Buckets of an object store.
    S3("s3") = s3::S3;
    /// Files that hold data of people.
    Phi("phi") = phi::Phi;
    /// A computer: its disks, modes, auditing, firewall, and logins.
    Host("host") = host::Host;
    /// The configuration of an nginx.
    Nginx("nginx") = nginx::Nginx;
    /// The configuration of an IIS.
    Iis("iis") = iis::Iis;
    /// Templates of CloudFormation.
    Cfn("cfn") = cfn::Cfn;
    /// A server of PostgreSQL, and a database of it.
    Postgres("postgres") = postgres::Postgres;
    /// Database files of SQLite.
    Sqlite("sqlite") = sqlite::Sqlite;
    /// Commits and tags of a repository.
    Git("git") = git::Git;
    /// Files of a model from elsewhere.
    Model("model") = model::Model;
    /// A Windows workstation.
    Windows("windows") = windows::Windows;
    /// An address that answers over TLS.
    Tls("tls") = tls::Tls;
}
