//! Rules over the signatures of a repository.

use crate::facts::git::{Git, Role, Signature};
use crate::parse::signers::glob;

pub(super) mod commits;
pub(super) mod signers;
pub(super) mod tags;

#[cfg(test)]
mod tests;

/// What was signed, as far as the list asks.
struct Signed<'a> {
    role: Role,
    time_s: i64,
    paths: &'a [String],
    /// Lines of the list that ask for their principals, and get one.
    lines: &'a [u32],
}

/// Why a signature does not count; none if it does.
fn objection(git: &Git, signature: &Signature, signed: &Signed<'_>) -> Option<String> {
    let (scheme, key) = match signature {
        Signature::Missing => return Some("is not signed".to_owned()),
        Signature::Bad { why } => return Some(format!("has a signature that is bad: {why}")),
        Signature::UnknownKey { key } => {
            return Some(format!("is signed by the key {key}, which is not on the list"));
        }
        Signature::Unsupported { why } => {
            return Some(format!("has a signature that cannot be verified: {why}"));
        }
        Signature::Good { reservation: Some(why), .. } => {
            return Some(format!("has a signature that does not count: {why}"));
        }
        Signature::Good { scheme, key, reservation: None } => (scheme, key),
    };
    let signers = git.list.as_ref().map(|list| &list.signers[..]).unwrap_or_default();
    let mut why = format!("is signed by the key {key}, which is not on the list");
    for signer in signers.iter().filter(|it| it.scheme == *scheme && it.key == *key) {
        let line = signer.line;
        let after = signer.valid_after_s.is_none_or(|from_s| from_s <= signed.time_s);
        let before = signer.valid_before_s.is_none_or(|until_s| signed.time_s < until_s);
        let branch = &git.branch;
        let in_scope = |path: &&String| signer.paths.iter().any(|it| glob(path, it));
        if !after || !before {
            why = format!("was signed when line {line} of the list did not hold");
        } else if !signer.roles.contains(&signed.role) {
            let role = signed.role.word();
            why = format!("is a {role}, which line {line} of the list does not let its key sign");
        } else if signer.by_principal && !signed.lines.contains(&line) {
            let who = if signed.role == Role::Tag { "tagger" } else { "committer" };
            why = format!("has a {who} who is no principal of line {line} of the list");
        } else if signed.role != Role::Tag
            && !signer.branches.is_empty()
            && !signer.branches.iter().any(|it| glob(branch, it))
        {
            why = format!("is on a branch that line {line} of the list does not name");
        } else if !signer.paths.is_empty() && !signed.paths.iter().all(|path| in_scope(&path)) {
            why = format!("changes files that line {line} of the list does not name");
        } else {
            return None;
        }
    }
    Some(why)
}

/// Whether a signature says nothing about whether it is in order.
fn is_unknown(signature: &Signature) -> bool {
    matches!(signature, Signature::Unsupported { .. })
}
