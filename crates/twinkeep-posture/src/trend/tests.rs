//! What becomes of findings between scans of real facts.

use super::{Became, Trend, trend};
use crate::baseline::Baseline;
use crate::facts::FactFile;
use crate::facts::iis::{Iis, Said, Scope, Unread};
use crate::facts::sqlite::Sqlite;
use crate::outcome::Place;
use crate::profile::Profile;
use crate::scan::{Report, judge};

/// A server with places that list their folders, or not.
fn server(places: &[(&str, &str)]) -> Iis {
    let scope = |(name, listing): &(&str, &str)| Scope {
        name: (*name).to_owned(),
        complete: true,
        settings: [(
            "listing".to_owned(),
            Said { value: (*listing).to_owned(), at: Place::of("web.config") },
        )]
        .into(),
        ..Scope::default()
    };
    Iis { scopes: places.iter().map(scope).collect(), ..Iis::default() }
}

fn report(taken_us: i64, facts: Iis) -> Report {
    let file = FactFile::new(taken_us, vec![facts.into()]);
    judge(&file, Some(Profile::Hipaa), &Baseline::default())
}

fn became(trend: &Trend) -> Vec<(&'static str, String)> {
    let listed = trend.changes.iter().filter(|it| it.finding.rule == "iis-listing");
    listed.map(|it| (it.became.word(), it.finding.resource.clone())).collect()
}

#[test]
fn what_is_new_and_what_became_of_the_rest_is_told_apart() {
    let first = report(1_000_000, server(&[("a", "true"), ("b", "true"), ("c", "true")]));
    let last = report(9_000_000, server(&[("a", "true"), ("b", "false"), ("d", "true")]));
    let said = trend(vec![last.clone(), first.clone()]);
    let wanted = [("new", "d"), ("fixed", "b"), ("gone", "c")];
    assert_eq!(became(&said), wanted.map(|(word, name)| (word, name.to_owned())));
    assert_eq!(said.scans[0].taken, "1970-01-01T00:00:01Z", "the oldest comes first");
    assert_eq!(said.json().unwrap(), trend(vec![first.clone(), last]).json().unwrap());
    assert!(said.text().contains("new          medium    iis-listing  d\n"), "{}", said.text());
    assert!(said.csv().contains("\"fixed\",\"medium\",\"iis-listing\",\"iis\",\"b\""));

    // What a scan of something else does not see is not fixed, and what it sees is not new.
    let file = FactFile::new(5_000_000, vec![Sqlite::default().into()]);
    let other = judge(&file, None, &Baseline::default());
    let there = trend(vec![first.clone(), other]);
    assert!(there.changes.iter().all(|it| it.became == Became::NotScanned));
    assert!(!there.changes.is_empty());
    let mut file = FactFile::new(0, vec![Sqlite::default().into()]);
    file.taken_us = 0;
    let back = trend(vec![judge(&file, None, &Baseline::default()), first]);
    assert!(back.changes.is_empty(), "{:?}", back.changes);
}

#[test]
fn what_could_not_be_checked_any_more_is_not_fixed() {
    let first = report(1, server(&[("a", "true")]));
    let mut unsaid = server(&[("a", "true")]);
    unsaid.scopes[0].complete = false;
    unsaid.scopes[0].settings.clear();
    unsaid.unread.push(Unread { at: Place::of("x"), why: "damaged".to_owned() });
    let said = trend(vec![first, report(2, unsaid)]);
    assert_eq!(became(&said), [("not-checked", "a".to_owned())]);
}

#[test]
fn requirements_are_followed_over_all_scans() {
    let listing = |value| report(1, server(&[("a", value)]));
    let said = trend(vec![listing("true")]);
    assert!(said.text().contains("a trend needs two"));
    assert!(said.requirements.iter().all(|it| it.standings.len() == 1 && !it.moved()));
    assert!(trend(Vec::new()).text().contains("nothing to compare"));
}
