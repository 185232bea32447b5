//! Keys and passwords that stand in the configuration, and the hosts that requests go on to.

use crate::facts::iis::{Iis, StaticKey, Unread, Upstream};

use super::Element;
use super::tree::Document;
use crate::secret::{is_literal, proves_who, redacted};

/// Finds them in a document, wherever they stand in it.
pub(super) fn collect(document: &Document, iis: &mut Iis) {
    let farms: Vec<&Element> = document.root.at_path(&["webFarms", "webFarm"]);
    let mut finder = Finder { path: &document.path, farms, iis };
    finder.element(&document.root, "");
}

struct Finder<'a, 'b> {
    path: &'a str,
    farms: Vec<&'a Element>,
    iis: &'b mut Iis,
}

impl Finder<'_, '_> {
    fn element(&mut self, element: &Element, above: &str) {
        if element.attribute("configSource").is_some() {
            let why =
                "a section lies in another file; what `configSource` names there is not followed";
            self.unread(element, why);
        }
        match (above, element.name.as_str()) {
            // What is encrypted is no key that anybody can read.
            (_, "EncryptedData") => return,
            ("appSettings", "add") => self.app_setting(element),
            ("connectionStrings", "add") => self.connection(element),
            ("rule", "conditions") => self.conditions(element),
            ("rules" | "globalRules", "rule") => self.upstream(element),
            ("serverVariables", "set") => {
                let named = element.attribute("name").unwrap_or_default();
                self.key_if(element, named, element.attribute("value"));
                if named.eq_ignore_ascii_case("QUERY_STRING") {
                    self.query(element, element.attribute("value").unwrap_or_default());
                }
            }
            (_, "action") => self.address(element, "url"),
            (_, "httpRedirect") => self.address(element, "destination"),
            ("customHeaders", "add") => {
                let named = element.attribute("name").unwrap_or_default();
                self.key_if(element, named, element.attribute("value"));
            }
            (_, "machineKey") => self.machine_key(element),
            (_, "processModel" | "virtualDirectory" | "anonymousAuthentication" | "identity") => {
                self.password(element);
            }
            _ => {}
        }
        for child in &element.children {
            self.element(child, &element.name);
        }
    }

    fn unread(&mut self, element: &Element, why: &str) {
        let at = element.place(self.path);
        self.iis.unread.push(Unread { at, why: why.to_owned() });
    }

    fn key(&mut self, element: &Element, name: &str) {
        let at = element.place(self.path);
        self.iis.static_keys.push(StaticKey { name: name.to_owned(), at });
    }

    fn key_if(&mut self, element: &Element, name: &str, value: Option<&str>) {
        if proves_who(name) && value.is_some_and(is_literal) {
            self.key(element, name);
        }
    }

    /// `https://host/path?api_key=…`, where requests are sent.
    fn address(&mut self, element: &Element, attribute: &str) {
        let address = element.attribute(attribute).unwrap_or_default();
        if let Some((_, query)) = address.split_once('?') {
            self.query(element, query);
        }
    }

    fn query(&mut self, element: &Element, query: &str) {
        for (name, value) in query.split(['&', ';', '?']).filter_map(|it| it.split_once('=')) {
            let short = SHORT_NAMES.contains(&name.to_ascii_lowercase().as_str());
            let long = KEY_IN_QUERY_LEN_MIN <= value.len();
            if is_literal(value) && (proves_who(name) || short && long) {
                self.key(element, name);
            }
        }
    }

    fn app_setting(&mut self, element: &Element) {
        let name = element.attribute("key").unwrap_or_default();
        let value = element.attribute("value");
        // An address may have a password before its host.
        let has_login = |value: &str| value.contains("://") && redacted(value) != value;
        if value.is_some_and(|value| value.contains('@') && has_login(value)) {
            self.key(element, name);
        } else {
            self.key_if(element, name, value);
        }
    }

    /// `Password=…` in a connection string.
    fn connection(&mut self, element: &Element) {
        let text = element.attribute("connectionString").unwrap_or_default();
        let secret =
            text.split(';').filter_map(|part| part.split_once('=')).any(|(name, value)| {
                let name = name.trim().to_ascii_lowercase();
                (name == "accountkey" || proves_who(&name)) && is_literal(value.trim())
            });
        if secret {
            self.key(element, element.attribute("name").unwrap_or("connectionString"));
        }
    }

    /// `{HTTP_X_API_KEY}` compared with what stands there.
    fn conditions(&mut self, element: &Element) {
        for condition in element.all("add") {
            let input = condition.attribute("input").unwrap_or_default();
            let variable = input.trim_matches(['{', '}']);
            let of_client = variable.to_ascii_uppercase().starts_with("HTTP_")
                || variable.eq_ignore_ascii_case("QUERY_STRING");
            let pattern = condition.attribute("pattern").unwrap_or_default();
            let plain = pattern.trim_start_matches('^').trim_end_matches('$');
            let is_key = proves_who(variable) && is_literal(plain)
                || variable.eq_ignore_ascii_case("QUERY_STRING")
                    && plain
                        .split_once('=')
                        .is_some_and(|(name, value)| proves_who(name) && is_literal(value));
            if of_client && is_key {
                self.key(condition, variable);
            }
        }
    }

    /// Keys that IIS did not make for itself.
    fn machine_key(&mut self, element: &Element) {
        for name in ["validationKey", "decryptionKey"] {
            let value = element.attribute(name).unwrap_or("AutoGenerate");
            if !value.starts_with("AutoGenerate") {
                self.key(element, name);
            }
        }
    }

    fn password(&mut self, element: &Element) {
        let value = element.attribute("password").unwrap_or_default();
        // IIS itself keeps passwords encrypted.
        if !value.is_empty() && !value.starts_with("[enc:") {
            self.key(element, "password");
        }
    }

    /// Where a rule sends requests on to.
    fn upstream(&mut self, rule: &Element) {
        let rewrites = rule.all("action").find(|it| it.attribute("type") == Some("Rewrite"));
        let Some(action) = rewrites.filter(|_| rule.attribute("enabled") != Some("false")) else {
            return;
        };
        let Some((scheme, rest)) = action.attribute("url").and_then(|url| url.split_once("://"))
        else {
            return;
        };
        let tls = scheme.eq_ignore_ascii_case("https");
        let authority = rest.split(['/', '?']).next().unwrap_or_default();
        // Who asks, and by what password, is no part of the host, and is told to nobody.
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let host = match authority.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or_default(),
            None => authority.split(':').next().unwrap_or_default(),
        };
        let farm = self.farms.iter().find(|it| it.attribute("name") == Some(host)).copied();
        let variable = authority.contains('{') || scheme.contains('{');
        let hosts: Vec<Option<String>> = match farm {
            Some(farm) => {
                let servers =
                    farm.all("server").filter(|it| it.attribute("enabled") != Some("false"));
                servers.map(|it| it.attribute("address").map(str::to_owned)).collect()
            }
            None if variable => vec![None],
            None => vec![Some(host.to_owned())],
        };
        let name = rule.attribute("name").unwrap_or_default();
        for host in hosts {
            let local = host.as_deref().is_some_and(is_local);
            let at = action.place(self.path);
            self.iis.upstreams.push(Upstream { rule: name.to_owned(), at, tls, host, local });
        }
    }
}

fn is_local(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Names of keys in queries that are words of the language, too.
const SHORT_NAMES: &[&str] = &["key", "sig", "signature", "auth", "code"];

/// After such a name, shorter values are words.
const KEY_IN_QUERY_LEN_MIN: usize = 16;
