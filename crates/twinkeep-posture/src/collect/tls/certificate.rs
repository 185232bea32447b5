//! The few parts of a certificate that rules ask about (RFC 5280, 4.1), read from its DER.

use crate::facts::tls::Certificate;

/// Reads a certificate; `None` if it is not in order.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let (certificate, _) = element(der, SEQUENCE)?;
    let (body, rest) = element(certificate, SEQUENCE)?;
    let (algorithm, _) = element(rest, SEQUENCE)?;
    let (digest, _) = element(algorithm, OID)?;
    // Version (if it is there), serial, algorithm, and issuer come first.
    let body = element(body, VERSION).map_or(body, |(_, rest)| rest);
    let (_, body) = element(body, INTEGER)?;
    let (_, body) = element(body, SEQUENCE)?;
    let (_, body) = element(body, SEQUENCE)?;
    let (validity, body) = element(body, SEQUENCE)?;
    let (not_before_s, rest) = time(validity)?;
    let (not_after_s, _) = time(rest)?;
    let (_, body) = element(body, SEQUENCE)?;
    let (key, _) = element(body, SEQUENCE)?;
    let (algorithm, key) = element(key, SEQUENCE)?;
    let (kind, _) = element(algorithm, OID)?;
    let rsa_bits = if kind == RSA { Some(modulus_bits(key)?) } else { None };
    let weak_digest = WEAK.contains(&digest);
    Some(Certificate { not_before_s, not_after_s, rsa_bits, weak_digest })
}

fn modulus_bits(key: &[u8]) -> Option<u64> {
    let (bits, _) = element(key, BIT_STRING)?;
    let (numbers, _) = element(bits.strip_prefix(&[0])?, SEQUENCE)?;
    let (modulus, _) = element(numbers, INTEGER)?;
    let zeros = modulus.iter().take_while(|byte| **byte == 0).count();
    let modulus = &modulus[zeros..];
    let top = u64::from(modulus.first()?.leading_zeros());
    Some(modulus.len() as u64 * 8 - top)
}

/// A time of either kind, and what follows it.
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (text, year_len, rest) = match element(bytes, UTC_TIME) {
        Some((text, rest)) => (text, 2, rest),
        None => {
            let (text, rest) = element(bytes, GENERALIZED_TIME)?;
            (text, 4, rest)
        }
    };
    let text = str::from_utf8(text).ok()?.strip_suffix('Z')?;
    if text.len() != year_len + 10 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part = |from: usize, length: usize| text.get(from..from + length)?.parse::<i64>().ok();
    let year = match part(0, year_len)? {
        // RFC 5280, 4.1.2.5.1: from 50 on, the century is the twentieth.
        year if year_len == 2 && 50 <= year => 1900 + year,
        year if year_len == 2 => 2000 + year,
        year => year,
    };
    let (month, day) = (part(year_len, 2)?, part(year_len + 2, 2)?);
    let seconds =
        part(year_len + 4, 2)? * 3600 + part(year_len + 6, 2)? * 60 + part(year_len + 8, 2)?;
    let fits = (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then(|| (crate::parse::signers::days(year, month, day) * 86_400 + seconds, rest))
}

/// The content of the next element if it has this tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = bytes else { return None };
    if *found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0, |all, digit| all << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;

/// The kind of key that has a modulus.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// Signatures with MD5 and SHA-1.
const WEAK: &[&[u8]] = &[
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x04],
    &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x05],
    &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
];
