//! What can be told without a server; the rest is in `tests/it/nats.rs`.

use super::{NatsLogin, NatsPublisher, NatsRequest, NatsUrl};

#[test]
fn an_address_is_a_host_and_a_port_and_nothing_else() {
    for (text, shown) in [
        ("nats://127.0.0.1:4222", "nats://127.0.0.1:4222"),
        ("tls://Stream.example", "tls://stream.example:4222"),
        ("tls://[::1]:1", "tls://[::1]:1"),
        ("nats://localhost/", "nats://localhost:4222"),
    ] {
        assert_eq!(NatsUrl::parse(text).unwrap().to_string(), shown);
    }
    for text in [
        "",
        "stream.example:4222",
        "http://stream.example",
        "ws://stream.example",
        "tls://user:secret@stream.example",
        "tls://token@stream.example",
        "tls://stream.example/path",
        "tls://stream.example?x=y",
        "tls://",
        "nats://127.0.0.1%2eevil.example",
    ] {
        let error = NatsUrl::parse(text).unwrap_err();
        assert_eq!(error.code(), "nats-url", "{text}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}

#[test]
fn nothing_is_said_in_the_clear_to_another_machine() {
    let open = |text: &str, ca| {
        let url = NatsUrl::parse(text).unwrap();
        let (client, login, danger_no_tls) = (None, NatsLogin::Anonymous, false);
        NatsPublisher::open(NatsRequest { url: &url, ca, client, login, danger_no_tls })
    };
    for text in ["nats://192.0.2.1", "nats://stream.example", "nats://127.0.0.1.evil.example"] {
        assert_eq!(open(text, None).unwrap_err().code(), "nats-plaintext", "{text}");
    }
    // Whoever names an authority means TLS.
    let ca = std::path::Path::new("/dev/null");
    assert_eq!(open("nats://127.0.0.1:1", Some(ca)).unwrap_err().code(), "nats-url");
    assert_eq!(open("nats://127.0.0.1:1", None).unwrap_err().code(), "nats-unreachable");
}
