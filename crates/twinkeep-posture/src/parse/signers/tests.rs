//! Lists as people write them, and as they should not.

use super::{glob, is_principal, parse, time};
use crate::facts::git::Role;

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB";

#[test]
fn a_line_of_openssh_is_a_signer_for_everything() {
    let list = parse(&format!("# people\n\nada@example.org {KEY} a comment\n"));
    assert_eq!(list.wrong, []);
    assert_eq!(list.signers.len(), 1);
    let signer = &list.signers[0];
    assert_eq!((signer.line, &signer.roles[..]), (3, Role::ALL));
    assert!(signer.key.starts_with("SHA256:"));
}

#[test]
fn options_narrow_a_signer() {
    let options = "namespaces=\"file,git\",valid-after=\"20250101\",valid-before=\"20270101120000Z\",\
                   paths=\"docs/**,*.md\",branches=\"main\",roles=\"commit,tag\"";
    let list = parse(&format!("ada@example.org {options} {KEY}"));
    let signer = &list.signers[0];
    assert_eq!(signer.valid_after_s, Some(1_735_689_600));
    assert_eq!(signer.valid_before_s, Some(1_798_804_800));
    assert_eq!(signer.paths, ["docs/**", "*.md"]);
    assert_eq!(signer.roles, [Role::Commit, Role::Tag]);
}

#[test]
fn a_line_that_is_wrong_makes_nobody_a_signer() {
    let lines = [
        "ada@example.org",
        "ada@example.org ssh-ed25519",
        "ada@example.org ssh-ed25519 !!!!",
        "ada@example.org ssh-ed25519 AAAA",
        "ada@example.org openpgp AAAA",
        "ada@example.org ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB",
        &format!("ada@example.org valid-before=\"soon\" {KEY}"),
        &format!("ada@example.org roles=\"admin\" {KEY}"),
        &format!("ada@example.org cert-authority {KEY}"),
        &format!("ada@example.org namespaces=\"file\" {KEY}"),
        &format!("ada@example.org unknown {KEY}"),
        &format!("ada@example.org paths=\"a {KEY}"),
    ];
    for line in lines {
        let list = parse(line);
        assert_eq!((list.signers.len(), list.wrong.len()), (0, 1), "{line}");
    }
}

#[test]
fn principals_are_kept_only_where_they_count() {
    let list = parse(&format!("ada@example.org {KEY}\n\"ada@x,*@ward.org\" by-principal {KEY}"));
    assert_eq!(list.wrong, []);
    assert_eq!((list.signers[0].by_principal, &list.signers[0].principals[..]), (false, ""));
    assert_eq!(
        (list.signers[1].by_principal, &list.signers[1].principals[..]),
        (true, "ada@x,*@ward.org")
    );
    for (address, principals, fit) in [
        ("ada@ward.org", "ada@ward.org", true),
        ("ada@ward.org", "bo@ward.org,ada@ward.org", true),
        ("ada@ward.org", "*@ward.org", true),
        ("a/da@ward.org", "*@ward.org", true),
        ("ada@ward.org", "*@ward.org,!ada@*", false),
        ("ada@ward.org", "!bo@ward.org", false),
        ("ada@ward.org.test", "*@ward.org", false),
        ("ada@ward.org", "", false),
        ("", "*", false),
    ] {
        assert_eq!(is_principal(address, principals), fit, "{address} {principals}");
    }
}

#[test]
fn patterns_stop_at_folders_unless_they_are_doubled() {
    for (name, pattern, fit) in [
        ("docs/a.md", "docs/*", true),
        ("docs/b/a.md", "docs/*", false),
        ("docs/b/a.md", "docs/**", true),
        ("a.md", "*.md", true),
        ("a/b.md", "*.md", false),
        ("main", "main", true),
        ("mainly", "main", false),
        ("a/b/c.rs", "a/**/*.rs", true),
        ("", "**", true),
        ("x", "", false),
    ] {
        assert_eq!(glob(name, pattern), fit, "{name} {pattern}");
    }
    // A pattern that others need years for.
    assert!(!glob(&"a".repeat(4000), &format!("{}b", "*a".repeat(200))));
}

#[test]
fn times_are_those_of_the_calendar() {
    assert_eq!(time("19700101"), Some(0));
    assert_eq!(time("20000301Z"), Some(951_868_800));
    assert_eq!(time("202402291230"), Some(1_709_209_800));
    assert_eq!((time("20261301"), time("2026"), time("")), (None, None, None));
}
