//! The head of a feed: who sends what to whom, and the wrapped content keys.
//!
//! The header is canonical JSON (RFC 8785): keys sorted, no white space, and only strings that
//! need no escapes. A reader writes it again and compares, so that there is one form only.
//!
//! `magic ‖ header length ‖ header ‖ salt ‖ commitment ‖ signature`, see
//! `docs/formats/sealed-feed.md`.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::cobblestone::{COMMITMENT_LEN, Message, SALT_LEN};
use super::segment::read_full;
use super::{FeedError, RECIPIENT_COUNT_MAX, SEQUENCE_MAX};
use crate::Purpose;
use crate::SecretKey;
use crate::digest::{from_hex, sha256, to_hex};
use crate::identity::{AEAD_ID, KDF_ID, Kem, KemPublicKey, WrappedKey};
use crate::sign::{SigningKey, VerifyingKey};

/// What a feed says about itself, before its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(super) feed_id: [u8; 16],
    pub(super) media_type: String,
    pub(super) previous: Option<[u8; 32]>,
    pub(super) recipients: Vec<Recipient>,
    pub(super) sender: String,
    pub(super) sequence: u64,
}

/// One recipient's copy of the content key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Recipient {
    pub(super) kem: Kem,
    pub(super) key_id: String,
    pub(super) wrapped: WrappedKey,
}

/// Everything before the first segment.
pub(super) struct Head {
    pub(super) header: Header,
    pub(super) bytes: Vec<u8>,
    pub(super) salt: [u8; SALT_LEN],
    pub(super) commitment: [u8; COMMITMENT_LEN],
    pub(super) signature: [u8; 64],
}

impl Header {
    /// Returns the random name of the feed.
    pub fn feed_id(&self) -> &[u8; 16] {
        &self.feed_id
    }

    /// Returns the number of the feed: 1 for a sender's first, then one more each.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Returns the manifest digest of the feed before this one.
    pub fn previous(&self) -> Option<[u8; 32]> {
        self.previous
    }

    /// Returns the name of the sender's signing key.
    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Returns the names of the keys that the feed is sealed to.
    pub fn recipients(&self) -> Vec<&str> {
        self.recipients.iter().map(|recipient| recipient.key_id.as_str()).collect()
    }

    /// Returns the media type of the content.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// Returns whether every copy of the content key is safe against quantum computers.
    pub fn quantum_safe(&self) -> bool {
        self.recipients.iter().all(|recipient| recipient.kem == Kem::XWing)
    }
}

impl std::fmt::Debug for Recipient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Recipient({:?}, {})", self.kem, self.key_id)
    }
}

impl Head {
    /// Chooses the salt and signs.
    pub(super) fn sign(
        header: Header,
        salt: [u8; SALT_LEN],
        content_key: &SecretKey,
        key: &SigningKey,
    ) -> (Self, Message) {
        let bytes = to_json(&header);
        let (message, commitment) = Message::derive(content_key, &salt, &body_context(&bytes));
        let mut head = Self { header, bytes, salt, commitment, signature: [0; 64] };
        head.resign(key);
        (head, message)
    }

    /// Signs what the head now holds.
    pub(super) fn resign(&mut self, key: &SigningKey) {
        self.signature = key.sign(&self.signed_bytes());
    }

    /// Returns the bytes of the head, as they are in the feed.
    pub(super) fn encode(&self) -> Vec<u8> {
        let length = self.bytes.len() as u32;
        let parts: [&[u8]; 6] = [
            MAGIC,
            &length.to_be_bytes(),
            &self.bytes,
            &self.salt,
            &self.commitment,
            &self.signature,
        ];
        parts.concat()
    }

    /// Reads a head. Nothing in it is checked but its form.
    pub(super) fn read(input: &mut dyn Read) -> Result<Self, FeedError> {
        read_magic(input)?;
        let length = u32::from_be_bytes(read_array(input)?) as usize;
        if length > HEADER_LEN_MAX {
            return Err(FeedError::HeaderMalformed { field: "header" });
        }
        let mut bytes = vec![0; length];
        read_exactly(input, &mut bytes)?;
        let salt = read_array(input)?;
        let commitment = read_array(input)?;
        let signature = read_array(input)?;
        let header = from_json(&bytes)?;
        Ok(Self { header, bytes, salt, commitment, signature })
    }

    /// Checks the sender's signature.
    pub(super) fn verify(&self, sender: &VerifyingKey) -> Result<(), FeedError> {
        sender.verify(&self.signed_bytes(), &self.signature).map_err(|_| FeedError::HeaderAltered)
    }

    /// Derives the cipher of the body and checks that the sender committed to this key.
    pub(super) fn message(&self, content_key: &SecretKey) -> Result<Message, FeedError> {
        let (message, commitment) =
            Message::derive(content_key, &self.salt, &body_context(&self.bytes));
        match crate::digest::equal_in_constant_time(&commitment, &self.commitment) {
            true => Ok(message),
            false => Err(FeedError::KeyCommitment),
        }
    }

    /// Returns the digest that every segment's signature repeats.
    pub(super) fn digest(&self) -> [u8; 32] {
        sha256(&self.signed_bytes())
    }

    fn signed_bytes(&self) -> Vec<u8> {
        [HEAD_DOMAIN, &sha256(&self.bytes)[..], &self.salt, &self.commitment].concat()
    }
}

/// What a wrapped content key is bound to; every field has a fixed length.
pub(super) fn wrapping_info(
    feed_id: &[u8; 16],
    sequence: u64,
    sender: &VerifyingKey,
    recipient: &KemPublicKey,
) -> Vec<u8> {
    let parts: [&[u8]; 6] = [
        Purpose::FeedContent.label().as_bytes(),
        b"\0",
        feed_id,
        &sequence.to_be_bytes(),
        sender.as_bytes(),
        &recipient.digest(),
    ];
    parts.concat()
}

/// Returns whether `text` is `type/subtype` in lower case, which needs no escapes in JSON.
pub(super) fn is_media_type(text: &str) -> bool {
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        bytes.next().is_some_and(allowed)
            && bytes.all(|byte| allowed(byte) || b"!#$&-^_.+".contains(&byte))
    };
    text.len() <= MEDIA_TYPE_LEN_MAX
        && text.split_once('/').is_some_and(|(one, two)| is_name(one) && is_name(two))
}

/// The JSON form. The fields are in the order of RFC 8785, which is that of their names.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderWire {
    feed_id: String,
    media_type: String,
    previous: Option<String>,
    recipients: Vec<RecipientWire>,
    sender: String,
    sequence: u64,
    version: u32,
}

#[derive(serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RecipientWire {
    aead: u16,
    encapsulated: String,
    kdf: u16,
    kem: u16,
    key_id: String,
    wrapped: String,
}

pub(super) fn to_json(header: &Header) -> Vec<u8> {
    let recipient = |recipient: &Recipient| RecipientWire {
        aead: AEAD_ID,
        encapsulated: STANDARD.encode(&recipient.wrapped.encapsulated),
        kdf: KDF_ID,
        kem: recipient.kem.id(),
        key_id: recipient.key_id.clone(),
        wrapped: STANDARD.encode(&recipient.wrapped.sealed),
    };
    let wire = HeaderWire {
        feed_id: to_hex(&header.feed_id),
        media_type: header.media_type.clone(),
        previous: header.previous.map(|digest| to_hex(&digest)),
        recipients: header.recipients.iter().map(recipient).collect(),
        sender: header.sender.clone(),
        sequence: header.sequence,
        version: VERSION,
    };
    // A struct of strings and numbers always serializes.
    serde_json::to_vec(&wire).unwrap_or_default()
}

fn from_json(bytes: &[u8]) -> Result<Header, FeedError> {
    let malformed = |field| FeedError::HeaderMalformed { field };
    let wire: HeaderWire = serde_json::from_slice(bytes).map_err(|_| malformed("header"))?;
    if wire.version != VERSION {
        return Err(FeedError::Version);
    }
    let header = Header {
        feed_id: hex_array(&wire.feed_id).ok_or_else(|| malformed("feed_id"))?,
        previous: match &wire.previous {
            None => None,
            Some(text) => Some(hex_array(text).ok_or_else(|| malformed("previous"))?),
        },
        recipients: wire
            .recipients
            .iter()
            .map(recipient_from_wire)
            .collect::<Option<_>>()
            .ok_or_else(|| malformed("recipients"))?,
        media_type: wire.media_type,
        sender: wire.sender,
        sequence: wire.sequence,
    };
    check_fields(&header)?;
    if to_json(&header) != bytes {
        return Err(malformed("header"));
    }
    Ok(header)
}

fn check_fields(header: &Header) -> Result<(), FeedError> {
    let malformed = |field| Err(FeedError::HeaderMalformed { field });
    let mut key_ids: Vec<&str> = header.recipients();
    key_ids.sort_unstable();
    key_ids.dedup();
    if key_ids.len() != header.recipients.len()
        || !(1..=RECIPIENT_COUNT_MAX).contains(&key_ids.len())
    {
        return malformed("recipients");
    }
    if !is_media_type(&header.media_type) {
        return malformed("media_type");
    }
    if !is_key_id(&header.sender) {
        return malformed("sender");
    }
    if !(1..=SEQUENCE_MAX).contains(&header.sequence) {
        return malformed("sequence");
    }
    if (header.sequence == 1) != header.previous.is_none() {
        return malformed("previous");
    }
    Ok(())
}

fn recipient_from_wire(wire: &RecipientWire) -> Option<Recipient> {
    if wire.kdf != KDF_ID || wire.aead != AEAD_ID || !is_key_id(&wire.key_id) {
        return None;
    }
    let wrapped = WrappedKey {
        encapsulated: STANDARD.decode(&wire.encapsulated).ok()?,
        sealed: STANDARD.decode(&wire.wrapped).ok()?,
    };
    Some(Recipient { kem: Kem::from_id(wire.kem)?, key_id: wire.key_id.clone(), wrapped })
}

fn is_key_id(text: &str) -> bool {
    hex_array::<16>(text).is_some()
}

fn hex_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    from_hex(text)?.try_into().ok()
}

fn read_magic(input: &mut dyn Read) -> Result<(), FeedError> {
    let mut magic = [0; MAGIC.len()];
    let length = read_full(input, &mut magic).map_err(FeedError::io)?;
    let found = &magic[..length];
    if found == MAGIC {
        return Ok(());
    }
    if MAGIC.starts_with(found) {
        return Err(FeedError::Truncated);
    }
    Err(if found.starts_with(FAMILY) { FeedError::Version } else { FeedError::NotSealed })
}

fn read_array<const N: usize>(input: &mut dyn Read) -> Result<[u8; N], FeedError> {
    let mut bytes = [0; N];
    read_exactly(input, &mut bytes)?;
    Ok(bytes)
}

fn read_exactly(input: &mut dyn Read, out: &mut [u8]) -> Result<(), FeedError> {
    match read_full(input, out).map_err(FeedError::io)? == out.len() {
        true => Ok(()),
        false => Err(FeedError::Truncated),
    }
}

/// The context of the body's encryption: the body opens under this header only.
fn body_context(header: &[u8]) -> Vec<u8> {
    [BODY_DOMAIN, &sha256(header)[..]].concat()
}

/// The first bytes of a feed.
pub(super) const MAGIC: &[u8; 24] = b"twinkeep-sealed-feed/v1\n";

/// How feeds of all versions begin.
const FAMILY: &[u8] = b"twinkeep-sealed-feed/";

const VERSION: u32 = 1;

const HEAD_DOMAIN: &[u8] = b"twinkeep/v1/sealed-feed/head\0";
const BODY_DOMAIN: &[u8] = b"twinkeep/v1/sealed-feed/body\0";

/// Longest header, in bytes: 100 recipients with X-Wing take about 170 KiB.
const HEADER_LEN_MAX: usize = 256 * 1024;

/// Longest media type, in bytes: RFC 6838, 4.2 allows 127 a name, and none in use comes near.
const MEDIA_TYPE_LEN_MAX: usize = 127;
