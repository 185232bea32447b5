//! Pseudonyms: keyed numbers that stand for people, so that the keep never names them.

use twinkeep_domain::{SourceSubject, Split, SplitPlan, Subject};

use crate::digest::hmac_sha256;
use crate::{Purpose, SecretKey};

/// Turns identifiers from sources into pseudonyms.
///
/// Without the keep's key nobody can test whether a given person is in the keep.
pub struct Pseudonymizer(SecretKey);

impl Pseudonymizer {
    /// Derives the pseudonym key from the keep's root key.
    pub fn new(root: &SecretKey) -> Self {
        Self(root.derive(Purpose::Pseudonym, b""))
    }

    /// Returns the pseudonymizer of one site: the same record number at two hospitals is two
    /// people.
    #[must_use]
    pub fn for_site(&self, site: &str) -> Self {
        Self(self.0.derive(Purpose::Pseudonym, site.as_bytes()))
    }

    /// Returns the pseudonym of a person: the same each time, within this keep.
    pub fn pseudonym(&self, source: &SourceSubject) -> Subject {
        let digest = hmac_sha256(&self.0, source.reveal().as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        // The top bit is cleared, so that MEDS readers see a non-negative int64.
        let number = (u64::from_be_bytes(first) >> 1) as i64;
        #[expect(clippy::expect_used, reason = "the top bit was cleared")]
        Subject::from_pseudonym(number).expect("a number without its top bit is not negative")
    }
}

/// Assigns subjects to splits.
pub struct SplitHasher {
    key: SecretKey,
    plan: SplitPlan,
}

impl SplitHasher {
    /// Derives the split key from the keep's root key.
    pub fn new(root: &SecretKey, plan: SplitPlan) -> Self {
        Self { key: root.derive(Purpose::Split, b""), plan }
    }

    /// Returns the split of a subject: the same each time, within this keep.
    pub fn split(&self, subject: Subject) -> Split {
        let digest = hmac_sha256(&self.key, &subject.reveal().to_be_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        self.plan.assign(u64::from_be_bytes(first))
    }
}

/// Says by how many days the dates of a subject are shifted when a feed is de-identified.
pub struct DateShift(SecretKey);

impl DateShift {
    /// Derives the key from the keep's root key.
    pub fn new(root: &SecretKey) -> Self {
        Self(root.derive(Purpose::DateShift, b""))
    }

    /// Returns the shift of a subject in days: the same each time, within this keep, and always
    /// into the past, so that no shifted date lies in the future.
    pub fn days(&self, subject: Subject) -> i32 {
        let digest = hmac_sha256(&self.0, &subject.reveal().to_be_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&digest[..8]);
        let days = DAYS_MIN + u64::from_be_bytes(first) % (DAYS_MAX - DAYS_MIN + 1);
        -i32::try_from(days).unwrap_or(i32::MAX)
    }
}

/// Less would leave the month of a date.
const DAYS_MIN: u64 = 31;

/// Five years: more than the seasons, and little enough that practice has hardly changed.
const DAYS_MAX: u64 = 1826;

#[cfg(test)]
mod tests {
    use twinkeep_domain::{SourceSubject, Subject};

    use super::{DateShift, Pseudonymizer};
    use crate::SecretKey;

    #[test]
    fn a_person_has_one_pseudonym_per_keep() {
        let person = SourceSubject::new("132539").unwrap();
        let one = Pseudonymizer::new(&SecretKey::from_slice(&[1; 32]).unwrap());
        let other = Pseudonymizer::new(&SecretKey::from_slice(&[2; 32]).unwrap());
        assert_eq!(one.pseudonym(&person), one.pseudonym(&person));
        assert_ne!(one.pseudonym(&person), other.pseudonym(&person));
    }

    #[test]
    fn a_record_number_at_two_sites_is_two_people() {
        let person = SourceSubject::new("132539").unwrap();
        let keep = Pseudonymizer::new(&SecretKey::from_slice(&[1; 32]).unwrap());
        let pseudonym = |site: &str| keep.for_site(site).pseudonym(&person);
        assert_eq!(pseudonym("north"), pseudonym("north"));
        assert_ne!(pseudonym("north"), pseudonym("south"));
    }

    #[test]
    fn dates_of_a_subject_are_shifted_alike_and_into_the_past() {
        let shift = DateShift::new(&SecretKey::from_slice(&[1; 32]).unwrap());
        let other = DateShift::new(&SecretKey::from_slice(&[2; 32]).unwrap());
        let all: Vec<_> = (0..2000).map(|at| Subject::from_pseudonym(at).unwrap()).collect();
        let days: Vec<_> = all.iter().map(|subject| shift.days(*subject)).collect();
        assert!(days.iter().all(|days| (-1826..=-31).contains(days)));
        assert!(days.iter().any(|days| *days < -1700) && days.iter().any(|days| -150 < *days));
        assert_eq!(days, all.iter().map(|subject| shift.days(*subject)).collect::<Vec<_>>());
        assert_ne!(days, all.iter().map(|subject| other.days(*subject)).collect::<Vec<_>>());
    }
}
