//! The words of notes as numbers: hashed n-grams, counted with a sign.
//!
//! Every word, and every sequence of up to a few words, adds 1 or takes 1 from one of a fixed
//! number of sums; a hash decides which, and the sign (Weinberger et al.: Feature hashing for large
//! scale multitask learning, 2009). Sequences that meet in one sum cancel out on average instead of
//! adding up. A sum tells of thousands of sequences at once, so neither a state nor a model holds
//! any word.
//!
//! Digits count as one and the same: numbers are what variables are for, and telephone numbers,
//! dates, and record numbers tell people apart.

use twinkeep_domain::{NotePlan, Timestamp};

use crate::random::bits;

/// What is remembered of the notes of one subject.
#[derive(Clone)]
pub(crate) struct NoteState {
    ngram: usize,
    count: u32,
    last: Timestamp,
    sums: Vec<f32>,
}

impl NoteState {
    /// Returns the state of a subject about whom nothing is written.
    pub(crate) fn new(plan: &NotePlan) -> Self {
        Self {
            ngram: plan.ngram,
            count: 0,
            last: Timestamp::from_micros(i64::MIN),
            sums: vec![0.0; plan.bucket_count],
        }
    }

    /// Absorbs a note, in time linear in its length; it may be late.
    pub(crate) fn observe(&mut self, time: Timestamp, text: &str) {
        self.count = self.count.saturating_add(1);
        self.last = self.last.max(time);
        // The hashes of the last words, the newest last.
        let mut window: Vec<u64> = Vec::with_capacity(self.ngram);
        for word in text.split(|letter: char| !letter.is_alphanumeric()) {
            if word.is_empty() {
                continue;
            }
            if window.len() == self.ngram {
                window.remove(0);
            }
            window.push(hash(word));
            for start in 0..window.len() {
                let sequence = &window[start..];
                let mixed = sequence
                    .iter()
                    .fold(sequence.len() as u64, |all, &word| bits(NOTE_HASH, [all, word, 0]));
                let sign = if mixed >> 63 == 0 { 1.0 } else { -1.0 };
                // The number of sums is small: no sum is favored by more than 2^-50.
                let at = (mixed % self.sums.len().max(1) as u64) as usize;
                if let Some(sum) = self.sums.get_mut(at) {
                    *sum = (*sum + sign).clamp(-SUM_MAX, SUM_MAX);
                }
            }
        }
    }

    /// Writes the features of the notes at a moment; `out` has [`feature_count`] places.
    pub(crate) fn features(&self, now: Timestamp, out: &mut [f32]) {
        let [count, age, sums @ ..] = out else { return };
        *count = self.count as f32;
        *age = if self.count == 0 { f32::NAN } else { now.hours_since(self.last) as f32 };
        for (place, sum) in sums.iter_mut().zip(&self.sums) {
            // A word that is said again and again says less each time.
            *place = sum.signum() * sum.abs().ln_1p();
        }
    }
}

/// Returns how many features the notes of a plan have.
pub(super) fn feature_count(plan: &NotePlan) -> usize {
    PER_NOTES.len() + plan.bucket_count
}

/// Returns what a person calls a feature of notes.
pub(super) fn feature_name(at: usize) -> String {
    match PER_NOTES.get(at) {
        Some(name) => format!("notes, {name}"),
        None => format!("notes, words of group {}", at - PER_NOTES.len() + 1),
    }
}

/// FNV-1a over the letters in lower case.
fn hash(word: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for letter in word.chars().flat_map(char::to_lowercase) {
        let letter = if letter.is_numeric() { '0' } else { letter };
        hash = (hash ^ u64::from(u32::from(letter))).wrapping_mul(0x0100_0000_01b3);
    }
    hash
}

/// The features of notes besides the groups of words, in order.
const PER_NOTES: [&str; 2] = ["number of notes", "hours since the last note"];

/// Keeps this hash apart from other choices. Part of every model with notes: never changes.
const NOTE_HASH: u64 = 0x6e6f_7465;

/// Sums of ones are exact up to here, so that they do not depend on the order of notes.
const SUM_MAX: f32 = 16_777_216.0;

#[cfg(test)]
mod tests {
    use twinkeep_domain::{CodePattern, NotePlan, Timestamp};

    use super::{NoteState, feature_count, feature_name};

    fn plan(ngram: usize) -> NotePlan {
        let codes = vec![CodePattern::new("NOTE//*").unwrap()];
        NotePlan { codes, bucket_count: 64, ngram }
    }

    fn features(ngram: usize, notes: &[(f64, &str)]) -> Vec<f32> {
        let plan = plan(ngram);
        let mut state = NoteState::new(&plan);
        for (hours, text) in notes {
            state.observe(Timestamp::RELATIVE_ORIGIN.plus_hours(*hours), text);
        }
        let mut out = vec![f32::NAN; feature_count(&plan)];
        state.features(Timestamp::RELATIVE_ORIGIN.plus_hours(10.0), &mut out);
        out
    }

    /// Places that are not 0, besides the number and the age of notes.
    fn set(features: &[f32]) -> Vec<usize> {
        (2..features.len()).filter(|&at| features[at] != 0.0).collect()
    }

    #[test]
    fn a_word_is_one_sum_whatever_its_case_and_what_stands_around_it() {
        let once = features(1, &[(3.0, "fever")]);
        assert_eq!(once[..2], [1.0, 7.0]);
        let [at] = set(&once)[..] else { panic!("one sum") };
        assert_eq!(once[at].abs(), 2.0_f32.ln());
        let thrice = features(1, &[(3.0, "Fever;FEVER\n(fever)")]);
        assert_eq!((set(&thrice), thrice[at].abs()), (vec![at], 4.0_f32.ln()));
        assert_eq!(thrice[at].signum(), once[at].signum());
    }

    #[test]
    fn a_sequence_is_another_sum_than_its_words_and_their_reverse() {
        let words = |text| set(&features(1, &[(0.0, text)]));
        let pairs = |text| set(&features(2, &[(0.0, text)]));
        assert_eq!(words("no fever").len(), 2);
        assert_eq!(pairs("no fever").len(), 3);
        assert_ne!(pairs("no fever"), pairs("fever no"));
        assert_eq!(words("no fever"), words("fever no"));
        assert_eq!(set(&features(3, &[(0.0, "has no fever")])).len(), 6);
    }

    #[test]
    fn no_number_is_told_from_another() {
        let of = |text| features(2, &[(0.0, text)]);
        assert_eq!(of("call 555-0134"), of("call 871-9926"));
        assert_ne!(of("call 555-0134"), of("call 5550134"));
    }

    #[test]
    fn the_order_of_notes_does_not_matter() {
        let notes = [(1.0, "sepsis suspected"), (2.0, "no sepsis"), (9.0, "stable")];
        let mut late = notes;
        late.reverse();
        assert_eq!(features(2, &notes), features(2, &late));
        assert_eq!(features(2, &notes)[..2], [3.0, 1.0]);
    }

    #[test]
    fn empty_and_endless_notes_are_taken() {
        let empty = features(2, &[(0.0, " .,;- ")]);
        assert_eq!((empty[0], set(&empty)), (1.0, vec![]));
        let none = features(2, &[]);
        assert!(none[0] == 0.0 && none[1].is_nan());
        let long = "a".repeat(1 << 20);
        let many = "b ".repeat(1 << 19);
        assert!(features(3, &[(0.0, &long), (1.0, &many)]).iter().all(|value| value.is_finite()));
    }

    #[test]
    fn names_tell_no_word() {
        assert_eq!(feature_name(0), "notes, number of notes");
        assert_eq!(feature_name(2), "notes, words of group 1");
    }
}
