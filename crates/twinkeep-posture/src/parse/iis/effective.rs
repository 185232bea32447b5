//! What holds at each place where an IIS answers: settings and headers with all that they inherit.
//!
//! An attribute is taken from the nearest level that has it. Collections are merged from the
//! outermost level inwards, where `clear` takes away all that was there and `remove` one of it.

use std::collections::BTreeMap;

use crate::facts::iis::{Binding, Header, Iis, Said, Scope};

use super::Element;
use super::secrets;
use super::tree::{Chain, Document, chains, sites};
use crate::secret::{of_name, redacted};

pub use super::tree::Document as Source;

/// A setting: its name in facts, the elements down to it, and its attribute.
type Setting = (&'static str, &'static [&'static str], &'static str);

/// Folders are listed.
pub const LISTING: &str = "listing";
/// Whoever shows no proof is let in.
pub const ANONYMOUS: &str = "anonymous";
/// What TLS has to be there: `Ssl`, `SslRequireCert`.
pub const ACCESS: &str = "access";
/// `Server` is not sent.
pub const NO_SERVER: &str = "no-server-header";
/// The most bytes of a request.
pub const CONTENT_LENGTH: &str = "content-length";
/// What is escaped twice is let in.
pub const DOUBLE_ESCAPING: &str = "double-escaping";
/// Addresses that ask too much at once are denied.
pub const CONCURRENT: &str = "concurrent-requests";
/// Addresses that ask too often are denied.
pub const RATE: &str = "request-rate";
/// Nobody is denied: it is only written down.
pub const LIMITS_DRY: &str = "limits-log-only";
/// Access is not logged.
pub const NO_LOG: &str = "no-log";
/// ASP.NET compiles for debugging.
pub const DEBUG: &str = "debug";
/// Errors of IIS are shown in detail.
pub const ERRORS: &str = "errors";
/// Errors of ASP.NET are shown in detail.
pub const ASP_ERRORS: &str = "asp-errors";
/// Requests are sent elsewhere.
pub const REDIRECT: &str = "redirect";
/// Where they are sent.
pub const REDIRECT_TO: &str = "redirect-to";

const WEB: &str = "system.webServer";
const SECURITY: &str = "security";

/// The settings that rules ask about.
const SETTINGS: &[Setting] = &[
    (LISTING, &[WEB, "directoryBrowse"], "enabled"),
    (ANONYMOUS, &[WEB, SECURITY, "authentication", "anonymousAuthentication"], "enabled"),
    (ACCESS, &[WEB, SECURITY, "access"], "sslFlags"),
    (NO_SERVER, &[WEB, SECURITY, "requestFiltering"], "removeServerHeader"),
    (
        CONTENT_LENGTH,
        &[WEB, SECURITY, "requestFiltering", "requestLimits"],
        "maxAllowedContentLength",
    ),
    (DOUBLE_ESCAPING, &[WEB, SECURITY, "requestFiltering"], "allowDoubleEscaping"),
    (CONCURRENT, &[WEB, SECURITY, "dynamicIpSecurity", "denyByConcurrentRequests"], "enabled"),
    (RATE, &[WEB, SECURITY, "dynamicIpSecurity", "denyByRequestRate"], "enabled"),
    (LIMITS_DRY, &[WEB, SECURITY, "dynamicIpSecurity"], "enableLoggingOnlyMode"),
    (NO_LOG, &[WEB, "httpLogging"], "dontLog"),
    (DEBUG, &["system.web", "compilation"], "debug"),
    (ERRORS, &[WEB, "httpErrors"], "errorMode"),
    (ASP_ERRORS, &["system.web", "customErrors"], "mode"),
    (REDIRECT, &[WEB, "httpRedirect"], "enabled"),
    (REDIRECT_TO, &[WEB, "httpRedirect"], "destination"),
];

/// The elements down to the headers that are added to answers.
pub const HEADERS: &[&str] = &[WEB, "httpProtocol", "customHeaders"];

/// There are more places, or more headers hold at them, than are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are more locations, or headers at them, than are read; scan a part of the folder")]
pub struct TooMany;

/// Where the innermost level of a scope is: the number of its document, and the byte where its
/// element starts.
pub type Innermost = (usize, usize);

/// Works out what holds where, and which element each scope is written in.
pub fn facts(root: &str, documents: &[Document]) -> Result<(Iis, Vec<Innermost>), TooMany> {
    let mut servers = documents.iter().filter(|it| it.is_server());
    let server = servers.next().filter(|_| servers.next().is_none());
    let mut iis = Iis {
        root: root.to_owned(),
        files: documents.iter().map(|it| it.path.clone()).collect(),
        server: server.map(|it| it.path.clone()),
        ..Iis::default()
    };
    let chains = chains(documents).ok_or(TooMany)?;
    let mut innermost = Vec::new();
    let mut left = FACTS_MAX;
    for chain in &chains {
        let complete = chain
            .levels
            .first()
            .and_then(|level| documents.get(level.document))
            .is_some_and(Document::is_server);
        let one = scope(chain, complete);
        let texts = one.headers.iter().map(|it| it.value.len()).chain([one.name.len()]);
        let said = one.settings.values().map(|it| it.value.len());
        let long: usize = texts.chain(said).map(|length| length / 64).sum();
        let headers = one.headers.len() + one.rewritten.len() + one.removed.len();
        let holds = 1 + headers + one.settings.len() + long;
        left = left.checked_sub(holds).ok_or(TooMany)?;
        let last = chain.levels.last();
        innermost.push(last.map_or((usize::MAX, 0), |it| (it.document, it.element.start)));
        iis.scopes.push(one);
        if let Some(site) = chain.site.filter(|_| chain.name.starts_with("site ")) {
            iis.bindings.extend(bindings(site, chain, documents));
        }
    }
    for document in documents {
        secrets::collect(document, &mut iis);
    }
    Ok((iis, innermost))
}

fn scope(chain: &Chain<'_>, complete: bool) -> Scope {
    let collected = chain.collection(HEADERS, "name");
    let header = |(name, (level, item)): (&String, &(super::tree::Level<'_>, &Element))| Header {
        name: name.clone(),
        value: of_name(name, item.attribute("value").unwrap_or_default()).into_owned(),
        at: item.place(level.path),
    };
    let said = |(name, path, attribute): &Setting| {
        let (value, at) = chain.attribute(path, attribute)?;
        Some(((*name).to_owned(), Said { value: redacted(value).into_owned(), at }))
    };
    let mut headers: Vec<Header> = collected.items.iter().map(header).collect();
    headers.extend(site_hsts(chain));
    let rewritten = rewritten(chain, &headers);
    Scope {
        name: chain.name.clone(),
        at: chain.levels.last().map(|level| level.element.place(level.path)),
        complete,
        tls: chain.site.map(|site| {
            site.at_path(&["bindings", "binding"])
                .iter()
                .any(|it| it.attribute("protocol") == Some("https"))
        }),
        headers,
        rewritten,
        removed: collected.removed,
        cleared: collected.cleared,
        settings: SETTINGS.iter().filter_map(said).collect(),
    }
}

/// What outbound rules make of these headers. Conditions only say of which answers, and whatever
/// protects has to protect all of them.
fn rewritten(chain: &Chain<'_>, headers: &[Header]) -> Vec<Header> {
    let added: BTreeMap<&str, &str> =
        headers.iter().map(|it| (it.name.as_str(), it.value.as_str())).collect();
    let rules = chain.collection(&[WEB, "rewrite", "outboundRules"], "name");
    let found = rules.items.values().filter_map(|(level, rule)| {
        let matches = rule.all("match").next()?;
        let variable = matches.attribute("serverVariable")?.to_ascii_lowercase();
        // The URL Rewrite module writes a variable with `_` for each `-` of the header, or as it is.
        let name = variable.strip_prefix("response_")?.replace('_', "-");
        let action = rule.all("action").find(|it| it.attribute("type") == Some("Rewrite"))?;
        let to = action.attribute("value").unwrap_or_default();
        let acts = rule.attribute("enabled") != Some("false")
            && to != "{R:0}"
            && added.get(name.as_str()).is_some_and(|value| may_match(matches, value));
        let value = of_name(&name, to).into_owned();
        acts.then(|| Header { name, value, at: rule.place(level.path) })
    });
    found.collect()
}

/// Whether what a rule looks for may be in a value: plain words are compared, all else may be.
fn may_match(matches: &Element, value: &str) -> bool {
    let pattern = matches.attribute("pattern").unwrap_or_default().to_ascii_lowercase();
    let plain = pattern.trim_start_matches('^').trim_end_matches('$');
    let is_plain =
        plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" -_=;".contains(&byte));
    let negated = matches.attribute("negate") == Some("true");
    negated || !is_plain || value.to_ascii_lowercase().contains(plain)
}

/// Since Windows Server 2019 a site has a setting of its own for `Strict-Transport-Security`.
fn site_hsts(chain: &Chain<'_>) -> Option<Header> {
    let element = chain.site?.all("hsts").next()?;
    let path = chain.levels.first()?.path;
    (element.attribute("enabled") == Some("true")).then(|| Header {
        name: "strict-transport-security".to_owned(),
        value: format!("max-age={}", element.attribute("max-age").unwrap_or("0")),
        at: element.place(path),
    })
}

fn bindings(site: &Element, chain: &Chain<'_>, documents: &[Document]) -> Vec<Binding> {
    let server = documents.iter().find(|it| sites(it).iter().any(|it| std::ptr::eq(*it, site)));
    let path = server.map_or("", |it| it.path.as_str());
    let to_https = refuses_plain(chain) || sends_to_https(site, chain);
    let found = site.at_path(&["bindings", "binding"]).into_iter();
    let web = found.filter(|it| matches!(it.attribute("protocol"), Some("http" | "https")));
    web.map(|it| {
        let address = it.attribute("bindingInformation").unwrap_or_default();
        Binding {
            site: chain.name.clone(),
            at: it.place(path),
            address: address.to_owned(),
            tls: it.attribute("protocol") == Some("https"),
            local: local(address),
            flags: it.attribute("sslFlags").and_then(number).unwrap_or(0),
            to_https,
        }
    })
    .collect()
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Whether an address of a binding, `address:port:name`, is this machine.
fn local(information: &str) -> bool {
    // A name is what somebody asks for who comes; only the address keeps others away.
    let address = match information.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => information.split(':').next().unwrap_or_default(),
    };
    address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `<access sslFlags="Ssl" />`
fn refuses_plain(chain: &Chain<'_>) -> bool {
    let said = chain.attribute(&[WEB, SECURITY, "access"], "sslFlags");
    said.is_some_and(|(flags, _)| flags.split(',').any(|flag| flag.trim() == "Ssl"))
}

/// Whether all that comes without TLS is only sent to `https`.
fn sends_to_https(site: &Element, chain: &Chain<'_>) -> bool {
    let to_https = |to: &str| to.to_ascii_lowercase().starts_with("https://");
    let says = |name: &str| chain.attribute(&[WEB, "httpRedirect"], name).map(|(value, _)| value);
    let by_redirect = says("enabled") == Some("true") && says("destination").is_some_and(to_https);
    let by_hsts = site.all("hsts").any(|it| {
        it.attribute("enabled") == Some("true")
            && it.attribute("redirectHttpToHttps") == Some("true")
    });
    let rules = chain.collection(&[WEB, "rewrite", "rules"], "name");
    let by_rule = rules.items.values().any(|(_, rule)| {
        let action = rule.all("action").next();
        let conditions = rule.at_path(&["conditions", "add"]);
        let everything = rule.all("match").any(|it| {
            matches!(it.attribute("url"), Some("(.*)" | ".*" | "^(.*)$" | "^.*$" | "*"))
        });
        let plain = |it: &&Element| {
            it.attribute("input").is_some_and(|input| input.eq_ignore_ascii_case("{HTTPS}"))
        };
        rule.attribute("enabled") != Some("false")
            && everything
            // A further condition lets something pass.
            && conditions.iter().all(plain)
            && action.is_some_and(|it| {
                it.attribute("type") == Some("Redirect") && it.attribute("url").is_some_and(to_https)
            })
    });
    by_redirect || by_hsts || by_rule
}

/// Some hundred places with some ten headers each are a large server.
const FACTS_MAX: usize = 200_000;
