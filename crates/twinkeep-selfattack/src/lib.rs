//! Attacks on one's own deployment, and what of it held.
//!
//! What an attacker tries without a login: connections that are held open without working, requests
//! that two readers understand differently, forged credentials, old versions of TLS, floods. It asks
//! over the network as anybody would, so it tells about the deployment and not about the program:
//! a proxy in front counts, too.
//!
//! # Invariants
//!
//! - Nothing here changes data: every request reads, or is refused.
//! - Each attack says what it saw, so that a finding can be looked at again.
//! - Whatever the other side sends is bounded.

#![deny(clippy::expect_used)]

mod admin;
mod answers;
mod credentials;
mod floods;
mod hello;
mod smuggling;
mod stalls;
mod target;

use std::thread;

use serde::Serialize;

pub use target::{AttackError, Target};

/// One attack, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind: `tls`, `stall`, `flood`, `smuggling`, `credential`, `answer`,
    /// `admin`, `limit`.
    pub group: &'static str,
    /// What was tried.
    pub attack: &'static str,
    /// Whether the deployment held.
    pub held: bool,
    /// What was seen.
    pub saw: String,
}

impl Finding {
    fn new(group: &'static str, attack: &'static str, held: bool, saw: impl Into<String>) -> Self {
        Self { group, attack, held, saw: saw.into() }
    }
}

/// Runs every attack, also at `admin`, where operators come in; `told` is called with each finding as it comes.
///
/// What takes long (a connection that is held open) runs beside the rest.
pub fn attack(
    target: &Target,
    admin: Option<&Target>,
    told: &mut dyn FnMut(&Finding),
) -> Result<Vec<Finding>, AttackError> {
    target.check()?;
    admin.map_or(Ok(()), Target::check)?;
    let mut findings = Vec::new();
    thread::scope(|scope| {
        let stalls = scope.spawn(|| stalls::run(target));
        let mut tell = |found: Vec<Finding>| {
            found.iter().for_each(&mut *told);
            findings.extend(found);
        };
        tell(hello::run(target));
        tell(answers::run(target));
        tell(smuggling::run(target));
        tell(credentials::run(target));
        tell(admin::run(target, admin));
        tell(stalls.join().unwrap_or_default());
        // Last: a flood may have this address shut out for a while.
        tell(floods::run(target));
        tell(answers::limit(target));
    });
    Ok(findings)
}
