//! Labels: of a fixed set, whatever is asked.

use std::time::Duration;

use axum::http::Method;
use prometheus_client::encoding::text::encode;

use super::{Answered, Metrics, Verb};

#[test]
fn answers_are_counted_by_route_and_no_request_makes_a_new_label() {
    let metrics = Metrics::new();
    for method in ["GET", "BREW", "get", "DELETE"] {
        metrics.answered(&Answered {
            route: "",
            method: Verb::of(&Method::from_bytes(method.as_bytes()).unwrap()),
            status: 404,
            code: Some("not-found"),
            took: Duration::from_millis(3),
        });
    }
    metrics.count_turned_away(&[("idle", 4)].into());
    metrics.count_turned_away(&[("idle", 6)].into());
    let mut text = String::new();
    encode(&mut text, &metrics.registry).unwrap();
    for line in [
        r#"twinkeep_requests_total{route="none",method="GET",status="404"} 1"#,
        r#"twinkeep_requests_total{route="none",method="other",status="404"} 2"#,
        r#"twinkeep_request_seconds_bucket{le="0.004",route="none"} 4"#,
        r#"twinkeep_refusals_total{code="not-found"} 4"#,
        r#"twinkeep_turned_away_total{reason="idle"} 6"#,
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains("BREW") && text.ends_with("# EOF\n"));
}
