//! The password file of PostgreSQL's own clients: `host:port:database:user:password`, a line each.

use twinkeep_vault::SecretBytes;

use crate::{DatabaseUrl, Place};

/// Finds the password for a database in the text of a password file; the first line that fits
/// counts. `*` fits everything, and `\` takes the special meaning from `:` and `\`.
pub fn find_password(file: &[u8], url: &DatabaseUrl) -> Option<SecretBytes> {
    let (host, port) = match &url.place {
        Place::Host { host, port } => (host.as_str(), port),
        // libpq: a socket counts as `localhost`.
        Place::Socket { port, .. } => ("localhost", port),
    };
    let wanted = [host, &port.to_string(), &url.database, &url.user].map(str::to_owned);
    file.split(|&byte| byte == b'\n').find_map(|line| {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"#") {
            return None;
        }
        let mut rest = line;
        for wanted in &wanted {
            let (field, after) = split_field(rest)?;
            if field != b"*" && unescape(field) != wanted.as_bytes() {
                return None;
            }
            rest = after;
        }
        Some(SecretBytes::new(unescape(rest))).filter(|password| !password.expose().is_empty())
    })
}

/// Splits at the first colon that is not escaped.
fn split_field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b':' => return Some((text.get(..at)?, text.get(at + 1..)?)),
            _ => {}
        }
    }
    None
}

fn unescape(text: &[u8]) -> Vec<u8> {
    // With room for all of it: if it grew, copies of a password would stay behind.
    let mut plain = Vec::with_capacity(text.len());
    let mut escaped = false;
    for &byte in text {
        escaped = byte == b'\\' && !escaped;
        if !escaped {
            plain.push(byte);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::find_password;
    use crate::DatabaseUrl;

    fn found(file: &str, url: &str) -> Option<Vec<u8>> {
        let url = DatabaseUrl::parse(url).unwrap();
        find_password(file.as_bytes(), &url).map(|password| password.expose().to_vec())
    }

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = "# comment\n\nother:5432:ward:twin:no\ndb:5432:ward:twin:yes\n*:*:*:*:late\n";
        assert_eq!(found(file, "postgres://twin@db/ward").unwrap(), b"yes");
        assert_eq!(found(file, "postgres://twin@elsewhere:1/x").unwrap(), b"late");
        assert_eq!(found("db:5432:ward:twin:yes", "postgres://other@db/ward"), None);
    }

    #[test]
    fn escapes_are_taken_as_the_standard_client_takes_them() {
        let file = "\\:\\:1:5432:wa\\\\rd:twin:a\\:b\\\\c\r\n";
        assert_eq!(found(file, "postgres://twin@[::1]/wa%5Crd").unwrap(), b"a:b\\c");
        assert_eq!(found("localhost:5432:w:t:x", "postgres://t@%2Frun/w").unwrap(), b"x");
    }

    #[test]
    fn a_broken_file_gives_nothing() {
        for file in ["", ":", "db", "db:5432:ward:twin", "db:5432:ward:twin:", "\\", ":::::"] {
            assert_eq!(found(file, "postgres://twin@db/ward"), None, "{file}");
        }
    }
}
