//! Names that become paths: version ids and documents, each from a fixed alphabet.

use std::fmt;

use twinkeep_vault::digest::to_hex;

/// The name of a model version: `m-` and the first twelve digits of the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionId(String);

/// The name of imported material: `i-` and the first twelve digits of the digest of its content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportId(String);

impl ImportId {
    /// Reads a name; `None` unless it has exactly the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        is_name(IMPORT_PREFIX, text).then(|| Self(text.to_owned()))
    }

    /// Returns the name of the content with this digest.
    pub(crate) fn of(digest: &[u8; 32]) -> Self {
        Self(format!("{IMPORT_PREFIX}{}", &to_hex(digest)[..DIGIT_COUNT]))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImportId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a text is a prefix and the digits that go with it.
fn is_name(prefix: &str, text: &str) -> bool {
    let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.strip_prefix(prefix)
        .is_some_and(|digits| digits.len() == DIGIT_COUNT && digits.bytes().all(hexadecimal))
}

impl VersionId {
    /// Reads a name; `None` unless it has exactly the form of one.
    pub fn parse(text: &str) -> Option<Self> {
        is_name(PREFIX, text).then(|| Self(text.to_owned()))
    }

    /// Returns the name of the content with this digest.
    pub(crate) fn of(digest: &[u8; 32]) -> Self {
        Self(format!("{PREFIX}{}", &to_hex(digest)[..DIGIT_COUNT]))
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns whether a document may have this name: one that cannot leave its folder, hide in it, or
/// stand in for another file of a version.
pub(crate) fn document_name_valid(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    name.len() <= NAME_LEN_MAX
        && name.bytes().next().is_some_and(plain)
        && name.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'-' | b'_'))
        && !RESERVED.contains(&name)
}

/// The weights, sealed.
pub(crate) const WEIGHTS_FILE: &str = "weights.safetensors.enc";

/// The weights of a version that was exported.
pub(crate) const PLAIN_WEIGHTS_FILE: &str = "weights.safetensors";

/// The names, types, and shapes of the tensors.
pub(crate) const MANIFEST_FILE: &str = "tensors.json";

/// The signature over all other files; the name that the reference client suggests.
pub(crate) const SIGNATURE_FILE: &str = "model.sig";

const RESERVED: &[&str] = &[WEIGHTS_FILE, PLAIN_WEIGHTS_FILE, MANIFEST_FILE, SIGNATURE_FILE];

const PREFIX: &str = "m-";
const IMPORT_PREFIX: &str = "i-";

/// 48 bits tell the versions of one registry apart; what is loaded is decided by the signature.
const DIGIT_COUNT: usize = 12;

/// Longest name of a document, in bytes: every file system takes it.
const NAME_LEN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::{VersionId, document_name_valid};

    #[test]
    fn only_the_form_of_a_version_is_one() {
        assert!(VersionId::parse("m-0123456789ab").is_some());
        for text in ["", "m-", "m-0123456789a", "m-0123456789AB", "m-0123456789ab/", "../m-0123"] {
            assert!(VersionId::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_document_cannot_leave_its_folder_or_replace_a_signed_file() {
        for name in ["card.json", "pack.toml", "training.json", "a-b_c.1"] {
            assert!(document_name_valid(name), "{name}");
        }
        let long = "a".repeat(65);
        let bad = ["", ".", "..", ".git", "../x", "/x", "a/b", "a\\b", "a\0", "Ä", "model.sig"];
        for name in bad.into_iter().chain(["tensors.json", "weights.safetensors.enc", &long]) {
            assert!(!document_name_valid(name), "{name}");
        }
    }
}
