//! Rules over files as IIS has them: a server's own, and those of folders below its sites.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::REPAIRED;
use crate::baseline::Baseline;
use crate::collect::iis::collect;
use crate::facts::iis::Iis;
use crate::facts::{FactFile, Facts};
use crate::fix::{apply, plan, rollback};
use crate::outcome::{Outcome, Severity};
use crate::rules::find;
use crate::scan::judge;

fn put(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// The server's own file around what is said of `system.webServer`, of its site, and of locations.
fn server(web: &str, site: &str, locations: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<configuration>\n  <system.applicationHost>\n    \
         <sites>\n      <site name=\"Twin\" id=\"1\">\n        <application path=\"/\">\n          \
         <virtualDirectory path=\"/\" physicalPath=\"%SystemDrive%\\inetpub\\twin\" />\n        \
         </application>\n        {site}\n      </site>\n    </sites>\n  </system.applicationHost>\n  \
         <system.webServer>\n    {web}\n  </system.webServer>\n{locations}</configuration>\n"
    )
}

fn web(inside: &str) -> String {
    format!(
        "<configuration>\n  <system.webServer>\n    {inside}\n  </system.webServer>\n</configuration>\n"
    )
}

const HTTPS: &str = "<bindings><binding protocol=\"https\" bindingInformation=\"*:443:twin.test\" \
                     sslFlags=\"65\" /></bindings>";

/// A folder with a server's file, and with the `web.config` of its site if there is one.
fn fixture(server: Option<&str>, web: Option<&str>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    if let Some(text) = server {
        put(&folder.path().join("config/applicationHost.config"), text);
    }
    if let Some(text) = web {
        put(&folder.path().join("inetpub/twin/web.config"), text);
    }
    folder
}

/// What a rule says, a line each.
#[track_caller]
fn said(rule: &str, facts: &Iis) -> Vec<String> {
    // Facts survive the way through a file.
    let text = serde_json::to_string(facts).unwrap();
    let facts: Iis = serde_json::from_str(&text).unwrap();
    let judged = find(rule).unwrap().check.judge(&Facts::from(facts)).unwrap();
    let line = |outcome: &Outcome| match outcome {
        Outcome::Fail { at, what } => format!(" at {}: {what}", at.line.unwrap()),
        other => format!(" {}", other.says()),
    };
    let lines = judged.iter().map(|judged| {
        let word = judged.outcome.word();
        format!("{word} {}{}", judged.resource, line(&judged.outcome)).trim_end().to_owned()
    });
    lines.collect()
}

#[track_caller]
fn check(rule: &str, server: Option<&str>, web: Option<&str>, wanted: &[&str]) {
    let folder = fixture(server, web);
    let said = said(rule, &collect(folder.path()).unwrap());
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    for (line, wanted) in said.iter().zip(wanted) {
        let line = line.replace(&folder.path().display().to_string(), "");
        assert!(line.starts_with(wanted.split('…').next().unwrap()), "`{line}` is `{wanted}`");
        assert!(line.ends_with(wanted.split('…').next_back().unwrap()), "`{line}` is `{wanted}`");
    }
}

/// What a rule says of one site, by what its server's file says for all.
#[track_caller]
fn site(rule: &str, inside: &str, wanted: &str) {
    check(rule, Some(&server(inside, HTTPS, "")), None, &[wanted]);
}

fn headers(inside: &str) -> String {
    format!("<httpProtocol><customHeaders>{inside}</customHeaders></httpProtocol>")
}

#[test]
fn headers_are_those_that_are_sent() {
    let rule = "iis-nosniff";
    let good = headers("<add name=\"X-Content-Type-Options\" value=\"nosniff\" />");
    site(rule, &good, "pass site Twin");
    site(rule, "", "fail site Twin…adds no `x-content-type-options`");
    site(rule, &good.replace("nosniff", "sniff"), "fail site Twin…does not protect");
    // The site takes away what the server adds.
    let cleared = web(&headers("<clear />"));
    check(
        rule,
        Some(&server(&good, HTTPS, "")),
        Some(&cleared),
        &["fail site Twin…adds no `x-content-type-options`"],
    );
    let removed = web(&headers("<remove name=\"x-content-type-options\" />"));
    check(
        rule,
        Some(&server(&good, HTTPS, "")),
        Some(&removed),
        &["fail site Twin…adds no `x-content-type-options`"],
    );
    check(rule, Some(&server("", HTTPS, "")), Some(&web(&good)), &["pass site Twin"]);
    // A location of the server's file says it for its site, and for a part of it.
    let location = |path: &str, inside: &str| {
        format!(
            "<location path=\"{path}\"><system.webServer>{inside}</system.webServer></location>"
        )
    };
    check(rule, Some(&server("", HTTPS, &location("twin", &good))), None, &["pass site Twin"]);
    let part = location("Twin/api", &headers("<clear />"));
    check(
        rule,
        Some(&server(&good, HTTPS, &part)),
        None,
        &[
            "pass site Twin",
            "fail /config/applicationHost.config, location Twin/api…adds no `x-content-type-options`",
        ],
    );
    // Without the server's file, nobody knows what it adds.
    check(rule, None, Some(&web("")), &["not-checked /inetpub/twin/web.config…was not scanned"]);
    check(rule, None, Some(&web(&good)), &["pass /inetpub/twin/web.config"]);
    check(
        rule,
        None,
        Some(&cleared),
        &["fail /inetpub/twin/web.config…adds no `x-content-type-options`"],
    );
}

/// What a server adds, an outbound rule can take from its answers again.
#[test]
fn headers_that_outbound_rules_take_away_are_not_sent() {
    let rule = "iis-nosniff";
    let good = headers("<add name=\"X-Content-Type-Options\" value=\"nosniff\" />");
    let outbound = |variable: &str, pattern: &str, value: &str| {
        web(&format!(
            "<rewrite><outboundRules><rule name=\"o\"><match serverVariable=\"{variable}\" \
             pattern=\"{pattern}\" /><action type=\"Rewrite\" value=\"{value}\" /></rule>\
             </outboundRules></rewrite>"
        ))
    };
    let both = |web: &str, wanted: &str| {
        check(rule, Some(&server(&good, HTTPS, "")), Some(web), &[wanted]);
    };
    for variable in ["RESPONSE_X-Content-Type-Options", "RESPONSE_X_CONTENT_TYPE_OPTIONS"] {
        let emptied = outbound(variable, ".+", "");
        both(&emptied, "fail site Twin…one that does not protect");
        let other = outbound(variable, "nosniff", "sniff");
        both(&other, "fail site Twin…one that does not protect");
        both(&emptied.replace("name=\"o\"", "name=\"o\" enabled=\"false\""), "pass site Twin");
        both(&outbound(variable, ".*", "nosniff"), "pass site Twin");
        both(&outbound(variable, ".*", "{R:0}"), "pass site Twin");
        both(&outbound(variable, "^sniff-it$", ""), "pass site Twin");
    }
    both(&outbound("RESPONSE_Server", ".+", ""), "pass site Twin");
    // A rule is no header: where none is added, the rule fails as before.
    let only = outbound("RESPONSE_X-Content-Type-Options", ".*", "nosniff");
    let bare = server("", HTTPS, "");
    check(rule, Some(&bare), Some(&only), &["fail site Twin…adds no `x-content-type-options`"]);
    // No edit of a header would help.
    let emptied = outbound("RESPONSE_X-Content-Type-Options", ".+", "");
    let folder = fixture(Some(&server(&good, HTTPS, "")), Some(&emptied));
    let facts = collect(folder.path()).unwrap();
    assert!(facts.repairs.steps.iter().all(|step| step.rule != rule), "{facts:?}");
}

#[test]
fn other_headers_are_judged_by_what_they_say() {
    let framing =
        |name: &str, value: &str| headers(&format!("<add name=\"{name}\" value=\"{value}\" />"));
    site("iis-framing", &framing("X-Frame-Options", "DENY"), "pass site Twin");
    site(
        "iis-framing",
        &framing("Content-Security-Policy", "frame-ancestors 'none'"),
        "pass site Twin",
    );
    site(
        "iis-framing",
        &framing("Content-Security-Policy", "frame-ancestors *"),
        "fail site Twin…adds no `x-frame-options`",
    );
    let hsts = "Strict-Transport-Security";
    site("iis-hsts", &framing(hsts, "max-age=31536000; includeSubDomains"), "pass site Twin");
    site("iis-hsts", &framing(hsts, "max-age=60"), "fail site Twin…does not protect");
    let own = format!("{HTTPS}<hsts enabled=\"true\" max-age=\"31536000\" />");
    check("iis-hsts", Some(&server("", &own, "")), None, &["pass site Twin"]);
    site(
        "iis-powered-by",
        &framing("X-Powered-By", "ASP.NET"),
        "fail site Twin…adds `x-powered-by`",
    );
    site("iis-powered-by", "", "pass site Twin");
    check("iis-powered-by", None, Some(&web("")), &["not-checked …was not scanned"]);
    check(
        "iis-powered-by",
        None,
        Some(&web(&headers("<remove name=\"X-Powered-By\" />"))),
        &["pass …web.config"],
    );
}

#[test]
fn folders_inherit_from_folders_above_and_locations_from_their_file() {
    let folder = fixture(None, Some(&web("<directoryBrowse enabled=\"true\" />")));
    let below = folder.path().join("inetpub/twin/api/v1/web.config");
    put(&below, &web(""));
    let listed = said("iis-listing", &collect(folder.path()).unwrap());
    assert!(listed.iter().all(|line| line.starts_with("fail ")) && listed.len() == 2, "{listed:?}");
    // Applications below do not inherit what the location keeps for itself.
    let kept = "<configuration><location path=\".\" inheritInChildApplications=\"false\">\
                <system.webServer><directoryBrowse enabled=\"true\" /></system.webServer></location>\
                <location path=\"open/files\"><system.webServer><directoryBrowse enabled=\"false\" />\
                </system.webServer></location></configuration>";
    put(&folder.path().join("inetpub/twin/web.config"), kept);
    let words: Vec<String> = said("iis-listing", &collect(folder.path()).unwrap())
        .iter()
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(words, ["not-checked", "fail", "pass"], "below, the folder, its location");
}

#[test]
fn settings_are_judged_where_they_are_said_or_by_their_default() {
    site(
        "iis-listing",
        "<directoryBrowse enabled=\"true\" />",
        "fail site Twin…lists the files of its folders",
    );
    site("iis-listing", "", "pass site Twin");
    site(
        "iis-access-log",
        "<httpLogging dontLog=\"true\" />",
        "fail site Twin…access is not logged",
    );
    site("iis-access-log", "", "pass site Twin");
    site(
        "iis-debug",
        "<httpErrors errorMode=\"Detailed\" />",
        "fail site Twin…in detail to everybody",
    );
    site("iis-debug", "<httpErrors errorMode=\"Custom\" />", "pass site Twin");
    let filtering = |inside: &str| format!("<security><requestFiltering {inside} /></security>");
    site("iis-server-header", &filtering("removeServerHeader=\"true\""), "pass site Twin");
    site("iis-server-header", "", "fail site Twin…sends the header `Server`");
    site("iis-request-limits", "", "pass site Twin");
    site(
        "iis-request-limits",
        &filtering("allowDoubleEscaping=\"true\""),
        "fail site Twin…escaped twice",
    );
    let long = "<security><requestFiltering><requestLimits maxAllowedContentLength=\"4294967295\" />\
                </requestFiltering></security>";
    site("iis-request-limits", long, "fail site Twin…lets requests of 4294967295 bytes pass");
    site("iis-anonymous", "", "fail site Twin…which is the default");
    let off = "<security><authentication><anonymousAuthentication enabled=\"false\" /></authentication></security>";
    site("iis-anonymous", off, "pass site Twin");
    let access =
        "<security><access sslFlags=\"Ssl, SslNegotiateCert, SslRequireCert\" /></security>";
    site("iis-anonymous", access, "pass site Twin");
    let limit = |of: &str, inside: &str| {
        format!("<security><dynamicIpSecurity {of}>{inside}</dynamicIpSecurity></security>")
    };
    let rate = "<denyByRequestRate enabled=\"true\" maxRequests=\"20\" requestIntervalInMilliseconds=\"1000\" />";
    site("iis-rate-limit", &limit("", rate), "pass site Twin");
    site(
        "iis-rate-limit",
        &limit("enableLoggingOnlyMode=\"true\"", rate),
        "fail site Twin…lets all of them pass",
    );
    site("iis-rate-limit", "", "fail site Twin…nor the number of requests");
    check("iis-rate-limit", None, Some(&web("")), &["not-checked …was not scanned"]);
}

#[test]
fn bindings_speak_tls_or_lead_to_it() {
    let rule = "iis-listener";
    let http = "<bindings><binding protocol=\"http\" bindingInformation=\"*:80:\" /></bindings>";
    let asked = |site: &str, web: &str| server(web, site, "");
    check(rule, Some(&asked(http, "")), None, &["fail site Twin, *:80:…without TLS"]);
    check(rule, Some(&asked(HTTPS, "")), None, &["pass site Twin, *:443:twin.test"]);
    check(rule, Some(&asked(&http.replace("*:80", "127.0.0.1:80"), "")), None, &["pass …80:"]);
    check(rule, Some(&asked(&http.replace("*:80:", "[::1]:80:"), "")), None, &["pass …80:"]);
    // A name keeps nobody away.
    check(
        rule,
        Some(&asked(&http.replace("*:80:", "*:80:localhost"), "")),
        None,
        &["fail …without TLS"],
    );
    check(
        rule,
        Some(&asked(http, "<security><access sslFlags=\"Ssl\" /></security>")),
        None,
        &["pass …80:"],
    );
    let redirect = "<httpRedirect enabled=\"true\" destination=\"https://twin.test/\" />";
    check(rule, Some(&asked(http, redirect)), None, &["pass …80:"]);
    let rewrite = |condition: &str, action: &str| {
        web(&format!(
            "<rewrite><rules><rule name=\"s\"><match url=\"(.*)\" /><conditions>{condition}</conditions>\
             <action type=\"{action}\" url=\"https://{{HTTP_HOST}}/{{R:1}}\" /></rule></rules></rewrite>"
        ))
    };
    let off = "<add input=\"{HTTPS}\" pattern=\"off\" />";
    let own = asked(http, "");
    check(rule, Some(&own), Some(&rewrite(off, "Redirect")), &["pass …80:"]);
    check(rule, Some(&own), Some(&rewrite(off, "Rewrite")), &["fail …without TLS"]);
    let part = format!("{off}<add input=\"{{HTTP_HOST}}\" pattern=\"a\" />");
    check(rule, Some(&own), Some(&rewrite(&part, "Redirect")), &["fail …without TLS"]);
    check(rule, None, Some(&web("")), &["not-checked …not exactly one"]);

    let rule = "iis-legacy-tls";
    check(rule, Some(&asked(HTTPS, "")), None, &["pass …twin.test"]);
    check(
        rule,
        Some(&asked(&HTTPS.replace("65", "1"), "")),
        None,
        &["not-checked …scan its address as `tls:`"],
    );
    check(
        rule,
        Some(&asked(&HTTPS.replace("65", "33"), "")),
        None,
        &["fail …TLS 1.3 is turned off"],
    );
}

#[test]
fn keys_in_the_files_are_found_and_their_values_are_not_told() {
    let app = |key: &str, value: &str| {
        format!(
            "<configuration><appSettings><add key=\"{key}\" value=\"{value}\" /></appSettings></configuration>"
        )
    };
    for (key, value, fails) in [
        ("ApiKey", "s3cr3t-value-1", true),
        ("Twin:Auth-Token", "s3cr3t-value-1", true),
        ("Upstream", "https://ada:s3cr3t-value-1@twin.test/", true),
        ("SmtpPass", "s3cr3t-value-1", true),
        ("Db.Pass", "s3cr3t-value-1", true),
        ("SigningPassphrase", "s3cr3t-value-1", true),
        ("ProxyBypass", "s3cr3t-value-1", false),
        ("PassengerList", "s3cr3t-value-1", false),
        ("TokenEndpoint", "https://login.test/token", false),
        ("TokenLifetime", "PT3600S", false),
        ("PasswordMaxAge", "7776000", false),
        ("ApiKey", "@Microsoft.KeyVault(SecretUri=...)", false),
        ("ApiKey", "#{ApiKey}#", false),
        ("Color", "s3cr3t-value-1", false),
    ] {
        let folder = fixture(None, Some(&app(key, value)));
        let facts = collect(folder.path()).unwrap();
        let lines = said("iis-static-key", &facts);
        assert_eq!(lines[0].starts_with("fail "), fails, "{key}: {lines:?}");
        assert!(!serde_json::to_string(&facts).unwrap().contains("s3cr3t"));
        assert!(!format!("{facts:?}").contains("s3cr3t"));
    }
}

#[test]
fn keys_in_rules_connections_and_machine_keys_are_found() {
    let found = |text: &str, wanted: usize| {
        let folder = fixture(None, Some(text));
        let lines = said("iis-static-key", &collect(folder.path()).unwrap());
        let failed = lines.iter().filter(|line| line.starts_with("fail ")).count();
        assert_eq!(failed, wanted, "{lines:?}");
        assert!(!lines.concat().contains("s3cr3t"));
    };
    let rewrite = |inside: &str| {
        web(&format!(
            "<rewrite><rules><rule name=\"k\"><match url=\".*\" /><conditions>{inside}</conditions></rule></rules></rewrite>"
        ))
    };
    found(
        &rewrite("<add input=\"{HTTP_X_API_KEY}\" pattern=\"^s3cr3t-value-1$\" negate=\"true\" />"),
        1,
    );
    found(&rewrite("<add input=\"{HTTP_X_API_KEY}\" pattern=\".+\" />"), 0);
    found(&rewrite("<add input=\"{QUERY_STRING}\" pattern=\"apikey=s3cr3t-value-1\" />"), 1);
    let connection = |text: &str| {
        format!(
            "<configuration><connectionStrings><add name=\"ward\" connectionString=\"{text}\" /></connectionStrings></configuration>"
        )
    };
    found(&connection("Server=db;User Id=twin;Password=s3cr3t-value-1"), 1);
    found(&connection("Server=db;User=twin;Pass=s3cr3t-value-1"), 1);
    found(&connection("Server=db;Integrated Security=true"), 0);
    let machine = |key: &str| {
        format!(
            "<configuration><system.web><machineKey validationKey=\"{key}\" /></system.web></configuration>"
        )
    };
    found(&machine("0123456789ABCDEF"), 1);
    found(&machine("AutoGenerate,IsolateApps"), 0);
    // A section that is encrypted is no key that anybody reads, and one elsewhere was not read.
    found(
        "<configuration><connectionStrings configProtectionProvider=\"Rsa\"><EncryptedData>\
           <add name=\"password\" connectionString=\"Password=s3cr3t-value-1\" /></EncryptedData>\
           </connectionStrings></configuration>",
        0,
    );
    let elsewhere = "<configuration><appSettings configSource=\"keys.config\" /></configuration>";
    let wanted = "not-checked …`configSource` names one that is not there";
    check("iis-files", None, Some(elsewhere), &[wanted]);
    check("iis-files", None, Some("<configuration />"), &["pass "]);
}

#[test]
fn keys_in_the_query_of_an_address_are_found() {
    let found = |text: &str, wanted: usize| {
        let folder = fixture(None, Some(text));
        let lines = said("iis-static-key", &collect(folder.path()).unwrap());
        let failed = lines.iter().filter(|line| line.starts_with("fail ")).count();
        assert_eq!(failed, wanted, "{lines:?}");
        assert!(!lines.concat().contains("s3cr3t"));
    };
    let sent = |to: &str| {
        web(&format!(
            "<rewrite><rules><rule name=\"k\"><match url=\".*\" /><action type=\"Rewrite\" url=\"{to}\" /></rule></rules></rewrite>"
        ))
    };
    found(&sent("https://ward.test/a?v=1&amp;api_key=s3cr3t-value-1"), 1);
    found(&sent("/a?code=s3cr3t-value-of-a-function"), 1);
    found(&sent("/a?api_key={C:1}&amp;key=chart-1"), 0);
    found(&web("<httpRedirect enabled=\"true\" destination=\"/a?token=s3cr3t-value-1\" />"), 1);
}

#[test]
fn sections_in_files_of_their_own_are_followed_within_the_folder() {
    let folder = fixture(
        None,
        Some(
            "<configuration>\n<connectionStrings configSource=\"Secrets\\Db.config\" />\n\
             <appSettings configSource=\"..\\keys.config\" />\n\
             <system.webServer><rewrite><rules configSource=\"rules.config\" /></rewrite>\n\
             <httpProtocol configSource=\"linked.config\" /></system.webServer>\n\
             <system.web><machineKey configSource=\"other.config\" /></system.web>\n\
             </configuration>",
        ),
    );
    let at = |name: &str| folder.path().join("inetpub/twin").join(name);
    put(
        &at("secrets/db.config"),
        "<connectionStrings>\n<add name=\"ward\" connectionString=\"Password=s3cr3t-value-1\" />\n\
         </connectionStrings>",
    );
    put(
        &folder.path().join("inetpub/keys.config"),
        "<appSettings><add key=\"Token\" value=\"s3cr3t-value-2\" /></appSettings>",
    );
    put(
        &at("rules.config"),
        "<rules><rule name=\"r\"><action type=\"Rewrite\" url=\"http://192.0.2.1/\" /></rule></rules>",
    );
    put(&at("other.config"), "<appSettings />");
    std::os::unix::fs::symlink("/etc/passwd", at("linked.config")).unwrap();
    let facts = collect(folder.path()).unwrap();
    assert_eq!(facts.files.len(), 3, "{:?}", facts.files);
    let keys = said("iis-static-key", &facts);
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert!(keys[0].starts_with("fail ward ") && keys[0].contains("db.config:2:1"), "{keys:?}");
    assert!(!format!("{facts:?}").contains("s3cr3t"));
    assert!(said("iis-upstream-plain", &facts)[0].starts_with("fail "));
    let unread = said("iis-files", &facts);
    let ends = ["outside of the folder, which is not followed", "link on the way", "should hold"];
    for end in ends {
        assert!(unread.iter().any(|line| line.ends_with(end)), "{end}: {unread:?}");
    }
    assert_eq!(unread.len(), 3, "{unread:?}");
    // What an edit would touch may lie in a file that it does not know.
    assert!(facts.repairs.steps.is_empty());

    // A section that no edit touches leaves all edits, and none of them touches it.
    let text = "<configuration><appSettings file=\"user.config\" /><system.webServer>\
                <directoryBrowse enabled=\"true\" /></system.webServer></configuration>";
    let folder = fixture(None, Some(text));
    put(
        &folder.path().join("inetpub/twin/user.config"),
        "<appSettings><add key=\"ApiKey\" value=\"s3cr3t-value-3\" /></appSettings>",
    );
    let facts = collect(folder.path()).unwrap();
    assert!(said("iis-static-key", &facts)[0].contains("user.config:1:"));
    assert!(facts.repairs.steps.iter().any(|step| step.rule == "iis-listing"));
    assert!(facts.repairs.steps.iter().all(|step| step.path.ends_with("web.config")));
}

#[test]
fn what_goes_to_other_machines_goes_by_tls() {
    let rule = "iis-upstream-plain";
    let to = |url: &str, farm: &str| {
        format!(
            "<configuration>{farm}<system.webServer><rewrite><rules><rule name=\"twins\"><match url=\"(.*)\" />\
             <action type=\"Rewrite\" url=\"{url}\" /></rule></rules></rewrite></system.webServer></configuration>"
        )
    };
    let farm = "<webFarms><webFarm name=\"twins\"><server address=\"127.0.0.1\" /><server address=\"192.0.2.7\" />\
                </webFarm></webFarms>";
    for (url, farm, wanted) in [
        ("http://192.0.2.1:8080/{R:1}", "", &["fail …`192.0.2.1` without TLS"][..]),
        ("https://192.0.2.1/{R:1}", "", &["pass …"]),
        // What stands before the host is told to nobody, and is no host.
        ("http://localhost:8080@192.0.2.1/{R:1}", "", &["fail …`192.0.2.1` without TLS"]),
        ("http://localhost:8080/{R:1}", "", &["pass …"]),
        ("http://[::1]:8080/{R:1}", "", &["pass …"]),
        ("http://{HTTP_HOST}/{R:1}", "", &["not-checked …a variable says where requests go"]),
        ("http://twins/{R:1}", farm, &["pass …", "fail …`192.0.2.7` without TLS"]),
        ("/elsewhere/{R:1}", "", &[]),
    ] {
        check(rule, None, Some(&to(url, farm)), wanted);
    }
}

/// Every rule that fails is in the plan or left to people; after the plan all of the former pass.
#[test]
fn what_is_planned_is_applied_helps_and_is_taken_back() {
    let bad = "<!-- ä comment -->\n    <directoryBrowse enabled=\"true\" />\n    <httpErrors errorMode=\"Detailed\" />\n    \
         <httpLogging dontLog=\"true\" />\n    <httpProtocol>\n      <customHeaders>\n        \
         <clear />\n        <add name=\"X-Powered-By\" value=\"ASP.NET\" />\n      </customHeaders>\n    </httpProtocol>";
    let own = web(&headers(
        "<add name=\"X-Frame-Options\" value=\"ALLOWALL\" /><add name=\"X-Powered-By\" value=\"twin\" />",
    ));
    let part = "<location path=\"Twin/files\"><system.webServer><directoryBrowse enabled=\"true\" /></system.webServer></location>\n";
    let folder = fixture(Some(&server(bad, HTTPS, part)), Some(&own));
    put(
        &folder.path().join("inetpub/twin/api/web.config"),
        &web(&headers("<clear />")).replace('\n', "\r\n"),
    );
    let paths: Vec<PathBuf> =
        ["config/applicationHost.config", "inetpub/twin/web.config", "inetpub/twin/api/web.config"]
            .map(|name| folder.path().join(name))
            .to_vec();
    let texts = || paths.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<Vec<_>>();
    let file = || FactFile::new(0, vec![collect(folder.path()).unwrap().into()]);
    let failing = || {
        let report = judge(&file(), None, &Baseline::default());
        let failed = report.findings.iter().filter(|it| matches!(it.outcome, Outcome::Fail { .. }));
        failed.map(|it| it.rule.clone()).collect::<BTreeSet<String>>()
    };
    let before = (failing(), texts());
    for rule in REPAIRED {
        assert!(before.0.contains(rule.id), "{} is not in {:?}", rule.id, before.0);
    }
    let by_hand: BTreeSet<String> =
        ["iis-anonymous", "iis-rate-limit", "iis-server-header"].map(str::to_owned).into();

    let whole = plan(&file(), Severity::Informational);
    let planned: BTreeSet<String> = whole.steps.iter().map(|step| step.rule.clone()).collect();
    assert_eq!(planned.union(&by_hand).cloned().collect::<BTreeSet<_>>(), before.0);
    let journal = folder.path().join("journal");
    apply(&whole, &journal).unwrap();
    assert_eq!(failing(), by_hand);
    for text in texts() {
        // IIS answers nothing at all where a level adds a name twice.
        for name in ["X-Frame-Options", "X-Content-Type-Options", "Strict-Transport-Security"] {
            assert!(text.matches(&format!("<add name=\"{name}\"")).count() <= 1, "{text}");
        }
        assert_eq!(
            text.contains("\r\n"),
            text.matches('\n').count() == text.matches("\r\n").count()
        );
    }
    rollback(&journal).unwrap();
    assert_eq!((failing(), texts()), before);

    // A plan for what is bad alone is the start of the whole plan.
    let medium = plan(&file(), Severity::Medium);
    assert!(medium.steps.len() < whole.steps.len());
    let journal = folder.path().join("journal-medium");
    apply(&medium, &journal).unwrap();
    assert!(failing().is_disjoint(&medium.steps.iter().map(|step| step.rule.clone()).collect()));
    // A file that somebody changed since is left as it is.
    let mut changed = fs::OpenOptions::new().append(true).open(&paths[0]).unwrap();
    changed.write_all(b"<!-- later -->\n").unwrap();
    assert!(rollback(&journal).is_err());
}

/// A text that is no configuration after an edit is taken back at once.
#[test]
fn a_rewrite_that_breaks_the_file_is_refused() {
    let folder = fixture(Some(&server("<directoryBrowse enabled=\"true\" />", HTTPS, "")), None);
    let facts = FactFile::new(0, vec![collect(folder.path()).unwrap().into()]);
    let mut broken = plan(&facts, Severity::Informational);
    broken.steps.truncate(1);
    if let crate::fix::Change::Rewrite { to, .. } = &mut broken.steps[0].change {
        to.push_str("<open>");
    }
    let before = fs::read_to_string(folder.path().join("config/applicationHost.config")).unwrap();
    let refused = apply(&broken, &folder.path().join("journal")).unwrap_err();
    assert_eq!(refused.code(), "fix-refused", "{refused}");
    assert_eq!(
        fs::read_to_string(folder.path().join("config/applicationHost.config")).unwrap(),
        before
    );
}

/// What one file may ask for is bounded: in places, in what holds there, and in length.
#[test]
fn a_configuration_that_would_fill_the_memory_is_refused() {
    let refused = |inside: &str| {
        let text = format!("<configuration>{inside}</configuration>");
        let folder = fixture(None, Some(&text));
        collect(folder.path()).unwrap_err().to_string()
    };
    let places = |count: usize| -> String {
        (0..count).map(|n| format!("<location path=\"p{n}\"/>")).collect()
    };
    let long = headers(&format!("<add name=\"X-A\" value=\"{}\" />", "b".repeat(1 << 20)));
    let long = format!("<system.webServer>{long}</system.webServer>{}", places(1_000));
    let deep = format!("<location path=\"{}\" />", "a/".repeat(1 << 20));
    for inside in [places(2_001), long, deep] {
        let said = refused(&inside);
        assert!(said.contains("scan a part of the folder"), "{said}");
    }
}
