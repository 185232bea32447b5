//! The list of those who may sign: the file of OpenSSH (`ssh-keygen(1)`, ALLOWED SIGNERS), with
//! keys of OpenPGP, scopes, and roles besides.
//!
//! ```text
//! # who          what holds for it                                     the key
//! ada@example.org valid-before="20270101",roles="commit,merge,tag"      ssh-ed25519 AAAA…
//! bo@example.org  valid-after="20260101",paths="docs/**"                openpgp mDMEaQ…
//! *@example.org   by-principal                                          ssh-ed25519 AAAA…
//! ```
//!
//! Who is meant counts with `by-principal` only: then the address of whoever committed or tagged has
//! to be among them, by the patterns of OpenSSH.
//!
//! A list that OpenSSH reads means the same here, but for certificate authorities, which are refused.
//! The key of OpenPGP is the certificate in base64: `gpg --export KEY | base64 -w0`. A line that
//! cannot be read makes nobody a signer, and is said to be wrong.

use crate::facts::git::{Role, Signer, WrongLine};
use crate::signature::{
    Certificate, KeyBits, Keys, Scheme, decode_base64, ssh_fingerprint, ssh_key_bits,
};

#[cfg(test)]
mod tests;

/// A list, read.
#[derive(Debug, Default)]
pub struct SignerList {
    /// Who may sign.
    pub signers: Vec<Signer>,
    /// Lines that could not be read.
    pub wrong: Vec<WrongLine>,
    /// What to verify signatures of OpenPGP with.
    pub keys: Keys,
}

/// Reads a list.
pub fn parse(text: &str) -> SignerList {
    let mut list = SignerList::default();
    for (line, number) in text.lines().zip(1..) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Err(why) = add(&mut list, line, number) {
            list.wrong.push(WrongLine { line: number, why: why.to_owned() });
        }
    }
    list
}

fn add(list: &mut SignerList, line: &str, number: u32) -> Result<(), &'static str> {
    let words = words(line)?;
    let (who, options, kind, key) = match &words[..] {
        [who, kind, key, ..] if is_kind(kind) => (who, "", kind.as_str(), key),
        [who, options, kind, key, ..] if is_kind(kind) => {
            (who, options.as_str(), kind.as_str(), key)
        }
        [_, _, ..] => return Err("its kind of key is not known"),
        _ => return Err("it has no key"),
    };
    let bytes = decode_base64(key.as_bytes()).ok_or("its key is not base64")?;
    let (scheme, key, bits) = if kind == OPENPGP {
        let certificate = Certificate::read(&bytes).ok_or("its certificate cannot be used")?;
        let (key, bits) = (certificate.fingerprint().to_owned(), certificate.bits());
        list.keys.certificates.push(certificate);
        (Scheme::Openpgp, key, bits)
    } else {
        let named = bytes.get(4..4 + kind.len()).is_some_and(|name| name == kind.as_bytes());
        let bits = ssh_key_bits(&bytes).filter(|_| named).ok_or("its key cannot be read")?;
        (Scheme::Ssh, ssh_fingerprint(&bytes), bits)
    };
    let rsa_bits = match bits {
        KeyBits::Rsa(bits) => Some(bits),
        KeyBits::Curve => None,
    };
    let mut signer = Signer {
        line: number,
        scheme,
        key,
        rsa_bits,
        valid_after_s: None,
        valid_before_s: None,
        branches: Vec::new(),
        paths: Vec::new(),
        roles: Role::ALL.to_vec(),
        by_principal: false,
        principals: String::new(),
    };
    for option in split(options) {
        apply(&mut signer, &option)?;
    }
    if signer.by_principal {
        signer.principals = who.trim_matches('"').to_owned();
    }
    list.signers.push(signer);
    Ok(())
}

fn apply(signer: &mut Signer, option: &str) -> Result<(), &'static str> {
    let (name, value) = option.split_once('=').unwrap_or((option, ""));
    let value = value.trim_matches('"');
    let list = || value.split(',').map(|it| it.trim().to_owned()).filter(|it| !it.is_empty());
    match name.to_ascii_lowercase().as_str() {
        "namespaces" => {
            if !list().any(|it| glob("git", &it)) {
                return Err("its key is for other purposes than git");
            }
        }
        "valid-after" => signer.valid_after_s = Some(time(value).ok_or("its time is not one")?),
        "valid-before" => signer.valid_before_s = Some(time(value).ok_or("its time is not one")?),
        "branches" => signer.branches = list().collect(),
        "paths" => signer.paths = list().collect(),
        "roles" => {
            let role = |word: String| Role::ALL.iter().copied().find(|role| role.word() == word);
            let roles: Option<Vec<Role>> = list().map(role).collect();
            signer.roles = roles.ok_or("its role is none of commit, merge, and tag")?;
        }
        "by-principal" => signer.by_principal = true,
        "cert-authority" => return Err("authorities of certificates are not supported"),
        _ => return Err("it has an option that is not known"),
    }
    Ok(())
}

/// Whether an address is among principals, as OpenSSH has it: patterns between commas, of which one
/// has to fit and none that begins with `!` may.
pub fn is_principal(address: &str, principals: &str) -> bool {
    let fits = |pattern: &str| glob(address, &pattern.replace('*', "**"));
    let mut patterns = principals.split(',');
    let denied = patterns.clone().filter_map(|it| it.strip_prefix('!')).any(fits);
    !denied && !address.is_empty() && patterns.any(|it| !it.starts_with('!') && fits(it))
}

/// Whether a name fits a pattern: `*` is anything but `/`, `**` is anything, `?` one character.
pub fn glob(name: &str, pattern: &str) -> bool {
    fits(name.as_bytes(), pattern.as_bytes())
}

/// Positions to go back to, instead of recursion, so that no pattern takes longer than its length
/// times that of the name.
fn fits(name: &[u8], pattern: &[u8]) -> bool {
    let mut here = vec![false; name.len() + 1];
    here[0] = true;
    let mut rest = pattern;
    while let [byte, after @ ..] = rest {
        let mut next = vec![false; name.len() + 1];
        rest = after;
        match byte {
            b'*' => {
                let deep = after.first() == Some(&b'*');
                if deep {
                    rest = &after[1..];
                }
                let mut open = false;
                for at in 0..=name.len() {
                    open = here[at] || (open && (deep || name[at - 1] != b'/'));
                    next[at] = open;
                }
            }
            _ => {
                for (at, char) in name.iter().enumerate() {
                    let same = byte == char || (*byte == b'?' && *char != b'/');
                    next[at + 1] = here[at] && same;
                }
            }
        }
        here = next;
    }
    here.last() == Some(&true)
}

/// `YYYYMMDD` or with `HHMM` or `HHMMSS`, in UTC whether or not a `Z` says so.
fn time(text: &str) -> Option<i64> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if !matches!(digits.len(), 8 | 12 | 14) || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let part =
        |from: usize, to: usize| digits.get(from..to).map_or(Some(0), |it| it.parse::<i64>().ok());
    let (year, month, day) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (hour, minute, second) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    in_range.then(|| days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// Days since 1970 of a day of the Gregorian calendar.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March, so that the day of a leap year is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

/// Words of a line; white space within quotes does not part them.
fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for char in line.chars() {
        match char {
            '"' => {
                quoted = !quoted;
                if let Some(word) = words.last_mut() {
                    word.push(char);
                }
            }
            _ if char.is_whitespace() && !quoted => {
                if words.last().is_some_and(|word| !word.is_empty()) {
                    words.push(String::new());
                }
            }
            _ => {
                if let Some(word) = words.last_mut() {
                    word.push(char);
                }
            }
        }
    }
    if quoted {
        return Err("a quote is not closed");
    }
    words.retain(|word| !word.is_empty());
    Ok(words)
}

/// Options apart; commas within quotes do not part them.
fn split(options: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for char in options.chars() {
        quoted ^= char == '"';
        if char == ',' && !quoted {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(char);
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn is_kind(word: &str) -> bool {
    word == OPENPGP
        || ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"].iter().any(|it| word.starts_with(it))
}

/// The kind of key that OpenSSH does not have.
const OPENPGP: &str = "openpgp";
