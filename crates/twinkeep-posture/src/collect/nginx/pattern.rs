//! Patterns of file names, as `include` takes them: `*`, `?`, and `[…]` within a name.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

/// The paths that a pattern stands for, sorted. A path without a pattern stands for itself, also
/// if it does not exist; a pattern that nothing matches stands for nothing.
pub(super) fn expand(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = component.as_os_str().to_string_lossy();
        if !matches!(component, Component::Normal(_)) || !name.contains(['*', '?', '[']) {
            for path in &mut paths {
                path.push(component);
            }
            continue;
        }
        // A class of characters, or an escape, is said to be not followed rather than to fit nothing.
        if name.contains("[:") || name.contains('\\') {
            return Err(io::Error::other("its pattern has a class or an escape"));
        }
        let mut matched = Vec::new();
        for path in &paths {
            let folder = if path.as_os_str().is_empty() { Path::new(".") } else { path };
            let entries = match fs::read_dir(folder) {
                Ok(entries) => entries,
                // What is no folder has nothing in it: a file beside the folders that were meant.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) =>
                {
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in entries {
                let entry = entry?.file_name();
                if matches(name.as_bytes(), entry.to_string_lossy().as_bytes()) {
                    matched.push(path.join(entry));
                }
            }
        }
        paths = matched;
    }
    paths.sort();
    Ok(paths)
}

/// Whether a name fits a pattern, in time linear in both for patterns with one star, and never
/// worse than their product.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    // A name that starts with a dot has to be asked for.
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    let (mut at, mut read) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while read < name.len() {
        match one(&pattern[at..], name[read]) {
            Some(length) => {
                at += length;
                read += 1;
            }
            None if pattern.get(at) == Some(&b'*') => {
                star = Some((at + 1, read));
                at += 1;
            }
            None => match star {
                Some((after, from)) => {
                    at = after;
                    read = from + 1;
                    star = Some((after, read));
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&byte| byte == b'*')
}

/// How much of a pattern one byte takes, if it fits; a star is not for this function.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern.first()? {
        b'*' => None,
        b'?' => Some(1),
        b'[' => set(pattern, byte),
        &literal => (literal == byte).then_some(1),
    }
}

/// `[a-z]` and `[!a-z]`.
fn set(pattern: &[u8], byte: u8) -> Option<usize> {
    let end = pattern.iter().skip(2).position(|&byte| byte == b']')? + 2;
    let inside = &pattern[1..end];
    let (inside, negated) = match inside {
        [b'!' | b'^', rest @ ..] => (rest, true),
        _ => (inside, false),
    };
    let mut found = false;
    let mut rest = inside;
    while let [first, tail @ ..] = rest {
        rest = match tail {
            [b'-', last, tail @ ..] => {
                found |= (*first..=*last).contains(&byte);
                tail
            }
            _ => {
                found |= *first == byte;
                tail
            }
        };
    }
    (found != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn names_fit_patterns_as_in_a_shell() {
        let fits = [
            ("*.conf", "a.conf"),
            ("*", "a"),
            ("a?c", "abc"),
            ("[ab]*", "bee"),
            ("[!a]", "b"),
            ("*a*b", "xaxxb"),
        ];
        let fits_not =
            [("*.conf", ".conf"), ("*.conf", "a.conf~"), ("a?c", "ac"), ("[a-c]", "d"), ("[", "a")];
        for (pattern, name) in fits {
            assert!(matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in fits_not {
            assert!(!matches(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
