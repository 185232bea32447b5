//! Base64 between two lines of hyphens.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// Returns the bytes of the first block of this kind, and nothing else: text before or after it in
/// the same signature was not signed by anybody.
pub(super) fn block(text: &[u8], kind: &str) -> Option<Vec<u8>> {
    let begin = format!("-----BEGIN {kind}-----");
    let end = format!("-----END {kind}-----");
    let rest = text.trim_ascii().strip_prefix(begin.as_bytes())?;
    let body = rest.strip_suffix(end.as_bytes())?;
    if body.windows(5).any(|window| window == b"-----") {
        return None;
    }
    let mut base64 = Vec::with_capacity(body.len());
    // OpenPGP has headers, an empty line, and a checksum of its own after the last line.
    let mut lines: Vec<&[u8]> = body.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).collect();
    if let Some(blank) = lines.iter().skip(1).position(|line| line.is_empty()) {
        let is_header = |line: &&[u8]| line.is_empty() || line.contains(&b':');
        if lines[..=blank].iter().all(is_header) {
            lines.drain(..=blank);
        }
    }
    for line in lines {
        if line.starts_with(b"=") && line.len() == 5 {
            break;
        }
        base64.extend_from_slice(line);
    }
    decode(&base64)
}

/// Decodes base64 with or without padding and white space.
pub(super) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = text.iter().copied().filter(|it| !it.is_ascii_whitespace()).collect();
    while text.last() == Some(&b'=') {
        text.pop();
    }
    STANDARD_NO_PAD.decode(text).ok()
}

pub(super) fn base64_unpadded(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}
