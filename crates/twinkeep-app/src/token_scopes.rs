//! What the scopes of an access token mean here: our own names, words that the operator maps, and
//! those of SMART on FHIR (App Launch 2.2), read and version 2 (`.rs`) alike.
//!
//! # Invariants
//!
//! - What is not understood grants nothing; a scope with a filter (`?category=...`) is not
//!   understood, because the filter would not hold.
//! - `patient/...` grants something about one person only: whom the token's `patient` names.

use std::collections::{BTreeMap, BTreeSet};

use crate::Scope;

/// What a token grants.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    /// What its caller may do.
    pub(crate) scopes: BTreeSet<Scope>,
    /// Whether only about the person whom the token names.
    pub(crate) one_person: bool,
}

/// Reads the words of a token's scope.
pub(crate) fn grant(words: &[String], mapped: &BTreeMap<String, Vec<String>>) -> Granted {
    let mut all = BTreeSet::new();
    let mut one = BTreeSet::new();
    for word in words {
        let ours = mapped
            .get(word)
            .into_iter()
            .flatten()
            .filter_map(|name| Scope::parse_without_certificate(name));
        all.extend(Scope::parse_without_certificate(word).into_iter().chain(ours));
        match word.split_once('/') {
            Some(("system" | "user", rest)) => all.extend(smart(rest)),
            // Whoever reads about one person asks nothing of the rest of the keep.
            Some(("patient", rest)) => {
                one.extend(smart(rest).into_iter().filter(|scope| *scope == Scope::ReadTwins));
            }
            _ => {}
        }
    }
    if all.is_empty() && !one.is_empty() {
        return Granted { scopes: one, one_person: true };
    }
    Granted { scopes: all, one_person: false }
}

/// `Observation.rs`, `*.read`, `Observation.c`: a type of resource, and what may be done with it.
fn smart(text: &str) -> Vec<Scope> {
    let Some((resource, action)) = text.split_once('.') else { return Vec::new() };
    let Some((create, read)) = actions(action) else { return Vec::new() };
    let mut scopes = Vec::new();
    let about = |name: &str| resource == name || resource == "*";
    if read && (about("Observation") || about("RiskAssessment")) {
        scopes.push(Scope::ReadTwins);
    }
    if read && about("RiskAssessment") {
        scopes.push(Scope::Predict);
    }
    if create && about("Observation") {
        scopes.push(Scope::WriteEvents);
    }
    // Not by `*`: who may see every chart may not see who else did.
    if read && resource == "AuditEvent" {
        scopes.push(Scope::ReadLedger);
    }
    scopes
}

/// Returns whether something may be created, and whether it may be read. Version 2 lists letters of
/// `cruds`, in this order.
fn actions(text: &str) -> Option<(bool, bool)> {
    match text {
        "read" => return Some((false, true)),
        "write" => return Some((true, false)),
        "*" => return Some((true, true)),
        _ => {}
    }
    let mut rest = "cruds".chars();
    let ordered = !text.is_empty() && text.chars().all(|letter| rest.any(|known| known == letter));
    ordered.then(|| (text.contains('c'), text.contains('r')))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::grant;
    use crate::Scope;

    fn check(words: &str, scopes: &[Scope], one_person: bool) {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let mapped = BTreeMap::from([("charts".to_owned(), vec!["twins:read".to_owned()])]);
        let granted = grant(&words, &mapped);
        let wanted = scopes.iter().copied().collect();
        assert_eq!((granted.scopes, granted.one_person), (wanted, one_person), "{words:?}");
    }

    #[test]
    fn own_names_and_mapped_words_grant_what_they_say() {
        check("predict ledger:read", &[Scope::Predict, Scope::ReadLedger], false);
        check("charts openid profile", &[Scope::ReadTwins], false);
        check("openid offline_access admin", &[], false);
    }

    #[test]
    fn smart_scopes_mean_what_they_mean_in_fhir() {
        check("system/Observation.rs", &[Scope::ReadTwins], false);
        check("user/Observation.read", &[Scope::ReadTwins], false);
        check("system/Observation.c", &[Scope::WriteEvents], false);
        check("system/Observation.cruds", &[Scope::ReadTwins, Scope::WriteEvents], false);
        check("system/RiskAssessment.r", &[Scope::Predict, Scope::ReadTwins], false);
        check("system/*.rs", &[Scope::Predict, Scope::ReadTwins], false);
        check("system/AuditEvent.rs", &[Scope::ReadLedger], false);
    }

    #[test]
    fn what_is_not_understood_grants_nothing() {
        for word in [
            "system/Observation.rs?category=vital-signs",
            "system/Observation",
            "system/Observation.",
            "system/Observation.sr",
            "system/Observation.rr",
            "system/Observation.readall",
            "system/MedicationRequest.rs",
            "System/Observation.rs",
            "observer/Observation.rs",
            "",
        ] {
            check(word, &[], false);
        }
    }

    #[test]
    fn a_patient_scope_is_about_one_person_unless_something_wider_is_granted() {
        check("patient/Observation.rs", &[Scope::ReadTwins], true);
        check("patient/*.cruds", &[Scope::ReadTwins], true);
        check("patient/Observation.rs predict", &[Scope::Predict], false);
        check("patient/Observation.c", &[], false);
    }
}
