//! Makes the vectors of `conformance/sealed-feed/`, with `UPDATE_CONFORMANCE=1`.
//!
//! Feeds are random, so that each run gives other bytes; what they must come to stays the same.
//! The forger here holds all keys and can sign anything, as a dishonest sender could.

use std::fs;
use std::path::{Path, PathBuf};

use super::conformance::{Last, Part, TestKey, Vector, identity};
use super::{content, options};
use crate::digest::{sha256, to_hex};
use crate::files::write_atomic;
use crate::identity::{Identity, Kem, KemPrivateKey};
use crate::sealed_feed::cobblestone::Message;
use crate::sealed_feed::header::Head;
use crate::sealed_feed::segment::{
    FRAME_LEN, Manifest, ManifestBuilder, SEGMENT_LEN, SIGNATURE_LEN,
};
use crate::sealed_feed::writer::{make_header, seal_segment};
use crate::sealed_feed::{FeedOptions, SEGMENT_PLAINTEXT_LEN};
use crate::{SecretKey, random_bytes};

mod head;
mod history;
mod segments;
mod truncated;

/// Where vectors go, and the parties they are about.
struct Kit {
    root: PathBuf,
    sender: Identity,
    impostor: Identity,
    recipient: Identity,
    classic: Identity,
}

/// A feed in its parts.
struct Forged {
    head: Head,
    content_key: SecretKey,
    message: Message,
    segments: Vec<Vec<u8>>,
    manifest: Manifest,
}

/// Makes all vectors anew.
pub(super) fn write_all(root: &Path) {
    for folder in ["keys", "valid", "invalid"] {
        let folder = root.join(folder);
        fs::create_dir_all(&folder).unwrap();
        for entry in fs::read_dir(&folder).unwrap() {
            fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
    for name in ["sender", "impostor", "recipient", "stranger", "classic"] {
        write_key(root, name);
    }
    let kit = Kit {
        root: root.to_path_buf(),
        sender: identity("sender"),
        impostor: identity("impostor"),
        recipient: identity("recipient"),
        classic: identity("classic"),
    };
    kit.write_valid();
    head::write(&kit);
    segments::write(&kit);
    truncated::write(&kit);
    history::write(&kit);
}

impl Kit {
    /// Seals as the honest sender does.
    fn forge(&self, options: &FeedOptions, length: usize) -> Forged {
        self.forge_to(&[&self.recipient], options, length)
    }

    fn forge_to(&self, to: &[&Identity], options: &FeedOptions, length: usize) -> Forged {
        let to: Vec<_> = to.iter().map(|identity| identity.public().clone()).collect();
        let content_key = SecretKey::random();
        let header = make_header(options, &self.sender, &to, &content_key).unwrap();
        let key = self.sender.signing();
        let (head, message) = Head::sign(header, random_bytes(), &content_key, key);
        let mut manifest = ManifestBuilder::new(&head);
        let mut segments = Vec::new();
        let content = content(length);
        let (full, short) = content.as_chunks::<SEGMENT_PLAINTEXT_LEN>();
        for (plain, last) in full.iter().map(|full| (&full[..], false)).chain([(short, true)]) {
            let mut out = vec![0; FRAME_LEN + SEGMENT_LEN + SIGNATURE_LEN];
            let length = seal_segment(&message, &mut manifest, key, plain, last, &mut out).unwrap();
            out.truncate(length);
            segments.push(out);
        }
        let manifest = manifest.finish();
        Forged { head, content_key, message, segments, manifest }
    }

    fn write_valid(&self) {
        let sizes = [
            ("empty", 0, "No content: one segment with one empty chunk."),
            ("short", 100, "One short chunk."),
            ("one-full-chunk", 16_384, "A full chunk is followed by an empty one."),
            ("two-chunks", 20_000, "A full chunk and a short one."),
            ("three-segments", THREE_SEGMENTS, "Two full segments and a short one."),
        ];
        for (name, length, about) in sizes {
            let feed = self.forge(&options(1, None), length);
            self.vector(about).opens(&feed, length).write(&self.root, name, &feed.bytes());
        }
        let second = options(2, Some(self.first_manifest()));
        let feed = self.forge(&second, 100);
        self.vector("The second feed names the manifest of the first one.")
            .after(1, &self.first_manifest())
            .opens(&feed, 100)
            .write(&self.root, "second-in-sequence", &feed.bytes());
        let feed = self.forge_to(&[&self.recipient, &self.classic], &options(1, None), 100);
        self.vector("Two recipients; the second one has an X25519 key only.")
            .to("classic")
            .opens(&feed, 100)
            .write(&self.root, "two-recipients", &feed.bytes());
        let feed = self.forge(&options(7, Some([7; 32])), 100);
        self.vector("Feeds are missing, and the receiver accepts that.")
            .after(1, &self.first_manifest())
            .allowing_gaps()
            .opens(&feed, 100)
            .write(&self.root, "gap-allowed", &feed.bytes());
    }

    /// What the receiver of the first feed remembers; any fixed value serves.
    fn first_manifest(&self) -> [u8; 32] {
        sha256(b"twinkeep conformance: manifest of the first feed")
    }

    fn vector(&self, about: &str) -> Vector {
        Vector {
            about: about.to_owned(),
            expect: String::new(),
            recipient: "recipient".to_owned(),
            senders: vec!["sender".to_owned()],
            last: None,
            gaps: "refuse".to_owned(),
            parts: Vec::new(),
            released_len: 0,
            manifest: None,
        }
    }

    /// Writes a feed that is refused with `code` before anything is released.
    fn refused(&self, name: &str, code: &str, about: &str, feed: &[u8]) {
        self.vector(about).refused(code, 0).write(&self.root, name, feed);
    }

    /// Writes a feed that is put together from `three-segments`.
    fn refused_parts(&self, name: &str, code: &str, about: &str, full: usize, parts: Vec<Part>) {
        let vector = Vector { parts, ..self.vector(about).refused(code, full) };
        vector.write_json(&self.root, name);
    }
}

impl Forged {
    fn bytes(&self) -> Vec<u8> {
        [&self.head.encode()[..], &self.segments.concat()].concat()
    }

    /// The feed with another head.
    fn with_head(&self, head: &Head) -> Vec<u8> {
        [&head.encode()[..], &self.segments.concat()].concat()
    }

    /// The feed with one other segment, which is not signed again.
    fn with_segment(&self, segment: Vec<u8>) -> Vec<u8> {
        [&self.head.encode()[..], &segment].concat()
    }
}

impl Vector {
    fn opens(mut self, feed: &Forged, length: usize) -> Self {
        self.expect = "opens".to_owned();
        self.released_len = length;
        self.manifest = Some(to_hex(&feed.manifest.digest));
        self
    }

    fn refused(mut self, code: &str, full_segments: usize) -> Self {
        self.expect = code.to_owned();
        self.released_len = full_segments * SEGMENT_PLAINTEXT_LEN;
        self
    }

    fn to(mut self, recipient: &str) -> Self {
        self.recipient = recipient.to_owned();
        self
    }

    fn from(mut self, sender: &str) -> Self {
        self.senders = vec![sender.to_owned()];
        self
    }

    fn after(mut self, sequence: u64, manifest: &[u8; 32]) -> Self {
        self.last = Some(Last { sequence, manifest: to_hex(manifest) });
        self
    }

    fn allowing_gaps(mut self) -> Self {
        self.gaps = "allow".to_owned();
        self
    }

    fn write(mut self, root: &Path, name: &str, feed: &[u8]) {
        self.parts =
            vec![Part { file: Some(format!("{name}.sealed")), from: None, to: None, hex: None }];
        let path = root.join(self.folder()).join(format!("{name}.sealed"));
        write_atomic(&path, feed, 0o644).unwrap();
        self.write_json(root, name);
    }

    fn write_json(&self, root: &Path, name: &str) {
        let path = root.join(self.folder()).join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(self).unwrap() + "\n";
        assert!(!path.exists(), "{name} is there twice");
        write_atomic(&path, text.as_bytes(), 0o644).unwrap();
    }

    fn folder(&self) -> &'static str {
        if self.expect == "opens" { "valid" } else { "invalid" }
    }
}

/// Makes a key from its name: it is as public as this file.
fn write_key(root: &Path, name: &str) {
    let secret = |part: &str| sha256(format!("twinkeep TEST KEY {name} {part}").as_bytes());
    let (signing, x25519, xwing) = (secret("signing"), secret("x25519"), secret("xwing"));
    let has_xwing = name != "classic";
    let (kem, sealing) = if has_xwing { (Kem::XWing, xwing) } else { (Kem::X25519, x25519) };
    let sealing = SecretKey::from_slice(&sealing).unwrap();
    let sealing = KemPrivateKey::from_secret(kem, sealing).unwrap();
    let key = TestKey {
        about: "TEST KEY: everybody has it. Never use it for anything but these vectors."
            .to_owned(),
        name: name.to_owned(),
        signing_seed: to_hex(&signing),
        xwing_seed: has_xwing.then(|| to_hex(&xwing)),
        x25519_private: to_hex(&x25519),
        signing_key_id: crate::sign::SigningKey::from_seed(&signing)
            .unwrap()
            .verifying_key()
            .key_id(),
        sealing_key_id: sealing.public_key().key_id(),
    };
    let path = root.join("keys").join(format!("{name}.test-key.json"));
    let text = serde_json::to_string_pretty(&key).unwrap() + "\n";
    write_atomic(&path, text.as_bytes(), 0o644).unwrap();
}

const THREE_SEGMENTS: usize = 2 * SEGMENT_PLAINTEXT_LEN + 100;
