//! Dates in notes: found in the forms that people write, shifted, and written in the same form.
//!
//! A date without a year cannot be shifted, and goes. A month or a year is shifted by its middle,
//! so that it stays close to the truth of the shifted timeline.

use jiff::civil::Date;
use jiff::{Span, ToSpan as _};
use regex::{Captures, Regex};

use super::patterns::compile;

/// The forms of dates.
pub(super) struct Dates {
    forms: Vec<(Regex, Form)>,
}

/// How the parts of a date follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `2019-03-04`; an hour may follow.
    YearMonthDay,
    /// `3/4/2019`, or `13/4/2019` where the first number can be no month.
    MonthDayYear,
    /// `4.3.2019`
    DayMonthYear,
    /// `March 4, 2019`, and any other with the month as a word.
    Words,
    /// `3/2019`
    MonthYear,
    /// `2019`
    Year,
    /// `3/4`, `March 4`
    NoYear,
}

/// A date that was found: from where to where, and what to put there; `None` if it must go.
pub(super) struct FoundDate {
    pub start: usize,
    pub end: usize,
    pub text: Option<String>,
}

impl Dates {
    pub(super) fn new() -> Self {
        let month = "(?P<month>Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|\
                     Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?|\
                     JAN|FEB|MAR|APR|MAY|JUN|JUL|AUG|SEP|OCT|NOV|DEC)\\.?";
        let day = "(?P<day>0?[1-9]|[12][0-9]|3[01])";
        let year = "(?P<year>(?:18|19|20|21)[0-9]{2})";
        let short = "(?P<year>(?:18|19|20|21)[0-9]{2}|'?[0-9]{2})";
        let cue = "(?i:\\b(?:on|since|dated?|until|till|seen|admitted|discharged|starting|started|\
                   due|for|of|from|through|thru|by|visit|and|last|next)[ \\t]+)";
        let years = "(?i:\\b(?:in|since|from|until|circa|year|during|of|around|by|before|after|\
                     early|late|mid|through|to|summer|winter|spring|fall|autumn)[ \\t-]+)";
        let forms = [
            (
                format!("\\b(?P<x>{year}(?P<s>[-/.])(?P<m>0?[1-9]|1[0-2])[-/.]{day})(?:T|\\b)"),
                Form::YearMonthDay,
            ),
            (
                format!(
                    "\\b(?P<x>(?P<m>[0-9]{{1,2}})(?P<s>[-/])(?P<day>[0-9]{{1,2}})[-/]{short})\\b"
                ),
                Form::MonthDayYear,
            ),
            (
                format!("\\b(?P<x>{day}(?P<s>\\.)[ ]?(?P<m>0?[1-9]|1[0-2])\\.[ ]?{year})\\b"),
                Form::DayMonthYear,
            ),
            (
                format!(
                    "\\b(?P<x>{month}[ \\t]+{day}(?:st|nd|rd|th)?(?:,[ \\t]*|[ \\t]+){year})\\b"
                ),
                Form::Words,
            ),
            (
                format!(
                    "\\b(?P<x>{day}(?:st|nd|rd|th)?[ \\t-]+(?:of[ \\t]+)?{month}[,]?[ \\t-]+{short})\\b"
                ),
                Form::Words,
            ),
            (format!("\\b(?P<x>{month}[,]?[ \\t]+(?:of[ \\t]+)?{year})\\b"), Form::Words),
            (format!("\\b(?P<x>(?P<m>0?[1-9]|1[0-2])/{year})\\b"), Form::MonthYear),
            (format!("\\b(?P<x>{month}[ \\t]+{day}(?:st|nd|rd|th)?)\\b"), Form::NoYear),
            (
                format!("\\b(?P<x>{day}(?:st|nd|rd|th)?[ \\t]+(?:of[ \\t]+)?{month})(?:\\b|$)"),
                Form::NoYear,
            ),
            (
                format!("{cue}(?P<x>(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12][0-9]|3[01]))(?:[^0-9/%]|$)"),
                Form::NoYear,
            ),
            (format!("{years}(?P<x>{year})\\b"), Form::Year),
        ];
        Self { forms: forms.iter().map(|(pattern, form)| (compile(pattern), *form)).collect() }
    }

    /// Finds dates. Overlaps are possible; the earlier form is the better one.
    pub(super) fn find(&self, text: &str, shift_days: i32, floor: Date) -> Vec<FoundDate> {
        let mut found = Vec::new();
        for (pattern, form) in &self.forms {
            for captures in pattern.captures_iter(text) {
                let Some(whole) = captures.name("x") else { continue };
                let shifted = shift(&captures, *form, shift_days, floor);
                if let Some(text) = shifted {
                    found.push(FoundDate { start: whole.start(), end: whole.end(), text });
                }
            }
        }
        found
    }
}

/// Shifts a date. The outer `None` says that it is none, as `13/32/2019` is not.
fn shift(captures: &Captures<'_>, form: Form, days: i32, floor: Date) -> Option<Option<String>> {
    if form == Form::NoYear {
        return Some(None);
    }
    let number =
        |name: &str| captures.name(name)?.as_str().trim_start_matches('\'').parse::<i16>().ok();
    let typed_year = captures.name("year")?.as_str();
    let year = full_year(number("year")?, typed_year.trim_start_matches('\'').len());
    let (mut month, mut day) = (month_of(captures).or(number("m")), number("day"));
    let day_first = form == Form::MonthDayYear && month.is_some_and(|month| 12 < month);
    if day_first {
        std::mem::swap(&mut month, &mut day);
    }
    let middle = Date::new(
        year,
        i8::try_from(month.unwrap_or(7)).ok()?,
        i8::try_from(day.unwrap_or(if month.is_some() { 15 } else { 1 })).ok()?,
    );
    let date = shift_date(middle.ok()?, days, floor)?;
    let (y, m, d) = (date.year(), date.month(), date.day());
    let separator = captures.name("s").map_or("/", |separator| separator.as_str());
    let y_typed = if typed_year.len() < 4 { format!("{:02}", y % 100) } else { y.to_string() };
    Some(Some(match form {
        Form::YearMonthDay => format!("{y}{separator}{m:02}{separator}{d:02}"),
        Form::MonthDayYear if day_first => format!("{d}{separator}{m}{separator}{y_typed}"),
        Form::MonthDayYear => format!("{m}{separator}{d}{separator}{y_typed}"),
        Form::DayMonthYear => format!("{d}.{m}.{y}"),
        Form::Words if day.is_none() => format!("{} {y}", MONTHS[usize::try_from(m - 1).ok()?]),
        Form::Words => format!("{} {d}, {y}", MONTHS[usize::try_from(m - 1).ok()?]),
        Form::MonthYear => format!("{m}/{y}"),
        Form::Year | Form::NoYear => y.to_string(),
    }))
}

/// Moves a date by days. What is before the floor comes to lie on it first: it would tell an age
/// over 89.
pub(super) fn shift_date(date: Date, days: i32, floor: Date) -> Option<Date> {
    let span: Span = i64::from(days).days();
    date.max(floor).checked_add(span).ok()
}

/// `19` is 2019 and `54` is 1954: nobody writes of 2054.
fn full_year(year: i16, digit_count: usize) -> i16 {
    match year {
        _ if 2 < digit_count => year,
        0..=49 => 2000 + year,
        _ => 1900 + year,
    }
}

fn month_of(captures: &Captures<'_>) -> Option<i16> {
    let word = captures.name("month")?.as_str().to_ascii_lowercase();
    let starts = |month: &&str| {
        word.get(..3).is_some_and(|start| month.to_ascii_lowercase().starts_with(start))
    };
    i16::try_from(MONTHS.iter().position(starts)? + 1).ok()
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
