//! What a single value may be: validators that know the check digits and the gaps of each number.
//!
//! All of them look at bytes, and none allocates: they run on every field of every row.

/// The year, month, and day of a date as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub year: u16,
    /// Whether a time of day follows.
    pub has_time: bool,
}

/// A social security number as the administration writes it: `ddd-dd-dddd`, without the areas,
/// groups, and serials that it never gave out.
pub(super) fn ssn(value: &[u8]) -> bool {
    match value {
        [a, b, c, b'-' | b' ', d, e, b'-' | b' ', f, g, h, i] => {
            ssn_digits(&[*a, *b, *c, *d, *e, *f, *g, *h, *i])
        }
        _ => false,
    }
}

/// The same as nine digits. One of two numbers of nine digits passes, so that a header must agree.
pub(super) fn ssn_digits(digits: &[u8; 9]) -> bool {
    let [a, b, c, d, e, f, g, h, i] = *digits;
    digits.iter().all(u8::is_ascii_digit)
        && a != b'9'
        && [a, b, c] != *b"000"
        && [a, b, c] != *b"666"
        && [d, e] != *b"00"
        && [f, g, h, i] != *b"0000"
}

/// A National Provider Identifier: ten digits of which the last is Luhn's over `80840` and the
/// others (45 CFR 162.406).
pub(super) fn npi(value: &[u8]) -> bool {
    let [first, .., last] = value else { return false };
    if value.len() != 10 || !value.iter().all(u8::is_ascii_digit) || !matches!(first, b'1' | b'2') {
        return false;
    }
    // 24 is what `80840` adds to the sum.
    let sum: u32 = value[..9]
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            let doubled = digit * 2;
            if at % 2 == 0 { doubled / 10 + doubled % 10 } else { digit }
        })
        .sum::<u32>()
        + 24;
    (sum + u32::from(last - b'0')).is_multiple_of(10)
}

/// A Medicare Beneficiary Identifier, with or without its hyphens: the letters are without `S`,
/// `L`, `O`, `I`, `B`, and `Z` (CMS, "Understanding the MBI format").
pub(super) fn mbi(value: &[u8]) -> bool {
    let mut compact = [0; 11];
    match value.len() {
        11 => compact.copy_from_slice(value),
        13 if value[4] == b'-' && value[8] == b'-' => {
            compact[..4].copy_from_slice(&value[..4]);
            compact[4..7].copy_from_slice(&value[5..8]);
            compact[7..].copy_from_slice(&value[9..]);
        }
        _ => return false,
    }
    let is_letter = |byte: u8| byte.is_ascii_uppercase() && !b"SLOIBZ".contains(&byte);
    compact.iter().zip(b"1LEDLEDLLDD").all(|(&byte, form)| match form {
        b'1' => matches!(byte, b'1'..=b'9'),
        b'L' => is_letter(byte),
        b'D' => byte.is_ascii_digit(),
        _ => is_letter(byte) || byte.is_ascii_digit(),
    })
}

/// A code of ICD-10-CM: a letter, a digit, a digit or letter, and after a point at most four more.
pub(super) fn icd10(value: &[u8]) -> bool {
    let [letter, digit, third, rest @ ..] = value else { return false };
    let rest = match rest {
        [b'.', rest @ ..] if !rest.is_empty() => rest,
        [] => rest,
        [b'.'] => return false,
        // Without its point, a code has at most seven characters.
        _ => rest,
    };
    letter.is_ascii_uppercase()
        && *letter != b'U'
        && digit.is_ascii_digit()
        && (third.is_ascii_digit() || matches!(third, b'A' | b'B'))
        && rest.len() <= 4
        && rest.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase())
}

/// A telephone number as people write it, with separators or a country code. Bare digits are left
/// to [`phone_digits`].
pub(super) fn phone(value: &[u8]) -> bool {
    let number = value.split(|byte| matches!(byte, b'x' | b'e' | b'X')).next().unwrap_or(value);
    let mut digits = [0_u8; 15];
    let mut count = 0;
    let mut separators = 0;
    for (at, &byte) in number.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                let Some(place) = digits.get_mut(count) else { return false };
                *place = byte;
                count += 1;
            }
            b'+' if at == 0 => {}
            b' ' | b'-' | b'.' | b'(' | b')' => separators += 1,
            _ => return false,
        }
    }
    if number.starts_with(b"+") {
        return (8..=15).contains(&count);
    }
    if separators < 2 {
        return false;
    }
    match &digits[..count] {
        ten @ [_, _, _, _, _, _, _, _, _, _] => grouped_as_american(number) && north_american(ten),
        [b'1', ten @ ..] if ten.len() == 10 => north_american(ten),
        _ => false,
    }
}

/// Ten digits of the North American plan: no area and no exchange begins with 0 or 1.
pub(super) fn phone_digits(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_digit)
        && match value {
            [b'1', ten @ ..] if ten.len() == 10 => north_american(ten),
            ten => ten.len() == 10 && north_american(ten),
        }
}

fn north_american(ten: &[u8]) -> bool {
    ten.len() == 10 && b'2' <= ten[0] && b'2' <= ten[3]
}

/// Three digits, three, and four: dates and amounts are grouped otherwise.
fn grouped_as_american(number: &[u8]) -> bool {
    let mut groups = number
        .split(|byte| !byte.is_ascii_digit())
        .filter(|group| !group.is_empty())
        .map(<[u8]>::len);
    groups.next() == Some(3) && groups.next() == Some(3) && groups.next() == Some(4)
}

/// An e-mail address: one `@`, and a domain with a point.
pub(super) fn email(value: &[u8]) -> bool {
    let Some(at) = value.iter().position(|&byte| byte == b'@') else { return false };
    let (local, domain) = (&value[..at], &value[at + 1..]);
    let Some(dot) = domain.iter().rposition(|&byte| byte == b'.') else { return false };
    let top = &domain[dot + 1..];
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte);
    (1..=64).contains(&local.len())
        && local.iter().all(fits)
        && 0 < dot
        && (2..=24).contains(&top.len())
        && top.iter().all(u8::is_ascii_alphabetic)
        && domain[..dot].iter().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte))
}

/// An address of IPv4, written with points.
pub(super) fn ipv4(value: &[u8]) -> bool {
    let mut count = 0;
    for part in value.split(|&byte| byte == b'.') {
        count += 1;
        if 4 < count || !(1..=3).contains(&part.len()) || !part.iter().all(u8::is_ascii_digit) {
            return false;
        }
        let number = part.iter().fold(0, |all, digit| all * 10 + u32::from(digit - b'0'));
        if 255 < number || (1 < part.len() && part[0] == b'0') {
            return false;
        }
    }
    count == 4
}

/// An address of the web.
pub(super) fn url(value: &[u8]) -> bool {
    [&b"http://"[..], b"https://", b"ftp://"].iter().any(|start| {
        value.len() > start.len() + 3
            && value[..start.len()].eq_ignore_ascii_case(start)
            && !value.iter().any(u8::is_ascii_whitespace)
    })
}

/// A vehicle identification number, with its check digit (49 CFR 565.15).
pub(super) fn vin(value: &[u8]) -> bool {
    if value.len() != 17 {
        return false;
    }
    let weights = [8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2];
    let mut sum = 0;
    for (&byte, weight) in value.iter().zip(weights) {
        let number: u32 = match byte {
            b'0'..=b'9' => u32::from(byte - b'0'),
            b'A'..=b'H' => u32::from(byte - b'A') + 1,
            b'J'..=b'N' => u32::from(byte - b'J') + 1,
            b'P' => 7,
            b'R' => 9,
            b'S'..=b'Z' => u32::from(byte - b'S') + 2,
            _ => return false,
        };
        sum += number * weight;
    }
    let check = value[8];
    match sum % 11 {
        10 => check == b'X',
        digit => u32::from(check.wrapping_sub(b'0')) == digit,
    }
}

/// An international bank account number: its remainder by 97 is 1 (ISO 13616).
pub(super) fn iban(value: &[u8]) -> bool {
    let mut compact = [0; 34];
    let mut count = 0;
    for &byte in value.iter().filter(|&&byte| byte != b' ') {
        let Some(place) = compact.get_mut(count) else { return false };
        *place = byte;
        count += 1;
    }
    let compact = &compact[..count];
    if compact.len() < 15
        || !compact[..2].iter().all(u8::is_ascii_uppercase)
        || !compact[2..4].iter().all(u8::is_ascii_digit)
    {
        return false;
    }
    let mut remainder = 0;
    for &byte in compact[4..].iter().chain(&compact[..4]) {
        remainder = match byte {
            b'0'..=b'9' => remainder * 10 + u32::from(byte - b'0'),
            b'A'..=b'Z' => remainder * 100 + u32::from(byte - b'A') + 10,
            _ => return false,
        } % 97;
    }
    remainder == 1
}

/// The number of a payment card: 13 to 19 digits, Luhn's last, and a first digit that is given out.
pub(super) fn card(value: &[u8]) -> bool {
    let mut sum = 0;
    let mut count = 0;
    for &byte in value.iter().rev().filter(|byte| !matches!(byte, b' ' | b'-')) {
        if !byte.is_ascii_digit() {
            return false;
        }
        let digit = u32::from(byte - b'0');
        let doubled = digit * 2;
        sum += if count % 2 == 1 { doubled / 10 + doubled % 10 } else { digit };
        count += 1;
    }
    (13..=19).contains(&count)
        && matches!(value.first(), Some(b'2'..=b'6'))
        && u32::is_multiple_of(sum, 10)
}

/// A number of the form of RFC 9562.
pub(super) fn uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// An address of a network card, or of a medical device.
pub(super) fn mac(value: &[u8]) -> bool {
    value.len() == 17
        && value.iter().enumerate().all(|(at, byte)| match at % 3 {
            2 => matches!(byte, b':' | b'-'),
            _ => byte.is_ascii_hexdigit(),
        })
}

/// A postal code of the United States, or one of five digits elsewhere.
pub(super) fn postal_code(value: &[u8]) -> bool {
    let digits = |part: &[u8]| part.iter().all(u8::is_ascii_digit);
    match value.len() {
        5 => digits(value),
        10 => digits(&value[..5]) && value[5] == b'-' && digits(&value[6..]),
        // `K1A 0B1`, `SW1A 1AA`
        6..=8 => {
            value.contains(&b' ')
                && value.iter().any(u8::is_ascii_digit)
                && value
                    .iter()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b' ')
                && value[0].is_ascii_uppercase()
        }
        _ => false,
    }
}

/// A date in one of the forms that exports have; a time may follow the first of them.
pub(super) fn date(value: &[u8]) -> Option<Date> {
    let number = |part: &[u8]| {
        (part.iter().all(u8::is_ascii_digit) && !part.is_empty()).then(|| {
            part.iter().fold(0_u16, |all, digit| {
                all.wrapping_mul(10).wrapping_add(u16::from(digit - b'0'))
            })
        })
    };
    let (year, month, day, has_time) = match value {
        [y @ .., b'-' | b'/', m1, m2, b'-' | b'/', d1, d2] if y.len() == 4 => {
            (number(y)?, number(&[*m1, *m2])?, number(&[*d1, *d2])?, false)
        }
        [y1, y2, y3, y4, b'-' | b'/', m1, m2, b'-' | b'/', d1, d2, b' ' | b'T', ..] => {
            (number(&[*y1, *y2, *y3, *y4])?, number(&[*m1, *m2])?, number(&[*d1, *d2])?, true)
        }
        _ if value.len() == 8 && value.iter().all(u8::is_ascii_digit) => {
            (number(&value[..4])?, number(&value[4..6])?, number(&value[6..])?, false)
        }
        _ if (8..=10).contains(&value.len()) => {
            let mut parts = value.split(|byte| matches!(byte, b'/' | b'.' | b'-'));
            let (first, second, year) = (parts.next()?, parts.next()?, parts.next()?);
            if parts.next().is_some() || year.len() != 4 || 2 < first.len() || 2 < second.len() {
                return None;
            }
            let (first, second) = (number(first)?, number(second)?);
            (number(year)?, first.min(second), first.max(second), false)
        }
        _ => return None,
    };
    let fits =
        (1850..=2200).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    fits.then_some(Date { year, has_time })
}

/// A street address by its shape: a number, words, and a word for a street.
pub(super) fn street(value: &[u8]) -> bool {
    if !(6..=120).contains(&value.len()) {
        return false;
    }
    let words = || {
        value
            .split(|byte| matches!(byte, b' ' | b',' | b'.' | b'\n'))
            .filter(|word| !word.is_empty())
    };
    let count = words().count();
    let has_number = words().take(1).chain(words().skip(1)).any(|word| {
        word.len() <= 6 && word[0].is_ascii_digit() && word.iter().any(u8::is_ascii_digit)
    });
    (2..=12).contains(&count)
        && has_number
        && words().any(|word| {
            STREETS.iter().any(|street| word.eq_ignore_ascii_case(street))
                || STREET_ENDS.iter().any(|end| {
                    word.len() > end.len() + 2
                        && word[word.len() - end.len()..].eq_ignore_ascii_case(end)
                })
        })
}

/// Words for a street, in the languages of the headers.
const STREETS: &[&[u8]] = &[
    b"street",
    b"st",
    b"avenue",
    b"ave",
    b"road",
    b"rd",
    b"boulevard",
    b"blvd",
    b"lane",
    b"ln",
    b"drive",
    b"dr",
    b"court",
    b"ct",
    b"place",
    b"pl",
    b"way",
    b"terrace",
    b"circle",
    b"cir",
    b"highway",
    b"hwy",
    b"parkway",
    b"pkwy",
    b"square",
    b"alley",
    b"trail",
    b"mews",
    b"crescent",
    b"apt",
    b"suite",
    b"rue",
    b"chemin",
    b"calle",
    b"avenida",
    b"via",
    b"viale",
    b"piazza",
    b"rua",
    b"plaza",
    b"weg",
    b"platz",
    b"allee",
];

/// How words for a street end where they are one with its name.
const STREET_ENDS: &[&[u8]] = &[b"strasse", b"stra\xc3\x9fe", b"straat", b"weg", b"platz", b"laan"];
