//! Which manifests hold.

use super::{Manifest, ManifestError, ManifestFile};
use crate::identity::Identity;
use crate::note::{NoteError, sign_note};

fn file(name: &str) -> ManifestFile {
    ManifestFile { name: name.to_owned(), size: 3, sha256: [7; 32] }
}

#[test]
fn a_manifest_reads_back() {
    let sender = Identity::generate("hospital").unwrap();
    let manifest = Manifest::new(vec![file("b c.csv"), file("a/é.csv"), file("a.csv")]).unwrap();
    let names: Vec<&str> = manifest.files().iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a/é.csv", "a.csv", "b c.csv"], "the order of a folder");
    let note = manifest.sign(&sender);
    let senders = [Identity::generate("other").unwrap().public().clone(), sender.public().clone()];
    let (read, signer) = Manifest::open(note.as_bytes(), &senders).unwrap();
    assert_eq!((read, signer.name()), (manifest, "hospital"));
}

#[test]
fn only_an_accepted_sender_and_an_unaltered_text_hold() {
    let sender = Identity::generate("hospital").unwrap();
    let note = Manifest::new(vec![file("a.csv")]).unwrap().sign(&sender);
    let refused = |note: &str, senders: &[_]| Manifest::open(note.as_bytes(), senders).unwrap_err();
    assert_eq!(refused(&note, &[]), ManifestError::Note { source: NoteError::Unknown });
    let senders = [sender.public().clone()];
    let forged = note.replace(" 3 a", " 4 a");
    assert_eq!(refused(&forged, &senders), ManifestError::Note { source: NoteError::Forged });
    for bit in 0..note.len() * 8 {
        let mut bytes = note.as_bytes().to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Manifest::open(&bytes, &senders).is_err(), "bit {bit}");
    }
}

#[test]
fn a_name_leads_nowhere_else() {
    for name in ["", "/etc/passwd", "../a", "a/../b", "./a", "a//b", "a/", "a\nb", "a\u{7f}"] {
        let refused = Manifest::new(vec![file(name)]);
        assert_eq!(refused, Err(ManifestError::Name { number: 1 }), "{name:?}");
    }
    let twice = Manifest::new(vec![file("a"), file("a")]);
    assert_eq!(twice, Err(ManifestError::Order { number: 2 }));
    assert_eq!(Manifest::new(vec![]), Err(ManifestError::Count));
}

#[test]
fn what_is_signed_but_malformed_is_refused() {
    let sender = Identity::generate("hospital").unwrap();
    let senders = [sender.public().clone()];
    let expected = format!("twinkeep/{}", sender.public().signing().key_id());
    assert_eq!(super::key_name(sender.public().signing()), expected, "fixed by the format");
    let name = super::key_name(sender.public().signing());
    let digest = "07".repeat(32);
    for text in [
        "twinkeep manifest v2\n".to_owned(),
        "twinkeep manifest v1\n".to_owned(),
        format!("twinkeep manifest v1\n{digest} 03 a\n"),
        format!("twinkeep manifest v1\n{digest} 3\n"),
        format!("twinkeep manifest v1\n{digest} 3 b\n{digest} 3 a\n"),
        format!("twinkeep manifest v1\n{} 3 a\n", digest.to_uppercase().replace('7', "A")),
        format!("twinkeep manifest v1\n\n{digest} 3 a\n"),
        format!("twinkeep manifest v1\n{digest} 3 ../a\n"),
    ] {
        let note = sign_note(&name, &text, sender.signing());
        assert!(Manifest::open(note.as_bytes(), &senders).is_err(), "{text}");
    }
}
