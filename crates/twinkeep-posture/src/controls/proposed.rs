//! What the notice of proposed rulemaking of 6 January 2025 (90 FR 898) would make of 45 CFR
//! 164.308(a) and 312. It is proposed, and not in force.

use super::{Control, Need};

pub(super) const CONTROLS: &[Control] = &[
    proposed("nprm-164.308(a)(1)", "Technology asset inventory"),
    proposed("nprm-164.308(a)(2)", "Risk analysis"),
    proposed("nprm-164.308(a)(3)", "Evaluation"),
    proposed("nprm-164.308(a)(4)", "Patch management"),
    proposed("nprm-164.308(a)(5)", "Risk management"),
    proposed("nprm-164.308(a)(6)", "Sanction policy"),
    proposed("nprm-164.308(a)(7)", "Information system activity review"),
    proposed("nprm-164.308(a)(8)", "Assigned security responsibility"),
    proposed("nprm-164.308(a)(9)", "Workforce security"),
    proposed("nprm-164.308(a)(10)", "Information access management"),
    proposed("nprm-164.308(a)(11)", "Security awareness training"),
    proposed("nprm-164.308(a)(12)", "Security incident procedures"),
    proposed("nprm-164.308(a)(13)", "Contingency plan"),
    proposed("nprm-164.308(a)(14)", "Compliance audit"),
    proposed("nprm-164.312(a)", "Access control"),
    proposed("nprm-164.312(b)", "Encryption and decryption"),
    proposed("nprm-164.312(c)", "Configuration management"),
    proposed("nprm-164.312(d)", "Audit trail and system log controls"),
    proposed("nprm-164.312(e)", "Integrity"),
    proposed("nprm-164.312(f)", "Authentication"),
    proposed("nprm-164.312(g)", "Transmission security"),
    proposed("nprm-164.312(h)", "Vulnerability management"),
    proposed("nprm-164.312(i)", "Data backup and recovery"),
    proposed("nprm-164.312(j)", "Information systems backup and recovery"),
];

/// What would replace which requirements in force.
pub(super) const REPLACES: &[(&str, &[&str])] = &[
    ("nprm-164.308(a)(1)", &["hipaa-164.310(d)(2)(iii)"]),
    ("nprm-164.308(a)(2)", &["hipaa-164.308(a)(1)(ii)(A)"]),
    ("nprm-164.308(a)(3)", &["hipaa-164.308(a)(8)"]),
    ("nprm-164.308(a)(5)", &["hipaa-164.308(a)(1)(ii)(B)"]),
    ("nprm-164.308(a)(6)", &["hipaa-164.308(a)(1)(ii)(C)"]),
    ("nprm-164.308(a)(7)", &["hipaa-164.308(a)(1)(ii)(D)"]),
    ("nprm-164.308(a)(8)", &["hipaa-164.308(a)(2)"]),
    ("nprm-164.308(a)(9)", &["hipaa-164.308(a)(3)(ii)(A)", "hipaa-164.308(a)(3)(ii)(C)"]),
    ("nprm-164.308(a)(10)", &["hipaa-164.308(a)(4)(ii)(B)", "hipaa-164.308(a)(4)(ii)(C)"]),
    ("nprm-164.308(a)(11)", &["hipaa-164.308(a)(5)(i)"]),
    ("nprm-164.308(a)(12)", &["hipaa-164.308(a)(6)(i)", "hipaa-164.308(a)(6)(ii)"]),
    (
        "nprm-164.308(a)(13)",
        &["hipaa-164.308(a)(7)(i)", "hipaa-164.308(a)(7)(ii)(A)", "hipaa-164.308(a)(7)(ii)(B)"],
    ),
    (
        "nprm-164.312(a)",
        &["hipaa-164.312(a)(1)", "hipaa-164.312(a)(2)(i)", "hipaa-164.312(a)(2)(iii)"],
    ),
    ("nprm-164.312(b)", &["hipaa-164.312(a)(2)(iv)", "hipaa-164.312(e)(2)(ii)"]),
    ("nprm-164.312(c)", &["hipaa-164.308(a)(5)(ii)(B)"]),
    ("nprm-164.312(d)", &["hipaa-164.312(b)"]),
    ("nprm-164.312(e)", &["hipaa-164.312(c)(1)", "hipaa-164.312(c)(2)"]),
    ("nprm-164.312(f)", &["hipaa-164.312(d)"]),
    ("nprm-164.312(g)", &["hipaa-164.312(e)(1)", "hipaa-164.312(e)(2)(i)"]),
    ("nprm-164.312(i)", &["hipaa-164.308(a)(7)(ii)(A)"]),
    ("nprm-164.312(j)", &["hipaa-164.308(a)(7)(ii)(B)"]),
];

const fn proposed(id: &'static str, title: &'static str) -> Control {
    Control { id, title, need: Need::Proposed }
}
