//! Which notes hold.

use super::{NoteError, open_note, sign_note};
use crate::sign::SigningKey;

#[test]
fn a_note_holds_for_its_text_name_and_key_only() {
    let key = SigningKey::generate();
    let keys = [("a/b".to_owned(), key.verifying_key())];
    let note = sign_note("a/b", "one\n\ntwo\n", &key);
    assert_eq!(open_note(&note, &keys), Ok(("one\n\ntwo\n", 0)));
    assert_eq!(open_note(&note.replace("two", "twi"), &keys), Err(NoteError::Forged));
    let renamed = [("other".to_owned(), key.verifying_key())];
    assert_eq!(open_note(&note, &renamed), Err(NoteError::Unknown));
    let stranger = [("a/b".to_owned(), SigningKey::generate().verifying_key())];
    assert_eq!(open_note(&note, &stranger), Err(NoteError::Unknown));
}

#[test]
fn signatures_of_others_are_passed_over() {
    let (key, other) = (SigningKey::generate(), SigningKey::generate());
    let mine = sign_note("mine", "text\n", &key);
    let theirs = sign_note("theirs", "text\n", &other);
    let both = format!("{mine}{}", theirs.strip_prefix("text\n\n").unwrap());
    let keys = [("mine".to_owned(), key.verifying_key())];
    assert_eq!(open_note(&both, &keys), Ok(("text\n", 0)));
}

#[test]
fn a_note_cut_anywhere_does_not_hold() {
    let key = SigningKey::generate();
    let keys = [("a".to_owned(), key.verifying_key())];
    let note = sign_note("a", "text\n", &key);
    for cut in (0..note.len()).filter(|&cut| note.is_char_boundary(cut)) {
        assert!(open_note(&note[..cut], &keys).is_err(), "{cut}");
    }
}
