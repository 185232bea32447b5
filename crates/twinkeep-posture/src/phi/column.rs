//! What a column is, by its header and by how many of its values are of which form.
//!
//! One value proves little: a tenth of all numbers of ten digits pass the check of an NPI. A column
//! of which nearly all do is one.

use super::words::Meaning;
use super::{Found, Kind, given, values};

/// What bytes a value has, as a set.
pub(super) type Mask = u8;

/// `0` to `9`.
pub(super) const DIGIT: Mask = 1;
/// Letters, and whatever is not ASCII.
pub(super) const LETTER: Mask = 1 << 1;
/// `-`
pub(super) const HYPHEN: Mask = 1 << 2;
/// `.`, `/`, `:`
pub(super) const POINT: Mask = 1 << 3;
/// A space, `(`, `)`, `+`, `,`, `'`, `#`
pub(super) const SPACE: Mask = 1 << 4;
/// `@`
pub(super) const AT: Mask = 1 << 5;
/// Anything else.
pub(super) const OTHER: Mask = 1 << 6;

/// Returns the set that a byte belongs to.
pub(super) const fn mask_of(byte: u8) -> Mask {
    match byte {
        b'0'..=b'9' => DIGIT,
        b'a'..=b'z' | b'A'..=b'Z' | 0x80.. => LETTER,
        b'-' => HYPHEN,
        b'.' | b'/' | b':' => POINT,
        b' ' | b'(' | b')' | b'+' | b',' | b'\'' | b'#' => SPACE,
        b'@' => AT,
        _ => OTHER,
    }
}

/// The set of a whole value.
pub(super) fn mask(value: &[u8]) -> Mask {
    value.iter().fold(0, |mask, byte| mask | mask_of(*byte))
}

/// Counts of a column.
#[derive(Default)]
pub(super) struct Column {
    header: Option<Meaning>,
    filled: u64,
    ssn: u64,
    ssn_digits: u64,
    npi: u64,
    mbi: u64,
    icd10: u64,
    icd10_dotted: u64,
    phone: u64,
    phone_digits: u64,
    email: u64,
    ipv4: u64,
    url: u64,
    vin: u64,
    iban: u64,
    card: u64,
    uuid: u64,
    mac: u64,
    postal_code: u64,
    street: u64,
    date: u64,
    date_alone: u64,
    sex: u64,
    old_age: u64,
    number: u64,
    /// What was looked at in order to tell names: the first values only.
    sampled: u64,
    wordy: u64,
    given: u64,
    years: Option<Box<Years>>,
}

/// How often each year was seen.
struct Years([u32; YEAR_COUNT]);

impl Column {
    pub(super) fn new(header: Option<Meaning>) -> Self {
        Self { header, ..Self::default() }
    }

    /// Looks at one value.
    #[inline]
    pub(super) fn observe(&mut self, value: &[u8], mask: Mask) {
        self.filled += 1;
        let length = value.len();
        if mask == DIGIT && length < 5 {
            // Most values of most tables end here.
            if self.header.is_some() {
                self.observe_by_header(value);
            }
            return;
        }
        if length <= VALUE_LEN_MAX {
            self.observe_form(value, mask);
        }
        if self.header.is_some() {
            self.observe_by_header(value);
        }
        if self.sampled < SAMPLE_COUNT_MAX {
            self.observe_words(value, mask);
        }
    }

    fn observe_form(&mut self, value: &[u8], mask: Mask) {
        let length = value.len();
        let count = |counter: &mut u64, passes: bool| *counter += u64::from(passes);
        match mask {
            DIGIT => match length {
                5 => self.postal_code += 1,
                8 => self.observe_date(value),
                9 => {
                    if let Ok(digits) = value.try_into() {
                        count(&mut self.ssn_digits, values::ssn_digits(digits));
                    }
                }
                10 | 11 => {
                    count(&mut self.npi, values::npi(value));
                    count(&mut self.phone_digits, values::phone_digits(value));
                }
                13..=19 => count(&mut self.card, values::card(value)),
                _ => {}
            },
            _ if mask & AT != 0 => count(&mut self.email, values::email(value)),
            _ if mask & LETTER == 0 && mask & DIGIT != 0 => self.observe_number(value, mask),
            _ if mask & (DIGIT | LETTER) == DIGIT | LETTER => self.observe_code(value, mask),
            _ if mask & POINT != 0 => count(&mut self.url, values::url(value)),
            _ => {}
        }
    }

    /// Digits with something between them.
    fn observe_number(&mut self, value: &[u8], mask: Mask) {
        let length = value.len();
        if length < 7 || mask & OTHER != 0 {
            return;
        }
        if mask & POINT != 0 && values::ipv4(value) {
            self.ipv4 += 1;
            return;
        }
        if length == 11 && values::ssn(value) {
            self.ssn += 1;
            return;
        }
        if 8 <= length && mask & (HYPHEN | POINT) != 0 {
            self.observe_date(value);
        }
        if 9 <= length && mask & (HYPHEN | SPACE | POINT) != 0 && values::phone(value) {
            self.phone += 1;
        }
        if length == 10 && mask & HYPHEN != 0 && values::postal_code(value) {
            self.postal_code += 1;
        }
        if 16 <= length && values::card(value) {
            self.card += 1;
        }
    }

    /// Digits and letters.
    fn observe_code(&mut self, value: &[u8], mask: Mask) {
        let length = value.len();
        let count = |counter: &mut u64, passes: bool| *counter += u64::from(passes);
        if (3..=8).contains(&length) && mask & !(DIGIT | LETTER | POINT) == 0 {
            let passes = values::icd10(value);
            count(&mut self.icd10, passes);
            count(&mut self.icd10_dotted, passes && mask & POINT != 0);
        }
        match length {
            11 | 13 if mask & !(DIGIT | LETTER | HYPHEN) == 0 => {
                count(&mut self.mbi, values::mbi(value));
            }
            17 if mask & (POINT | HYPHEN) != 0 => count(&mut self.mac, values::mac(value)),
            17 => count(&mut self.vin, values::vin(value)),
            36 if mask & HYPHEN != 0 => count(&mut self.uuid, values::uuid(value)),
            _ => {}
        }
        if 15 <= length && mask & POINT == 0 {
            count(&mut self.iban, values::iban(value));
        }
        if mask & POINT != 0 {
            count(&mut self.url, values::url(value));
        }
        if 12 <= length && mask & SPACE != 0 && values::phone(value) {
            self.phone += 1;
        }
        if 16 <= length && mask & POINT != 0 {
            self.observe_date(value);
        }
        if (6..=8).contains(&length) && mask & SPACE != 0 {
            count(&mut self.postal_code, values::postal_code(value));
        }
        if mask & SPACE != 0 && self.sampled < SAMPLE_COUNT_MAX {
            count(&mut self.street, values::street(value));
        }
    }

    fn observe_date(&mut self, value: &[u8]) {
        let Some(date) = values::date(value) else { return };
        self.date += 1;
        self.date_alone += u64::from(!date.has_time);
        let years = self.years.get_or_insert_with(|| Box::new(Years([0; YEAR_COUNT])));
        if let Some(count) = years.0.get_mut(usize::from(date.year - YEAR_FIRST)) {
            *count = count.saturating_add(1);
        }
    }

    /// What only a header makes an identifier.
    fn observe_by_header(&mut self, value: &[u8]) {
        match self.header.map(Meaning::kind) {
            Some(Kind::Sex) => {
                self.sex += u64::from(SEXES.iter().any(|sex| value.eq_ignore_ascii_case(sex)));
            }
            Some(Kind::Age) => {
                let age = str::from_utf8(value).ok().and_then(|text| text.parse::<f32>().ok());
                self.old_age += u64::from(age.is_some_and(|age| (90.0..=130.0).contains(&age)));
            }
            Some(
                Kind::RecordNumber
                | Kind::HealthPlan
                | Kind::Account
                | Kind::License
                | Kind::Device
                | Kind::Vehicle
                | Kind::Other
                | Kind::Ssn,
            ) => {
                let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
                self.number += u64::from(
                    3 <= digits
                        && value.len() <= 40
                        && value.iter().all(|byte| !byte.is_ascii_control()),
                );
            }
            Some(Kind::Photo | Kind::Biometric) => self.number += u64::from(8 <= value.len()),
            _ => {}
        }
    }

    /// Whether a value reads as a name.
    fn observe_words(&mut self, value: &[u8], mask: Mask) {
        self.sampled += 1;
        if mask & (LETTER | AT | OTHER) != LETTER || !(2..=60).contains(&value.len()) {
            return;
        }
        let words = value.split(|byte| matches!(byte, b' ' | b',')).filter(|word| !word.is_empty());
        let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
        let is_wordy = words.clone().count() <= 5
            && digits <= 4
            && words.clone().all(|word| word[0].is_ascii_alphabetic() || 0x80 <= word[0]);
        if is_wordy {
            self.wordy += 1;
            let is_given = words.clone().take(3).any(|word| {
                (word[0].is_ascii_uppercase() || 0x80 <= word[0]) && given::is_given_name(word)
            });
            self.given += u64::from(is_given);
        }
    }

    /// Returns what the column holds, and how many of its values say so.
    pub(super) fn found(&self, latest_year: u16) -> Option<Found> {
        if self.filled == 0 {
            return None;
        }
        let kind_and_rows = match self.header {
            Some(meaning) => self.by_header(meaning, latest_year),
            None => None,
        };
        let (kind, rows) = kind_and_rows.or_else(|| self.by_form(latest_year))?;
        Some(Found { kind, rows, of: self.filled })
    }

    fn share(&self, count: u64) -> f64 {
        count as f64 / self.filled.max(1) as f64
    }

    /// A header, and values of which enough agree.
    fn by_header(&self, meaning: Meaning, latest_year: u16) -> Option<(Kind, u64)> {
        let kind = meaning.kind();
        let names = self.sampled.max(1) as f64;
        let (count, least) = match (kind, meaning) {
            (Kind::Ssn, _) => {
                let others = self.number.saturating_sub(self.date);
                ((self.ssn + self.ssn_digits).max(others), 0.5)
            }
            (Kind::Phone | Kind::Fax, Meaning::Sure(_)) => (self.phone + self.phone_digits, 0.5),
            (Kind::Phone, Meaning::Maybe(_)) => (self.phone, 0.5),
            (Kind::Email, _) => (self.email, 0.3),
            (Kind::BirthDate, _) => (if self.is_shifted(latest_year) { 0 } else { self.date }, 0.5),
            (Kind::Date, _) => (if self.is_shifted(latest_year) { 0 } else { self.date }, 0.5),
            (Kind::Name, Meaning::Sure(_)) => (scaled(self.filled, self.wordy as f64 / names), 0.6),
            (Kind::Name, Meaning::Maybe(_)) => {
                let agrees = 0.15 <= self.given as f64 / names;
                (if agrees { scaled(self.filled, self.wordy as f64 / names) } else { 0 }, 0.6)
            }
            (Kind::Address, Meaning::Sure(_)) => (self.filled - self.number.min(self.filled), 0.9),
            (Kind::Address, Meaning::Maybe(_)) => {
                (scaled(self.filled, self.street as f64 / names), 0.4)
            }
            (Kind::PostalCode, _) => (self.postal_code, 0.6),
            (Kind::Age, _) => (self.old_age, 0.0),
            (Kind::Ip, _) => (self.ipv4, 0.5),
            (Kind::Url, _) => (self.url, 0.5),
            (Kind::Diagnosis, _) => (self.icd10, 0.5),
            (Kind::Provider, _) => (self.npi, 0.6),
            (Kind::Sex, _) => (self.sex, 0.8),
            (Kind::Vehicle, _) => (self.vin.max(self.number), 0.5),
            (_, Meaning::Sure(_)) => (self.number, 0.5),
            (_, Meaning::Maybe(_)) => (0, 1.0),
        };
        (0 < count && least <= self.share(count)).then_some((kind, count))
    }

    /// Values that need no header.
    fn by_form(&self, latest_year: u16) -> Option<(Kind, u64)> {
        let names = self.sampled.max(1) as f64;
        let forms = [
            (Kind::Ssn, self.ssn, 0.8, 1),
            (Kind::HealthPlan, self.mbi, 0.8, 1),
            (Kind::Email, self.email, 0.5, 1),
            (Kind::Phone, self.phone, 0.6, 1),
            (Kind::Vehicle, self.vin, 0.9, 2),
            (Kind::Account, self.iban, 0.9, 1),
            (Kind::Account, self.card, 0.95, 5),
            (Kind::Provider, self.npi, 0.95, 5),
            (Kind::Ip, self.ipv4, 0.8, 3),
            (Kind::Device, self.mac, 0.9, 2),
            (Kind::Url, self.url, 0.8, 3),
            (Kind::Other, self.uuid, 0.9, 3),
            (Kind::Address, scaled(self.filled, self.street as f64 / names), 0.5, 5),
        ];
        for (kind, count, least, count_min) in forms {
            if count_min <= count && least <= self.share(count) {
                return Some((kind, count));
            }
        }
        let is_diagnosis = 0.9 <= self.share(self.icd10)
            && 5 <= self.icd10
            && self.icd10 <= self.icd10_dotted.saturating_mul(5);
        if is_diagnosis {
            return Some((Kind::Diagnosis, self.icd10));
        }
        if 0.9 <= self.share(self.date_alone) && self.reads_as_births(latest_year) {
            return Some((Kind::BirthDate, self.date_alone));
        }
        // Two of five names are among the frequent ones, in any table of people.
        let is_name = 20 <= self.sampled
            && 0.9 <= self.wordy as f64 / names
            && 0.35 <= self.given as f64 / names;
        is_name.then(|| (Kind::Name, scaled(self.filled, self.wordy as f64 / names)))
    }

    /// Whether the years are those of births: people of all ages, and the median long ago.
    fn reads_as_births(&self, latest_year: u16) -> bool {
        let Some(years) = &self.years else { return false };
        let at = |share: f64| years.quantile(share);
        let (low, middle, high) = (at(0.05), at(0.5), at(0.95));
        BIRTHS_MIN <= self.date_alone
            && 1900 <= low
            && high <= latest_year
            && 40 <= high - low
            && middle + 25 <= latest_year
    }

    /// Whether the dates lie in the future, as those of de-identified data do.
    fn is_shifted(&self, latest_year: u16) -> bool {
        self.years.as_ref().is_some_and(|years| latest_year < years.quantile(0.9))
    }
}

impl Years {
    fn quantile(&self, share: f64) -> u16 {
        let all: u64 = self.0.iter().map(|count| u64::from(*count)).sum();
        let wanted = scaled(all, share);
        let mut seen = 0;
        for (year, count) in (YEAR_FIRST..).zip(&self.0) {
            seen += u64::from(*count);
            if wanted <= seen && 0 < seen {
                return year;
            }
        }
        YEAR_FIRST
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count is a count"
)]
fn scaled(count: u64, share: f64) -> u64 {
    (count as f64 * share.clamp(0.0, 1.0)).round() as u64
}

const YEAR_FIRST: u16 = 1850;

/// 1850 to 2200: what [`values::date`] takes for a year.
const YEAR_COUNT: usize = 351;

/// Fewer dates have no distribution.
const BIRTHS_MIN: u64 = 20;

/// No number that identifies somebody is longer; what is longer is text.
const VALUE_LEN_MAX: usize = 120;

/// As many values of a column are read as words. The share of names does not change after that.
const SAMPLE_COUNT_MAX: u64 = 4096;

const SEXES: &[&[u8]] = &[
    b"m", b"f", b"male", b"female", b"man", b"woman", b"w", b"other", b"unknown", b"x", b"d",
    b"mann", b"frau", b"homme", b"femme", b"hombre", b"mujer", b"h", b"u", b"0", b"1", b"2",
];
