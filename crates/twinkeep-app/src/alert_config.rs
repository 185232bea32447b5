//! `[[alert]]` of `twinkeep.toml`: who is told when something is wrong, and by which way.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use twinkeep_connect::alert::{
    AlertError, Reach, SyslogPlace, SyslogTransport, check_webhook_url, is_mail_address,
    is_this_machine,
};
use twinkeep_watch::Severity;

use crate::ConfigError;

/// One way of telling. Where it goes and which files prove who we are; never a secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertConfig {
    /// What the ledger and the command line call it.
    pub name: String,
    /// How it is told.
    pub kind: AlertKind,
    /// How bad something must be to be told.
    #[serde(default = "severity_usual")]
    pub severity: Severity,
    /// How often a message is tried before it is put aside.
    #[serde(default = "attempts_usual")]
    pub attempts: u32,
    /// Where a webhook goes: `https://...`. Its path may be a secret: errors show the host only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The file with the secret that signs webhooks: `whsec_` and Base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
    /// The file with the secret before it, while it is changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file_before: Option<PathBuf>,
    /// Whether a webhook may go to this machine and to networks of its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_private: bool,
    /// Where a mail server is, `HOST[:PORT]`, or a syslog server, `udp://`, `tcp://`, or
    /// `tls://HOST[:PORT]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// How TLS to a mail server begins.
    #[serde(default, skip_serializing_if = "MailTls::is_usual")]
    pub tls: MailTls,
    /// Who writes mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// Who gets mail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// The name to log in to a mail server by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file with the password. A path, never a password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The authorities to trust; without it, those of the system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// What proves to a syslog server who we are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// The file of events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// How large the file of events may become before it is begun anew, in bytes.
    #[serde(default = "size_usual")]
    pub size_max: u64,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertKind {
    /// HTTPS POST of an OCSF finding, signed as Standard Webhooks says.
    Webhook,
    /// Mail over SMTP.
    Email,
    /// A syslog server (RFC 5424).
    Syslog,
    /// A file with one OCSF finding a line.
    OcsfFile,
}

impl AlertKind {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Email => "email",
            Self::Syslog => "syslog",
            Self::OcsfFile => "ocsf-file",
        }
    }
}

/// How TLS to a mail server begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailTls {
    /// By STARTTLS, without which nothing is said.
    #[default]
    Starttls,
    /// With the connection.
    Implicit,
    /// Not at all.
    DangerPlaintext,
}

impl MailTls {
    fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    fn port(self) -> u16 {
        match self {
            Self::Starttls => 587,
            Self::Implicit => 465,
            Self::DangerPlaintext => 25,
        }
    }
}

impl AlertConfig {
    /// Returns the port to which a connection goes, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self.kind {
            AlertKind::Webhook => url_port(self.url.as_deref()?),
            AlertKind::Email => self.mail_place().map(|place| place.1),
            AlertKind::Syslog => self.syslog_place().map(|place| place.port),
            AlertKind::OcsfFile => None,
        }
    }

    /// Returns the files that are read for it.
    pub fn files_read(&self) -> impl Iterator<Item = &PathBuf> {
        [
            &self.secret_file,
            &self.secret_file_before,
            &self.password_file,
            &self.ca,
            &self.client_cert,
            &self.client_key,
        ]
        .into_iter()
        .flatten()
    }

    /// Returns where it goes, as people may see it: of a webhook the host only.
    pub(crate) fn place(&self) -> String {
        match self.kind {
            AlertKind::Webhook => {
                let url = self.url.as_deref().unwrap_or_default();
                let (scheme, rest) = url.split_once("://").unwrap_or_default();
                format!("{scheme}://{}", rest.split(['/', '?', '#']).next().unwrap_or_default())
            }
            AlertKind::Email | AlertKind::Syslog => self.server.clone().unwrap_or_default(),
            AlertKind::OcsfFile => {
                self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default()
            }
        }
    }

    /// Returns the host and the port of the mail server.
    pub(crate) fn mail_place(&self) -> Option<(&str, u16)> {
        let server = self.server.as_deref()?;
        let (host, port) = match server.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
            None => (server, self.tls.port()),
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
        (!host.is_empty() && host.bytes().all(plain)).then_some((host, port))
    }

    /// Returns where the syslog server is.
    pub(crate) fn syslog_place(&self) -> Option<SyslogPlace> {
        SyslogPlace::parse(self.server.as_deref()?).ok()
    }

    /// Checks that it is whole, and resolves paths against the keep's folder.
    fn check(mut self, keep: &Path) -> Result<Self, ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !(1..=NAME_LEN_MAX).contains(&self.name.len()) || !self.name.chars().all(word) {
            return refuse("alert.name", "1 to 32 small letters, digits, and `-`");
        }
        if !(1..=ATTEMPTS_MAX).contains(&self.attempts) {
            return refuse("alert.attempts", "1 to 1,000");
        }
        match self.kind {
            AlertKind::Webhook => self.check_webhook()?,
            AlertKind::Email => self.check_mail()?,
            AlertKind::Syslog => self.check_syslog()?,
            AlertKind::OcsfFile if self.file.is_none() => {
                return refuse("alert.file", "there for the kind `ocsf-file`");
            }
            AlertKind::OcsfFile if !(SIZE_LEAST..=SIZE_MOST).contains(&self.size_max) => {
                return refuse("alert.size_max", "64 KiB to 1 TiB");
            }
            AlertKind::OcsfFile => {}
        }
        for path in [
            &mut self.secret_file,
            &mut self.secret_file_before,
            &mut self.password_file,
            &mut self.ca,
            &mut self.client_cert,
            &mut self.client_key,
            &mut self.file,
        ] {
            *path = path.take().map(|path| keep.join(path));
        }
        Ok(self)
    }

    fn check_webhook(&self) -> Result<(), ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        if self.url.as_deref().and_then(url_port).is_none() {
            let expected = "`https://HOST[:PORT]/...`, without a login, for the kind `webhook`";
            return refuse("alert.url", expected);
        }
        let reach = if self.allow_private { Reach::Anywhere } else { Reach::Public };
        match check_webhook_url(self.url.as_deref().unwrap_or_default(), reach) {
            Ok(_) => {}
            Err(AlertError::Private { .. }) => {
                let expected = "at the public internet, or with `allow_private = true` at this \
                                machine or a network of its own (never 169.254.0.0/16 or fe80::/10)";
                return refuse("alert.url", expected);
            }
            Err(_) => {
                let expected = "`https://...`, or `http://` at this machine";
                return refuse("alert.url", expected);
            }
        }
        if self.secret_file.is_none() {
            return refuse("alert.secret_file", "there for the kind `webhook`");
        }
        Ok(())
    }

    fn check_mail(&self) -> Result<(), ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        if self.mail_place().is_none() {
            return refuse("alert.server", "`HOST[:PORT]` for the kind `email`");
        }
        if !self.from.as_deref().is_some_and(is_mail_address) {
            return refuse("alert.from", "a mail address for the kind `email`");
        }
        let one_or_more = (1..=RECIPIENTS_MAX).contains(&self.to.len());
        if !one_or_more || !self.to.iter().all(|to| is_mail_address(to)) {
            return refuse("alert.to", "1 to 50 mail addresses for the kind `email`");
        }
        if self.user.is_some() != self.password_file.is_some() {
            return refuse("alert.user", "there exactly if `password_file` is");
        }
        let host = self.mail_place().map(|place| place.0).unwrap_or_default();
        if self.tls == MailTls::DangerPlaintext && !is_this_machine(host) {
            return refuse("alert.tls", "`starttls` or `implicit` where the server is elsewhere");
        }
        if self.user.is_some() && self.tls == MailTls::DangerPlaintext {
            return refuse("alert.tls", "`starttls` or `implicit` where somebody logs in");
        }
        Ok(())
    }

    fn check_syslog(&self) -> Result<(), ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        let Some(place) = self.syslog_place() else {
            let expected = "`udp://`, `tcp://`, or `tls://HOST[:PORT]` for the kind `syslog`";
            return refuse("alert.server", expected);
        };
        if self.client_cert.is_some() != self.client_key.is_some() {
            return refuse("alert.client_cert", "there exactly if `client_key` is");
        }
        if self.client_cert.is_some() && place.transport != SyslogTransport::Tls {
            return refuse("alert.client_cert", "absent where the server is not at `tls://`");
        }
        Ok(())
    }
}

/// Checks all of them; no two may have one name.
pub(crate) fn check_alerts(
    alerts: Vec<AlertConfig>,
    keep: &Path,
) -> Result<Vec<AlertConfig>, ConfigError> {
    let mut checked: Vec<AlertConfig> = Vec::with_capacity(alerts.len());
    for alert in alerts {
        let alert = alert.check(keep)?;
        if checked.iter().any(|other| other.name == alert.name) {
            let expected = "another name for each `[[alert]]`";
            return Err(ConfigError::Value { key: "alert.name", expected });
        }
        checked.push(alert);
    }
    Ok(checked)
}

/// Returns the port of an address for HTTP, if it is one.
fn url_port(url: &str) -> Option<u16> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = rest.split(['/', '?', '#']).next().filter(|all| !all.is_empty())?;
    // A login would be shown wherever the host is.
    if authority.contains('@') {
        return None;
    }
    let after_address = authority.rsplit(']').next().unwrap_or_default();
    match after_address.rsplit_once(':') {
        Some((_, port)) => port.parse().ok().filter(|port| *port != 0),
        None => Some(usual),
    }
}

fn severity_usual() -> Severity {
    Severity::Medium
}

/// Some three days at the usual pauses.
fn attempts_usual() -> u32 {
    80
}

fn size_usual() -> u64 {
    64 << 20
}

/// A word in a list.
const NAME_LEN_MAX: usize = 32;

const ATTEMPTS_MAX: u32 = 1000;

/// What mail servers take at once.
const RECIPIENTS_MAX: usize = 50;

/// A few dozen events.
const SIZE_LEAST: u64 = 64 << 10;

const SIZE_MOST: u64 = 1 << 40;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Config;

    fn check(text: &str) -> Result<crate::Settings, String> {
        let config = Config::parse(text).map_err(|error| error.to_string())?;
        config.check(Path::new("/keep")).map_err(|error| error.to_string())
    }

    const HOOK: &str = "[[alert]]\nname = \"pager\"\nkind = \"webhook\"\n\
                        url = \"https://hooks.example:8443/secret\"\nsecret_file = \"hook.secret\"\n";

    #[test]
    fn what_is_whole_is_taken_and_paths_are_of_the_keep() {
        let mail = "[[alert]]\nname = \"mail\"\nkind = \"email\"\nserver = \"smtp.example\"\n\
                    from = \"keep@h.example\"\nto = [\"oncall@h.example\"]\nseverity = \"high\"\n";
        let syslog =
            "[[alert]]\nname = \"siem\"\nkind = \"syslog\"\nserver = \"tls://log.example\"\n";
        let file = "[[alert]]\nname = \"file\"\nkind = \"ocsf-file\"\nfile = \"events.jsonl\"\n";
        let settings = check(&[HOOK, mail, syslog, file].concat()).unwrap();
        let ports: Vec<_> = settings.alerts.iter().map(super::AlertConfig::port).collect();
        assert_eq!(ports, [Some(8443), Some(587), Some(6514), None]);
        assert_eq!(settings.alerts[0].secret_file.as_deref(), Some(Path::new("/keep/hook.secret")));
        assert_eq!(settings.alerts[0].place(), "https://hooks.example:8443");
        let again = Config::parse(&Config::from(settings.clone()).to_text()).unwrap();
        assert_eq!(again.check(Path::new("/keep")).unwrap(), settings);
    }

    #[test]
    fn what_is_half_is_refused_by_name() {
        let mail = "[[alert]]\nname = \"mail\"\nkind = \"email\"\nserver = \"smtp.example\"\n\
                    from = \"keep@h.example\"\n";
        let to = "to = [\"a@b.example\"]\n";
        for (text, key) in [
            (HOOK.replace("secret_file", "ca"), "alert.secret_file"),
            (HOOK.replace("https", "ftp"), "alert.url"),
            (HOOK.replace("hooks.example", "me:pass@hooks.example"), "alert.url"),
            (HOOK.replace("8443", "0"), "alert.url"),
            (HOOK.replace("pager", "Pa ger"), "alert.name"),
            (format!("{HOOK}attempts = 0\n"), "alert.attempts"),
            (format!("{HOOK}{HOOK}"), "alert.name"),
            (mail.to_owned(), "alert.to"),
            (format!("{mail}to = [\"a@b\\r\\nDATA\"]\n"), "alert.to"),
            (format!("{mail}{to}user = \"u\"\n"), "alert.user"),
            (
                format!(
                    "{mail}{to}user = \"u\"\npassword_file = \"p\"\ntls = \"danger-plaintext\"\n"
                ),
                "alert.tls",
            ),
            (format!("{mail}{to}tls = \"danger-plaintext\"\n"), "alert.tls"),
            (HOOK.replace("hooks.example", "169.254.169.254"), "alert.url"),
            (HOOK.replace("hooks.example", "10.0.0.1"), "alert.url"),
            (HOOK.replace("hooks.example", "[fe80::1]"), "alert.url"),
            (
                format!("{}allow_private = true\n", HOOK.replace("hooks.example", "[fe80::1]")),
                "alert.url",
            ),
            (HOOK.replace("https://hooks", "http://hooks"), "alert.url"),
            (format!("{mail}{to}").replace("smtp.example", "smtp.example:0"), "alert.server"),
            (format!("{mail}{to}").replace("email", "syslog"), "alert.server"),
            ("[[alert]]\nname = \"f\"\nkind = \"ocsf-file\"\n".to_owned(), "alert.file"),
        ] {
            let error = check(&text).unwrap_err();
            assert!(error.contains(key), "{key}: {error}");
        }
        assert!(check(&HOOK.replace("webhook", "pigeon")).is_err());
        // To a server on this machine, nothing has to be hidden; to one of our own, if we say so.
        let own = format!("{mail}{to}tls = \"danger-plaintext\"\n");
        check(&own.replace("smtp.example", "127.0.0.1:2525")).unwrap();
        let own = HOOK.replace("hooks.example", "10.0.0.1");
        check(&format!("{own}allow_private = true\n")).unwrap();
    }
}
