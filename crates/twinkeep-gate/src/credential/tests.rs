//! Who a request says it is, and what makes that ambiguous.

use axum::http::header::{HeaderMap, HeaderName, HeaderValue};

use super::{same_origin, session_token, shown};

fn headers(lines: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

#[test]
fn a_key_is_found_in_either_header() {
    assert_eq!(shown(&headers(&[])).unwrap(), None);
    assert_eq!(shown(&headers(&[("authorization", "Bearer tk_1")])).unwrap(), Some("tk_1"));
    assert_eq!(shown(&headers(&[("authorization", "bearer tk_1")])).unwrap(), Some("tk_1"));
    assert_eq!(shown(&headers(&[("x-api-key", "tk_1")])).unwrap(), Some("tk_1"));
}

#[test]
fn two_keys_are_ambiguous_and_other_schemes_are_nobody() {
    let both = headers(&[("authorization", "Bearer tk_1"), ("x-api-key", "tk_1")]);
    assert_eq!(shown(&both).unwrap_err().code, "credentials-ambiguous");
    let twice = headers(&[("x-api-key", "tk_1"), ("x-api-key", "tk_1")]);
    assert_eq!(shown(&twice).unwrap_err().code, "credentials-ambiguous");
    for value in ["Basic dGs6", "tk_1", "Bearer", ""] {
        let refusal = shown(&headers(&[("authorization", value)])).unwrap_err();
        assert_eq!(refusal.code, "unauthenticated", "{value}");
    }
}

#[test]
fn the_session_cookie_is_found_among_others_and_never_twice() {
    let token = |value| session_token(&headers(&[("cookie", value)])).map(str::to_owned);
    assert_eq!(token("a=b; __Host-twinkeep=xyz; c=d").as_deref(), Some("xyz"));
    assert_eq!(token("__Host-twinkeep=x; __Host-twinkeep=y"), None);
    assert_eq!(token("twinkeep=x; x__Host-twinkeep=y"), None);
    assert_eq!(token(""), None);
}

#[test]
fn a_form_from_elsewhere_is_not_of_the_same_origin() {
    let own = |lines: &[(&str, &str)]| same_origin(&headers(lines), None);
    assert!(own(&[("sec-fetch-site", "same-origin")]));
    assert!(own(&[("host", "keep:8443"), ("origin", "https://keep:8443")]));
    assert!(same_origin(&headers(&[("origin", "https://keep")]), Some("keep")));
    for site in ["cross-site", "same-site", "none", ""] {
        let lines = [("sec-fetch-site", site), ("host", "a"), ("origin", "https://a")];
        assert!(!own(&lines), "{site}");
    }
    for origin in ["https://evil", "http://a", "null", "https://a.evil", "https://a:8443"] {
        assert!(!own(&[("host", "a"), ("origin", origin)]), "{origin}");
    }
    assert!(!own(&[("host", "a")]));
}
