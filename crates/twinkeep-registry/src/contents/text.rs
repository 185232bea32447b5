//! Text for people: what nobody's program runs.
//!
//! Text is code to whoever runs it, so that content alone cannot tell. What counts is what no loader
//! of models looks for, by its name, and what is prose, by its content.

use super::{Content, Format};

/// Returns whether a path is one under which people look for prose, and programs do not.
pub(super) fn for_people(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    NAMES.contains(&name)
}

pub(super) fn inspect(bytes: &[u8]) -> Content {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Content::Unsupported("it is not text");
    };
    if text.is_empty() {
        return Content::Checked(Format::Text);
    }
    let control = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
    if text.chars().any(|letter| control(letter) || reorders(letter)) {
        return Content::Unsupported("it has characters that text for people does not have");
    }
    if text.starts_with("#!") || begins_as_pickle(bytes) {
        return Content::Unsupported("it begins as a program");
    }
    let lower = text.to_ascii_lowercase();
    if ACTIVE.iter().any(|mark| lower.contains(mark)) {
        return Content::Unsupported("it has a template or a script in it");
    }
    Content::Checked(Format::Text)
}

/// Characters that make text look other than it is.
fn reorders(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether an unpickler would find something to import, or its end, before something that it
/// does not know. A pickle of protocol 0 is plain text; those after it have bytes that no text has.
fn begins_as_pickle(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((&code, after)) = rest.split_first() {
        rest = match code {
            // Opcodes without an argument.
            b'(' | b'0' | b'1' | b'2' | b'N' | b'R' | b'b' | b'}' | b']' | b')' | b'e' | b'a'
            | b'd' | b'l' | b't' | b'o' | b's' | b'u' | b'Q' => after,
            // A line.
            b'F' | b'I' | b'L' | b'S' | b'V' | b'P' | b'g' | b'p' => match line(after) {
                Some((_, after)) => after,
                None => return false,
            },
            // The end.
            b'.' => return after.iter().all(u8::is_ascii_whitespace),
            // A module and a name in it.
            b'c' | b'i' => {
                let module = line(after);
                let name = module.and_then(|(_, after)| line(after));
                return match (module, name) {
                    (Some((module, _)), Some((name, _))) => is_path(module) && is_path(name),
                    _ => false,
                };
            }
            // Bytes: in text a length of four of them is more than there is.
            b'K' | b'h' | b'q' => after.get(1..).unwrap_or_default(),
            b'M' => after.get(2..).unwrap_or_default(),
            b'J' | b'j' | b'r' => after.get(4..).unwrap_or_default(),
            b'G' => after.get(8..).unwrap_or_default(),
            b'U' | b'C' => {
                let Some((&length, after)) = after.split_first() else { return false };
                after.get(usize::from(length)..).unwrap_or_default()
            }
            _ => return false,
        };
    }
    false
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

fn is_path(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    !line.is_empty()
        && line.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.'))
}

/// How templates, scripts of pages, and objects of YAML begin, in lower case.
const ACTIVE: &[&str] = &["{{", "{%", "<%", "<script", "javascript:", "!!python"];

/// A pack is here because a version that another keep made has one; it is read as a pack then.
const NAMES: &[&str] = &[
    "CHANGELOG.md",
    "CITATION.cff",
    "LICENSE",
    "LICENSE.md",
    "LICENSE.txt",
    "MODEL_CARD.md",
    "NOTICE",
    "NOTICE.md",
    "NOTICE.txt",
    "README",
    "README.md",
    "README.txt",
    "pack.toml",
];
