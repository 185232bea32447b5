//! Rule `win-defender-tamper`: programs cannot turn Defender off.
//!
//! There is no policy for it: only what is in effect says it.

use super::on;
use crate::facts::Check;
use crate::facts::windows::Windows;
use crate::outcome::Place;
use crate::outcome::{Judged, Outcome, Severity};
use crate::rule::{Evidence, Judge, Rule, Strength};

pub(in crate::rules) const RULE: Rule = Rule {
    id: "win-defender-tamper",
    title: "Tamper protection is on, and signatures are at most three days old",
    severity: Severity::Medium,
    protects: "The first thing that malware does is to turn off what looks for it.",
    remedy: "turn tamper protection on (by Intune, or under Windows Security), and let Defender update itself",
    controls: &[Evidence {
        control: "hipaa-164.308(a)(5)(ii)(B)",
        strength: Strength::Partial,
        because: "Protection that anybody can turn off is no procedure.",
    }],
    check: Check::Windows(Judge { judge }),
};

fn judge(facts: &Windows) -> Vec<Judged> {
    let outcome = match &facts.defender {
        None => Outcome::not_checked("Defender could not be asked"),
        Some(defender) if !defender.tamper_protected => {
            Outcome::fail(Place::of("IsTamperProtected"), "programs can turn Defender off")
        }
        Some(defender) if !(0..=AGE_DAYS_MAX).contains(&defender.signature_age_days) => {
            Outcome::fail(
                Place::of("AntivirusSignatureAge"),
                format!("signatures are {} days old", defender.signature_age_days),
            )
        }
        Some(_) => Outcome::Pass,
    };
    vec![on(facts, "Defender", outcome)]
}

/// Signatures come several times a day; a weekend may lie between.
const AGE_DAYS_MAX: i64 = 3;
