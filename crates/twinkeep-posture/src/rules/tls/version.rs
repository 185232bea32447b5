//! Rule `tls-version`: an address speaks TLS 1.3.

use crate::facts::Check;
use crate::facts::tls::Tls;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "tls-version",
    title: "The address speaks TLS 1.3",
    severity: Severity::Medium,
    protects: "TLS 1.2 shows the certificate to whoever listens, and is as strong as the weakest \
               of many choices; what is recorded today may be read once its key is stolen.",
    remedy: "add TLS 1.3 to the versions of the server (`ssl_protocols TLSv1.2 TLSv1.3` in nginx)",
    controls: &[
        Evidence {
            control: "hipaa-164.312(e)(2)(ii)",
            strength: Strength::Strong,
            because: "A handshake was made, and its version is the one that counts.",
        },
        Evidence {
            control: "gdpr-32(1)(a)",
            strength: Strength::Partial,
            because: "What is sent there is encrypted by the present version.",
        },
    ],
    check: Check::Tls(Judge { judge }),
};

fn judge(tls: &Tls) -> Vec<Judged> {
    let outcome = match &tls.handshake {
        Some(handshake) if handshake.version == "TLSv1.3" => Outcome::Pass,
        Some(handshake) => {
            let what = format!("speaks {} at best", handshake.version);
            Outcome::fail(Place::of(&tls.address), what)
        }
        None => {
            let what = "made no handshake of TLS 1.2 or 1.3: plain text, or older versions only";
            Outcome::fail(Place::of(&tls.address), what)
        }
    };
    vec![Judged::new(&tls.address, outcome)]
}
