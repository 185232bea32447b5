//! Tests of what an operator can choose.

use std::path::Path;

use super::{Config, ConfigError};

#[test]
fn what_is_written_reads_back() {
    let config = Config::default();
    assert_eq!(Config::parse(&config.to_text()).unwrap(), config);
    assert!(config.check(Path::new("keep")).is_ok());
}

#[test]
fn an_unknown_key_gets_the_nearest_known_one() {
    let error = Config::parse("[gate]\nrate_per_secnd = 3\n").unwrap_err();
    let ConfigError::Syntax { reason, nearest } = error else { panic!("wrong kind") };
    assert!(reason.starts_with("line 2: unknown field `rate_per_secnd`"), "{reason}");
    assert_eq!(nearest, Some("rate_per_second"));
}

#[test]
fn what_must_be_a_table_is_said_in_words_of_the_file() {
    let error = Config::parse("[source]\nward = 3\n").unwrap_err();
    let ConfigError::Syntax { reason, .. } = error else { panic!("wrong kind") };
    assert_eq!(reason, "line 2: invalid type: integer `3`, expected a table");
}

#[test]
fn half_a_login_to_a_stream_is_refused() {
    let stream = "[intake.nats]\nurl = \"tls://h:4222\"\nstream = \"S\"\nconsumer = \"k\"\n";
    let check =
        |more: &str| Config::parse(&format!("{stream}{more}")).unwrap().check(Path::new("/keep"));
    let settings = check("credentials = \"nats.creds\"\n").unwrap();
    let nats = settings.intake.nats.unwrap();
    assert_eq!(nats.credentials.as_deref(), Some(Path::new("/keep/nats.creds")));
    for half in [
        "user = \"a\"\n",
        "password_file = \"p\"\n",
        "client_key = \"k\"\n",
        "user = \"a\"\npassword_file = \"p\"\ncredentials = \"c\"\n",
    ] {
        assert_eq!(check(half).unwrap_err().code(), "config-value", "{half}");
    }
    let url = stream.replace("tls://h", "tls://me:secret@h");
    assert!(Config::parse(&url).unwrap().check(Path::new("keep")).is_err());
}

#[test]
fn every_known_key_is_offered() {
    for key in super::KEYS {
        assert_eq!(super::nearest_key(&format!("{key}x")), Some(*key));
    }
    let text = Config::default().to_text();
    for line in text.lines().filter(|line| line.contains('=')) {
        let key = line.split('=').next().unwrap_or_default().trim();
        assert!(super::KEYS.contains(&key), "{key}");
    }
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let config = Config::parse("[gate]\nrate_per_second = 0\n").unwrap();
    let error = config.check(Path::new("keep")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`gate.rate_per_second` in the configuration must be 1 to 1,000,000"
    );
}
