//! How a bastion is named, and what `ssh` is told. The tunnel itself is tested on a real `sshd`.

use std::path::Path;

use super::{SshTarget, TunnelError, TunnelRequest, arguments, quote_path, understand};

#[test]
fn a_target_reads_back() {
    for text in ["bastion", "twin@bastion", "twin@bastion:2222", "a@b@host", "x@[::1]:22", "[::1]"]
    {
        assert_eq!(SshTarget::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn nothing_that_ssh_would_take_for_an_option_is_a_target() {
    for text in [
        "",
        "@",
        "@host",
        "-oProxyCommand=x",
        "x@-oProxyCommand=x",
        "-l@host",
        "a b@host",
        "host:0",
        "host:99999",
        "host:",
        "host:22:22",
        "[::1",
        "[::1]x",
        "ho st",
        "host;x",
        "$(x)@h",
    ] {
        assert!(SshTarget::parse(text).is_err(), "{text}");
    }
}

#[test]
fn a_path_is_quoted_for_ssh() {
    assert_eq!(quote_path(Path::new("/a b/100%")).unwrap(), "\"/a b/100%%\"");
    for path in ["/a\"b", "/a$b", "/a\\b", "/a\nb"] {
        assert!(quote_path(Path::new(path)).is_err(), "{path}");
    }
}

#[test]
fn checks_come_before_what_a_configuration_could_say() {
    let through = SshTarget::parse("twin@bastion:2222").unwrap();
    let request = TunnelRequest {
        through: &through,
        to_host: "::1",
        to_port: 5432,
        known_hosts: Some(Path::new("/known")),
        identity: Some(Path::new("/key")),
    };
    let arguments = arguments(&request).unwrap();
    for option in ["StrictHostKeyChecking=yes", "BatchMode=yes", "UserKnownHostsFile=\"/known\""] {
        let at = arguments.iter().position(|argument| argument == option).unwrap();
        assert_eq!(arguments[at - 1], "-o");
    }
    let end: Vec<&str> = arguments.iter().rev().take(4).rev().map(String::as_str).collect();
    assert_eq!(end, ["-W", "[::1]:5432", "--", "bastion"]);
}

#[test]
fn what_ssh_says_is_understood() {
    let code = |said| understand("b", said).code();
    assert_eq!(
        code("No ED25519 host key is known for x\nHost key verification failed."),
        "tunnel-host-key"
    );
    assert_eq!(code("twin@b: Permission denied (publickey)."), "tunnel-login");
    assert_eq!(
        code("channel 0: open failed: connect failed: Connection refused\nstdio forwarding failed"),
        "tunnel-forward"
    );
    assert_eq!(code("ssh: connect to host b port 22: Connection refused"), "tunnel-unreachable");
    let TunnelError::Ended { words, .. } = understand("b", "one\n\u{1b}[31mtwo\n\n") else {
        panic!("wrong kind")
    };
    assert_eq!(words, "[31mtwo");
}
