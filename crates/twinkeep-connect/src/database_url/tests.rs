//! Which URLs name a database, and that none gives a password away.

use super::{DatabaseUrl, Place, UrlError};

#[test]
fn a_url_reads_back() {
    for text in [
        "postgres://twin@db.example:5433/ward",
        "postgres://tw%40in@10.0.0.7:5432/ward%2Fa",
        "postgres://twin@[::1]:5432/ward",
        "postgres://twin@%2Frun%2Fpostgresql:5432/ward",
    ] {
        let url = DatabaseUrl::parse(text).unwrap();
        assert_eq!(url.to_string(), text);
        assert_eq!(DatabaseUrl::parse(&url.to_string()), Ok(url));
    }
}

#[test]
fn what_is_left_out_is_what_the_standard_client_takes() {
    let url = DatabaseUrl::parse("postgresql://twin@db.example").unwrap();
    let place = Place::Host { host: "db.example".to_owned(), port: 5432 };
    assert_eq!(url, DatabaseUrl { user: "twin".to_owned(), place, database: "twin".to_owned() });
    assert!(DatabaseUrl::parse("postgres://twin@db.example/ward?sslmode=verify-full").is_ok());
}

#[test]
fn a_password_is_refused_and_never_repeated() {
    for text in [
        "postgres://twin:hunter2@db.example/ward",
        "postgres://twin@db.example/ward?password=hunter2",
        "postgres://twin:@db.example/ward?password=hunter2",
    ] {
        let error = DatabaseUrl::parse(text).unwrap_err();
        assert_eq!(error, UrlError::Password);
        assert!(!format!("{error}{error:?}").contains("hunter2"));
    }
}

#[test]
fn a_weaker_check_cannot_be_asked_for() {
    for mode in ["disable", "allow", "prefer", "require", "verify-ca", ""] {
        let text = format!("postgres://twin@db.example/ward?sslmode={mode}");
        assert!(DatabaseUrl::parse(&text).is_err(), "{mode}");
    }
}

#[test]
fn anything_else_is_refused() {
    for text in [
        "",
        "postgres://",
        "postgres://db.example/ward",
        "postgres://twin@/ward",
        "postgres://twin@-oProxyCommand=x/ward",
        "postgres://twin@a,b/ward",
        "postgres://twin@db.example/ward/other",
        "postgres://twin@db.example/ward#x",
        "postgres://twin@db.example/ward?host=/run",
        "postgres://twin@db.example/ward?options=-c%20x",
        "postgres://twin@relative%2Fpath/ward",
        "postgres://twin@db%00.example/ward",
        "postgres://tw%0ain@db.example/ward",
        "postgres://twin@db.example:99999/ward",
        "mysql://twin@db.example/ward",
        "postgres:twin@db.example",
    ] {
        assert!(DatabaseUrl::parse(text).is_err(), "{text}");
    }
}
