//! Rule `tls-old`: an address refuses old versions and broken ciphers.

use crate::facts::Check;
use crate::facts::tls::{Attempt, Offer, Tls};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "tls-old",
    title: "The address refuses old versions of TLS and broken ciphers",
    severity: Severity::High,
    protects: "Whoever stands between two sides chooses the worst that both take, and reads or \
               changes what goes over it.",
    remedy: "leave TLS 1.2 and 1.3 only, and of the ciphers those with ECDHE and an AEAD",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Strong,
            because: "Each old version and cipher was offered, and nothing else with it.",
        },
        Evidence {
            control: "gdpr-32(1)(b)",
            strength: Strength::Partial,
            because: "What cannot be downgraded stays confidential on its way.",
        },
    ],
    check: Check::Tls(Judge { judge }),
};

fn judge(tls: &Tls) -> Vec<Judged> {
    if tls.attempts.is_empty() {
        let why = "nothing old was offered";
        return vec![Judged::new(&tls.address, Outcome::not_checked(why))];
    }
    tls.attempts.iter().map(|attempt| judged(tls, attempt)).collect()
}

fn judged(tls: &Tls, attempt: &Attempt) -> Judged {
    let words = attempt.offer.words();
    let resource = format!("{} {words}", tls.address);
    let outcome = match (attempt.taken, attempt.offer) {
        (Some(false), _) => Outcome::Pass,
        (Some(true), Offer::Ssl3 | Offer::Tls10 | Offer::Tls11) => {
            Outcome::fail(Place::of(&tls.address), format!("speaks {words}"))
        }
        (Some(true), _) => Outcome::fail(Place::of(&tls.address), format!("takes {words}")),
        (None, _) => Outcome::not_checked("the answer was neither yes nor no"),
    };
    Judged::new(resource, outcome)
}
