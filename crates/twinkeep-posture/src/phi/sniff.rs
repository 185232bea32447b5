//! What a file is, by its first bytes: encrypted, readable, or neither known nor readable.
//!
//! A magic number is a claim. Where what follows is not as random as ciphertext is, the claim is not
//! believed, and the file is read like any other.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::medical::is_dicom;
use crate::parse::{luks, zip};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Encrypted, by this.
    Encrypted(&'static str),
    /// JSON, JSON lines, and what has their shape.
    Json,
    /// Delimited text is told apart from prose later.
    Text,
    Hl7,
    Parquet,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
    Tar,
    Zip,
    Dicom,
    /// A program, or another file that holds no data of people by its kind.
    Program,
    /// Readable by those who have the program for it, and not by this one.
    Closed(&'static str),
    /// As random as ciphertext, and nothing says what it is.
    Random,
    /// Bytes of no known format: read as text.
    Binary,
    Empty,
}

/// Tells the format of a file by its first bytes.
pub(super) fn sniff(head: &[u8]) -> Format {
    if head.is_empty() {
        return Format::Empty;
    }
    for (magic, name, claim) in ENCRYPTED {
        if head.starts_with(magic) && claim.holds(head) {
            return Format::Encrypted(name);
        }
    }
    if let Some(format) = armored(head) {
        return format;
    }
    if is_pgp(head) && is_random(tail(head)) {
        return Format::Encrypted("OpenPGP");
    }
    if let Some(name) = encrypted_values(head) {
        return Format::Encrypted(name);
    }
    if is_dicom(head) {
        return Format::Dicom;
    }
    if let Some((_, format)) = PLAIN.iter().find(|(magic, _)| head.starts_with(magic))
        && (*format != Format::Program || !is_text(behind_head_of_program(head)))
    {
        return *format;
    }
    if head.get(257..262) == Some(b"ustar") {
        return Format::Tar;
    }
    if zip::begins(head) {
        return Format::Zip;
    }
    if super::utf16::order(head).is_some() {
        return Format::Text;
    }
    if is_text(head) {
        return text(head);
    }
    if ENTROPY_LEN_MIN <= head.len() && is_random(head) {
        return Format::Random;
    }
    Format::Binary
}

/// Whether nothing but ciphertext follows the head of the format, up to the end of the file.
pub(super) fn is_ciphertext_to_its_end(head: &[u8]) -> bool {
    ENCRYPTED
        .iter()
        .any(|(magic, _, claim)| matches!(claim, Claim::ToEnd) && head.starts_with(magic))
}

/// JSON begins with a bracket, and messages of HL7 with their head.
fn text(head: &[u8]) -> Format {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let start = head.trim_ascii_start();
    if start.starts_with(b"MSH|") {
        return Format::Hl7;
    }
    match start {
        [b'{', ..] => Format::Json,
        [b'[', rest @ ..] => {
            let next = rest.trim_ascii_start().first();
            if matches!(next, Some(b'{' | b'[' | b'"' | b'0'..=b'9' | b'-')) {
                Format::Json
            } else {
                Format::Text
            }
        }
        _ => Format::Text,
    }
}

/// Few control characters, and no zero.
fn is_text(head: &[u8]) -> bool {
    let controls = head
        .iter()
        .filter(|byte| {
            byte.is_ascii_control() && !matches!(byte, b'\n' | b'\r' | b'\t' | 0x0c | 0x0b)
        })
        .count();
    !head.contains(&0) && controls * 50 <= head.len()
}

/// A packet of a session key, in the old or the new form (RFC 9580, 4.2), of a version that exists.
fn is_pgp(head: &[u8]) -> bool {
    match head {
        [0x84 | 0x8c, _, version, ..] | [0x85 | 0x8d, _, _, version, ..] => {
            (3..=6).contains(version)
        }
        [0xc1 | 0xc3, length, version, ..] if *length < 192 => (3..=6).contains(version),
        [0xc1 | 0xc3, length, _, version, ..] if *length < 224 => (3..=6).contains(version),
        _ => false,
    }
}

/// A message of OpenPGP in letters, if it is one: a message that is only signed or packed has the
/// same lines around it, and everybody can read it.
fn armored(head: &[u8]) -> Option<Format> {
    let text = head.strip_prefix(b"-----BEGIN PGP MESSAGE-----")?;
    let mut lines = text.split(|&byte| byte == b'\n').skip(1).map(<[u8]>::trim_ascii);
    // Its own heads end with an empty line.
    lines.find(|line| line.is_empty())?;
    let first = lines.next()?;
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let mut body = lines.take_while(|line| !line.starts_with(b"-----END"));
    if !body.all(|line| line.iter().all(is_letter)) {
        return None;
    }
    let packet = STANDARD.decode(first.get(..8)?).ok()?;
    Some(match is_pgp(&packet) {
        true => Format::Encrypted("OpenPGP"),
        false => Format::Closed("a message of OpenPGP that nothing encrypts"),
    })
}

/// Text whose values are encrypted one by one.
fn encrypted_values(head: &[u8]) -> Option<&'static str> {
    let has = |needle: &[u8]| head.windows(needle.len()).any(|window| window == needle);
    if head.len() < 16 || !is_text(head) {
        return None;
    }
    let marks = head.windows(ENC.len()).filter(|window| *window == ENC).count();
    // A file that has a single such value among others is not an encrypted one.
    let values = head.iter().filter(|byte| matches!(byte, b'\n' | b',')).count();
    (0 < marks && has(b"sops") && values <= marks * 24).then_some("sops")
}

/// What lies after the heads of formats.
fn tail(head: &[u8]) -> &[u8] {
    &head[head.len().saturating_sub(TAIL_LEN)..]
}

/// What lies after the fixed head of a program: instructions, or tables of numbers, and no text.
fn behind_head_of_program(head: &[u8]) -> &[u8] {
    tail(head.get(PROGRAM_HEAD_LEN..).unwrap_or_default())
}

/// Whether bytes are as random as ciphertext; too few to tell are believed.
pub(super) fn is_random(bytes: &[u8]) -> bool {
    if bytes.len() < ENTROPY_LEN_MIN {
        return true;
    }
    let mut counts = [0_u32; 256];
    for &byte in bytes {
        counts[usize::from(byte)] += 1;
    }
    let all = bytes.len() as f64;
    let entropy: f64 = counts
        .iter()
        .filter(|count| 0 < **count)
        .map(|&count| {
            let share = f64::from(count) / all;
            -share * share.log2()
        })
        .sum();
    ENTROPY_MIN <= entropy
}

/// Whether the bytes after a magic number are looked at.
#[derive(Clone, Copy)]
enum Claim {
    /// Ciphertext follows without a gap.
    Checked,
    /// The same, and nothing else up to the end of the file.
    ToEnd,
    /// A head of another kind, or text, follows.
    Plain,
    /// A head that may say that nothing is encrypted, and ciphertext of keys behind it.
    Luks,
    /// Lines of digits of sixteen follow.
    Hex,
}

impl Claim {
    /// Whether it is believed.
    fn holds(self, head: &[u8]) -> bool {
        match self {
            Claim::Checked | Claim::ToEnd => is_random(tail(head)),
            Claim::Plain => true,
            Claim::Luks => {
                luks::parse(head).is_ok_and(|header| header.encrypts()) && is_random(tail(head))
            }
            Claim::Hex => {
                let mut body = head.iter().skip_while(|byte| **byte != b'\n');
                body.all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace())
            }
        }
    }
}

/// Formats that are encrypted, by how they begin.
const ENCRYPTED: &[(&[u8], &str, Claim)] = &[
    (b"age-encryption.org/v1\n", "age", Claim::ToEnd),
    (b"-----BEGIN AGE ENCRYPTED FILE-----", "age", Claim::Plain),
    (b"LUKS\xba\xbe", "LUKS", Claim::Luks),
    (b"twinkeep-sealed-feed/v1\n", "a sealed feed", Claim::ToEnd),
    (b"twinkeep keyring", "the keyring of a keep", Claim::Plain),
    (b"PARE", "Parquet encryption", Claim::Checked),
    (b"Salted__", "openssl enc", Claim::ToEnd),
    (b"$ANSIBLE_VAULT;", "Ansible Vault", Claim::Hex),
    (b"\0GITCRYPT\0", "git-crypt", Claim::ToEnd),
    (b"\x03\xd9\xa2\x9a\x67\xfb\x4b\xb5", "KeePass", Claim::Plain),
];

/// Formats that are not encrypted, or whose own rules say.
const PLAIN: &[(&[u8], Format)] = &[
    (b"PAR1", Format::Parquet),
    (b"\x1f\x8b\x08", Format::Gzip),
    (b"\x7fELF", Format::Program),
    (b"MZ\x90", Format::Program),
    (b"\0asm", Format::Program),
    (b"\xca\xfe\xba\xbe", Format::Program),
    (b"!<arch>\n", Format::Program),
    (b"SQLite format 3\0", Format::Closed("a database of SQLite in the clear")),
    (b"\x28\xb5\x2f\xfd", Format::Zstd),
    (b"BZh", Format::Bzip2),
    (b"\xfd7zXZ\0", Format::Xz),
    (b"7z\xbc\xaf\x27\x1c", Format::Closed("an archive of 7-Zip")),
    (b"Rar!\x1a\x07", Format::Closed("an archive of RAR")),
    (b"%PDF-", Format::Closed("a PDF document")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Format::Closed("an old document of Office")),
    (b"\x89PNG", Format::Closed("an image")),
    (b"\xff\xd8\xff", Format::Closed("an image")),
    (b"GIF8", Format::Closed("an image")),
    (b"ARROW1", Format::Closed("a file of Arrow")),
    (b"ORC", Format::Closed("a file of ORC")),
    (b"Obj\x01", Format::Closed("a file of Avro")),
    (b"\x89HDF\r\n\x1a\n", Format::Closed("a file of HDF5")),
];

const ENC: &[u8] = b"ENC[AES256_GCM,";

/// Fewer bytes have no entropy worth the name.
const ENTROPY_LEN_MIN: usize = 2048;

/// The head of an ELF, the longest one that is always there.
const PROGRAM_HEAD_LEN: usize = 64;

/// What is looked at behind the head of a format.
const TAIL_LEN: usize = 4096;

/// 2,048 random bytes have 7.90 bits a byte, within a hundredth; text has 5, and base64 has 6.
const ENTROPY_MIN: f64 = 7.8;
