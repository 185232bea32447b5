//! The picture says what the numbers say, and a hostile code cannot break out of it.

use super::{DepartureLine, FeedPicture, VariableLine, picture};

fn feed() -> FeedPicture {
    FeedPicture {
        feed: "feed-2".into(),
        state: "held".into(),
        ingested: "2026-11-22T00:00:00Z".into(),
        read: 10,
        accepted: 10,
        missing: 0,
        quarantined: 0,
        reasons: [].into(),
        subjects: 5,
        held_because: vec![],
        history_feed_count: 1,
        departures: vec![DepartureLine {
            measure: "unit",
            code: Some("T".into()),
            expected: 37.0,
            found: 98.0,
            threshold: 0.1,
            sentence: "the values of `T` are <other>".into(),
        }],
        variables: vec![VariableLine {
            code: "T".into(),
            title: "</text><script>alert(1)</script>".into(),
            departs: true,
            quantiles: Some([95.0, 97.0, 98.0, 99.0, 101.0]),
            quantiles_before: Some([35.0, 36.0, 37.0, 38.0, 39.0]),
            ..VariableLine::default()
        }],
    }
}

#[test]
fn a_bar_lies_where_its_values_are() {
    let svg = picture::svg(&feed());
    // The history begins at the left edge, and the feed ends at the right one.
    assert!(svg.contains("x1=\"400.0\""), "{svg}");
    assert!(svg.contains("x2=\"844.0\""), "{svg}");
    assert_eq!(svg.matches("<rect").count(), 3, "paper and two bars");
    assert!(svg.contains("feed-2 is held"));
}

#[test]
fn what_comes_from_outside_stays_text() {
    let svg = picture::svg(&feed());
    assert!(!svg.contains("<script") && !svg.contains("<other"), "{svg}");
    assert!(svg.contains("&lt;other&gt;"));
}

#[test]
fn a_variable_with_one_value_only_is_drawn() {
    let mut feed = feed();
    feed.variables[0].quantiles = Some([1.0; 5]);
    feed.variables[0].quantiles_before = None;
    assert!(!picture::svg(&feed).contains("NaN"));
}
