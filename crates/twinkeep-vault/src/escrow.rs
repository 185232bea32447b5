//! Recovery shares: the key that opens a keep, in parts of which any few give it back.
//!
//! Shamir's secret sharing over GF(2^8), byte by byte (Communications of the ACM 22:612, 1979):
//! fewer shares than the threshold say nothing about the key, whatever computer looks at them. A
//! share is a few lines of text that a person can print, read out, and type.
//!
//! # Invariants
//!
//! - A share names its keep and its key: shares of another keep, or from before the key was
//!   changed, are told apart before anything is put together.
//! - A typing error is noticed in the share that has it. A forged share is noticed when the key
//!   that comes out does not open the keep.

use getrandom::SysRng;
use rand_core::UnwrapErr;
use vsss_rs::Gf256;

use crate::digest::{Sha256, from_hex, hmac_sha256, to_hex};
use crate::{SecretBytes, SecretKey};

#[cfg(test)]
mod tests;

/// A part of a key.
pub struct Share {
    keep: String,
    key: String,
    number: u8,
    count: u8,
    threshold: u8,
    value: SecretBytes,
}

/// Why shares were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EscrowError {
    /// So many shares cannot be made.
    #[error("a key is split into 2 to 255 shares, of which 2 or more and at most all are needed")]
    Count,
    /// The text is no share.
    #[error("the text is no recovery share")]
    Shape,
    /// The text is a share, and something in it was changed.
    #[error("share {number} has a typing error")]
    Checksum {
        /// Which share.
        number: u8,
    },
    /// The shares do not belong together.
    #[error("the shares are of different keeps, or of different keys of a keep")]
    Mixed,
    /// There are too few.
    #[error("{found} different shares were given, and {threshold} are needed")]
    TooFew {
        /// How many were given.
        found: usize,
        /// How many are needed.
        threshold: u8,
    },
}

impl EscrowError {
    /// The name of this error in replies, in the ledger, and in the docs. Never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Count => "escrow-count",
            Self::Shape => "escrow-share",
            Self::Checksum { .. } => "escrow-checksum",
            Self::Mixed => "escrow-mixed",
            Self::TooFew { .. } => "escrow-too-few",
        }
    }
}

/// Splits a key of `keep` into `count` shares; any `threshold` of them give it back.
pub fn split(
    key: &SecretKey,
    keep: &str,
    threshold: u8,
    count: u8,
) -> Result<Vec<Share>, EscrowError> {
    if threshold < 2 || count < threshold {
        return Err(EscrowError::Count);
    }
    let (threshold_len, count_len) = (usize::from(threshold), usize::from(count));
    let parts = Gf256::split_bytes(threshold_len, count_len, key.expose(), UnwrapErr(SysRng));
    let parts = parts.map_err(|_| EscrowError::Count)?;
    let name = name(key);
    let share = |part: Vec<u8>| {
        let part = SecretBytes::new(part);
        let (&number, value) = part.expose().split_first().ok_or(EscrowError::Count)?;
        let value = SecretBytes::new(value.to_vec());
        let (keep, key) = (keep.to_owned(), name.clone());
        Ok(Share { keep, key, number, count, threshold, value })
    };
    parts.into_iter().map(share).collect()
}

/// Puts a key together. Whether it is the right one shows when it opens something.
pub fn combine(shares: &[Share]) -> Result<SecretKey, EscrowError> {
    let first = shares.first().ok_or(EscrowError::TooFew { found: 0, threshold: 2 })?;
    let same = |other: &Share| {
        (&other.keep, &other.key, other.threshold) == (&first.keep, &first.key, first.threshold)
    };
    if !shares.iter().all(same) {
        return Err(EscrowError::Mixed);
    }
    let mut different: Vec<&Share> = Vec::new();
    for share in shares {
        if different.iter().all(|known| known.number != share.number) {
            different.push(share);
        }
    }
    let (found, threshold) = (different.len(), first.threshold);
    if found < usize::from(threshold) {
        return Err(EscrowError::TooFew { found, threshold });
    }
    let part = |share: &&Share| [&[share.number], share.value.expose()].concat();
    let mut parts: Vec<Vec<u8>> = different.iter().map(part).collect();
    let key = Gf256::combine_bytes(&parts).map(SecretBytes::new);
    parts.iter_mut().for_each(zeroize::Zeroize::zeroize);
    let key = key.map_err(|_| EscrowError::Shape)?;
    SecretKey::from_slice(key.expose()).ok_or(EscrowError::Shape)
}

impl Share {
    /// Returns the id of the keep.
    pub fn keep(&self) -> &str {
        &self.keep
    }

    /// Returns which of them it is.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// Writes the share as text: whoever has enough of these has the key.
    pub fn to_text(&self) -> SecretBytes {
        let digits = SecretBytes::new(to_hex(self.value.expose()).into_bytes());
        let mut text = String::with_capacity(TEXT_LEN_MAX);
        text.push_str(SHARE_TITLE);
        text.push_str(&format!("\nkeep    {}\nkey     {}", self.keep, self.key));
        text.push_str(&format!("\nshare   {} of {}", self.number, self.count));
        text.push_str(&format!("\nneeded  {}\ndata   ", self.threshold));
        for (at, &digit) in digits.expose().iter().enumerate() {
            if at % GROUP_LEN == 0 {
                text.push_str(if at % (4 * GROUP_LEN) == 0 && at != 0 {
                    "\n        "
                } else {
                    " "
                });
            }
            text.push(char::from(digit));
        }
        text.push_str(&format!("\ncheck   {}\n", to_hex(&self.checksum())));
        SecretBytes::new(text.into_bytes())
    }

    /// Reads a share; how it is spaced does not matter.
    pub fn from_text(text: &[u8]) -> Result<Self, EscrowError> {
        let text = std::str::from_utf8(text).map_err(|_| EscrowError::Shape)?;
        let words = text.strip_prefix(SHARE_TITLE).ok_or(EscrowError::Shape)?;
        let mut words = words.split_whitespace();
        let field = |name: &str, word: &mut dyn Iterator<Item = &str>| -> Option<String> {
            (word.next()? == name).then(|| word.next().map(str::to_owned)).flatten()
        };
        let read = &mut words;
        let mut share = (|| {
            let (keep, key) = (field("keep", read)?, field("key", read)?);
            let number = field("share", read)?.parse().ok()?;
            let count = field("of", read)?.parse().ok()?;
            let threshold = field("needed", read)?.parse().ok()?;
            let value = SecretBytes::new(Vec::new());
            Some(Self { keep, key, number, count, threshold, value })
        })()
        .ok_or(EscrowError::Shape)?;
        if read.next() != Some("data") {
            return Err(EscrowError::Shape);
        }
        let mut digits = SecretBytes::zeroed(2 * KEY_LEN);
        let mut length = 0;
        let mut check = None;
        while let Some(word) = read.next() {
            if word == "check" {
                check = read.next().and_then(from_hex);
                break;
            }
            let room = digits.expose_mut().get_mut(length..length + word.len());
            room.ok_or(EscrowError::Shape)?.copy_from_slice(word.as_bytes());
            length += word.len();
        }
        let digits = std::str::from_utf8(digits.expose()).map_err(|_| EscrowError::Shape)?;
        let value = from_hex(digits).filter(|_| length == 2 * KEY_LEN).map(SecretBytes::new);
        let number = share.number;
        share.value = value.ok_or(EscrowError::Checksum { number })?;
        if check.as_deref() != Some(&share.checksum()) || read.next().is_some() {
            return Err(EscrowError::Checksum { number });
        }
        Ok(share)
    }

    fn checksum(&self) -> [u8; 4] {
        let mut digest = Sha256::default();
        let head = format!(
            "twinkeep/v1/share {} {} {} {} {} ",
            self.keep, self.key, self.number, self.count, self.threshold
        );
        digest.update(head.as_bytes());
        digest.update(self.value.expose());
        let [a, b, c, d, ..] = digest.finish();
        [a, b, c, d]
    }
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({} of {}, hidden)", self.number, self.count)
    }
}

/// Names a key without saying anything of it.
fn name(key: &SecretKey) -> String {
    to_hex(&hmac_sha256(key, b"twinkeep/v1/share-name")[..8])
}

/// What the text of a share begins with.
pub const SHARE_TITLE: &str = "twinkeep recovery share v1";

/// A group of digits as people read it out.
const GROUP_LEN: usize = 8;

/// Of a key, in bytes.
const KEY_LEN: usize = 32;

/// Room for a share's text: it must not grow, or copies stay behind.
const TEXT_LEN_MAX: usize = 512;

/// Largest text of a share that is read, in bytes.
pub const SHARE_SIZE_MAX: u64 = 4096;
