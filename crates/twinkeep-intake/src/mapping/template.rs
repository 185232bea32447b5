//! Texts with columns in them: `LAB//{itemid}//{valueuom?UNK}`.
//!
//! A column stands between braces. `?` and a text behind its name are used where it is empty;
//! without them an empty column makes the whole text empty, and the next of its alternatives is
//! tried. `|integer` takes `17850.0` for `17850`, `|nonzero` takes 0 for empty, as OMOP means it,
//! and `|code` takes what the mapping's own table of codes has for the column's word.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What the words of a data set are called here.
pub(crate) type Codes = Arc<BTreeMap<String, String>>;

/// A text with columns in it; `C` is how a column is named.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template<C>(Vec<Part<C>>);

#[derive(Clone, Debug, PartialEq)]
enum Part<C> {
    Literal(String),
    Column { column: C, form: Form, default: Option<String> },
}

/// What is done to a column first.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    Plain,
    Integer,
    Nonzero,
    Code(Codes),
}

impl Template<String> {
    /// Reads a template; the error says what is wrong.
    pub(crate) fn parse(text: &str, codes: &Codes) -> Result<Self, &'static str> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            if 0 < open {
                parts.push(Part::Literal(rest[..open].to_owned()));
            }
            let (inside, after) =
                rest[open + 1..].split_once('}').ok_or("has a `{` without its `}`")?;
            parts.push(column(inside, codes)?);
            rest = after;
        }
        if rest.contains('}') {
            return Err("has a `}` without its `{`");
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        if parts.is_empty() { Err("must not be empty") } else { Ok(Self(parts)) }
    }

    /// Returns the columns in it.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Column { column, .. } => Some(column.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// Replaces each column's name by where it is.
    pub(crate) fn bind<D>(&self, find: &mut dyn FnMut(&str) -> D) -> Template<D> {
        let bind = |part: &Part<String>| match part {
            Part::Literal(text) => Part::Literal(text.clone()),
            Part::Column { column, form, default } => {
                Part::Column { column: find(column), form: form.clone(), default: default.clone() }
            }
        };
        Template(self.0.iter().map(bind).collect())
    }
}

impl<C: Copy> Template<C> {
    /// Appends the text to `out`; if a column without a default is empty, returns `false` and
    /// leaves `out` as it was.
    pub(crate) fn fill<'r>(&self, get: &dyn Fn(C) -> &'r str, out: &mut String) -> bool {
        let start = out.len();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Column { column, form, default } => {
                    let value = form.of(get(*column));
                    match (value, default) {
                        ("", None) => {
                            out.truncate(start);
                            return false;
                        }
                        ("", Some(default)) => out.push_str(default),
                        (value, _) => out.push_str(value),
                    }
                }
            }
        }
        true
    }
}

impl Form {
    fn of<'v>(&'v self, value: &'v str) -> &'v str {
        match self {
            Self::Plain => value,
            Self::Integer => match value.split_once('.') {
                Some((integer, zeros)) if zeros.bytes().all(|byte| byte == b'0') => integer,
                _ => value,
            },
            Self::Nonzero if value == "0" => "",
            Self::Nonzero => value,
            Self::Code(codes) => codes.get(value).map_or("", String::as_str),
        }
    }
}

fn column(inside: &str, codes: &Codes) -> Result<Part<String>, &'static str> {
    let (inside, default) = match inside.split_once('?') {
        Some((inside, default)) => (inside, Some(default.to_owned())),
        None => (inside, None),
    };
    let (column, form) = match inside.split_once('|') {
        None => (inside, Form::Plain),
        Some((column, "integer")) => (column, Form::Integer),
        Some((column, "nonzero")) => (column, Form::Nonzero),
        Some((column, "code")) => (column, Form::Code(Arc::clone(codes))),
        Some(_) => {
            return Err(
                "has an unknown form behind `|`; known are `integer`, `nonzero`, and `code`",
            );
        }
    };
    if column.is_empty() {
        return Err("has no column between its braces");
    }
    Ok(Part::Column { column: column.to_owned(), form, default })
}

/// Fills the first of several templates that can be; `false` if none can.
pub(crate) fn fill_first<'r, C: Copy>(
    templates: &[Template<C>],
    get: &dyn Fn(C) -> &'r str,
    out: &mut String,
) -> bool {
    out.clear();
    templates.iter().any(|template| template.fill(get, out))
}

#[cfg(test)]
mod tests {
    use super::{Codes, Template, fill_first};

    fn fill(templates: &[&str], fields: &[(&str, &str)]) -> Option<String> {
        let mut find = |name: &str| fields.iter().position(|(column, _)| *column == name).unwrap();
        let codes = Codes::new([("potassium".to_owned(), "K".to_owned())].into());
        let templates: Vec<Template<usize>> = templates
            .iter()
            .map(|text| Template::parse(text, &codes).unwrap().bind(&mut find))
            .collect();
        let mut out = "left over".to_owned();
        fill_first(&templates, &|index: usize| fields[index].1, &mut out).then_some(out)
    }

    #[test]
    fn the_first_template_whose_columns_are_there_is_taken() {
        let fields = [("item", "220045"), ("unit", ""), ("id", "0"), ("source", "8867-4")];
        assert_eq!(fill(&["LAB//{item}//{unit?UNK}"], &fields).unwrap(), "LAB//220045//UNK");
        assert_eq!(fill(&["{item}//{unit}", "{source}"], &fields).unwrap(), "8867-4");
        assert_eq!(fill(&["OMOP//{id|nonzero}", "{source}"], &fields).unwrap(), "8867-4");
        assert_eq!(fill(&["{item}{unit}"], &fields), None);
        assert_eq!(fill(&["{id|code}"], &[("id", "potassium")]).unwrap(), "K");
        assert_eq!(fill(&["{id|code}", "LAB//{id}"], &[("id", "x")]).unwrap(), "LAB//x");
    }

    #[test]
    fn a_number_that_was_written_as_a_float_is_a_number_again() {
        for (written, read) in [("17850.0", "17850"), ("17850", "17850"), ("1.5", "1.5")] {
            assert_eq!(fill(&["{id|integer}"], &[("id", written)]).unwrap(), read);
        }
    }

    #[test]
    fn what_is_not_a_template_is_refused() {
        for text in ["", "{", "a}", "{}", "{a|b}", "{a", "{?x}"] {
            assert!(Template::parse(text, &Codes::default()).is_err(), "{text}");
        }
    }
}
