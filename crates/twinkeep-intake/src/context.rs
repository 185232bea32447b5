//! Rules that look at more than one row: plausible for this age and sex, not faster than a body
//! can, not against another value of the same moment.
//!
//! They see what is in one portion, sorted; a person's rows are together there, unless they are
//! scattered over the source or fill more than half of a portion. A rule that sees too little
//! refuses nothing.

use std::collections::BTreeMap;

use twinkeep_domain::{
    Code, GroupRange, Pack, Rule, Sex, Subject, SubjectCodes, Timestamp, VariableKind,
};

use crate::Reason;
use crate::held::Held;
use crate::limits::DEMOGRAPHICS_COUNT_MAX;

#[cfg(test)]
mod tests;

/// The rules of a pack, by code.
pub(crate) struct Context {
    subject: SubjectCodes,
    age: Option<u32>,
    sex: Option<u32>,
    ranges: BTreeMap<u32, Vec<GroupRange>>,
    change_max_per_hour: BTreeMap<u32, f32>,
    less: Vec<Vec<u32>>,
    known: BTreeMap<Subject, Person>,
}

/// What is known of a subject.
#[derive(Clone, Copy, Default)]
struct Person {
    age_years: Option<f32>,
    birth: Option<Timestamp>,
    sex: Option<Sex>,
}

impl Person {
    fn age_at(&self, time: Option<Timestamp>) -> Option<f32> {
        let since_birth = time.zip(self.birth).map(|(time, birth)| time.hours_since(birth));
        since_birth.map(|hours| (hours / HOURS_PER_YEAR) as f32).or(self.age_years)
    }
}

impl Context {
    pub(crate) fn new(pack: &Pack) -> Self {
        let screening = pack.screening();
        let code = |name: &String| pack.find(name).map(|index| index as u32);
        let variables = || (0..).zip(pack.variables());
        let with_ranges = variables().filter(|(_, variable)| !variable.rules.ranges.is_empty());
        let less = screening.rules.iter().map(|Rule::Less(names)| names);
        Self {
            subject: screening.subject.clone(),
            age: screening.subject.age.as_ref().and_then(code),
            sex: screening.subject.sex.as_ref().and_then(code),
            ranges: with_ranges.map(|(code, one)| (code, one.rules.ranges.clone())).collect(),
            change_max_per_hour: variables()
                .filter(|(_, variable)| variable.kind == VariableKind::Series)
                .filter_map(|(code, one)| Some((code, one.rules.change_max_per_hour?)))
                .collect(),
            less: less.map(|names| names.iter().filter_map(code).collect()).collect(),
            known: BTreeMap::new(),
        }
    }

    /// Finds the rows that cannot be true beside the others. `rows` are sorted by subject, time,
    /// and code.
    pub(crate) fn judge(&mut self, codes: &[Code], rows: &[Held]) -> BTreeMap<usize, Reason> {
        let mut verdicts = BTreeMap::new();
        let is_birth = |code: &Code| Some(code.as_str()) == self.subject.birth.as_deref();
        let birth = codes.iter().position(is_birth).map(|code| code as u32);
        let mut start = 0;
        for rows in rows.chunk_by(|left, right| left.subject == right.subject) {
            let mut of_subject = OneSubject { rows, refused: BTreeMap::new() };
            if !self.ranges.is_empty() {
                let person = self.person(birth, rows);
                of_subject.check_ranges(&self.ranges, &person);
            }
            of_subject.check_changes(&self.change_max_per_hour);
            for codes in &self.less {
                of_subject.check_less(codes);
            }
            verdicts.extend(of_subject.refused.into_iter().map(|(at, why)| (start + at, why)));
            start += rows.len();
        }
        verdicts
    }

    /// Collects what the rows say about their subject, and what earlier ones said.
    fn person(&mut self, birth: Option<u32>, rows: &[Held]) -> Person {
        let Some(subject) = rows.first().map(|row| row.subject) else { return Person::default() };
        let mut person = self.known.get(&subject).copied().unwrap_or_default();
        for row in rows {
            let code = Some(row.code);
            if code == birth {
                person.birth = row.time.or(person.birth);
            } else if code == self.age {
                person.age_years = row.value.or(person.age_years);
            } else if code == self.sex {
                person.sex = match row.value {
                    Some(value) if value == self.subject.female => Some(Sex::Female),
                    Some(value) if value == self.subject.male => Some(Sex::Male),
                    _ => person.sex,
                };
            }
        }
        if self.known.len() < DEMOGRAPHICS_COUNT_MAX || self.known.contains_key(&subject) {
            self.known.insert(subject, person);
        }
        person
    }
}

/// The rows of one subject, and what is wrong with some of them.
struct OneSubject<'r> {
    rows: &'r [Held],
    refused: BTreeMap<usize, Reason>,
}

impl OneSubject<'_> {
    fn check_ranges(&mut self, ranges: &BTreeMap<u32, Vec<GroupRange>>, person: &Person) {
        for (at, row) in self.rows.iter().enumerate() {
            let Some((groups, value)) = ranges.get(&row.code).zip(row.value) else { continue };
            let age = person.age_at(row.time);
            let group = groups.iter().find(|group| group.fits(age, person.sex));
            if group.is_some_and(|group| !group.range.contains(value)) {
                self.refused.insert(at, Reason::ImplausibleValue);
            }
        }
    }

    /// Refuses values that jump away from their neighbors, which agree with each other: after one
    /// such value the next jumps as well, and is not to blame.
    fn check_changes(&mut self, limits: &BTreeMap<u32, f32>) {
        let mut series: BTreeMap<u32, Vec<(usize, Timestamp, f32)>> = BTreeMap::new();
        if limits.is_empty() {
            return;
        }
        for (at, row) in self.rows.iter().enumerate() {
            let Some((time, value)) = row.time.zip(row.value) else { continue };
            if limits.contains_key(&row.code) && !self.refused.contains_key(&at) {
                series.entry(row.code).or_default().push((at, time, value));
            }
        }
        for (code, points) in series {
            let limit = limits[&code];
            let fits = |left: usize, right: usize| {
                let ((_, from, before), (_, to, after)) = (points[left], points[right]);
                let hours = to.hours_since(from).abs().max(1.0);
                f64::from(after - before).abs() <= f64::from(limit) * hours
            };
            for at in 0..points.len() {
                // The two nearest others, on both sides where there are both.
                let last = points.len() - 1;
                let (one, two) = match at {
                    _ if last < 2 => break,
                    0 => (1, 2),
                    at if at == last => (last - 1, last - 2),
                    at => (at - 1, at + 1),
                };
                if !fits(at, one) && !fits(at, two) && fits(one, two) {
                    self.refused.insert(points[at].0, Reason::RateOfChange);
                }
            }
        }
    }

    /// Refuses values of one moment that are in the wrong order. Nobody knows which of the two is
    /// wrong, so both are refused.
    fn check_less(&mut self, codes: &[u32]) {
        let mut start = 0;
        let mut wrong = Vec::new();
        for moment in self.rows.chunk_by(|left, right| left.time == right.time) {
            for pair in codes.windows(2) {
                let of = |code| {
                    let rows = (start..).zip(moment).filter(move |(_, row)| row.code == code);
                    rows.filter(|(at, _)| !self.refused.contains_key(at))
                        .filter_map(|(at, row)| Some((at, row.value?)))
                };
                let lowest = of(pair[0]).map(|(_, value)| value).reduce(f32::min);
                let highest = of(pair[1]).map(|(_, value)| value).reduce(f32::max);
                // If there are several, any two in the right order are enough.
                if lowest.zip(highest).is_some_and(|(low, high)| high <= low) {
                    wrong.extend(of(pair[0]).chain(of(pair[1])).map(|(at, _)| at));
                }
            }
            start += moment.len();
        }
        self.refused.extend(wrong.into_iter().map(|at| (at, Reason::Contradiction)));
    }
}

const HOURS_PER_YEAR: f64 = 24.0 * 365.25;
