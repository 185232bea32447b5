//! Rule `keep-client-certificates`: a gate that others can reach asks who they are.

use std::net::SocketAddr;

use super::closed;
use crate::facts::Check;
use crate::facts::keep::Keep;
use crate::outcome::{Judged, Outcome, Place, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "keep-client-certificates",
    title: "A gate that other machines can reach asks for client certificates",
    severity: Severity::Medium,
    protects: "An API key that was copied works from everywhere; a certificate works with its private key only.",
    remedy: "set `client_certificates` to `required` in `[gate]`, and issue certificates with `twinkeep cert issue`",
    controls: &[
        Evidence {
            control: "hipaa-164.312(d)",
            strength: Strength::Strong,
            because: "Whoever asks proves with a private key who they are.",
        },
        Evidence {
            control: "aisvs-5.2.1",
            strength: Strength::Partial,
            because: "Nobody without a certificate gets as far as an endpoint.",
        },
        Evidence {
            control: "hipaa-164.312(a)(2)(i)",
            strength: Strength::Partial,
            because: "A certificate has the name of one application or person.",
        },
    ],
    check: Check::Keep(Judge { judge }),
};

fn judge(keep: &Keep) -> Vec<Judged> {
    if let Some(judged) = closed(keep) {
        return judged;
    }
    let settings = &keep.settings;
    let listen = settings.listen.parse::<SocketAddr>();
    let outcome = match (&listen, settings.client_certificates.as_str()) {
        (Err(_), _) => Outcome::not_checked("the address of the gate could not be read"),
        (Ok(address), _) if address.ip().is_loopback() => {
            Outcome::not_applicable("only this machine can reach the gate")
        }
        (Ok(_), "required") => Outcome::Pass,
        (Ok(_), _) => Outcome::fail(
            Place::of("gate.client_certificates"),
            "other machines can reach the gate without a certificate",
        ),
    };
    vec![Judged::new("gate", outcome)]
}

#[cfg(test)]
mod tests {
    use super::judge;
    use crate::facts::keep::{Keep, Settings};

    #[test]
    fn whoever_can_reach_it_from_elsewhere_needs_one() {
        let word = |listen: &str, mode: &str| {
            let (listen, client_certificates) = (listen.to_owned(), mode.to_owned());
            let settings = Settings { listen, client_certificates, ..Settings::default() };
            judge(&Keep { settings, ..Keep::default() })[0].outcome.word()
        };
        assert_eq!(word("127.0.0.1:8443", "off"), "not-applicable");
        assert_eq!(word("[::1]:8443", "off"), "not-applicable");
        assert_eq!(word("0.0.0.0:8443", "asked"), "fail");
        assert_eq!(word("[::]:8443", "required"), "pass");
        assert_eq!(word("here", "required"), "not-checked");
    }
}
