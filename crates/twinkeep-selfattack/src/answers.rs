//! What answers give away, what they forbid a browser, and whether there is a limit.

use std::time::Instant;

use crate::Finding;
use crate::target::Target;

/// Headers that every answer has, and what must be in them.
const HEADERS: &[(&str, &str, &str)] = &[
    ("an answer that a frame may show", "x-frame-options", "DENY"),
    ("an answer whose kind is guessed", "x-content-type-options", "nosniff"),
    ("a first visit without TLS", "strict-transport-security", "max-age="),
    ("a page that runs what it finds", "content-security-policy", "default-src 'none'"),
    ("an address that is passed on", "referrer-policy", "no-referrer"),
];

/// Looks at good answers and bad ones.
pub(crate) fn run(target: &Target) -> Vec<Finding> {
    let asked = [
        target.request("GET", "/", ""),
        target.request("GET", "/no-such-page", ""),
        target.request("DELETE", "/", ""),
        b"nonsense\r\n\r\n".to_vec(),
    ];
    let answers: Vec<_> = asked.iter().map(|bytes| target.ask(bytes)).collect();
    let mut found = Vec::new();
    for (attack, name, value) in HEADERS {
        let lacks = answers.iter().find(|answer| {
            answer.status != 0 && !answer.header(name).is_some_and(|found| found.contains(value))
        });
        let saw = lacks.map_or("in every answer".to_owned(), |answer| {
            format!("`{name}` is not in an answer of {}", answer.status)
        });
        found.push(Finding::new("answer", attack, lacks.is_none(), saw));
    }
    let names = ["server", "x-powered-by", "via"];
    let tells = answers.iter().find_map(|answer| names.iter().find_map(|name| answer.header(name)));
    let saw = tells.map_or("nothing".to_owned(), str::to_owned);
    found.push(Finding::new("answer", "which program answers", tells.is_none(), saw));
    let trace = target.ask(&target.request("TRACE", "/", "X-Secret: told\r\n"));
    let held = !trace.body.contains("told");
    found.push(Finding::new("answer", "a request that is given back", held, trace.said()));
    found
}

/// Asks in a hurry until it is told to stop, and counts.
///
/// The answer says what the limit is (`RateLimit-Policy`); no more are let through than that, and
/// what has come back meanwhile.
pub(crate) fn limit(target: &Target) -> Vec<Finding> {
    let attack = "more requests than the limit";
    let finding = |held, saw: String| vec![Finding::new("limit", attack, held, saw)];
    let asked = target.request("GET", &target.path, "");
    let first = target.ask(&asked);
    let policy = first.header("ratelimit-policy").unwrap_or_default().to_owned();
    let Some((quota, window)) = parse(&policy) else {
        return finding(false, "no `RateLimit-Policy`".to_owned());
    };
    if QUOTA_MAX < quota {
        return finding(true, format!("{quota} in {window} s are too many to try"));
    }
    let count = usize::try_from(quota * 2 + 200).unwrap_or_default();
    let begin = Instant::now();
    let statuses = target.in_a_row(&target.path, count);
    let taken = begin.elapsed().as_secs_f64();
    let passed = statuses.iter().take_while(|status| **status != 429).count();
    if passed == statuses.len() {
        return finding(false, format!("{passed} requests in {taken:.0} s, and no end"));
    }
    // The window is rounded up to a second: within less, as much may have come back.
    let most = quota as f64 + taken * quota as f64 / (window as f64 - 1.0).max(0.1) + 1.0;
    let saw = format!("{passed} of {quota} in {window} s were let through");
    finding(passed as f64 <= most, saw)
}

/// What is used up before it comes back.
const QUOTA_MAX: u64 = 2_000;

/// Reads `"name";q=11;w=3`.
fn parse(policy: &str) -> Option<(u64, u64)> {
    let number = |name: &str| {
        let part = policy.split(';').find_map(|part| part.trim().strip_prefix(name))?;
        part.parse().ok().filter(|number| *number > 0)
    };
    Some((number("q=")?, number("w=")?))
}
