//! All rules: one table, in the order of their names.

use crate::rule::Rule;

mod keep;

#[cfg(test)]
mod tests;

/// All rules, by target and then by name.
pub const RULES: &[Rule] = &[keep::file_modes::RULE];

/// A rule by its name.
pub fn find(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}
