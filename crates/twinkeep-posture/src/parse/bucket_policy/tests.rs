//! Tests of what is public in a policy, by the rules that AWS documents.

use serde_json::{Value, json};

use super::{Policy, glob};

fn allow(principal: Value, condition: Value) -> Policy {
    let mut statement = json!({
        "Effect": "Allow", "Principal": principal,
        "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"
    });
    if !condition.is_null() {
        statement["Condition"] = condition;
    }
    Policy::parse(&json!({ "Version": "2012-10-17", "Statement": [statement] })).unwrap()
}

fn is_public(principal: Value, condition: Value) -> bool {
    allow(principal, condition).public().next().is_some()
}

#[test]
fn a_fixed_principal_is_not_public_and_a_wildcard_is() {
    for fixed in [
        json!({"AWS": "123456789012"}),
        json!({"AWS": ["arn:aws:iam::123456789012:root", "arn:aws:iam::210987654321:role/x"]}),
        json!({"Service": "logging.s3.amazonaws.com"}),
        json!({"CanonicalUser": "79a59df9"}),
        json!({"Federated": "arn:aws:iam::123456789012:saml-provider/p"}),
    ] {
        assert!(!is_public(fixed.clone(), Value::Null), "{fixed}");
    }
    for wild in [
        json!("*"),
        json!({"AWS": "*"}),
        json!({"AWS": ["123456789012", "*"]}),
        json!({"AWS": "arn:aws:iam::*:root"}),
        json!({"CanonicalUser": "*"}),
    ] {
        assert!(is_public(wild.clone(), Value::Null), "{wild}");
    }
}

#[test]
fn conditions_make_a_policy_closed_only_if_they_fix_who_or_from_where() {
    for fixed in [
        json!({"StringEquals": {"aws:SourceVpc": "vpc-91237329"}}),
        json!({"StringEquals": {"aws:sourcevpce": ["vpce-1", "vpce-2"]}}),
        json!({"StringLike": {"aws:PrincipalOrgID": "o-abc"}}),
        json!({"ArnLike": {"aws:SourceArn": "arn:aws:cloudtrail:eu-central-1:123456789012:trail/t"}}),
        json!({"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        json!({"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}}),
        json!({"StringEquals": {"s3:DataAccessPointAccount": "123456789012"}}),
        json!({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:eu-central-1:123456789012:accesspoint/*"}}),
        json!({"Bool": {"aws:SecureTransport": true}, "StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        json!({"ForAnyValue:StringEquals": {"aws:PrincipalOrgID": ["o-abc"]}}),
    ] {
        assert!(!is_public(json!("*"), fixed.clone()), "{fixed}");
    }
    for open in [
        json!({"StringLike": {"aws:SourceVpc": "vpc-*"}}),
        json!({"StringEquals": {"aws:SourceVpc": ["vpc-1", "${aws:x}"]}}),
        json!({"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}),
        json!({"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}),
        json!({"ForAllValues:StringEquals": {"aws:PrincipalOrgID": ["o-abc"]}}),
        json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}),
        json!({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "::/0"]}}),
        json!({"IpAddress": {"aws:SourceIp": "anywhere"}}),
        json!({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}),
        json!({"Bool": {"aws:SecureTransport": "true"}}),
        json!({"StringLike": {"aws:Referer": "https://example.org/*"}}),
        json!({"StringEquals": {"aws:UserAgent": "x"}}),
        json!({"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:*:accesspoint/x"}}),
        json!({"StringLike": {"aws:userid": "AROLEID:*"}}),
        json!({"Null": {"aws:SourceVpc": "false"}}),
    ] {
        assert!(is_public(json!("*"), open.clone()), "{open}");
    }
}

#[test]
fn a_deny_is_never_public_and_all_but_some_is() {
    let statement = |effect: &str, who: &str| {
        json!({ "Statement": { "Effect": effect, who: {"AWS": "123456789012"},
                "NotAction": "s3:PutObject", "Resource": "*" } })
    };
    let public = |value: &Value| Policy::parse(value).unwrap().public().count();
    assert_eq!(public(&statement("Deny", "NotPrincipal")), 0);
    assert_eq!(public(&statement("Allow", "NotPrincipal")), 1);
    assert_eq!(public(&statement("Allow", "Principal")), 0);
}

fn deny_plaintext(change: impl Fn(&mut Value)) -> bool {
    let mut statement = json!({
        "Effect": "Deny", "Principal": "*", "Action": "s3:*",
        "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}}
    });
    change(&mut statement);
    Policy::parse(&json!({ "Statement": [statement] })).unwrap().refuses_plaintext("b")
}

#[test]
fn tls_only_means_everybody_everything_and_everywhere() {
    assert!(deny_plaintext(|_| {}));
    assert!(deny_plaintext(|s| s["Resource"] = json!("arn:aws-us-gov:s3:::b*")));
    assert!(deny_plaintext(|s| s["Action"] = json!(["*"])));
    assert!(deny_plaintext(|s| s["Principal"] = json!({"AWS": "*"})));
    let wrong: [fn(&mut Value); 7] = [
        |s| s["Effect"] = json!("Allow"),
        |s| s["Principal"] = json!({"AWS": "123456789012"}),
        |s| s["Action"] = json!("s3:Get*"),
        |s| s["Resource"] = json!("arn:aws:s3:::b/*"),
        |s| s["Resource"] = json!(["arn:aws:s3:::c", "arn:aws:s3:::c/*"]),
        |s| s["Condition"] = json!({"Bool": {"aws:SecureTransport": "true"}}),
        |s| s["Condition"]["StringEquals"] = json!({"aws:SourceVpc": "vpc-1"}),
    ];
    for change in wrong {
        assert!(!deny_plaintext(change));
    }
}

#[test]
fn other_accounts_are_named_by_number() {
    let policy = allow(
        json!({"AWS": ["arn:aws:iam::123456789012:root", "210987654321", "arn:aws:iam::111122223333:role/r"]}),
        Value::Null,
    );
    assert_eq!(policy.others("123456789012"), ["111122223333", "210987654321"]);
}

#[test]
fn what_is_no_policy_is_refused() {
    for wrong in [
        json!(null),
        json!({}),
        json!([]),
        json!({"Statement": "x"}),
        json!({"Statement": [{}]}),
        json!({"Statement": [{"Effect": "allow", "Principal": "*", "Action": "*", "Resource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Principal": {}, "Action": "*", "Resource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": {}, "Resource": "*"}]}),
        json!({"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*", "Condition": []}]}),
    ] {
        assert!(Policy::parse(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn names_that_could_write_to_a_terminal_are_not_repeated() {
    let value = json!({"Statement": {"Sid": "\u{1b}[31m", "Effect": "Allow", "Principal": "*",
        "Action": ["s3:GetObject", "\u{1b}"], "Resource": "*"}});
    let policy = Policy::parse(&value).unwrap();
    assert_eq!(policy.statements[0].name, "number 1");
    assert_eq!(policy.statements[0].says(), "s3:GetObject");
}

#[test]
fn patterns_match_as_iam_matches_them() {
    for (pattern, text) in
        [("*", ""), ("s3:*", "s3:*"), ("b*", "b/*"), ("a?c", "abc"), ("*c*", "abcd")]
    {
        assert!(glob(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
    }
    for (pattern, text) in [("", "a"), ("s3:Get*", "s3:*"), ("b", "b/*"), ("a?c", "ac")] {
        assert!(!glob(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
    }
    // A pattern that would take other matchers years.
    assert!(!glob("*a".repeat(500).as_bytes(), "a".repeat(499).as_bytes()));
}
