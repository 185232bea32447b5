//! Policies as operators write them, right and wrong.

use super::{DEFAULT_POLICY, Policy, PolicyAction, PolicyError, Question};
use crate::{Caller, Scope};

fn nurse(roles: &[&str], purpose: &str) -> Caller {
    Caller {
        scopes: vec![Scope::ReadTwins],
        roles: roles.iter().map(|&role| role.to_owned()).collect(),
        purpose: Some(purpose.to_owned()),
        ..Caller::named("token:clinic/0123")
    }
}

#[track_caller]
fn check(text: &str, caller: &Caller, action: PolicyAction, glass: bool, because: &[&str]) -> bool {
    let policy = Policy::parse(text, "icu").unwrap();
    let decided = policy.decide(&Question::new(caller, action, glass));
    assert_eq!(decided.because, because);
    decided.permitted
}

#[test]
fn the_default_lets_scopes_decide_and_nobody_advertise() {
    for action in PolicyAction::ALL {
        let usual = action != PolicyAction::OverrideConsent;
        let because: &[&str] = if usual { &["by-scope"] } else { &[] };
        assert_eq!(check(DEFAULT_POLICY, &nurse(&[], "TREAT"), action, false, because), usual);
        assert!(!check(DEFAULT_POLICY, &nurse(&[], "HMARKT"), action, true, &["no-marketing"]));
    }
    let shop = Policy::parse(DEFAULT_POLICY, "audience").unwrap();
    let asked = Question::new(&nurse(&[], "HMARKT"), PolicyAction::Forecast, false);
    assert!(shop.decide(&asked).permitted);
}

#[test]
fn consent_is_overridden_in_an_emergency_by_whom_it_is_meant_for() {
    let check = |roles: &[&str], purpose: &str, glass: bool, because: &[&str]| {
        check(DEFAULT_POLICY, &nurse(roles, purpose), PolicyAction::OverrideConsent, glass, because)
    };
    assert!(check(&["emergency"], "ETREAT", true, &["emergency"]));
    assert!(!check(&["emergency"], "ETREAT", false, &[]));
    assert!(!check(&["emergency"], "TREAT", true, &[]));
    assert!(!check(&["nurse"], "ETREAT", true, &[]));
    assert!(!check(&["emergency\"", "Emergency"], "ETREAT", true, &[]));
}

#[test]
fn roles_attributes_and_purposes_can_be_asked_for() {
    let text = r#"
        @id("treat") permit (principal in Role::"nurse", action in Action::"look", resource is Twin)
        when { context.purpose == "TREAT" && principal.scopes.contains("twins:read") };
        @id("research") permit (principal, action == Action::"predict", resource)
        when { principal.kind == "token" && principal.issuer == "university" };
        @id("never") forbid (principal == Caller::"token:clinic/0123", action == Action::"follow", resource);
    "#;
    let read = PolicyAction::ReadTwin;
    assert!(check(text, &nurse(&["nurse"], "TREAT"), read, false, &["treat"]));
    assert!(!check(text, &nurse(&["nurse"], "HRESCH"), read, false, &[]));
    assert!(!check(text, &nurse(&["clerk"], "TREAT"), read, false, &[]));
    assert!(!check(text, &nurse(&["nurse"], "TREAT"), PolicyAction::Forecast, false, &[]));
    assert!(!check(text, &nurse(&["nurse"], "TREAT"), PolicyAction::Follow, false, &["never"]));
    let student = Caller { scopes: vec![Scope::Predict], ..Caller::named("token:university/9") };
    assert!(check(text, &student, PolicyAction::Predict, false, &["research"]));
    assert!(!check(text, &nurse(&[], ""), PolicyAction::Predict, false, &[]));
}

#[test]
fn a_text_that_means_nothing_here_is_refused_by_what_is_wrong() {
    let refuse = |text: &str| Policy::parse(text, "icu").err().unwrap();
    assert!(matches!(refuse("permit"), PolicyError::Syntax { .. }));
    assert!(matches!(
        refuse("permit (principal == ?principal, action, resource);"),
        PolicyError::Syntax { .. }
    ));
    let twice = r#"@id("a") permit (principal, action, resource);
        @id("a") forbid (principal, action, resource);"#;
    assert!(matches!(refuse(twice), PolicyError::Syntax { .. }));
    for text in [
        r#"permit (principal, action == Action::"fly", resource);"#,
        r#"permit (principal in Group::"a", action, resource);"#,
        r#"permit (principal, action, resource) when { context.purpos == "TREAT" };"#,
        r#"permit (principal, action, resource) when { principal.scopes == "predict" };"#,
        r#"permit (principal, action == Action::"predict", resource is Twin);"#,
    ] {
        assert!(matches!(refuse(text), PolicyError::Schema { .. }), "{text}");
    }
    // An empty policy is one: it denies everything.
    assert!(!check("", &nurse(&["emergency"], "ETREAT"), PolicyAction::Forecast, true, &[]));
}

#[test]
fn slices_decide_as_the_whole_does() {
    // The reference: Cedar over all policies at once.
    use cedar_policy::{Authorizer, Decision, PolicySet};
    let mut text = DEFAULT_POLICY.to_owned();
    for (index, action) in PolicyAction::ALL.into_iter().enumerate() {
        let (role, name) = (index % 3, action.name());
        text.push_str(&format!(
            "@id(\"f{index}\") forbid (principal in Role::\"r{role}\", action == \
             Action::\"{name}\", resource) when {{ context.purpose != \"P{}\" }};\n",
            index % 2
        ));
    }
    let policy = Policy::parse(&text, "icu").unwrap();
    let whole: PolicySet = text.parse().unwrap();
    let (mut permitted, mut denied) = (0, 0);
    for action in PolicyAction::ALL {
        for role in ["r0", "r1", "r2", "emergency"] {
            for purpose in ["P0", "P1", "ETREAT", "HMARKT"] {
                let question = Question::new(&nurse(&[role], purpose), action, true);
                let (request, entities) = policy.request(&question).unwrap();
                let all = Authorizer::new().is_authorized(&request, &whole, &entities);
                let decided = policy.decide(&question).permitted;
                assert_eq!(decided, all.decision() == Decision::Allow, "{question:?}");
                if decided { permitted += 1 } else { denied += 1 }
            }
        }
    }
    assert!(30 < permitted && 30 < denied, "{permitted} {denied}");
}
