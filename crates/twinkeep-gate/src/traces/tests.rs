//! Spans: whose child they are, and what they say.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::{Book, FILE_SIZE_MAX, Parent, Span, export, older};
use crate::request_id::RequestId;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn parent(values: &[&str]) -> Option<Parent> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append("traceparent", HeaderValue::from_str(value).unwrap());
    }
    Parent::of(&headers)
}

fn span(parent: Option<Parent>) -> Span {
    Span {
        parent,
        method: "GET",
        route: "/api/v1/twins/{id}",
        status: 503,
        code: Some("ledger-write"),
        request_id: RequestId::random(),
        began_micros: 1_700_000_000_000_000,
        answered: Duration::from_millis(2),
        recorded: Duration::from_millis(5),
    }
}

#[test]
fn a_parent_is_believed_only_if_it_is_well_formed() {
    assert!(parent(&[PARENT]).unwrap().sampled);
    assert!(!parent(&[&PARENT.replace("-01", "-00")]).unwrap().sampled);
    assert!(parent(&[&format!("{}-more", PARENT.replacen("00", "01", 1))]).is_some());
    for wrong in [
        "",
        "00",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
    ] {
        assert_eq!(parent(&[wrong]), None, "{wrong}");
    }
    assert_eq!(parent(&[PARENT, PARENT]), None);
}

#[test]
fn a_span_has_the_names_of_the_conventions_and_children() {
    let exported = export(&[span(parent(&[PARENT])), span(None)]);
    let spans = &exported["resourceSpans"][0]["scopeSpans"][0]["spans"];
    assert_eq!(spans.as_array().unwrap().len(), 6);
    let first = &spans[0];
    assert_eq!(first["name"], "GET /api/v1/twins/{id}");
    assert_eq!(first["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(first["parentSpanId"], "00f067aa0ba902b7");
    assert_eq!(first["startTimeUnixNano"], "1700000000000000000");
    assert_eq!(first["endTimeUnixNano"], "1700000000005000000");
    assert_eq!((&first["kind"], &first["status"]["code"]), (&2.into(), &2.into()));
    for child in [&spans[1], &spans[2]] {
        assert_eq!(
            (&child["parentSpanId"], &child["traceId"]),
            (&first["spanId"], &first["traceId"])
        );
    }
    assert_eq!(spans[3]["parentSpanId"], "");
    assert_ne!(spans[3]["traceId"], first["traceId"]);
    let keys: Vec<&str> = first["attributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attribute| attribute["key"].as_str().unwrap())
        .collect();
    let expected = [
        "http.request.method",
        "url.scheme",
        "http.response.status_code",
        "twinkeep.request_id",
        "http.route",
        "error.type",
    ];
    assert_eq!(keys, expected, "and nothing of who asked");
}

#[test]
fn a_file_that_is_full_makes_room_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("traces.jsonl");
    let mut book = Book::open(path.clone()).unwrap();
    book.write(&[span(None)]).unwrap();
    book.size = FILE_SIZE_MAX;
    book.write(&[span(None), span(None)]).unwrap();
    for path in [older(&path), path] {
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 1);
        assert!(serde_json::from_str::<Value>(&text).unwrap()["resourceSpans"].is_array());
    }
}
