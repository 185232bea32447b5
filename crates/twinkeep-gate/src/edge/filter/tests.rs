//! What the strict reader passes, whatever way the bytes are cut, and what it never passes.

use super::{Filter, HEAD_SIZE_MAX, REFUSAL_HEADER};

/// Pushes `input` in pieces of `step` bytes and returns what passed.
fn pass(input: &[u8], step: usize) -> (Filter, Vec<u8>) {
    let mut filter = Filter::new();
    let mut passed = Vec::new();
    for piece in input.chunks(step) {
        filter.push(piece);
        while !filter.passed().is_empty() {
            let count = filter.passed().len().min(7);
            passed.extend(&filter.passed()[..count]);
            filter.consume(count);
        }
    }
    (filter, passed)
}

#[test]
fn good_requests_pass_unchanged_however_they_are_cut() {
    let requests: &[&[u8]] = &[
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
        b"GET /x?y=1 HTTP/1.1\r\nHost: a\r\n\r\n",
    ];
    let all = requests.concat();
    for step in 1..=all.len() {
        let (filter, passed) = pass(&all, step);
        assert_eq!(passed, all, "cut every {step}");
        assert!(filter.between_requests());
    }
}

#[test]
fn nothing_after_a_refused_head_passes() {
    let input =
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\nGET /secret HTTP/1.1\r\nHost: a\r\n\r\n";
    for step in [1, 3, 1000] {
        let (filter, passed) = pass(input, step);
        let text = String::from_utf8(passed).unwrap();
        assert!(text.starts_with("GET /refused HTTP/1.1\r\n"), "{text}");
        assert!(text.ends_with(&format!("{REFUSAL_HEADER}: http-host\r\n\r\n")), "{text}");
        assert!(!text.contains("secret"));
        assert!(filter.refused());
    }
}

#[test]
fn a_refusal_comes_after_the_requests_before_it() {
    let good = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let (_, passed) = pass(&[&good[..], b"GET / HTTP/1.1\nHost: a\n\n"].concat(), 1000);
    assert!(passed.starts_with(good));
    let rest = String::from_utf8(passed[good.len()..].to_vec()).unwrap();
    assert!(rest.contains("http-line-end"), "{rest}");
}

#[test]
fn a_head_without_end_is_refused_at_the_limit() {
    let mut input = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
    input.resize(HEAD_SIZE_MAX * 4, b'x');
    let (filter, passed) = pass(&input, 1000);
    assert!(filter.refused());
    assert!(String::from_utf8(passed).unwrap().contains("http-head-size"));
}

#[test]
fn the_marker_cannot_be_forged() {
    for name in ["Twinkeep-Refusal", "twinkeep_refusal", "twinkeep-anything"] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\n{name}: http-host\r\n\r\n");
        let (_, passed) = pass(input.as_bytes(), 1000);
        assert!(String::from_utf8(passed).unwrap().contains("http-header-name"), "{name}");
    }
}

#[test]
fn malformed_chunks_break_the_body() {
    let bodies = [
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "3;extension=1\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "-3\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "FFFFFFFFFFFFFFFF\r\nabc",
        "100000000\r\nabc",
        "3\r\nabc\n0\r\n\r\n",
        "0\r\nX-Trailer: 1\r\n\r\n",
        "0\r\n\n",
        "g\r\n",
    ];
    for body in bodies {
        let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        for step in [1, 1000] {
            let (filter, _) = pass(format!("{head}{body}GET / HTTP/1.1\r\n").as_bytes(), step);
            assert!(filter.check_body().is_err(), "{body:?} passed");
        }
    }
}

#[test]
fn altered_requests_pass_as_they_are_or_are_refused() {
    let seed = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut refused = 0;
    for _ in 0..20_000 {
        let mut input = seed.to_vec();
        for _ in 0..2 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize % input.len();
            input[at] = (state >> 16) as u8;
        }
        let (filter, passed) = pass(&input, 1 + (state >> 40) as usize % 9);
        if filter.refused() {
            refused += 1;
        } else {
            assert!(input.starts_with(&passed));
            assert!(filter.inside_head() || passed.len() == input.len());
        }
    }
    assert!(10_000 < refused, "only {refused} of 20000 were refused");
}

#[test]
fn after_a_switch_everything_passes_and_nothing_that_came_before() {
    let head =
        b"GET /talk HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    let mut filter = Filter::new();
    filter.push(head);
    let length = filter.passed().len();
    filter.consume(length);
    filter.switch();
    filter.push(b"\x81\x05hello\r\n\n\0");
    assert_eq!(filter.passed(), b"\x81\x05hello\r\n\n\0");
    assert!(filter.between_requests() && !filter.inside_head());
    // Half a head, and a refused one, were said too early.
    for early in [&b"GET /"[..], b"GET / HTTP/1.1\n"] {
        let mut filter = Filter::new();
        filter.push(early);
        let length = filter.passed().len();
        filter.consume(length);
        filter.switch();
        filter.push(b"hello");
        assert!(filter.check_body().is_err(), "{early:?}");
        assert!(filter.passed().is_empty());
    }
}
