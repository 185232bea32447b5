//! Facts for tests of one rule.

use crate::facts::Known;
use crate::facts::postgres::{HbaRule, Postgres};
use crate::outcome::Judged;

/// A server of which these settings are known.
pub(crate) fn settings(given: &[(&str, &str)]) -> Postgres {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let settings = given.iter().map(pair).collect();
    Postgres { place: "ward".into(), settings, ..Postgres::default() }
}

/// A server with one rule about connections, from `ADDRESS/LENGTH` or a word.
pub(crate) fn hba(kind: &str, address: &str, method: &str) -> Postgres {
    let (address, mask) = match address.split_once('/') {
        Some((address, length)) => (address, mask(address, length.parse().unwrap())),
        None => (address, String::new()),
    };
    let rule = HbaRule {
        file: "pg_hba.conf".into(),
        line: 7,
        kind: kind.into(),
        address: address.into(),
        mask,
        method: method.into(),
        ..HbaRule::default()
    };
    Postgres { place: "ward".into(), hba: Known::Seen(vec![rule]), ..Postgres::default() }
}

fn mask(address: &str, length: u32) -> String {
    if address.contains(':') {
        let bits = u128::MAX.checked_shl(128 - length).unwrap_or(0);
        std::net::Ipv6Addr::from(bits).to_string()
    } else {
        let bits = u32::MAX.checked_shl(32 - length).unwrap_or(0);
        std::net::Ipv4Addr::from(bits).to_string()
    }
}

/// The word for the first thing that a rule says.
pub(crate) fn word(judge: fn(&Postgres) -> Vec<Judged>, facts: &Postgres) -> &'static str {
    judge(facts).first().map_or("nothing", |judged| judged.outcome.word())
}
