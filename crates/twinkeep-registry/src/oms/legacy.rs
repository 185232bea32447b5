//! What releases of the reference client before 0.3 signed by mistake: the text by which Python
//! shows a payload, and SHA-256 on every curve.
//!
//! Nothing that is signed today looks like this. It is taken only for statements of that time, and
//! only if the verifier asks for it.

/// Returns the bytes that were signed.
pub(super) fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (length, shown) = (payload.len(), shown(payload));
    format!("DSSEV1 {} {payload_type} {length} {shown}", payload_type.len()).into_bytes()
}

/// Writes bytes as Python's `repr` does.
fn shown(bytes: &[u8]) -> String {
    let quote = if bytes.contains(&b'\'') && !bytes.contains(&b'"') { '"' } else { '\'' };
    let mut text = format!("b{quote}");
    for &byte in bytes {
        match byte {
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b'\t' => text.push_str("\\t"),
            b'\\' => text.push_str("\\\\"),
            _ if char::from(byte) == quote => {
                text.push('\\');
                text.push(quote);
            }
            b' '..=b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn bytes_are_shown_as_python_shows_them() {
        assert_eq!(shown(b"{\n  \"a\": 1}"), r#"b'{\n  "a": 1}'"#);
        assert_eq!(shown(b"it's"), r#"b"it's""#);
        assert_eq!(shown(b"it's \"it\""), r#"b'it\'s "it"'"#);
        assert_eq!(shown(b"\\\t\r\x00\x7f\xe9"), r"b'\\\t\r\x00\x7f\xe9'");
    }
}
