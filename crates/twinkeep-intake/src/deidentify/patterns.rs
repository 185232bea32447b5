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
    /// Whether what was found may be taken for one.
    pub accepts: fn(&str) -> bool,
}

/// Returns all forms. Where two of them meet, the earlier one says of which kind it is.
pub(super) fn forms() -> Vec<Form> {
    let form = |kind, pattern: &str, accepts| Form { kind, pattern: compile(pattern), accepts };
    let label = |labels: &str| format!("(?i:\\b(?:{labels}))");
    let mut forms: Vec<Form> =
        PLAIN.iter().map(|(kind, pattern)| form(*kind, pattern, |_| true)).collect();
    for (kind, labels) in CLEAR {
        forms.push(form(*kind, &format!("{}{LINK}(?P<x>{ID})", label(labels)), has_three_digits));
    }
    for (kind, labels) in UNCLEAR {
        let label = label(labels);
        forms.push(form(*kind, &format!("{label}{NUMBER}(?P<x>{ID})"), has_three_digits));
        forms.push(form(*kind, &format!("{label}{LINK}(?P<x>{ID})"), is_no_amount));
    }
    forms.extend(LAST.iter().map(|(kind, pattern)| form(*kind, pattern, |_| true)));
    forms
}

fn has_three_digits(text: &str) -> bool {
    3 <= digit_count(text)
}

/// A dose or a time after an unclear label (`pump 125`, `order 1000mg`) must stay.
fn is_no_amount(text: &str) -> bool {
    let is_mixed = text.contains(|char: char| char.is_ascii_uppercase() || char == '-');
    6 <= digit_count(text) || (is_mixed && 4 <= digit_count(text))
}

fn digit_count(text: &str) -> usize {
    text.bytes().filter(u8::is_ascii_digit).count()
}

/// What may stand between a label and its number.
const LINK: &str = "(?i:'?s?[ \\t]*(?:\\(?(?:id(?:entifier|entification)?|no\\.?|number|num\\.?|nbr|\
                    code|ref)\\)?[ \\t]*){0,2}#?[ \\t]*(?:[:=#][ \\t]*|is[ \\t]+|was[ \\t]+)?)";

/// What says that a number follows which is no amount.
const NUMBER: &str = "(?i:'?s?[ \\t]*(?:(?:id(?:entifier|entification)?|no\\.?|number|num\\.?|nbr)[ \\t]*#?|#)\
                      [ \\t]*(?:[:=#][ \\t]*|is[ \\t]+|was[ \\t]+)?)";

/// A number, which may have letters, hyphens, and slashes.
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
        r"(?i)\b(?:phone|tel|telephone|cell|cellphone|mobile|call|text|voicemail)(?:[ \t]*(?:no\.?|number|#))?\.?[ \t]*(?:[:#][ \t]*|is[ \t]+|at[ \t]+)?(?P<x>[+(]?[0-9][0-9 \t().-]{5,}[0-9])",
    ),
    (
        Kind::Phone,
        r"(?i)\b(?:ext|extension|pager|beeper)(?:[ \t]*(?:no\.?|number|#))?\.?[ \t]*[:#]?[ \t]*(?P<x>[0-9]{3,7})\b",
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
    // Without what follows, `99F` is a temperature.
    (
        Kind::Age,
        r"\b(?P<x>9[0-9]|1[0-4][0-9])[ -]?(?:yo)?[MF][ \t]+(?i:with|w/|presenting|presents|here|c/o|admitted|who|h/o|s/p|hx|pmh|brought|found|was|is)\b",
    ),
    (
        Kind::Age,
        r"(?i)\b(?P<x>ninety(?:[ -](?:one|two|three|four|five|six|seven|eight|nine))?|one[ -]hundred(?:[ -](?:and[ -])?\w+)?)[ -]years?[ -](?:old|of age)\b",
    ),
    (Kind::Age, r"(?i)\b(?P<x>nonagenarian|centenarian)\b"),
];

/// Labels after which a number names somebody. A label stays; it says nothing about a person.
const CLEAR: &[(Kind, &str)] = &[
    (
        Kind::Record,
        r"mrn|m\.r\.n\.?|mr#|medical record|med(?:ical)? rec(?:ord)?|health record|record number|chart number|patient id|pt id|patient identifier|hospital number|unit number|patient number|urn",
    ),
    (Kind::HealthPlan, r"member id|policy number|subscriber id|beneficiary|hicn|mbi|nhs"),
    (Kind::Account, r"account|acct\.?|iban|credit card|debit card"),
    (
        Kind::License,
        r"driver'?s?[ \t]+licen[cs]e|licen[cs]e|certificate|certification|dea|npi|passport|registration",
    ),
    (Kind::Vehicle, r"vin|licen[cs]e plate|number plate|registration plate"),
    (Kind::Device, r"serial|s/n|udi|imei"),
    (
        Kind::Biometric,
        r"finger[ -]?prints?|thumb[ -]?print|voice[ -]?print|retina(?:l)?(?: scan)?|iris(?: scan)?|biometric|palm[ -]?print|face[ -]?id|facial(?: scan)?|hand geometry|dna profile",
    ),
    (Kind::Other, r"accession|barcode|csn|requisition|docket"),
];

/// Labels after which an amount may stand too.
const UNCLEAR: &[(Kind, &str)] = &[
    (Kind::Record, r"chart|record"),
    (
        Kind::HealthPlan,
        r"member|policy|subscriber|health plan|insurance|medicare|medicaid|group|payer|plan",
    ),
    (Kind::Account, r"invoice|bill(?:ing)?|bank|routing|card|financial"),
    (Kind::License, r"cert\.?|permit"),
    (Kind::Vehicle, r"vehicle|plate|tag"),
    (
        Kind::Device,
        r"device|implant|pacemaker|defibrillator|prosthesis|pump|monitor|sensor|model|lot",
    ),
    (Kind::Photo, r"photo(?:graph)?|image file|picture|video"),
    (
        Kind::Other,
        r"case|specimen|sample|study|order|encounter|visit|claim|req|ref(?:erence)?|rx|prescription|confirmation|badge|employee|student|military|trial|protocol|subject|ticket|tracking|inmate|booking|identifier|id",
    ),
];

/// What is left: long numbers are no measurements.
const LAST: &[(Kind, &str)] =
    &[(Kind::Other, r"(?P<x>\b[0-9]{9,}\b)"), (Kind::Other, r"#[ \t]?(?P<x>[0-9]{5,})\b")];
