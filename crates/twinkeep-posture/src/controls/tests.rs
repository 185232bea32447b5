//! Tests of the table of requirements.

use std::collections::BTreeSet;

use super::{Need, find, of, proposed};
use crate::facts::Target;
use crate::profile::Profile;
use crate::rules::RULES;

#[test]
fn identifiers_occur_once_and_have_titles() {
    let mut seen = BTreeSet::new();
    for &profile in Profile::ALL {
        for control in of(profile) {
            assert!(seen.insert(control.id), "{} occurs twice", control.id);
            assert!(!control.title.is_empty(), "{} has no title", control.id);
        }
    }
}

/// Each of these was given a wrong title, or a wrong identifier, by a tool in use.
#[test]
fn titles_are_those_of_the_source() {
    for (id, title) in [
        ("hipaa-164.312(a)(2)(iii)", "Automatic logoff"),
        ("hipaa-164.310(a)(2)(ii)", "Facility security plan"),
        ("hipaa-164.310(a)(2)(i)", "Contingency operations"),
        ("hipaa-164.310(d)(1)", "Device and media controls"),
        ("hipaa-164.308(a)(4)(ii)(B)", "Access authorization"),
        ("hipaa-164.308(a)(4)(ii)(C)", "Access establishment and modification"),
        ("hipaa-164.312(d)", "Person or entity authentication"),
        ("hipaa-164.314(a)(2)(ii)", "Other arrangements"),
        ("hipaa-164.314(a)(2)(iii)", "Business associate contracts with subcontractors"),
        ("hipaa-164.316(b)(2)(i)", "Time limit"),
        ("gdpr-32(1)(a)", "Security of processing"),
        ("gdpr-35(7)", "Data protection impact assessment"),
        ("aisvs-3.1.2", "Model Authorization & Integrity"),
        ("aisvs-12.5.3", "Training Data & Model Lifecycle Audit"),
        ("nprm-164.312(b)", "Encryption and decryption"),
    ] {
        assert_eq!(find(id).map(|control| control.title), Some(title), "{id}");
    }
}

#[test]
fn what_is_addressable_is_what_appendix_a_to_subpart_c_calls_so() {
    let addressable: Vec<&str> = of(Profile::Hipaa)
        .iter()
        .filter(|control| control.need == Need::Addressable)
        .map(|control| control.id)
        .collect();
    // Appendix A to subpart C of part 164 marks 22 specifications with (A).
    assert_eq!(addressable.len(), 22, "{addressable:?}");
}

#[test]
fn what_is_proposed_replaces_requirements_that_exist() {
    for (new, old) in proposed::REPLACES {
        assert!(find(new).is_some(), "{new}");
        for id in *old {
            assert!(find(id).is_some(), "{id}");
        }
    }
}

/// What only contracts and notices show has no rule, and is never green: a person has to look.
#[test]
fn contracts_and_notices_are_listed_and_left_to_people() {
    for id in [
        "hipaa-164.308(b)(2)",
        "hipaa-164.314(a)(2)(ii)",
        "hipaa-164.314(a)(2)(iii)",
        "hipaa-164.314(b)(2)",
        "gdpr-13(1)",
        "gdpr-13(2)",
        "gdpr-13(3)",
    ] {
        assert!(find(id).is_some_and(|control| control.need == Need::Required), "{id}");
        assert!(!RULES.iter().flat_map(|rule| rule.controls).any(|it| it.control == id), "{id}");
    }
}

/// The release of AISVS 1.0 has so many requirements in these chapters.
#[test]
fn the_chapters_of_aisvs_are_whole() {
    for (chapter, count) in [(1, 13), (3, 15), (5, 11), (6, 7), (11, 17), (12, 21)] {
        let prefix = format!("aisvs-{chapter}.");
        let listed = of(Profile::Aisvs).iter();
        assert_eq!(listed.filter(|it| it.id.starts_with(&prefix)).count(), count, "{prefix}");
    }
    assert_eq!(of(Profile::Aisvs).len(), 84);
}

/// The guide says these numbers; it is written anew where they change.
#[test]
fn so_many_requirements_of_aisvs_have_a_rule() {
    let with = |keep_only: bool| {
        let asked = move |target: Target| !keep_only || target == Target::Keep;
        let rules = RULES.iter().filter(|rule| asked(rule.check.target()));
        let cited: BTreeSet<&str> =
            rules.flat_map(|rule| rule.controls).map(|it| it.control).collect();
        of(Profile::Aisvs).iter().filter(|it| cited.contains(it.id)).count()
    };
    assert_eq!((with(false), with(true)), (51, 49));
}
