//! Each rule on configurations that a real nginx takes, where one is installed.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::REPAIRED;
use crate::baseline::Baseline;
use crate::collect::nginx::collect;
use crate::facts::FactFile;
use crate::facts::{Check, Facts};
use crate::fix::{apply, plan, rollback};
use crate::outcome::{Finding, Outcome, Severity};
use crate::rules::find;
use crate::scan::judge;

/// The nginx that `.ci/peers.sh` unpacks, or the one of the system.
pub(crate) fn real_nginx() -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let places = [here.join("../../target/peers/nginx/usr/sbin/nginx"), "/usr/sbin/nginx".into()];
    places.into_iter().find(|path| path.exists())
}

/// Writes a file of a fixture.
pub(crate) fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A folder with a configuration around `http`, and a certificate for it.
pub(crate) fn fixture(http: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("nginx.conf");
    let here = folder.path().display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("  {name}_temp_path {here}/temp_{name};\n"))
        .concat();
    let text = format!(
        "pid {here}/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\n{temporary}\
         access_log {here}/access.log;\n{http}\n}}\n"
    );
    put(&main, &text);
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=twin.test", "-days", "30", "-keyout", "key.pem", "-out", "cert.pem"])
        .current_dir(folder.path())
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a certificate");
    (folder, main)
}

/// What a rule says, a line each: outcome, resource, line.
#[track_caller]
fn check(rule: &str, http: &str) -> Vec<String> {
    let (_folder, main) = fixture(http);
    if let Some(nginx) = real_nginx() {
        let said = Command::new(nginx).arg("-t").arg("-c").arg(&main).output().unwrap();
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "the fixture is one that nginx takes: {error}");
    }
    let facts = collect(&main).unwrap();
    // Facts survive the way through a file.
    let text = serde_json::to_string(&facts).unwrap();
    let facts: crate::facts::nginx::Nginx = serde_json::from_str(&text).unwrap();
    let rule = find(rule).unwrap();
    assert!(matches!(rule.check, Check::Nginx(_)));
    let judged = rule.check.judge(&Facts::from(facts)).unwrap();
    let line = |outcome: &Outcome| match outcome {
        Outcome::Fail { at, what } => format!(" at {}: {what}", at.line.unwrap()),
        other => format!(" {}", other.says()),
    };
    judged
        .iter()
        .map(|judged| {
            let word = judged.outcome.word();
            format!("{word} {}{}", judged.resource, line(&judged.outcome)).trim_end().to_owned()
        })
        .collect()
}

#[track_caller]
fn fails(rule: &str, http: &str, wanted: &[&str]) {
    let said: Vec<String> =
        check(rule, http).into_iter().filter(|line| !line.starts_with("pass ")).collect();
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    for (line, wanted) in said.iter().zip(wanted) {
        assert!(line.contains(wanted), "`{line}` says `{wanted}`");
    }
}

#[track_caller]
fn passes(rule: &str, http: &str) {
    let said = check(rule, http);
    assert!(!said.is_empty(), "the rule has something to judge");
    assert!(said.iter().all(|line| line.starts_with("pass ")), "{said:#?}");
}

const TLS: &str = "ssl_certificate cert.pem; ssl_certificate_key key.pem;";

#[test]
fn a_plain_listener_fails_and_one_that_redirects_or_is_local_does_not() {
    let rule = "nginx-listener";
    fails(
        rule,
        "server { listen 8080; location / { return 200 ok; } }",
        &["listens beyond this machine without TLS"],
    );
    fails(
        rule,
        "server { listen [::]:8080; location /a { return 301 https://$host/; } }",
        &["[::]:8080"],
    );
    fails(
        rule,
        "server { listen 8080; location / { return 301 https://$host/;\n\
         location /api/ { return 200 ok; } } }",
        &["listens beyond this machine without TLS"],
    );
    passes(rule, "server { listen 8080; return 301 https://$host$request_uri; }");
    passes(
        rule,
        "server { listen 8080; location /.well-known/acme-challenge/ { root /tmp; }\n\
         location / { return 301 https://$host$request_uri; } }",
    );
    passes(rule, "server { listen 127.0.0.1:8080; listen unix:/tmp/twin.sock; }");
    passes(rule, &format!("server {{ listen 8443 ssl; {TLS} }}"));
}

#[test]
fn old_versions_of_tls_fail_and_so_does_saying_nothing() {
    let rule = "nginx-tls-protocols";
    let with = |line: &str| format!("server {{ listen 8443 ssl; {TLS} {line} }}");
    fails(rule, &with(""), &["says no `ssl_protocols`"]);
    fails(rule, &with("ssl_protocols TLSv1.1 TLSv1.2;"), &["speaks `TLSv1.1`"]);
    // What two lines say counts together.
    fails(rule, &with("ssl_protocols TLSv1.1; ssl_protocols TLSv1.2;"), &["speaks `TLSv1.1`"]);
    passes(rule, &with("ssl_protocols TLSv1.2 TLSv1.3;"));
    passes(rule, &format!("ssl_protocols TLSv1.3; {}", with("")));
}

#[test]
fn weak_and_anonymous_ciphers_fail() {
    let rule = "nginx-tls-ciphers";
    let with = |line: &str| format!("server {{ listen 8443 ssl; {TLS} {line} }}");
    fails(rule, &with("ssl_ciphers \"ALL:!MD5\";"), &["anonymous"]);
    passes(rule, &with("ssl_ciphers ECDHE-RSA-AES256-GCM-SHA384;"));
    passes(rule, &with(""));
}

#[test]
fn a_location_that_adds_a_header_loses_those_of_the_server() {
    let rule = "nginx-hsts";
    let hsts = "add_header Strict-Transport-Security \"max-age=31536000\" always;";
    let with = |inside: &str| {
        format!(
            "server {{ listen 8443 ssl; {TLS} {hsts}\nlocation / {{ return 200 a; }}\n\
             location /api/ {{ {inside} return 200 a; }} }}"
        )
    };
    passes(rule, &with(""));
    passes(rule, &with(&format!("{hsts} add_header X-A b;")));
    fails(rule, &with("add_header X-A b;"), &["location /api/ at"]);
    fails(rule, &with("add_header X-A b;"), &["loses `strict-transport-security`"]);
    let short = hsts.replace("31536000", "60");
    fails(rule, &with(&short), &["does not protect"]);
    fails(rule, &with(&hsts.replace(" always", "")), &["without `always`"]);
    fails(rule, &with("if ($arg_a) { add_header X-A b; }"), &["location /api/ > if ($arg_a)"]);
}

#[test]
fn guessing_and_framing_are_forbidden_by_headers() {
    let with = |line: &str| format!("server {{ listen 8443 ssl; {TLS} {line} location / {{ }} }}");
    passes("nginx-nosniff", &with("add_header X-Content-Type-Options nosniff always;"));
    fails("nginx-nosniff", &with(""), &["adds no"]);
    passes("nginx-framing", &with("add_header X-Frame-Options DENY always;"));
    passes(
        "nginx-framing",
        &with(
            "add_header Content-Security-Policy \"default-src 'self'; frame-ancestors 'none'\" always;",
        ),
    );
    for anybody in ["*", "http: https:"] {
        let policy =
            format!("add_header Content-Security-Policy \"frame-ancestors {anybody}\" always;");
        fails("nginx-framing", &with(&policy), &["adds no `x-frame-options`"]);
    }
}

#[test]
fn a_zone_has_to_be_applied_where_requests_go_on() {
    let rule = "nginx-rate-limit";
    let zone = "limit_req_zone $binary_remote_addr zone=clients:1m rate=10r/s;";
    let with = |above: &str, inside: &str| {
        format!(
            "{above}\nserver {{ listen 127.0.0.1:8080; location / {{ root /tmp; }}\n\
             location /api/ {{ {inside} proxy_pass http://127.0.0.1:9; }} }}"
        )
    };
    fails(rule, &with("", ""), &["no zone is defined"]);
    fails(rule, &with(zone, ""), &["not applied here"]);
    let sent = zone.replace("$binary_remote_addr", "$http_x_api_key");
    fails(rule, &with(&sent, "limit_req zone=clients;"), &["whoever sends nothing"]);
    passes(rule, &with(zone, "limit_req zone=clients burst=20 nodelay;"));
    passes(rule, &with(&format!("{zone} limit_req zone=clients;"), ""));
    fails(
        rule,
        &with(&format!("{zone} limit_req zone=clients; limit_req_dry_run on;"), ""),
        &["lets all of them pass"],
    );
}

#[test]
fn keys_in_the_file_are_found_and_their_values_are_not_told() {
    let rule = "nginx-static-key";
    let with = |above: &str, inside: &str| {
        format!(
            "{above}\nserver {{ listen 127.0.0.1:8080;\nlocation / {{ {inside} root /tmp; }} }}"
        )
    };
    let compared = with("", "if ($http_x_api_key != \"s3cr3t-value-1\") { return 403; }");
    fails(rule, &compared, &["a key for `$http_x_api_key` stands in the file"]);
    assert!(!check(rule, &compared).concat().contains("s3cr3t"));
    fails(rule, &with("", "if ($http_x_api_key = abc) { return 403; }"), &["$http_x_api_key"]);
    fails(
        rule,
        &with("map $http_authorization $ok {\ndefault 0;\n\"Bearer 0123456789\" 1;\nabc 1; }", ""),
        &["$http_authorization", "$http_authorization"],
    );
    fails(rule, &with("", "proxy_set_header X-API-Key 0123456789abc;"), &["`X-API-Key`"]);
    let kept = "set $wanted s3cr3t; if ($http_x_api_key != $wanted) { return 403; }";
    fails(rule, &with("", kept), &["$wanted"]);
    let mapped = "map $host $upstream_key { default s3cr3t-value-1; }";
    fails(rule, &with(mapped, ""), &["$upstream_key"]);
    for inside in [
        "proxy_pass http://127.0.0.1:9/a?v=1&api_key=s3cr3t-value-1;",
        "rewrite ^ /a?token=s3cr3t-value-1 break;",
        "return 302 \"https://ward.test/?x=1;sig=s3cr3t-value-1\";",
        "set $args access_token=s3cr3t-value-1;",
    ] {
        let said = check(rule, &with("", inside));
        assert!(said.iter().any(|line| line.starts_with("fail ")), "{inside}: {said:?}");
        assert!(!said.concat().contains("s3cr3t"));
    }
    passes(rule, &with("", "proxy_pass http://127.0.0.1:9/a?api_key=$arg_api_key;"));
    passes(rule, &with("", "return 302 /login?return_to=0123456789abc;"));
    passes(rule, &with("", "if ($http_x_api_key = \"\") { return 401; }"));
    passes(rule, &with("", "if ($http_authorization !~ \"^Bearer \") { return 401; }"));
    passes(rule, &with("", "proxy_set_header Authorization $http_authorization;"));
    passes(rule, &with("map $http_upgrade $connection_upgrade { default upgrade; '' close; }", ""));
}

#[test]
fn upstreams_on_other_machines_need_tls_and_it_has_to_be_verified() {
    let with = |above: &str, inside: &str| {
        format!("{above}\nserver {{ listen 127.0.0.1:8080;\nlocation / {{ {inside} }} }}")
    };
    let rule = "nginx-upstream-plain";
    fails(rule, &with("", "proxy_pass http://192.0.2.1:80;"), &["`192.0.2.1:80`"]);
    let group = "upstream twins { server 127.0.0.1:9; server 192.0.2.7:9; }";
    fails(rule, &with(group, "proxy_pass http://twins/a;"), &["`192.0.2.7:9`"]);
    passes(rule, &with("", "proxy_pass http://[::1]:9/;"));
    passes(rule, &with("", "proxy_pass http://unix:/tmp/a.sock:/;"));
    let variable = with("", "set $where 192.0.2.1; proxy_pass http://$where;");
    fails(rule, &variable, &["not-checked"]);

    let rule = "nginx-upstream-verify";
    fails(rule, &with("", "proxy_pass https://192.0.2.1;"), &["not verified"]);
    let verified = "proxy_ssl_verify on; proxy_ssl_trusted_certificate cert.pem;";
    passes(rule, &with(verified, "proxy_pass https://192.0.2.1;"));
}

/// What a rule says of connections that are passed on. The module for them is one that nginx loads.
#[track_caller]
fn of_connections(rule: &str, stream: &str) -> String {
    let (folder, main) = fixture("");
    let nginx = real_nginx();
    let module = nginx
        .as_ref()
        .and_then(|nginx| nginx.ancestors().nth(3))
        .map(|root| root.join("usr/lib/nginx/modules/ngx_stream_module.so"));
    let load = module.filter(|path| path.exists()).map(|path| {
        let path = path.canonicalize().unwrap();
        format!("load_module {};", path.display())
    });
    let here = folder.path().display();
    let begin = load.clone().unwrap_or_default();
    let head = format!("{begin} pid {here}/nginx.pid; error_log stderr; events {{}}");
    put(&main, &format!("{head}\nstream {{ {stream} }}\n"));
    if let (Some(nginx), Some(_)) = (nginx, load) {
        let said = Command::new(nginx).arg("-t").arg("-c").arg(&main).output().unwrap();
        let error = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.success(), "the fixture is one that nginx takes: {error}");
    }
    let facts = collect(&main).unwrap();
    let judged = find(rule).unwrap().check.judge(&Facts::from(facts)).unwrap();
    let said = judged.iter().map(|judged| {
        format!("{} {} {}", judged.outcome.word(), judged.resource, judged.outcome.says())
    });
    said.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

#[test]
fn connections_that_are_passed_on_are_judged_as_requests_are() {
    let rule = "nginx-upstream-plain";
    let with = |inside: &str| {
        format!("server {{ listen 127.0.0.1:5432; {inside} proxy_pass 192.0.2.1:5432; }}")
    };
    let plain = of_connections(rule, &with(""));
    assert!(plain.starts_with("fail server 127.0.0.1:5432"), "{plain}");
    assert!(plain.contains("`192.0.2.1:5432` without TLS"), "{plain}");
    let group = "upstream twins { server 127.0.0.1:9; server 192.0.2.7:9; }\n\
        server { listen 127.0.0.1:8081; proxy_pass twins; }";
    assert!(of_connections(rule, group).contains("`192.0.2.7:9` without TLS"));
    // TLS that ends here does not go on; TLS that goes through is what clients make of it.
    let ended = format!("server {{ listen 8443 ssl; {TLS} proxy_pass 192.0.2.1:80; }}");
    assert!(of_connections(rule, &ended).starts_with("fail "));
    let through = of_connections(rule, &with("ssl_preread on;"));
    assert!(through.starts_with("not-checked "), "{through}");
    let named = "map $ssl_preread_server_name $to { default 192.0.2.1:80; }\n\
        server { listen 127.0.0.1:8081; ssl_preread on; proxy_pass $to; }";
    assert!(of_connections(rule, named).starts_with("not-checked "));
    for near in ["127.0.0.1:9", "unix:/tmp/a.sock"] {
        let here = format!("server {{ listen 127.0.0.1:8081; proxy_pass {near}; }}");
        assert_eq!(of_connections(rule, &here), "pass server 127.0.0.1:8081");
    }
    // `proxy_ssl` comes down from `stream`, and may be taken back.
    assert_eq!(of_connections(rule, &with("proxy_ssl on;")), "pass server 127.0.0.1:5432");
    let above = |inside: &str| format!("proxy_ssl on; {}", with(inside));
    assert!(of_connections(rule, &above("")).starts_with("pass "));
    assert!(of_connections(rule, &above("proxy_ssl off;")).starts_with("fail "));

    let rule = "nginx-upstream-verify";
    assert_eq!(of_connections(rule, &with("")), "", "there is no certificate");
    assert!(of_connections(rule, &above("")).contains("not verified"));
    let verified = "proxy_ssl_verify on; proxy_ssl_trusted_certificate cert.pem;";
    assert!(of_connections(rule, &above(verified)).starts_with("pass "));

    let rule = "nginx-client-certificate";
    assert!(of_connections(rule, &ended).contains("asks clients for no certificate"));
    let verify = "ssl_client_certificate cert.pem; ssl_verify_client on;";
    let asked = ended.replace(TLS, &format!("{TLS} {verify}"));
    assert!(of_connections(rule, &asked).starts_with("pass "));
}

#[test]
fn certificates_of_clients_have_to_be_required() {
    let rule = "nginx-client-certificate";
    let with = |line: &str| {
        format!(
            "server {{ listen 8443 ssl; {TLS} {line}\nlocation / {{ proxy_pass http://127.0.0.1:9; }} }}"
        )
    };
    let verify =
        |word: &str| with(&format!("ssl_client_certificate cert.pem; ssl_verify_client {word};"));
    fails(rule, &with(""), &["asks clients for no certificate"]);
    passes(rule, &verify("on"));
    fails(rule, &verify("optional"), &["lets clients without a certificate pass"]);
    let refused = "if ($ssl_client_verify != SUCCESS) { return 403; }";
    passes(
        rule,
        &with(&format!("ssl_client_certificate cert.pem; ssl_verify_client optional; {refused}")),
    );
}

#[test]
fn versions_logs_and_lists() {
    let with = |line: &str| {
        format!(
            "server {{ listen 127.0.0.1:8080; {line}\nlocation / {{ proxy_pass http://127.0.0.1:9; }} }}"
        )
    };
    fails("nginx-server-tokens", &with(""), &["the default is on"]);
    passes("nginx-server-tokens", &with("server_tokens off;"));
    fails("nginx-powered-by", &with("proxy_hide_header Server;"), &["is passed on"]);
    passes("nginx-powered-by", &with("proxy_hide_header X-Powered-By;"));
    for off in
        ["access_log off;", "access_log off; access_log /dev/stderr;", "access_log /dev/null;"]
    {
        fails("nginx-access-log", &with(off), &["not logged"]);
    }
    passes("nginx-access-log", &with(""));
    fails("nginx-listing", &with("autoindex on;"), &["lists the files"]);
    passes("nginx-listing", &with(""));
}

#[test]
fn an_include_that_cannot_be_read_is_not_checked() {
    let (folder, main) = fixture(
        "include sites/[a-z].conf;\ninclude /nowhere/at/all.conf;\ninclude sites/[[:upper:]];",
    );
    put(&folder.path().join("sites/b.conf"), "server { listen 127.0.0.1:81; }\n");
    put(&folder.path().join("sites/a.conf"), "server { listen 127.0.0.1:80; }\n");
    let facts = collect(&main).unwrap();
    let addresses: Vec<&str> =
        facts.servers.iter().map(|server| server.listens[0].address.as_str()).collect();
    assert_eq!(addresses, ["127.0.0.1:80", "127.0.0.1:81"]);
    assert_eq!(facts.servers[1].at.as_ref().unwrap().line, Some(1));
    assert_eq!(facts.unread.len(), 2);
    let judged = find("nginx-includes").unwrap().check.judge(&Facts::from(facts)).unwrap();
    assert_eq!(judged[0].outcome, Outcome::not_checked("no such file"));
}

/// Every rule that fails is in the plan or left to people; after the plan all of the former pass.
#[test]
fn what_is_planned_is_applied_helps_and_is_taken_back() {
    if Command::new("nginx").arg("-v").output().is_err() && !Path::new("/usr/sbin/nginx").exists() {
        let _ = writeln!(std::io::stderr(), "skipped: there is no nginx in PATH");
        return;
    }
    let (folder, main) = fixture(&format!(
        "# ä comment, so that bytes are not characters\ninclude sites/*.conf;\n\
         server {{ listen 8443 ssl; {TLS} ssl_protocols TLSv1.1 TLSv1.2; ssl_ciphers ALL;\n\
         autoindex on;\nlocation /api/ {{ add_header X-A b;\n\
         proxy_pass http://127.0.0.1:9; access_log off; }} }}"
    ));
    let site = folder.path().join("sites/a.conf");
    put(
        &site,
        &format!(
            "server {{\n    listen 8444 ssl; {TLS}\n    add_header Strict-Transport-Security \"max-age=1\";\n    \
             location / {{\n        proxy_hide_header Server;\n        proxy_pass http://127.0.0.1:9;\n    }}\n}}\n"
        ),
    );
    let texts = || (fs::read_to_string(&main).unwrap(), fs::read_to_string(&site).unwrap());
    let file = || FactFile::new(0, vec![collect(&main).unwrap().into()]);
    let failing = || {
        let report = judge(&file(), None, &Baseline::default());
        let failed = |finding: &&Finding| matches!(finding.outcome, Outcome::Fail { .. });
        let ids: BTreeSet<String> =
            report.findings.iter().filter(failed).map(|finding| finding.rule.clone()).collect();
        ids
    };
    let before = (failing(), texts());
    assert!(before.0.len() >= REPAIRED.len(), "{:?}", before.0);
    let by_hand: BTreeSet<String> = ["nginx-client-certificate".to_owned()].into();

    let whole = plan(&file(), Severity::Informational);
    let planned: BTreeSet<String> = whole.steps.iter().map(|step| step.rule.clone()).collect();
    assert_eq!(planned.union(&by_hand).cloned().collect::<BTreeSet<_>>(), before.0);
    let journal = folder.path().join("journal");
    apply(&whole, &journal).unwrap();
    assert_eq!(failing(), by_hand);
    apply(&whole, &journal).unwrap();
    assert_eq!(failing(), by_hand, "a second time changes nothing");
    rollback(&journal).unwrap();
    assert_eq!((failing(), texts()), before);

    // A plan for what is bad alone is the start of the whole plan.
    let high = plan(&file(), Severity::High);
    assert!(high.steps.len() < whole.steps.len());
    let journal = folder.path().join("journal-high");
    apply(&high, &journal).unwrap();
    assert!(failing().is_disjoint(&high.steps.iter().map(|step| step.rule.clone()).collect()));
    rollback(&journal).unwrap();
    assert_eq!(texts(), before.1);
}

#[test]
fn facts_that_are_written_down_have_no_text_of_the_files() {
    let (_folder, main) = fixture(
        "server { listen 127.0.0.1:8080; server_tokens on;\n\
         if ($http_x_api_key != \"s3cr3t-value-1\") { return 403; } }",
    );
    let facts = collect(&main).unwrap();
    assert!(!facts.repairs.edits.is_empty());
    assert!(!serde_json::to_string(&facts).unwrap().contains("s3cr3t"));
    assert!(!format!("{facts:?}").contains("s3cr3t"));
}

/// What one file may ask for is bounded: in words, and in what holds at its places together.
#[test]
fn a_configuration_that_would_fill_the_memory_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("nginx.conf");
    put(&main, &"a;".repeat(2 << 20));
    let refused = collect(&main).unwrap_err().to_string();
    assert!(refused.contains("more words than are read"), "{refused}");

    let headers = "add_header X-A b;\n".repeat(2_000);
    let places: String = (0..1_000).map(|n| format!("location /{n} {{ }}\n")).collect();
    put(&main, &format!("http {{ server {{ {headers}{places} }} }}"));
    let refused = collect(&main).unwrap_err().to_string();
    assert!(refused.contains("headers and limits hold at its places together"), "{refused}");
}

/// A large configuration is judged as a small one is, and left to people to repair.
#[test]
fn a_large_configuration_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("nginx.conf");
    let places: String = (0..8_000)
        .map(|n| format!("location /{n} {{ proxy_pass http://127.0.0.1:{}; }}\n", 1 + n % 60_000))
        .collect();
    put(&main, &format!("http {{ server {{ listen 127.0.0.1:80;\n{places} }} }}"));
    let facts = collect(&main).unwrap();
    assert!(facts.repairs.edits.is_empty());
    let judged = find("nginx-rate-limit").unwrap().check.judge(&Facts::from(facts)).unwrap();
    assert_eq!(judged.len(), 8_000);
    assert!(judged.iter().all(|it| matches!(it.outcome, Outcome::Fail { .. })));
}
