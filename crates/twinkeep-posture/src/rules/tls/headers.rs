//! Rule `tls-headers`: an answer tells browsers to be careful, and attackers nothing.

use crate::facts::Check;
use crate::facts::tls::{Answer, Tls};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};
use crate::rules::{denies_frames, limits_frames};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "tls-headers",
    title: "The answer has the headers that protect clients, and none that names versions",
    severity: Severity::Low,
    protects: "Without them a browser may go back to plain HTTP, guess types, show the page in \
               another's frame, or keep records of people in its cache.",
    remedy: "send `Strict-Transport-Security: max-age=31536000`, `X-Content-Type-Options: nosniff`, \
             `Cache-Control: no-store`, and with pages a `Content-Security-Policy` with \
             `frame-ancestors`; drop `X-Powered-By` and the version in `Server`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "A browser that was told so does not go back to plain HTTP.",
        },
        Evidence {
            control: "gdpr-25(2)",
            strength: Strength::Partial,
            because: "By default, an answer is not kept and not shown within other pages.",
        },
    ],
    check: Check::Tls(Judge { judge }),
};

fn judge(tls: &Tls) -> Vec<Judged> {
    let Some(answer) = &tls.answer else {
        let why = "there was no answer of HTTP";
        return vec![Judged::new(&tls.address, Outcome::not_checked(why))];
    };
    CHECKS
        .iter()
        .map(|(name, flaw)| {
            let outcome = match flaw(answer) {
                Some(what) => Outcome::fail(Place::of(&tls.address), what),
                None => Outcome::Pass,
            };
            Judged::new(format!("{} {name}", tls.address), outcome)
        })
        .collect()
}

/// What is looked at, and what is wrong with it in an answer.
type HeaderCheck = (&'static str, fn(&Answer) -> Option<&'static str>);

const CHECKS: &[HeaderCheck] = &[
    ("Strict-Transport-Security", transport),
    ("X-Content-Type-Options", types),
    ("Cache-Control", cache),
    ("frames", frames),
    ("versions", versions),
    ("cookies", cookies),
];

fn value<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let found = answer.headers.iter().find(|header| header.name == name);
    found.map(|header| header.value.as_str())
}

fn transport(answer: &Answer) -> Option<&'static str> {
    let Some(value) = value(answer, "strict-transport-security") else {
        return Some("does not send Strict-Transport-Security");
    };
    let age = value.split(';').find_map(|part| {
        let (name, age) = part.trim().split_once('=')?;
        name.eq_ignore_ascii_case("max-age").then_some(age)?.trim_matches('"').parse::<u64>().ok()
    });
    match age {
        Some(age) if HALF_A_YEAR_S <= age => None,
        _ => Some("sends Strict-Transport-Security for less than half a year"),
    }
}

fn types(answer: &Answer) -> Option<&'static str> {
    let value = value(answer, "x-content-type-options");
    let fits = value.is_some_and(|value| value.eq_ignore_ascii_case("nosniff"));
    (!fits).then_some("does not send X-Content-Type-Options: nosniff")
}

fn cache(answer: &Answer) -> Option<&'static str> {
    let value = value(answer, "cache-control").unwrap_or("");
    let fits = value.split(',').any(|part| part.trim().eq_ignore_ascii_case("no-store"));
    (!fits).then_some("does not send Cache-Control: no-store")
}

fn frames(answer: &Answer) -> Option<&'static str> {
    let is_page = value(answer, "content-type").is_some_and(|kind| kind.starts_with("text/html"));
    let fits = value(answer, "content-security-policy").is_some_and(limits_frames)
        || value(answer, "x-frame-options").is_some_and(denies_frames);
    (is_page && !fits).then_some("sends a page that others may show in a frame")
}

fn versions(answer: &Answer) -> Option<&'static str> {
    if value(answer, "x-powered-by").is_some() || value(answer, "x-aspnet-version").is_some() {
        return Some("names the program behind it");
    }
    let server = value(answer, "server").unwrap_or("");
    server.bytes().any(|byte| byte.is_ascii_digit()).then_some("names the version of its server")
}

fn cookies(answer: &Answer) -> Option<&'static str> {
    let mut cookies = answer.headers.iter().filter(|header| header.name == "set-cookie");
    let lacks = |value: &str| {
        let parts: Vec<String> =
            value.split(';').map(|part| part.trim().to_ascii_lowercase()).collect();
        let has = |word: &str| parts.iter().any(|part| part.starts_with(word));
        !(has("secure") && has("httponly") && has("samesite"))
    };
    let lacking = cookies.any(|header| lacks(&header.value));
    lacking.then_some("sets a cookie without Secure, HttpOnly, and SameSite")
}

const HALF_A_YEAR_S: u64 = 15_552_000;
