//! Rules over files that hold data of people.

pub(super) mod combination;
pub(crate) mod modes;
pub(super) mod place;
pub(super) mod plaintext;

use crate::facts::phi::{Content, Phi, PhiFile};

/// The files that can be read and lead to people.
fn readable(phi: &Phi) -> impl Iterator<Item = &PhiFile> {
    phi.files.iter().filter(|file| file.content == Content::Personal)
}

/// What was found, as words: `ssn (12 rows), name (9 rows)`. The three kinds with most rows.
fn kinds(file: &PhiFile) -> String {
    let mut kinds: Vec<(u64, &str)> = Vec::new();
    for place in &file.places {
        match kinds.iter_mut().find(|(_, kind)| *kind == place.kind) {
            Some((rows, _)) => *rows = place.rows.max(*rows),
            None => kinds.push((place.rows, &place.kind)),
        }
    }
    kinds.sort_by(|one, other| other.0.cmp(&one.0).then(one.1.cmp(other.1)));
    let words: Vec<String> =
        kinds.iter().take(4).map(|(rows, kind)| format!("{kind} ({rows})")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
