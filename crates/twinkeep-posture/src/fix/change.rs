//! One change: from a state to another, so that its inverse is the same with both exchanged.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Gid, Mode, Uid};
use serde::{Deserialize, Serialize};

use super::error::FixError;
use super::files::{at, open, read_text, rewrite};
use super::postgres::{Altered, HbaLine, Parameter};
use super::s3::{BucketSetting, Services, Setting};
use crate::parse;

/// Something that a fix changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Change {
    /// The mode of a file or folder.
    SetMode {
        /// Its path.
        path: String,
        /// The mode that it has.
        from: u32,
        /// The mode that it shall have.
        to: u32,
    },
    /// The owner of a file or folder.
    SetOwner {
        /// Its path.
        path: String,
        /// The user that it belongs to.
        from: u32,
        /// The user that it shall belong to.
        to: u32,
    },
    /// The text of a file; mode and owner stay.
    Rewrite {
        /// Its path.
        path: String,
        /// The text that it has.
        from: String,
        /// The text that it shall have.
        to: String,
        /// Who has to accept the new text.
        gate: Option<Gate>,
    },
    /// A setting of a bucket.
    SetBucket {
        /// The address of the object store.
        endpoint: String,
        /// The name of the bucket.
        bucket: String,
        /// The setting.
        setting: BucketSetting,
        /// What it is; nothing if there is none.
        from: Option<String>,
        /// What it shall be; nothing if there shall be none.
        to: Option<String>,
    },
    /// What `ALTER SYSTEM` says of a setting of a server of PostgreSQL.
    SetParameter {
        /// The server, as facts name it.
        server: String,
        /// The setting.
        parameter: Parameter,
        /// What was set; nothing if nothing was.
        from: Option<String>,
        /// What shall be set; nothing if nothing shall.
        to: Option<String>,
    },
    /// A line of `pg_hba.conf` on this machine.
    EditHba {
        /// The server that reads it, as facts name it.
        server: String,
        /// The path of the file.
        path: String,
        /// The line, from 1.
        line: u32,
        /// The line as it is.
        from: String,
        /// The line as it shall be.
        to: String,
    },
}

/// A program that reads a file that was rewritten, and says whether it would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "program", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Gate {
    /// `nginx -t` with a configuration.
    Nginx {
        /// The path of the main file of the configuration.
        config: String,
    },
    /// The configuration of an IIS, which is read again as one.
    Iis {
        /// The path of the file.
        config: String,
    },
}

/// Where something that is to be changed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    /// As it was when the plan was made.
    Before,
    /// As it shall be.
    After,
    /// Neither.
    Other,
}

impl Change {
    /// What would be done, as a line for people. It has no contents of files.
    pub fn says(&self) -> String {
        match self {
            Change::SetMode { path, from, to } => format!("chmod {from:04o} -> {to:04o}  {path}"),
            Change::SetOwner { path, from, to } => format!("chown {from} -> {to}  {path}"),
            Change::Rewrite { path, from, to, .. } => {
                let (less, more) = differing_lines(from, to);
                format!("edit {path}: {less} lines go, {more} lines come")
            }
            Change::SetBucket { endpoint, bucket, setting, to, .. } => {
                Setting { endpoint, bucket, setting: *setting }.says(to)
            }
            Change::SetParameter { server, parameter, from, to } => {
                Altered { server, parameter: *parameter, from, to }.says()
            }
            Change::EditHba { server, path, line, from, to } => {
                HbaLine { server, path, line: *line, from, to }.says()
            }
        }
    }

    /// Whether it is made in an object store.
    pub fn needs_s3(&self) -> bool {
        matches!(self, Change::SetBucket { .. })
    }

    /// The server of PostgreSQL that it is made in.
    pub fn database_server(&self) -> Option<&str> {
        match self {
            Change::SetParameter { server, .. } | Change::EditHba { server, .. } => Some(server),
            _ => None,
        }
    }

    /// Makes its paths absolute: it means the same from whatever folder it is made, or taken back.
    pub fn make_absolute(&mut self) {
        let whole = |path: &mut String| {
            let found = std::path::absolute(&*path).ok();
            if let Some(text) = found.as_deref().and_then(Path::to_str) {
                *path = text.to_owned();
            }
        };
        match self {
            Change::SetMode { path, .. } | Change::SetOwner { path, .. } => whole(path),
            Change::Rewrite { path, gate, .. } => {
                whole(path);
                if let Some(Gate::Nginx { config } | Gate::Iis { config }) = gate {
                    whole(config);
                }
            }
            // A server names its files as a whole.
            Change::SetBucket { .. } | Change::SetParameter { .. } | Change::EditHba { .. } => {}
        }
    }

    /// What it changes.
    pub fn path(&self) -> &str {
        match self {
            Change::SetMode { path, .. }
            | Change::SetOwner { path, .. }
            | Change::Rewrite { path, .. }
            | Change::EditHba { path, .. } => path,
            Change::SetBucket { bucket, .. } => bucket,
            Change::SetParameter { parameter, .. } => parameter.name(),
        }
    }

    /// What must come first, in a plan and on the way back: public access is blocked before lists
    /// are changed, and must be open again before a public list can be given back.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Change::SetMode { .. } | Change::SetOwner { .. } | Change::Rewrite { .. } => 0,
            Change::SetBucket { setting, .. } => match setting {
                BucketSetting::PublicAccessBlock => 0,
                BucketSetting::Acl => 1,
                // Lists are switched off once nobody else is on them.
                BucketSetting::OwnershipControls => 2,
                BucketSetting::Encryption => 3,
                BucketSetting::Versioning => 4,
                BucketSetting::Logging => 5,
                BucketSetting::Policy => 6,
            },
            // Without a certificate it ends the plan; lines that need it are planned once it is on.
            Change::SetParameter { parameter: Parameter::Ssl, .. } => 2,
            Change::SetParameter { .. } => 0,
            // Lines may demand what settings offer.
            Change::EditHba { .. } => 1,
        }
    }

    /// Whether it is taken back before all that was changed after it.
    pub(super) fn is_undone_first(&self) -> bool {
        let setting = BucketSetting::PublicAccessBlock;
        matches!(self, Change::SetBucket { setting: it, .. } if *it == setting)
    }

    /// The change that takes it back.
    pub fn inverse(&self) -> Change {
        match self.clone() {
            Change::SetMode { path, from, to } => Change::SetMode { path, from: to, to: from },
            Change::SetOwner { path, from, to } => Change::SetOwner { path, from: to, to: from },
            Change::Rewrite { path, from, to, gate } => {
                Change::Rewrite { path, from: to, to: from, gate }
            }
            Change::SetBucket { endpoint, bucket, setting, from, to } => {
                Change::SetBucket { endpoint, bucket, setting, from: to, to: from }
            }
            Change::SetParameter { server, parameter, from, to } => {
                Change::SetParameter { server, parameter, from: to, to: from }
            }
            Change::EditHba { server, path, line, from, to } => {
                Change::EditHba { server, path, line, from: to, to: from }
            }
        }
    }

    /// Where it stands.
    pub(super) fn now(&self, services: Services<'_>) -> Result<Now, FixError> {
        let path = self.path();
        let metadata = || open(path).and_then(|file| file.metadata()).map_err(at("reading", path));
        Ok(match self {
            Change::SetMode { from, to, .. } => compare(&(metadata()?.mode() & 0o7777), from, to),
            Change::SetOwner { from, to, .. } => compare(&metadata()?.uid(), from, to),
            Change::Rewrite { from, to, .. } => {
                compare(&read_text(path).map_err(at("reading", path))?, from, to)
            }
            Change::SetBucket { endpoint, bucket, setting, from, to } => {
                Setting { endpoint, bucket, setting: *setting }.now(services, from, to)?
            }
            Change::SetParameter { server, parameter, from, to } => {
                Altered { server, parameter: *parameter, from, to }.now(services)?
            }
            Change::EditHba { server, path, line, from, to } => {
                HbaLine { server, path, line: *line, from, to }.now(services)?
            }
        })
    }

    /// Makes it. What is already as it shall be stays; what is neither is an error.
    pub(super) fn make(&self, services: Services<'_>) -> Result<(), FixError> {
        match self {
            // What stands there may not hold yet.
            Change::SetParameter { server, parameter, from, to } => {
                return Altered { server, parameter: *parameter, from, to }.make(services);
            }
            Change::EditHba { server, path, line, from, to } => {
                return HbaLine { server, path, line: *line, from, to }.make(services);
            }
            _ => {}
        }
        match self.now(services)? {
            Now::After => return Ok(()),
            Now::Other => return Err(FixError::Changed { path: self.path().to_owned() }),
            Now::Before => {}
        }
        match self {
            Change::SetMode { path, to, .. } => {
                let file = open(path).map_err(at("opening", path))?;
                rustix::fs::fchmod(&file, Mode::from_raw_mode(*to))
                    .map_err(|error| at("setting the mode of", path)(error.into()))
            }
            Change::SetOwner { path, to, .. } => {
                let file = open(path).map_err(at("opening", path))?;
                rustix::fs::fchown(&file, Some(Uid::from_raw(*to)), None::<Gid>)
                    .map_err(|error| at("setting the owner of", path)(error.into()))
            }
            Change::Rewrite { path, from, to, gate } => {
                rewrite(path, to).map_err(at("writing", path))?;
                let Some(Err(says)) = gate.as_ref().map(Gate::ask) else { return Ok(()) };
                rewrite(path, from).map_err(at("writing back", path))?;
                Err(FixError::Refused { path: path.clone(), says })
            }
            Change::SetBucket { endpoint, bucket, setting, to, .. } => {
                Setting { endpoint, bucket, setting: *setting }.make(services, to)
            }
            Change::SetParameter { .. } | Change::EditHba { .. } => Ok(()),
        }
    }
}

impl Gate {
    /// Asks the program; what it says if it refuses.
    fn ask(&self) -> Result<(), String> {
        match self {
            Gate::Nginx { config } => Gate::ask_nginx(config),
            Gate::Iis { config } => {
                let text = read_text(config).map_err(|error| format!("reading it ({error})"))?;
                parse::iis::parse(&text).map(|_| ()).map_err(|error| format!("it has {error}"))
            }
        }
    }

    fn ask_nginx(config: &str) -> Result<(), String> {
        let ask = |program| Command::new(program).args(["-t", "-q", "-c", config]).output();
        // Debian has it where only root looks.
        let asked = ask("nginx").or_else(|_| ask("/usr/sbin/nginx"));
        let output =
            asked.map_err(|error| format!("`nginx -t` could not be run to check it ({error})"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let line = said.lines().find(|line| line.contains("[emerg]")).unwrap_or("it says no");
        Err(format!("`nginx -t` refuses it: {}", line.chars().take(300).collect::<String>()))
    }
}

pub(super) fn compare<T: PartialEq>(now: &T, before: &T, after: &T) -> Now {
    if now == after {
        Now::After
    } else if now == before {
        Now::Before
    } else {
        Now::Other
    }
}

/// How many lines go and come, between what both texts begin and end with.
fn differing_lines(from: &str, to: &str) -> (usize, usize) {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.lines().collect(), to.lines().collect());
    let start = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let rest = from[start..].iter().rev().zip(to[start..].iter().rev());
    let end = rest.take_while(|(a, b)| a == b).count();
    (from.len() - start - end, to.len() - start - end)
}
