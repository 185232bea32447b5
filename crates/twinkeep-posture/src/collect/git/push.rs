//! What a push brings, before it is taken: git tells a pre-receive hook each name that changes, with
//! the commit that it has and the one that it shall have.
//!
//! A branch is judged from the commit that it has. A new one is judged from what the branches of the
//! repository have, because that was judged when it came, unless the list lets somebody sign for
//! some branches only: then it is judged whole. A tag is judged as a tag, with the commits that no
//! branch has.

use std::path::Path;
use std::process::Stdio;

use super::{BATCH, CollectError, Reader, lines_for, object, one_file, read_list, verified_tag};
use crate::facts::git::{Git, List, Signature, Tag};
use crate::parse::signers::SignerList;
use crate::signature::Keys;

/// A name that a push changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// The object that it has; `None` if it is new.
    pub old: Option<String>,
    /// The object that it shall have; `None` if it is taken away.
    pub new: Option<String>,
    /// The whole name, such as `refs/heads/main`.
    pub name: String,
}

/// How a push is judged.
#[derive(Clone, Copy, Debug)]
pub struct PushOptions<'a> {
    /// The list of those who may sign.
    pub signers: Option<&'a Path>,
    /// A commit up to which history is taken as it is.
    pub since: Option<&'a str>,
}

/// Reads what git tells a pre-receive hook: `OLD NEW NAME` on each line.
pub fn parse_updates(text: &str) -> Result<Vec<Update>, CollectError> {
    let mut updates = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (old, new, name) = (words.next(), words.next(), words.next());
        let (Some(old), Some(new), Some(name)) = (old, new, name) else { return Err(no_update()) };
        if !is_id(old) || !is_id(new) || !name.starts_with("refs/") {
            return Err(no_update());
        }
        let unless_zero = |id: &str| id.bytes().any(|byte| byte != b'0').then(|| id.to_owned());
        updates.push(Update {
            old: unless_zero(old),
            new: unless_zero(new),
            name: name.to_owned(),
        });
    }
    Ok(updates)
}

/// Reads what each update brings. One that takes a name away brings nothing.
pub fn collect_push(
    repository: &Path,
    options: PushOptions<'_>,
    updates: &[Update],
) -> Result<Vec<Git>, CollectError> {
    let reader = Reader { repository };
    let list = options.signers.map(read_list).transpose()?;
    let (keys, list) = match list {
        Some((path, SignerList { signers, wrong, keys })) => {
            (keys, Some(List { path, signers, wrong }))
        }
        None => (Keys::default(), None),
    };
    let base = options.since.map(|since| reader.commit(since)).transpose()?;
    let push = Push { reader, keys, list, base, branches: Vec::new() };
    let push = Push { branches: push.branches()?, ..push };
    updates.iter().map(|update| push.brings(update, updates)).collect()
}

struct Push<'a> {
    reader: Reader<'a>,
    keys: Keys,
    list: Option<List>,
    /// Up to here history is taken as it is.
    base: Option<String>,
    /// The commits that the branches of the repository have.
    branches: Vec<String>,
}

impl Push<'_> {
    fn brings(&self, update: &Update, all: &[Update]) -> Result<Git, CollectError> {
        let mut git = Git {
            repository: self.reader.repository.display().to_string(),
            branch: update.name.strip_prefix(BRANCHES).unwrap_or(&update.name).to_owned(),
            list: self.list.clone(),
            is_pushed: true,
            ..Git::default()
        };
        let Some(new) = &update.new else { return Ok(git) };
        git.tip = self.reader.commit(new)?;
        let mut without: Vec<String> = self.base.iter().cloned().collect();
        if update.name.starts_with(TAGS) {
            git.tags.push(self.tag(new, &update.name)?);
            without.extend(self.branches.iter().cloned());
            // Branches of the same push are judged themselves, and it is taken whole or not at all.
            let others = all.iter().filter(|it| it.name.starts_with(BRANCHES));
            without.extend(others.filter_map(|it| it.new.clone()));
        } else if let Some(old) = &update.old {
            let since = self.reader.since(old, &git.tip)?;
            without.extend(since.is_ancestor.then(|| since.commit.clone()));
            git.since = Some(since);
        } else if !self.has_scopes_of_branches() {
            without.extend(self.branches.iter().cloned());
        }
        let mut range = vec![git.tip.clone()];
        range.extend(without.iter().map(|commit| format!("^{commit}")));
        self.reader.commits(&range, &self.keys, &mut git)?;
        self.reader.scoped_paths(&range, &mut git)?;
        Ok(git)
    }

    fn has_scopes_of_branches(&self) -> bool {
        let signers = self.list.as_ref().map(|list| &list.signers[..]).unwrap_or_default();
        signers.iter().any(|signer| !signer.branches.is_empty())
    }

    fn branches(&self) -> Result<Vec<String>, CollectError> {
        let listed = self.reader.output(&["for-each-ref", "--format=%(objectname)", BRANCHES])?;
        let mut ids: Vec<String> =
            String::from_utf8_lossy(&listed.stdout).lines().map(str::to_owned).collect();
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    fn tag(&self, id: &str, name: &str) -> Result<Tag, CollectError> {
        let reader = &self.reader;
        let file = one_file(&format!("{id}\n")).map_err(|_| reader.unreachable())?;
        let mut objects = reader.start(reader.git(BATCH).stdin(Stdio::from(file)))?;
        let mut out = reader.out(&mut objects)?;
        let (_, kind, bytes) = reader.object(&mut out)?.ok_or_else(|| reader.broken(id))?;
        reader.end(objects)?;
        let name = name.strip_prefix(TAGS).unwrap_or(name).to_owned();
        if kind != "tag" {
            let signature = Signature::Missing;
            return Ok(Tag { name, time_s: None, signature, lines: Vec::new() });
        }
        let tag = object::parse_tag(&bytes).ok_or_else(|| reader.broken(id))?;
        let signature = verified_tag(&tag, &name, &self.keys);
        let lines = lines_for(self.list.as_ref(), tag.email.as_deref());
        Ok(Tag { name, time_s: Some(tag.time_s), signature, lines })
    }
}

fn is_id(text: &str) -> bool {
    [40, 64].contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn no_update() -> CollectError {
    CollectError::Unexpected {
        what: "what is pushed".to_owned(),
        why: "a line is not `OLD NEW NAME`; run it as the hook `pre-receive` of git".to_owned(),
    }
}

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";
