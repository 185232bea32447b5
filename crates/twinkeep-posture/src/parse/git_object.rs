//! Commits and tags of git taken apart: what is signed, and the signature.
//!
//! # Invariants
//!
//! - Any bytes give an object or nothing.
//! - What is not a signature of an object is part of what its signatures are over.

/// An object that may be signed.
#[derive(Debug, Default)]
pub struct Signed {
    /// What a tag calls itself.
    pub name: Option<String>,
    /// The commits that it follows.
    pub parents: Vec<String>,
    /// When it was committed or tagged, in seconds since 1970.
    pub time_s: i64,
    /// The address of whoever committed or tagged, as git takes it apart.
    pub email: Option<String>,
    /// What a signature is over.
    pub payload: Vec<u8>,
    /// All that there are; more than one is a trick.
    pub signatures: Vec<Vec<u8>>,
}

/// Takes a commit apart: signatures are headers, and what they are over is the rest.
pub fn parse(bytes: &[u8]) -> Option<Signed> {
    let mut commit = Signed { payload: Vec::with_capacity(bytes.len()), ..Signed::default() };
    let mut rest = bytes;
    let mut in_signature = false;
    let mut committed = false;
    loop {
        let length = rest.iter().position(|&byte| byte == b'\n')? + 1;
        let (line, after) = rest.split_at(length);
        if line == b"\n" {
            commit.payload.extend_from_slice(rest);
            return committed.then_some(commit);
        }
        rest = after;
        if let (true, [b' ', continued @ ..]) = (in_signature, line) {
            commit.signatures.last_mut()?.extend_from_slice(continued);
            continue;
        }
        let signature =
            [&b"gpgsig "[..], b"gpgsig-sha256 "].iter().find_map(|name| line.strip_prefix(*name));
        in_signature = signature.is_some();
        match signature {
            Some(first) => commit.signatures.push(first.to_vec()),
            None => {
                commit.payload.extend_from_slice(line);
                if let Some(parent) = line.strip_prefix(b"parent ") {
                    commit.parents.push(String::from_utf8(parent.trim_ascii_end().to_vec()).ok()?);
                }
                // The first one counts, as git has it.
                if let (false, Some(committer)) = (committed, line.strip_prefix(b"committer ")) {
                    commit.time_s = time(committer)?;
                    commit.email = email(committer);
                    committed = true;
                }
            }
        }
        if rest.is_empty() {
            return committed.then_some(commit);
        }
    }
}

/// Takes a tag apart: its signature is the end of its message.
pub fn parse_tag(bytes: &[u8]) -> Option<Signed> {
    let mut tag = Signed::default();
    let mut tagged = false;
    let head_len = bytes.windows(2).position(|two| two == b"\n\n").map_or(bytes.len(), |at| at + 1);
    for line in bytes[..head_len].split_inclusive(|&byte| byte == b'\n') {
        // The first one counts, as git has it.
        if let (false, Some(tagger)) = (tagged, line.strip_prefix(b"tagger ")) {
            tag.time_s = time(tagger)?;
            tag.email = email(tagger);
            tagged = true;
        }
        if let (None, Some(name)) = (&tag.name, line.strip_prefix(b"tag ")) {
            tag.name = Some(String::from_utf8_lossy(name.trim_ascii_end()).into_owned());
        }
    }
    // The last beginning of a signature, as git has it: earlier ones are text.
    let mut start = None;
    let mut at = 0;
    for line in bytes.split_inclusive(|&byte| byte == b'\n') {
        if BEGINNINGS.iter().any(|beginning| line.starts_with(beginning)) {
            start = Some(at);
        }
        at += line.len();
    }
    let start = start.unwrap_or(bytes.len());
    tag.payload = bytes[..start].to_vec();
    if start < bytes.len() {
        tag.signatures.push(bytes[start..].to_vec());
    }
    Some(tag)
}

/// The seconds in `Name <address> seconds zone`.
fn time(line: &[u8]) -> Option<i64> {
    let line = str::from_utf8(line.trim_ascii_end().rsplit(|&byte| byte == b'>').next()?).ok()?;
    line.split_whitespace().next()?.parse().ok()
}

/// The address in `Name <address> seconds zone`.
fn email(line: &[u8]) -> Option<String> {
    let after = line.splitn(2, |&byte| byte == b'<').nth(1)?;
    let length = after.iter().position(|&byte| byte == b'>')?;
    String::from_utf8(after.get(..length)?.to_vec()).ok()
}

const BEGINNINGS: &[&[u8]] = &[
    b"-----BEGIN PGP SIGNATURE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"-----BEGIN SSH SIGNATURE-----",
    b"-----BEGIN SIGNED MESSAGE-----",
];

#[cfg(test)]
mod tests {
    use super::{parse, parse_tag};

    const HEAD: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\
                        author A <a@example.org> 1 +0000\ncommitter A <a@example.org> 7 +0000\n";

    #[test]
    fn a_signature_is_taken_out_of_the_header() {
        let commit = format!(
            "{HEAD}gpgsig -----BEGIN X-----\n \n line\n -----END X-----\nencoding x\n\nA b\n"
        );
        let parsed = parse(commit.as_bytes()).unwrap();
        assert_eq!(parsed.payload, format!("{HEAD}encoding x\n\nA b\n").as_bytes());
        assert_eq!(parsed.signatures, [b"-----BEGIN X-----\n\nline\n-----END X-----\n".to_vec()]);
        assert_eq!(parsed.time_s, 7);
    }

    /// What looks like a header in the message is text.
    #[test]
    fn a_signature_in_the_message_is_none() {
        let commit = format!("{HEAD}\ngpgsig -----BEGIN X-----\n");
        assert!(parse(commit.as_bytes()).unwrap().signatures.is_empty());
    }

    #[test]
    fn who_committed_is_said_once() {
        let commit = format!("{HEAD}committer B <b@example.org> 99 +0000\n\nmessage\n");
        let commit = parse(commit.as_bytes()).unwrap();
        assert_eq!((commit.time_s, commit.email.as_deref()), (7, Some("a@example.org")));
        let tag = b"object x\ntag v1\ntagger A <a@b> 7 +0000\ntagger B <a@b> 99 +0000\n\ntag v2\n";
        let tag = parse_tag(tag).unwrap();
        assert_eq!((tag.time_s, tag.name.as_deref()), (7, Some("v1")));
    }

    #[test]
    fn objects_that_are_cut_anywhere_are_survived() {
        let commit = format!("{HEAD}parent x\ngpgsig a\n b\n\nmessage\n");
        for length in 0..commit.len() {
            parse(&commit.as_bytes()[..length]);
            parse_tag(&commit.as_bytes()[..length]);
        }
    }
}
