//! `[[subgroup]]` of a pack file: by what the figures of a model are told apart.

use serde::Deserialize;
use toml::Spanned;
use twinkeep_domain::{Screening, Subgroup, SubgroupBy, Variable};

use super::PackFileError;
use super::wire::line_of;

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WireSubgroup {
    title: String,
    by: String,
    #[serde(default)]
    cuts: Vec<f32>,
    #[serde(default)]
    names: Vec<String>,
}

/// Reads the subgroups. `format` is that of the file: they came with format 3.
pub(super) fn subgroups(
    text: &str,
    format: u32,
    wire: Option<Vec<Spanned<WireSubgroup>>>,
    variables: &[Variable],
    screening: &Screening,
) -> Result<Vec<Subgroup>, PackFileError> {
    let read = |one: Spanned<WireSubgroup>| {
        let line = line_of(text, one.span().start);
        let refuse = |key, reason| PackFileError::Value { line, key, reason };
        if format < 3 {
            return Err(refuse("subgroup", "needs `format = 3`"));
        }
        let WireSubgroup { title, by, cuts, names } = one.into_inner();
        let code = if by == "sex" { screening.subject.sex.clone().unwrap_or(by) } else { by };
        let find = |variable: &Variable| variable.code.as_str() == code;
        let by = match (code.as_str(), variables.iter().position(find)) {
            ("age", _) => SubgroupBy::Age,
            (_, Some(at)) => SubgroupBy::Variable(at),
            _ => {
                return Err(refuse("by", "must be `age`, `sex`, or the code of a static variable"));
            }
        };
        Ok(Subgroup { title, by, cuts, names })
    };
    wire.into_iter().flatten().map(read).collect()
}
