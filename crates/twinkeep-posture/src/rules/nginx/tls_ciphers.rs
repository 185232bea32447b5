//! Rule `nginx-tls-ciphers`: no cipher is weak or anonymous.
//!
//! The list is in the language of OpenSSL: `!` takes away for good, words such as `HIGH` stand for
//! many ciphers, anonymous ones among them.

use super::tls_servers;
use crate::facts::nginx::Nginx;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::nginx::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "nginx-tls-ciphers",
    title: "Every server with TLS refuses weak and anonymous ciphers",
    severity: Severity::High,
    protects: "Weak ciphers can be broken afterwards by who recorded the traffic, and anonymous ones have no server to trust.",
    remedy: "say `ssl_ciphers HIGH:!aNULL:!eNULL:!MD5:!3DES:!RC4;` or list AEAD ciphers by name",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "A weak cipher undoes the encryption in transit.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "Encryption by the state of the art excludes broken ciphers.",
        },
    ],
    check: Check::Nginx(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Nginx(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Nginx) -> Vec<Judged> {
    tls_servers(facts, |server| {
        // The default of all versions is `HIGH:!aNULL:!MD5`.
        let Some(setting) = &server.ciphers else { return Outcome::Pass };
        let list = setting.words.first().map(String::as_str).unwrap_or_default();
        match wrong(list) {
            Some(what) => Outcome::fail(setting.at.clone(), what),
            None => Outcome::Pass,
        }
    })
}

/// What is wrong with a list of ciphers in the language of OpenSSL.
fn wrong(list: &str) -> Option<String> {
    let mut refused: Vec<String> = Vec::new();
    let mut broad = false;
    // What begins with `@` ends the word before it, too.
    for word in list.split([':', ',', ' ', ';', '@']).filter(|word| !word.is_empty()) {
        if let Some(word) = word.strip_prefix('!') {
            refused.push(word.to_ascii_uppercase());
            continue;
        }
        // `-` takes away for now, and `+` reorders: neither adds anything.
        if word.starts_with(['-', '+']) {
            continue;
        }
        let upper = word.to_ascii_uppercase();
        let parts: Vec<&str> = upper.split(['-', '_', '+']).collect();
        if let Some(weak) = WEAK.iter().find(|weak| parts.contains(weak)) {
            return Some(format!("allows `{word}`, which is weak ({weak})"));
        }
        broad |= upper.split('+').all(|part| BROAD.contains(&part));
    }
    let misses = |name: &str| !refused.iter().any(|word| word == name);
    if broad && misses("ANULL") {
        return Some("allows anonymous ciphers: `!aNULL` is missing".to_owned());
    }
    None
}

/// Parts of names that stand for ciphers that are broken or have no key.
const WEAK: &[&str] = &[
    "RC4",
    "RC2",
    "DES",
    "3DES",
    "CBC3",
    "MD5",
    "NULL",
    "ENULL",
    "ANULL",
    "ADH",
    "AECDH",
    "EXP",
    "EXPORT",
    "LOW",
    "MEDIUM",
    "IDEA",
    "SEED",
    "EXP1024",
    "EXPORT40",
    "EXPORT56",
    "COMPLEMENTOFDEFAULT",
];

/// Words for many ciphers, anonymous ones among them.
const BROAD: &[&str] = &[
    "ALL",
    "HIGH",
    "AES",
    "AESGCM",
    "AESCCM",
    "AES128",
    "AES256",
    "ARIA",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "CHACHA20",
    "KECDHE",
    "KEECDH",
    "ECDH",
    "KDHE",
    "KEDH",
    "DH",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA384",
    "SSLV3",
    "TLSV1",
    "TLSV1.0",
    "TLSV1.2",
];

#[cfg(test)]
mod tests {
    use super::wrong;

    #[test]
    fn lists_of_ciphers_are_judged_as_openssl_reads_them() {
        for good in [
            "HIGH:!aNULL:!MD5",
            "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305",
            "HIGH:-MEDIUM:!aNULL",
            "EECDH+AESGCM:EDH+AESGCM",
        ] {
            assert_eq!(wrong(good), None, "{good}");
        }
        for bad in [
            "HIGH",
            "RC4-SHA:HIGH:!aNULL",
            "ALL:!aNULL:LOW",
            "DES-CBC3-SHA",
            "aNULL",
            "ADH-AES128-SHA",
            "AES128-SHA:eNULL@SECLEVEL=0",
            "kRSA:SSLv3",
            "kDHE+AES",
        ] {
            assert!(wrong(bad).is_some(), "{bad}");
        }
    }
}
