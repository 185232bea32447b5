//! What looks like a secret, in values that others wrote: facts and findings have none.
//!
//! A name says so (`api_key`), or a form does (`AKIA…`, a token, a private key, a password before a
//! host). What refers to a secret that lies elsewhere is none.

use std::borrow::Cow;

/// What stands where a secret stood.
pub(crate) const REDACTED: &str = "[redacted]";

/// The value of something, without what looks like a secret in it.
pub(crate) fn of_name<'a>(name: &str, value: &'a str) -> Cow<'a, str> {
    match proves_who(name) && (is_literal(value) || hides(value)) {
        true => Cow::Borrowed(REDACTED),
        false => redacted(value),
    }
}

/// A text without what looks like a secret in it.
pub(crate) fn redacted(text: &str) -> Cow<'_, str> {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return Cow::Borrowed(REDACTED);
    }
    let mut clean = String::with_capacity(text.len());
    let mut announced = false;
    for part in text.split_inclusive(SEPARATORS) {
        let word = part.trim_end_matches(SEPARATORS);
        let is_scheme = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
        if announced && !is_scheme && is_literal(word) {
            clean.push_str(REDACTED);
        } else {
            clean.push_str(&in_word(word).unwrap_or_else(|| word.to_owned()));
        }
        clean.push_str(part.get(word.len()..).unwrap_or_default());
        if !word.is_empty() {
            // What begins with a brace is filled in from elsewhere.
            let filled_in = part.ends_with(['{', '(']);
            announced = !filled_in && (announces(word) || announced && is_scheme);
        }
    }
    if clean == text { Cow::Borrowed(text) } else { Cow::Owned(clean) }
}

/// Whether the word after this one is a secret: `PASSWORD="…"`, `password: …`, `--password …`.
fn announces(word: &str) -> bool {
    let named = word.strip_suffix(['=', ':']).or_else(|| word.strip_prefix("--"));
    named.is_some_and(proves_who)
}

/// A word without its secret; nothing if it has none.
fn in_word(word: &str) -> Option<String> {
    if is_token(word) {
        return Some(REDACTED.to_owned());
    }
    if let Some((scheme, rest)) = word.split_once("://") {
        let authority = rest.split('/').next().unwrap_or_default();
        let (login, _) = authority.rsplit_once('@')?;
        let after = rest.get(login.len()..).unwrap_or_default();
        return login.contains(':').then(|| format!("{scheme}://{REDACTED}{after}"));
    }
    let (name, value) = word.split_once(['=', ':'])?;
    let mark = word.get(name.len()..name.len() + 1)?;
    let secret = is_token(value) || proves_who(name) && is_literal(value);
    secret.then(|| format!("{name}{mark}{REDACTED}"))
}

/// Whether a word has the form of a key or token that somebody issues.
fn is_token(word: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.=+/".contains(&byte);
    let of_aws = |word: &str| {
        let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        word.len() == 20 && word.bytes().all(upper)
    };
    let issued = TOKENS.iter().any(|(start, len)| word.starts_with(start) && *len <= word.len());
    let aws = ["AKIA", "ASIA"].iter().any(|start| word.starts_with(start)) && of_aws(word);
    let signed = word.starts_with("eyJ") && word.matches('.').count() == 2;
    (issued || aws || signed) && word.bytes().all(plain)
}

/// Whether a name is of something that proves who asks.
pub(crate) fn proves_who(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace(['-', '_', '.', ':'], "");
    // `pass` alone is a part of many words, and the end of few.
    let is_pass = name.ends_with("pass") && !OTHER_PASSES.iter().any(|word| name.ends_with(word));
    (is_pass || WORDS.iter().any(|word| name.contains(word)))
        && !name.contains("publickeytoken")
        // Not the key, but something said about it, or where it lies.
        && !ABOUT.iter().any(|word| name.ends_with(word))
}

/// Whether a value is a value: not empty, no variable, and no place where it would be found.
pub(crate) fn is_literal(value: &str) -> bool {
    let placeholder = value.starts_with("#{") || value.starts_with("$(") || value.starts_with("%");
    let reference = value.contains("://")
        || value.starts_with('@')
        || value.starts_with("arn:")
        || value.contains('{');
    let switch = ["true", "false", "yes", "no"].contains(&value.to_ascii_lowercase().as_str());
    // A pattern that takes whatever is there compares with nothing.
    let pattern = value.contains(".*") || value.contains(".+") || value.contains('[');
    let number = value.bytes().all(|byte| byte.is_ascii_digit());
    value.len() >= KEY_LEN_MIN && !number && !placeholder && !reference && !switch && !pattern
}

/// Whether the value of something that proves who asks is its value, and no place to find it at: a
/// password may be a number, or have any sign in it.
fn hides(value: &str) -> bool {
    let refers = ["{", "#{", "${", "$(", "arn:", "http://", "https://", "@Microsoft.", REDACTED]
        .iter()
        .any(|start| value.starts_with(start));
    let variable = value.starts_with('%') && value.ends_with('%');
    KEY_LEN_MIN <= value.len() && !refers && !variable
}

/// Words between the name of a header and the secret in it.
const SCHEMES: &[&str] = &["bearer", "basic", "token"];

/// Words in names of secrets.
const WORDS: &[&str] = &[
    "apikey",
    "accesskey",
    "privatekey",
    "token",
    "authorization",
    "secret",
    "password",
    "passphrase",
    "passwd",
    "pwd",
];

/// Words that end like a short name of a password.
const OTHER_PASSES: &[&str] =
    &["bypass", "compass", "overpass", "surpass", "trespass", "underpass"];

/// Ends of names that say something about a secret.
const ABOUT: &[&str] = &[
    "policy", "length", "lifetime", "header", "name", "timeout", "enabled", "required", "type",
    "arn", "id", "uri", "url", "endpoint", "validity", "issuer", "audience", "scopes", "source",
    "file", "path",
];

/// How tokens of well-known issuers, and keys of ours, begin, and how long they are at least.
const TOKENS: &[(&str, usize)] = &[
    ("ghp_", 36),
    ("gho_", 36),
    ("ghs_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("sk_live_", 24),
    ("AIza", 39),
    ("tk_", 43),
];

/// What words end at.
const SEPARATORS: &[char] =
    &[' ', '\t', '\r', '\n', ',', ';', '&', '?', '"', '\'', '`', '<', '>', '(', ')', '{', '}', '|'];

/// Shorter values are switches and numbers.
const KEY_LEN_MIN: usize = 6;

#[cfg(test)]
mod tests {
    use super::{of_name, redacted};

    #[test]
    fn what_looks_like_a_secret_goes_and_all_else_stays() {
        let key = format!("AKIA{}", "IOSFODNN7EXAMPLE");
        for (text, wanted) in [
            ("https://a.test/b?v=1&api_key=s3cr3t-1", "https://a.test/b?v=1&api_key=[redacted]"),
            ("https://ada:s3cr3t-1@a.test/b", "https://[redacted]@a.test/b"),
            ("Server=db;Password=s3cr3t-1;Port=1", "Server=db;Password=[redacted];Port=1"),
            ("export TOKEN=s3cr3t-1\nrun", "export TOKEN=[redacted]\nrun"),
            ("export DB_PASSWORD=\"s3cr3t-1\" X=1", "export DB_PASSWORD=\"[redacted]\" X=1"),
            ("password: s3cr3t-1\nport: 5432", "password: [redacted]\nport: 5432"),
            ("--db-password s3cr3t-1 --verbose", "--db-password [redacted] --verbose"),
            ("-H 'Authorization: Bearer s3cr3t-1' x", "-H 'Authorization: Bearer [redacted]' x"),
            (&format!("key: {key}, other"), "key: [redacted], other"),
            (&key, "[redacted]"),
            ("-----BEGIN EC PRIVATE KEY-----\nAAAA", "[redacted]"),
            ("max-age=63072000; includeSubDomains", "max-age=63072000; includeSubDomains"),
            ("Password={{resolve:secretsmanager:a}}", "Password={{resolve:secretsmanager:a}}"),
            ("arn:aws:secretsmanager:eu:1:secret:a", "arn:aws:secretsmanager:eu:1:secret:a"),
        ] {
            let said = redacted(text);
            assert_eq!(said, wanted);
            assert_eq!(redacted(&said), said, "once is enough");
        }
        assert_eq!(of_name("X-API-Key", "s3cr3t-1"), "[redacted]");
        for password in ["2024010199", "P@ss[w0rd]x", "Tr{ub}4dor-8", "%Trub4dor-8"] {
            assert_eq!(of_name("MasterUserPassword", password), "[redacted]");
        }
        let elsewhere = "{{resolve:secretsmanager:a}}";
        assert_eq!(of_name("MasterUserPassword", elsewhere), elsewhere);
        assert_eq!(of_name("SecretArn", "some-value"), "some-value");
        assert_eq!(of_name("DB_PASS", "s3cr3t-1"), "[redacted]");
        for other in ["NO_PROXY_BYPASS", "PassThrough", "passive-mode"] {
            assert_eq!(of_name(other, "some-value"), "some-value", "{other}");
        }
        assert_eq!(of_name("REQUIRE_MTLS", "true"), "true");
        assert_eq!(of_name("strict-transport-security", "max-age=1"), "max-age=1");
    }
}
