//! What identifiers look like in notes, as a table: one row a form, in the order of the law.
//!
//! In each pattern the group `x` is what goes; what stands before it (`MRN:`) stays. All of them
//! run in time linear in the text.

use regex::Regex;

use super::Kind;

/// Compiles a pattern of this folder.
pub(super) fn compile(pattern: &str) -> Regex {
    #[expect(clippy::expect_used, reason = "the patterns are constants, and a test compiles all")]
    Regex::new(pattern).expect("a pattern of the table is one")
}

/// A form of an identifier.
pub(super) struct Form {
    pub kind: Kind,
    pub pattern: Regex,
}

/// Returns all forms. Where two of them meet, the earlier one says of which kind it is.
pub(super) fn forms() -> Vec<Form> {
    let labelled = LABELLED.iter().map(|(kind, labels)| {
        let label = format!("(?i:\\b(?:{labels}))");
        (*kind, format!("{label}{LINK}(?P<x>{ID})"))
    });
    let plain = PLAIN.iter().map(|(kind, pattern)| (*kind, (*pattern).to_owned()));
    let all =
        plain.chain(labelled).chain(LAST.iter().map(|(kind, text)| (*kind, (*text).to_owned())));
    all.map(|(kind, pattern)| Form { kind, pattern: compile(&pattern) }).collect()
}

/// What stands between a label and its number.
const LINK: &str = "(?i:'?s?[ \\t]*(?:\\(?(?:id(?:entifier|entification)?|no\\.?|number|num\\.?|nbr|\
                    code|ref)\\)?[ \\t]*){0,2}#?[ \\t]*(?:[:=#][ \\t]*|is[ \\t]+|was[ \\t]+)?)";

/// A number, which may have letters, hyphens, and slashes but has at least three digits.
const ID: &str = "[A-Za-z]{0,6}[-/]?[0-9](?:[A-Za-z0-9]|[-/.][A-Za-z0-9])*[0-9][0-9A-Za-z]*";

/// Forms that need no label, the most certain first.
const PLAIN: &[(Kind, &str)] = &[
    (Kind::Photo, r"(?i)(?P<x>\bdata:image/[a-z+]+;base64,[A-Za-z0-9+/=]+)"),
    (Kind::Photo, r"(?i)(?P<x>[\w./\\-]*\w\.(?:jpe?g|png|gif|bmp|tiff?|heic|webp|dcm|mov|mp4))\b"),
    (Kind::Email, r"(?i)(?P<x>\b[\w.+%'-]+@[\w-]+(?:\.[\w-]+)+)"),
    (Kind::Url, r#"(?i)(?P<x>\b(?:https?|ftp)://[^\s<>"')\]]*[^\s<>"')\].,;:])"#),
    (Kind::Url, r#"(?i)(?P<x>\bwww\.[^\s<>"')\]]*[^\s<>"')\].,;:])"#),
    (
        Kind::Url,
        r"(?i)(?P<x>\b[a-z0-9][a-z0-9-]*(?:\.[a-z0-9-]+)*\.(?:com|org|net|edu|gov|io|health)\b(?:/\S*)?)",
    ),
    (Kind::Other, r"(?i)(?P<x>\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)"),
    (Kind::Device, r"(?i)(?P<x>\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b)"),
    (Kind::Device, r"(?P<x>\(01\)\s?[0-9]{14}(?:\s?\([0-9]{2}\)\s?[\w-]+)*)"),
    (
        Kind::Ip,
        r"(?P<x>\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b)",
    ),
    (
        Kind::Ip,
        r"(?i)(?P<x>\b(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}\b|\b[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*::(?:[0-9a-f]{1,4}(?::[0-9a-f]{1,4})*)?)",
    ),
    (Kind::HealthPlan, r"(?P<x>\b[1-9][A-Z][A-Z0-9][0-9]-?[A-Z][A-Z0-9][0-9]-?[A-Z]{2}[0-9]{2}\b)"),
    (Kind::HealthPlan, r"(?P<x>\b[0-9]{3}-[0-9]{2}-[0-9]{4}[A-Z][0-9A-Z]?\b)"),
    (
        Kind::Ssn,
        r"(?i)\b(?:ssn|social security)(?:[ \t]*(?:no\.?|number|#))?[ \t]*(?:[:#=][ \t]*|is[ \t]+)?(?P<x>(?:[0-9x*]{3}[- ]?[0-9x*]{2}[- ]?)?[0-9]{4})\b",
    ),
    (Kind::Ssn, r"(?P<x>\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b)"),
    (
        Kind::Fax,
        r"(?i)\b(?:fax|facsimile|fx)(?:[ \t]*(?:no\.?|number|#))?\.?[ \t]*(?:[:#][ \t]*|is[ \t]+|at[ \t]+|to[ \t]+)?(?P<x>[+(]?[0-9][0-9 \t().-]{5,}[0-9])",
    ),
    (
        Kind::Phone,
        r"(?P<x>(?:\+?1[ \t.-]?)?(?:\([0-9]{3}\)[ \t]?|\b[0-9]{3}[ \t.-])[0-9]{3}[ \t.-][0-9]{4}\b(?:[ \t]*(?:x|ext\.?)[ \t]*[0-9]{1,6})?)",
    ),
    (Kind::Phone, r"(?P<x>\+[0-9]{1,3}[ \t.-]?\(?[0-9]{1,4}\)?(?:[ \t.-]?[0-9]{2,4}){2,4}\b)"),
    (
        Kind::Phone,
        r"(?i)\b(?:phone|tel|telephone|cell|cellphone|mobile|pager|beeper|ext|extension|call|ph|text|voicemail)(?:[ \t]*(?:no\.?|number|#))?\.?[ \t]*(?:[:#][ \t]*|is[ \t]+|at[ \t]+)?(?P<x>[+(]?[0-9][0-9 \t().-]{2,}[0-9])",
    ),
    (Kind::Phone, r"(?P<x>\b[0-9]{3}-[0-9]{4}\b)"),
    (Kind::Account, r"(?P<x>\b[0-9]{4}[ -][0-9]{4}[ -][0-9]{4}(?:[ -][0-9]{4})?\b)"),
    (Kind::Account, r"(?P<x>\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){3,7}(?: ?[A-Z0-9]{1,4})?\b)"),
    (
        Kind::Vehicle,
        r"(?P<x>\b[0-9][A-HJ-NPR-Z0-9]{10}[0-9]{6}\b|\b[A-HJ-NPR-Z][A-HJ-NPR-Z0-9]{10}[0-9]{6}\b)",
    ),
    (
        Kind::Age,
        r"(?i)\b(?P<x>9[0-9]|1[0-4][0-9])[ -]?(?:years?|yrs?|yo|y/o|y\.o\.?|y)[ -]?(?:olds?|of age|o\b|/o\b)?\b",
    ),
    (
        Kind::Age,
        r"(?i)\b(?:aged?|age of|turned|turns|turning)[ \t]*:?[ \t]*(?P<x>9[0-9]|1[0-4][0-9])\b",
    ),
    (Kind::Age, r"\b(?P<x>9[0-9]|1[0-4][0-9])[ -]?(?:[MF]\b|yoM|yoF)"),
    (
        Kind::Age,
        r"(?i)\b(?P<x>ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|one[ -]hundred(?:[ -](?:and[ -])?\w+)?)[ -]years?[ -](?:old|of age)\b",
    ),
    (Kind::Age, r"(?i)\b(?P<x>nonagenarian|centenarian)\b"),
];

/// Labels of numbers. A label stays; it says nothing about a person.
const LABELLED: &[(Kind, &str)] = &[
    (
        Kind::Record,
        r"mrn|m\.r\.n\.?|mr#|medical record|med(?:ical)? rec(?:ord)?|health record|chart|record|patient id|pt id|patient identifier|hospital number|unit number|patient number|urn|nhs",
    ),
    (
        Kind::HealthPlan,
        r"member|policy|subscriber|health plan|insurance|beneficiary|medicare|medicaid|hicn|mbi|group|payer|plan",
    ),
    (
        Kind::Account,
        r"account|acct\.?|invoice|bill(?:ing)?|bank|iban|routing|credit card|debit card|card|financial",
    ),
    (
        Kind::License,
        r"driver'?s?[ \t]+licen[cs]e|licen[cs]e|certificate|certification|cert\.?|dea|npi|passport|registration|permit",
    ),
    (Kind::Vehicle, r"vin|vehicle|licen[cs]e plate|number plate|plate|registration plate|tag"),
    (
        Kind::Device,
        r"serial|s/n|device|udi|imei|implant|pacemaker|defibrillator|prosthesis|pump|monitor|sensor|model|lot",
    ),
    (
        Kind::Biometric,
        r"finger[ -]?prints?|thumb[ -]?print|voice[ -]?print|retina(?:l)?(?: scan)?|iris(?: scan)?|biometric|palm[ -]?print|face[ -]?id|facial(?: scan)?|hand geometry|dna profile",
    ),
    (Kind::Photo, r"photo(?:graph)?|image file|picture|video"),
    (
        Kind::Other,
        r"case|accession|specimen|sample|barcode|study|order|encounter|visit|csn|claim|requisition|req|ref(?:erence)?|rx|prescription|confirmation|badge|employee|student|military|trial|protocol|subject|ticket|tracking|inmate|booking|docket|identifier|id",
    ),
];

/// What is left: long numbers are no measurements.
const LAST: &[(Kind, &str)] =
    &[(Kind::Other, r"(?P<x>\b[0-9]{9,}\b)"), (Kind::Other, r"#[ \t]?(?P<x>[0-9]{5,})\b")];
