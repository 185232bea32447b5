//! Rule `tls-version`: an address speaks TLS 1.3.

use crate::facts::Check;
use crate::facts::tls::{NoHandshake, Offer, Tls};
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
        None if tls.no_handshake == Some(NoHandshake::Silent) => {
            Outcome::not_checked("nobody answered the handshake in time")
        }
        None => Outcome::fail(Place::of(&tls.address), without(tls)),
    };
    vec![Judged::new(&tls.address, outcome)]
}

/// Why no handshake came about, as far as what was taken instead tells.
fn without(tls: &Tls) -> String {
    let takes = |offers: &[Offer]| {
        let taken = |offer: &Offer| {
            tls.attempts.iter().any(|it| it.offer == *offer && it.taken == Some(true))
        };
        offers.iter().copied().find(taken).map(Offer::words)
    };
    if let Some(words) = takes(&[Offer::NoForwardSecrecy]) {
        return format!("made no handshake with forward secrecy; it takes {words}, with TLS 1.2");
    }
    if let Some(words) = takes(&[Offer::BrokenCiphers, Offer::NoAuthentication]) {
        return format!("made no handshake with a cipher that protects; it takes {words}");
    }
    if let Some(words) = takes(&[Offer::Tls11, Offer::Tls10, Offer::Ssl3]) {
        return format!("speaks {words} at best");
    }
    match tls.no_handshake {
        Some(NoHandshake::Alert(number)) => format!(
            "refused the handshake (alert {number}): it has no version and cipher of today, or \
             wants to be asked for by another name"
        ),
        _ => "made no handshake of TLS 1.2 or 1.3: plain text, or older versions only".to_owned(),
    }
}
