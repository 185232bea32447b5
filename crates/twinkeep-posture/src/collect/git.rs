//! Reads the commits and tags of a repository, and verifies their signatures in process.
//!
//! Two programs of git run once each, however many commits there are: one names them, the other
//! hands out their bytes. What they say is not believed: each object is hashed, and its name must be
//! that hash.
//!
//! # Invariants
//!
//! - Nothing of the repository is run: no hook, no filter, no program that its settings name; and
//!   nothing is fetched.
//! - Objects that were put in place of others (`git replace`), parents that a file of the repository
//!   gives a commit (grafts, a graph of commits), and history that is not in the copy do not count.

use std::collections::BTreeSet;
use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::{CollectError, regular};
use crate::facts::git::{Commit, Git, List, Signature, Signer, Since, Tag};
use crate::parse::git_object as object;
use crate::parse::signers::{self, SignerList};
use crate::signature::{self, Keys, Verified};

mod push;

#[cfg(test)]
pub(crate) mod tests;

pub use push::{PushOptions, Update, collect_push, parse_updates};

/// What to look at.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The branch; `None` is the one that is checked out.
    pub branch: Option<&'a str>,
    /// The list of those who may sign.
    pub signers: Option<&'a Path>,
    /// The commit up to which everything was verified before.
    pub since: Option<&'a str>,
}

/// What a repository that verifies on receipt runs before it takes a push. `SIGNERS` is where the
/// list is, outside of the repository.
pub const PRE_RECEIVE_HOOK: &str = "\
#!/bin/sh
# hooks/pre-receive: takes no commit and no tag that nobody on the list signed.
# Where history began without signatures, add --since and the commit up to which it counts as it is.
exec twinkeep scan git:. --pushed --signers SIGNERS --fail-on medium
";

/// The line of a pipeline that refuses to build what nobody on the list signed.
pub const PIPELINE_LINE: &str = "twinkeep scan git:. --signers SIGNERS --fail-on low";

/// Reads a branch and all tags.
pub fn collect(repository: &Path, options: Options<'_>) -> Result<Git, CollectError> {
    let reader = Reader { repository };
    let list = options.signers.map(read_list).transpose()?;
    let branch = match options.branch {
        Some(branch) => branch.to_owned(),
        None => {
            reader.line(&["symbolic-ref", "--short", "-q", "HEAD"]).unwrap_or("HEAD".to_owned())
        }
    };
    let tip = match options.branch {
        // Where a tag is called as the branch is, git would take the tag.
        Some(branch) => {
            let whole = reader.commit(&format!("refs/heads/{branch}"));
            whole.or_else(|_| reader.commit(branch))?
        }
        None => reader.commit(&branch)?,
    };
    let since = options.since.map(|since| reader.since(since, &tip)).transpose()?;
    let (keys, list) = match list {
        Some((path, list)) => {
            let SignerList { signers, wrong, keys } = list;
            (keys, Some(List { path, signers, wrong }))
        }
        None => (Keys::default(), None),
    };
    let mut git = Git {
        repository: repository.display().to_string(),
        branch,
        tip: tip.clone(),
        since,
        list,
        ..Git::default()
    };
    let range = match &git.since {
        Some(since) if since.is_ancestor => vec![tip, format!("^{}", since.commit)],
        _ => vec![tip],
    };
    reader.commits(&range, &keys, &mut git)?;
    reader.scoped_paths(&range, &mut git)?;
    reader.tags(&keys, &mut git)?;
    Ok(git)
}

fn read_list(path: &Path) -> Result<(String, SignerList), CollectError> {
    let read = |source| CollectError::Read { path: path.display().to_string(), source };
    let bytes = regular::read(path, LIST_SIZE_MAX).map_err(read)?;
    let text = String::from_utf8(bytes).map_err(|error| read(io::Error::other(error)))?;
    Ok((path.display().to_string(), signers::parse(&text)))
}

struct Reader<'a> {
    repository: &'a Path,
}

impl Reader<'_> {
    /// Git, with nothing of its surroundings but where its own programs are.
    fn git(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        let path = std::env::var_os("PATH").unwrap_or_default();
        command
            .arg("-C")
            .arg(self.repository)
            .args(["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"])
            .args(["-c", "protocol.allow=never", "-c", "safe.directory=*"])
            .args(["-c", "core.commitGraph=false"])
            .args(arguments)
            .env_clear()
            .env("PATH", path)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_GRAFT_FILE", "/dev/null")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        for name in OBJECT_PLACES {
            if let Some(place) = std::env::var_os(name) {
                command.env(name, place);
            }
        }
        command
    }

    fn output(&self, arguments: &[&str]) -> Result<Output, CollectError> {
        self.git(arguments).output().map_err(|_| self.unreachable())
    }

    /// The first line of what git says, if it succeeds.
    fn line(&self, arguments: &[&str]) -> Option<String> {
        let output = self.output(arguments).ok().filter(|output| output.status.success())?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.lines().next().map(str::to_owned)
    }

    /// The name of the commit that a branch or revision is.
    fn commit(&self, revision: &str) -> Result<String, CollectError> {
        // A revision that looks like an option must not become one.
        let wanted = format!("{revision}^{{commit}}");
        let found = self.line(&["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]);
        found.filter(|_| !revision.starts_with('-')).ok_or_else(|| CollectError::Unexpected {
            what: self.repository.display().to_string(),
            why: format!("there is no repository with a commit `{revision}`; name a branch"),
        })
    }

    fn since(&self, since: &str, tip: &str) -> Result<Since, CollectError> {
        let Ok(commit) = self.commit(since) else {
            // What was verified once and is gone was taken out of history.
            return Ok(Since { commit: since.to_owned(), is_ancestor: false });
        };
        let output = self.output(&["merge-base", "--is-ancestor", &commit, tip])?;
        Ok(Since { commit, is_ancestor: output.status.success() })
    }

    fn commits(&self, range: &[String], keys: &Keys, git: &mut Git) -> Result<(), CollectError> {
        let mut named = self.git(&["rev-list", "--topo-order", "--stdin"]);
        let mut names = self.start(named.stdin(Stdio::piped()))?;
        self.tell(&mut names, &range.join("\n"))?;
        let names_out = names.stdout.take().ok_or_else(|| self.unreachable())?;
        let mut objects = self.start(self.git(BATCH).stdin(Stdio::from(names_out)))?;
        let mut out = self.out(&mut objects)?;
        let mut seen = BTreeSet::new();
        let mut parents = BTreeSet::new();
        while let Some((id, kind, bytes)) = self.object(&mut out)? {
            let commit = object::parse(&bytes).filter(|_| kind == "commit");
            let commit = commit.ok_or_else(|| self.broken(&id))?;
            let lines = lines_for(git.list.as_ref(), commit.email.as_deref());
            git.commits.push(Commit {
                is_merge: 1 < commit.parents.len(),
                time_s: commit.time_s,
                signature: verified(&commit, keys),
                paths: Vec::new(),
                lines,
                id: id.clone(),
            });
            parents.extend(commit.parents.iter().map(|parent| (parent.clone(), id.clone())));
            seen.insert(id);
        }
        self.end(names)?;
        self.end(objects)?;
        git.commit_count = git.commits.len() as u64;
        parents.retain(|(parent, _)| !seen.contains(parent));
        git.cut_at = self.cut_at(&parents, range)?;
        Ok(())
    }

    /// The commits with a parent that is neither looked at nor in the history that is left out:
    /// in a shallow copy, history ends before its commits do.
    fn cut_at(
        &self,
        parents: &BTreeSet<(String, String)>,
        range: &[String],
    ) -> Result<Vec<String>, CollectError> {
        let all: BTreeSet<&str> = parents.iter().map(|(parent, _)| parent.as_str()).collect();
        let mut cut = BTreeSet::new();
        if self.are_left_out(&all, range)? {
            return Ok(Vec::new());
        }
        for (parent, child) in parents {
            if !self.are_left_out(&BTreeSet::from([parent.as_str()]), range)? {
                cut.insert(child.clone());
            }
        }
        Ok(cut.into_iter().collect())
    }

    /// Whether commits are in the history that a range leaves out.
    fn are_left_out(&self, ids: &BTreeSet<&str>, range: &[String]) -> Result<bool, CollectError> {
        let without = range.get(1..).unwrap_or_default();
        if ids.is_empty() || without.is_empty() {
            return Ok(ids.is_empty());
        }
        let words = ids.iter().copied().chain(without.iter().map(String::as_str));
        let words: String = words.map(|word| format!("{word}\n")).collect();
        let file = one_file(&words).map_err(|_| self.unreachable())?;
        let mut command = self.git(&["rev-list", "--max-count=1", "--stdin"]);
        let output = command.stdin(Stdio::from(file)).output().map_err(|_| self.unreachable())?;
        // One that is not here is no commit that git could name.
        Ok(output.status.success() && output.stdout.is_empty())
    }

    /// The files that each commit changed, if the list asks for them.
    fn scoped_paths(&self, range: &[String], git: &mut Git) -> Result<(), CollectError> {
        let scoped = |list: &List| list.signers.iter().any(|signer| !signer.paths.is_empty());
        if git.list.as_ref().is_some_and(scoped) { self.paths(range, git) } else { Ok(()) }
    }

    /// The files that each commit changed; of a merge, those that differ from all its parents.
    fn paths(&self, range: &[String], git: &mut Git) -> Result<(), CollectError> {
        let mut named = self.git(&["rev-list", "--topo-order", "--stdin"]);
        let mut names = self.start(named.stdin(Stdio::piped()))?;
        self.tell(&mut names, &range.join("\n"))?;
        let names_out = names.stdout.take().ok_or_else(|| self.unreachable())?;
        let tree = ["diff-tree", "--stdin", "-r", "-c", "--root", "--no-renames", "--raw", "-z"];
        let mut changes = self.start(self.git(&tree).stdin(Stdio::from(names_out)))?;
        let mut out = self.out(&mut changes)?;
        let mut at: Option<usize> = None;
        let mut is_path = false;
        let mut word = Vec::new();
        loop {
            word.clear();
            out.read_until(0, &mut word).map_err(|_| self.unreachable())?;
            let Some((0, name)) = word.split_last() else { break };
            // What was done stands before each path, so that a file may be called as a commit is.
            if !is_path && name.starts_with(b":") {
                is_path = true;
                continue;
            }
            let name = String::from_utf8_lossy(name).into_owned();
            if std::mem::take(&mut is_path) {
                if let Some(commit) = at.and_then(|at| git.commits.get_mut(at)) {
                    commit.paths.push(name);
                }
                continue;
            }
            // Commits come in the order in which they were named, some of them without a change.
            let from = at.map_or(0, |at| at + 1);
            let later = git.commits.get(from..).unwrap_or_default();
            let next = later.iter().position(|commit| commit.id == name);
            at = Some(from + next.ok_or_else(|| self.broken(&name))?);
        }
        self.end(names)?;
        self.end(changes)
    }

    fn tags(&self, keys: &Keys, git: &mut Git) -> Result<(), CollectError> {
        let form = "--format=%(objecttype) %(objectname) %(refname)";
        let listed = self.output(&["for-each-ref", form, "refs/tags"])?;
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let lines: Vec<(&str, &str, &str)> = listed
            .lines()
            .filter_map(|line| {
                let (kind, rest) = line.split_once(' ')?;
                let (id, name) = rest.split_once(' ')?;
                Some((kind, id, name.strip_prefix("refs/tags/")?))
            })
            .collect();
        let wanted: String = lines
            .iter()
            .filter(|(kind, ..)| *kind == "tag")
            .map(|(_, id, _)| format!("{id}\n"))
            .collect();
        // All names are written before the first object is read, so they go through a file.
        let file = one_file(&wanted).map_err(|_| self.unreachable())?;
        let mut objects = self.start(self.git(BATCH).stdin(Stdio::from(file)))?;
        let mut out = self.out(&mut objects)?;
        for (kind, id, name) in lines {
            let name = name.to_owned();
            if kind != "tag" {
                let signature = Signature::Missing;
                git.tags.push(Tag { name, time_s: None, signature, lines: Vec::new() });
                continue;
            }
            let (_, _, bytes) = self.object(&mut out)?.ok_or_else(|| self.broken(id))?;
            let tag = object::parse_tag(&bytes).ok_or_else(|| self.broken(id))?;
            let signature = verified_tag(&tag, &name, keys);
            let lines = lines_for(git.list.as_ref(), tag.email.as_deref());
            git.tags.push(Tag { name, time_s: Some(tag.time_s), signature, lines });
        }
        self.end(objects)
    }

    /// The next object of a batch: its name, kind, and bytes. None at the end.
    fn object(
        &self,
        out: &mut BufReader<ChildStdout>,
    ) -> Result<Option<(String, String, Vec<u8>)>, CollectError> {
        let mut head = String::new();
        out.by_ref().take(HEAD_LEN_MAX).read_line(&mut head).map_err(|_| self.unreachable())?;
        if head.is_empty() {
            return Ok(None);
        }
        let words: Vec<&str> = head.split_whitespace().collect();
        let [id, kind, size] = words[..] else { return Err(self.broken(head.trim())) };
        let size: u64 = size.parse().map_err(|_| self.broken(id))?;
        if OBJECT_SIZE_MAX < size {
            return Err(self.broken(id));
        }
        let mut bytes = Vec::new();
        out.by_ref().take(size + 1).read_to_end(&mut bytes).map_err(|_| self.unreachable())?;
        if bytes.pop() != Some(b'\n') || bytes.len() as u64 != size {
            return Err(self.broken(id));
        }
        let named = [format!("{kind} {size}\0").as_bytes(), &bytes].concat();
        let algorithm = if id.len() == 64 { &SHA256 } else { &SHA1_FOR_LEGACY_USE_ONLY };
        let hash: String =
            digest(algorithm, &named).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        if hash != id {
            return Err(self.broken(id));
        }
        Ok(Some((id.to_owned(), kind.to_owned(), bytes)))
    }

    fn start(&self, command: &mut Command) -> Result<Child, CollectError> {
        // What git complains about is its exit status here; its words may have names in them.
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().map_err(|_| self.unreachable())
    }

    fn tell(&self, child: &mut Child, text: &str) -> Result<(), CollectError> {
        let mut into = child.stdin.take().ok_or_else(|| self.unreachable())?;
        into.write_all(format!("{text}\n").as_bytes()).map_err(|_| self.unreachable())
    }

    fn out(&self, child: &mut Child) -> Result<BufReader<ChildStdout>, CollectError> {
        let out = child.stdout.take().ok_or_else(|| self.unreachable())?;
        Ok(BufReader::with_capacity(256 << 10, out))
    }

    fn end(&self, mut child: Child) -> Result<(), CollectError> {
        let status = child.wait().map_err(|_| self.unreachable())?;
        if status.success() { Ok(()) } else { Err(self.broken("history")) }
    }

    fn unreachable(&self) -> CollectError {
        CollectError::Unreachable {
            target: self.repository.display().to_string(),
            why: "git could not be run or broke off; is it installed?".to_owned(),
        }
    }

    fn broken(&self, id: &str) -> CollectError {
        CollectError::Unexpected {
            what: self.repository.display().to_string(),
            why: format!("`{id}` is missing or not what its name says; run `git fsck`"),
        }
    }
}

/// A file without a name, that has a text and is read from its start.
fn one_file(text: &str) -> io::Result<std::fs::File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    let mut file = std::fs::File::from(memfd_create("names", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    io::Seek::rewind(&mut file)?;
    Ok(file)
}

/// The lines of a list that ask for their principals, and of which this address is one.
fn lines_for(list: Option<&List>, email: Option<&str>) -> Vec<u32> {
    let (Some(list), Some(email)) = (list, email) else { return Vec::new() };
    let fits = |it: &&Signer| it.by_principal && signers::is_principal(email, &it.principals);
    list.signers.iter().filter(fits).map(|it| it.line).collect()
}

/// The signature of a tag is over its name, too: an old one under a new name is not signed as that.
fn verified_tag(tag: &object::Signed, name: &str, keys: &Keys) -> Signature {
    if !tag.signatures.is_empty() && tag.name.as_deref() != Some(name) {
        return Signature::Bad { why: "it is of a tag with another name".to_owned() };
    }
    verified(tag, keys)
}

fn verified(object: &object::Signed, keys: &Keys) -> Signature {
    let [signature] = &object.signatures[..] else {
        return if object.signatures.is_empty() {
            Signature::Missing
        } else {
            Signature::Bad { why: "there are several".to_owned() }
        };
    };
    match signature::verify(signature, &object.payload, keys, object.time_s) {
        Verified::Good { scheme, key, reservation } => {
            Signature::Good { scheme, key, reservation: reservation.map(str::to_owned) }
        }
        Verified::Bad(why) => Signature::Bad { why: why.to_owned() },
        Verified::UnknownKey(key) => Signature::UnknownKey { key },
        Verified::Unsupported(why) => Signature::Unsupported { why: why.to_owned() },
    }
}

/// Where git keeps what is being pushed until a hook has taken it: without these, the hook would not
/// find the commits that it is asked about.
const OBJECT_PLACES: &[&str] =
    &["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"];

/// How objects are asked for.
const BATCH: &[&str] = &["cat-file", "--batch", "--buffer"];

/// A list of thousands has less.
const LIST_SIZE_MAX: u64 = 16 << 20;

/// A name, a kind, and a size.
const HEAD_LEN_MAX: u64 = 1024;

/// No message of a commit is longer; one that is was made to fill memory.
const OBJECT_SIZE_MAX: u64 = 64 << 20;
