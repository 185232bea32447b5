//! Rule `win-bitlocker`: all volumes are encrypted.
//!
//! A volume that is encrypted with protection off has its key beside it, in the clear.

use super::on;
use crate::facts::Check;
use crate::facts::windows::Windows;
use crate::outcome::Place;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-bitlocker",
    title: "Every fixed volume is fully encrypted, with protection on",
    severity: Severity::High,
    protects: "Whoever takes the workstation, or its disk, reads what is on it.",
    remedy: "turn BitLocker on for each volume (`Enable-BitLocker`), and keep the recovery keys elsewhere",
    controls: &[
        Evidence {
            control: "hipaa-164.312(a)(2)(iv)",
            strength: Strength::Strong,
            because: "It is the encryption of what is stored on the workstation.",
        },
        Evidence {
            control: "hipaa-164.310(d)(1)",
            strength: Strength::Partial,
            because: "A disk that leaves says nothing.",
        },
        Evidence {
            control: "gdpr-34(3)(a)",
            strength: Strength::Partial,
            because: "Data that nobody can read need not be told to those it is about.",
        },
    ],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let Some(volumes) = &facts.volumes else {
        let why = if facts.elevated {
            "BitLocker could not be asked"
        } else {
            "BitLocker answers administrators only; run the collector as one"
        };
        return vec![on(facts, "volumes", Outcome::not_checked(why))];
    };
    if volumes.is_empty() {
        return vec![on(facts, "volumes", Outcome::not_checked("BitLocker knows of no volumes"))];
    }
    let judged = volumes.iter().map(|volume| {
        let at = || Place::of(&volume.mount);
        let outcome = match (volume.protection.as_str(), volume.status.as_str()) {
            ("On", "FullyEncrypted") => Outcome::Pass,
            ("On", _) => {
                Outcome::fail(at(), format!("{} percent are encrypted", volume.percentage))
            }
            ("Off", "FullyEncrypted") => {
                Outcome::fail(at(), "the key lies open: protection is off")
            }
            ("Off", _) => Outcome::fail(at(), "it is not encrypted"),
            _ => Outcome::not_checked("the volume is locked"),
        };
        on(facts, &format!("volume {}", volume.mount), outcome)
    });
    judged.collect()
}
