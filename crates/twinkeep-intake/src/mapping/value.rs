//! Values and conditions: what a mapping may compute, and no more than that.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::csv::Dialect;

/// Where the value of an event comes from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ValueSpec<C> {
    /// There is none: the event is that it happened.
    None,
    /// A column, as it is.
    Column(C),
    /// Columns multiplied with each other and with a number.
    Product(Vec<C>, f64),
    /// Always the same.
    Constant(f64),
    /// A column whose words stand for numbers.
    Map(C, BTreeMap<String, f64>),
}

/// What a value is, once computed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Computed<'r> {
    /// Not recorded.
    Nothing,
    /// Written like this, with a point.
    Text(Cow<'r, str>),
    /// Computed.
    Number(f64),
    /// It is there, but is not a number.
    Wrong,
}

impl Computed<'_> {
    /// Returns it as a number, if it is one.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Self::Nothing | Self::Wrong => None,
            Self::Text(text) => number(text, &super::PLAIN),
            Self::Number(number) => Some(*number).filter(|number| number.is_finite()),
        }
    }
}

impl ValueSpec<String> {
    /// Returns the columns in it.
    pub(crate) fn columns(&self) -> Vec<&str> {
        match self {
            Self::None | Self::Constant(_) => Vec::new(),
            Self::Column(column) | Self::Map(column, _) => vec![column],
            Self::Product(columns, _) => columns.iter().map(String::as_str).collect(),
        }
    }

    /// Replaces each column's name by where it is.
    pub(crate) fn bind<D>(&self, find: &mut dyn FnMut(&str) -> D) -> ValueSpec<D> {
        match self {
            Self::None => ValueSpec::None,
            Self::Column(column) => ValueSpec::Column(find(column)),
            Self::Product(columns, scale) => {
                ValueSpec::Product(columns.iter().map(|column| find(column)).collect(), *scale)
            }
            Self::Constant(number) => ValueSpec::Constant(*number),
            Self::Map(column, words) => ValueSpec::Map(find(column), words.clone()),
        }
    }
}

impl<C: Copy> ValueSpec<C> {
    /// Computes the value of a row.
    pub(crate) fn compute<'r>(
        &self,
        get: &dyn Fn(C) -> &'r str,
        dialect: &Dialect,
    ) -> Computed<'r> {
        match self {
            Self::None => Computed::Nothing,
            Self::Constant(number) => Computed::Number(*number),
            Self::Column(column) => match get(*column) {
                "" => Computed::Nothing,
                text => dialect.number(text).map_or(Computed::Wrong, Computed::Text),
            },
            Self::Map(column, words) => match get(*column) {
                "" => Computed::Nothing,
                text => words.get(text).map_or(Computed::Wrong, |&number| Computed::Number(number)),
            },
            Self::Product(columns, scale) => {
                let mut product = *scale;
                for &column in columns {
                    match get(column) {
                        "" => return Computed::Nothing,
                        text => match number(text, dialect) {
                            Some(factor) => product *= factor,
                            None => return Computed::Wrong,
                        },
                    }
                }
                Computed::Number(product)
            }
        }
    }
}

/// Reads a number as the dialect writes it.
pub(crate) fn number(text: &str, dialect: &Dialect) -> Option<f64> {
    let text = dialect.number(text)?;
    let plain = |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
    if NUMBER_LEN_MAX < text.len() || !text.bytes().all(plain) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// What a row must be like; everything that is said of it must hold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition<C> {
    pub column: C,
    /// One of these, if there are any.
    pub is: Vec<String>,
    /// None of these.
    pub is_not: Vec<String>,
    /// Begins with one of these, if there are any.
    pub starts_with: Vec<String>,
    /// Begins with none of these.
    pub starts_not_with: Vec<String>,
    pub empty: Option<bool>,
    pub above: Option<f64>,
    pub below: Option<f64>,
}

impl Condition<String> {
    /// Replaces the column's name by where it is.
    pub(crate) fn bind<D>(&self, find: &mut dyn FnMut(&str) -> D) -> Condition<D> {
        let Self { column, is, is_not, starts_with, starts_not_with, empty, above, below } =
            self.clone();
        let column = find(&column);
        Condition { column, is, is_not, starts_with, starts_not_with, empty, above, below }
    }
}

impl<C: Copy> Condition<C> {
    /// Returns whether a row is like this.
    pub(crate) fn holds<'r>(&self, get: &dyn Fn(C) -> &'r str, dialect: &Dialect) -> bool {
        let value = get(self.column);
        let begins = |start: &String| value.starts_with(start.as_str());
        let compares = |bound: Option<f64>, holds: fn(f64, f64) -> bool| match bound {
            None => true,
            Some(bound) => number(value, dialect).is_some_and(|number| holds(number, bound)),
        };
        (self.is.is_empty() || self.is.iter().any(|word| word == value))
            && !self.is_not.iter().any(|word| word == value)
            && (self.starts_with.is_empty() || self.starts_with.iter().any(begins))
            && !self.starts_not_with.iter().any(begins)
            && self.empty.is_none_or(|empty| empty == value.is_empty())
            && compares(self.above, |number, bound| bound < number)
            && compares(self.below, |number, bound| number < bound)
    }
}

/// A double needs 24 characters; some programs write 30.
const NUMBER_LEN_MAX: usize = 64;
