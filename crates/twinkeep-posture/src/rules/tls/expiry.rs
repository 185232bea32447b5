//! Rule `tls-expiry`: the certificate of an address holds for a while yet.

use crate::facts::Check;
use crate::facts::tls::Tls;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "tls-expiry",
    title: "The certificate of the address is renewed in time",
    severity: Severity::Medium,
    protects: "A certificate that ends cuts off everybody who relies on the service, at an hour \
               that nobody chose.",
    remedy: "renew the certificate, and let a program do so from now on",
    controls: &[Evidence {
        control: "gdpr-32(1)(b)",
        strength: Strength::Partial,
        because: "A service whose certificate has ended is not available.",
    }],
    check: Check::Tls(Judge { judge }),
};

fn judge(tls: &Tls) -> Vec<Judged> {
    let certificate = tls.handshake.as_ref().and_then(|handshake| handshake.certificate.as_ref());
    let outcome = match certificate {
        Some(certificate) => {
            let left_s = certificate.not_after_s - tls.asked_s;
            let whole_s = certificate.not_after_s - certificate.not_before_s;
            // Certificates of a week are renewed every few days, and are in order until then.
            let needed_s = (whole_s / 4).min(LEFT_MIN_S);
            let days = left_s.div_euclid(DAY_S);
            if left_s < 0 {
                Outcome::fail(Place::of(&tls.address), "has a certificate that has ended")
            } else if left_s < needed_s {
                let what = format!("has a certificate that ends in {days} days");
                Outcome::fail(Place::of(&tls.address), what)
            } else {
                Outcome::Pass
            }
        }
        None => Outcome::not_checked("there was no handshake, or no certificate to read"),
    };
    vec![Judged::new(&tls.address, outcome)]
}

const DAY_S: i64 = 86_400;

/// Two weeks are enough to find out that renewal does not work.
const LEFT_MIN_S: i64 = 14 * DAY_S;
