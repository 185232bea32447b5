//! Rule `tls-certificate`: the certificate of an address is believed, and strong.

use crate::facts::Check;
use crate::facts::tls::{Handshake, Tls};
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "tls-certificate",
    title: "The certificate of the address is valid for its name and from an authority that is believed",
    severity: Severity::High,
    protects: "Clients that are taught to take a bad certificate take that of an attacker as well.",
    remedy: "get a certificate for this name from an authority that clients believe, or give them \
             yours; RSA with 2048 bits at least, or a curve",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Partial,
            because: "The server proves that it is the one that is asked for.",
        },
        Evidence {
            control: "hipaa-164.312(e)(1)",
            strength: Strength::Partial,
            because: "Encryption to nobody in particular protects from nobody.",
        },
    ],
    check: Check::Tls(Judge { judge }),
};

fn judge(tls: &Tls) -> Vec<Judged> {
    let outcome = match &tls.handshake {
        Some(handshake) => match flaw(handshake) {
            Some(what) => Outcome::fail(Place::of(&tls.address), what),
            None if handshake.certificate.is_none() => {
                Outcome::not_checked("the certificate could not be read")
            }
            None => Outcome::Pass,
        },
        None => Outcome::not_checked("there was no handshake"),
    };
    vec![Judged::new(&tls.address, outcome)]
}

fn flaw(handshake: &Handshake) -> Option<String> {
    if let Some(why) = &handshake.distrust {
        return Some(format!("has a certificate that is not believed: {why}"));
    }
    let certificate = handshake.certificate.as_ref()?;
    if certificate.weak_digest {
        return Some("has a certificate that is signed with SHA-1 or MD5".to_owned());
    }
    let bits = certificate.rsa_bits.filter(|bits| *bits < RSA_BITS_MIN)?;
    Some(format!("has a certificate with RSA of {bits} bits"))
}

/// What the CA/Browser Forum asks for.
const RSA_BITS_MIN: u64 = 2048;
