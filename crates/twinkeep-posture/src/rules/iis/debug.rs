//! Rule `iis-debug`: errors tell strangers nothing.
//!
//! Detailed errors show paths, settings, and parts of the program; ASP.NET that compiles for debugging
//! never ends a request.

use super::{is_off, scopes};
use crate::facts::iis::Iis;
use crate::facts::{Check, FixOf};
use crate::fix::Fix;
use crate::outcome::{Judged, Outcome, Severity};
use crate::parse::iis::effective::{ASP_ERRORS, DEBUG, ERRORS};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::iis::repairs;

pub(in crate::rules) const RULE: Rule = Rule {
    id: "iis-debug",
    title: "Errors show no details, and nothing is compiled for debugging",
    severity: Severity::Medium,
    protects: "An error tells a stranger paths, settings, and parts of the program.",
    remedy: "say `<httpErrors errorMode=\"DetailedLocalOnly\" />`, `<customErrors mode=\"RemoteOnly\" />`, and `<compilation debug=\"false\" />`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(1)",
            strength: Strength::Partial,
            because: "Details of errors are a way to what is behind them.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "They may show what belongs to people, to anybody who asks.",
        },
    ],
    check: Check::Iis(Judge { judge }),
};

pub(crate) const FIX: Fix = Fix {
    rule: RULE.id,
    changes: FixOf::Iis(|facts, judged| repairs::changes(facts, judged, RULE.id)),
};

fn judge(facts: &Iis) -> Vec<Judged> {
    let asked: [(&str, &str, &str); 3] = [
        (ERRORS, "detailed", "errors are shown in detail to everybody"),
        (ASP_ERRORS, "off", "errors of ASP.NET are shown in detail to everybody"),
        (DEBUG, "true", "ASP.NET compiles for debugging"),
    ];
    scopes(facts, |scope| {
        let mut outcomes = asked.iter().map(|(name, bad, what)| is_off(scope, name, &[bad], what));
        let failed = outcomes.clone().find(|it| matches!(it, Outcome::Fail { .. }));
        // The settings that nothing says are those of the server.
        Some(
            failed.unwrap_or_else(|| {
                outcomes.find(|it| *it != Outcome::Pass).unwrap_or(Outcome::Pass)
            }),
        )
    })
}
