//! Rule `iis-listing`: folders are not listed.
//!
//! IIS lists none unless it is told to.

use super::{is_off, scopes};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Severity};
use crate::parse::iis::effective::LISTING;
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-listing",
    title: "No place lists the files of a folder",
    severity: Severity::Medium,
    protects: "Who does not know the name of a file finds it by looking.",
    remedy: "say `<directoryBrowse enabled=\"false\" />`",
    controls: &[Evidence {
        control: "hipaa-164.312(a)(1)",
        strength: Strength::Partial,
        because: "A list of files is access to their names, and a way to the files.",
    }],
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    scopes(facts, |scope| Some(is_off(scope, LISTING, &["true"], "lists the files of its folders")))
}
