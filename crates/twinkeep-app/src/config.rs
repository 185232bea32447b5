//! `twinkeep.toml`: what an operator can choose, in two steps: [`Config`] is what was typed,
//! [`Settings`] is what holds after checking.
//!
//! No key turns a protection off.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::alert_config::check_alerts;
use crate::budget_config::check_budgets;
use crate::client_ca_config::check_client_cas;
use crate::issuer_config::check_issuers;
use crate::source_attributes::is_attribute;
use crate::upstream_config::check_upstreams;
use crate::{
    AlertConfig, BudgetConfig, ClientCaConfig, ClientCertificateMode, HostConfig, IssuerConfig,
    ProcessingConfig, UpstreamConfig, WatchConfig,
};
use serde::{Deserialize, Serialize};
use twinkeep_connect::{DatabaseUrl, NatsUrl};
use twinkeep_intake::mapping::shipped_names as shipped_mapping_names;

#[cfg(test)]
mod tests;

/// The file as it is typed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How the keep is opened.
    pub keep: KeepConfig,
    /// Reading of feeds.
    pub intake: IntakeConfig,
    /// The network edge.
    pub gate: GateConfig,
    /// Training.
    pub train: TrainSettings,
    /// Model versions.
    pub models: ModelSettings,
    /// Who touches the files, while the gate serves.
    pub watch: WatchConfig,
    /// What the model card says that only the people who run the keep can know.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub card: BTreeMap<String, String>,
    /// Who may be asked about.
    pub consent: ConsentConfig,
    /// What the record of processing activities says that only people can know.
    #[serde(skip_serializing_if = "ProcessingConfig::is_empty")]
    pub processing: ProcessingConfig,
    /// How much one caller may learn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budget: Vec<BudgetConfig>,
    /// Whose access tokens are believed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuer: Vec<IssuerConfig>,
    /// Whose client certificates are believed, besides the keep's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub client_ca: Vec<ClientCaConfig>,
    /// Model servers behind the gate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<UpstreamConfig>,
    /// Who is told when something is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub alert: Vec<AlertConfig>,
    /// What incidents may do on the host.
    pub host: HostConfig,
    /// Databases to read, by the name that `twinkeep ingest source:NAME` gives them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub source: BTreeMap<String, SourceConfig>,
}

/// A database to read. Where it is and what to ask; never a password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceConfig {
    /// Where it is: `postgres://USER@HOST:PORT/DATABASE`.
    pub url: String,
    /// What to ask: one query, or
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// tables, or
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<String>,
    /// the tables of a schema that the mapping knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The column that says what is new.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_column: Option<String>,
    /// How far to reach back behind what was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overlap: Option<String>,
    /// What the columns mean: a shipped mapping or a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    /// Whose record numbers these are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// The authorities to trust; without it, those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// What proves to the server who we are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
    /// The file with the password. A path, never a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The bastion to go through: `[USER@]HOST[:PORT]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
    /// The host keys of the bastion to accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_known_hosts: Option<PathBuf>,
    /// The private key to log in to the bastion with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssh_identity: Option<PathBuf>,
}

impl SourceConfig {
    /// Resolves paths against the keep's folder.
    fn resolve(mut self, keep: &Path) -> Self {
        for path in [
            &mut self.ca,
            &mut self.client_cert,
            &mut self.client_key,
            &mut self.password_file,
            &mut self.ssh_known_hosts,
            &mut self.ssh_identity,
        ] {
            *path = path.take().map(|path| keep.join(path));
        }
        // A mapping is the name of a shipped one, or a file.
        if let Some(mapping) = &mut self.mapping
            && mapping.contains(['/', '.'])
            && !shipped_mapping_names().contains(&mapping.as_str())
        {
            *mapping = keep.join(&*mapping).display().to_string();
        }
        self
    }
}

/// How the keep is opened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeepConfig {
    /// The key file that opens the keep, if it is not a passphrase. A path, never a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// Reading of feeds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct IntakeConfig {
    /// The rule by which every feed is de-identified, whoever sends it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deidentify: Option<Deidentify>,
    /// The folder out of which the server takes sealed feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_folder: Option<PathBuf>,
    /// The message stream out of which the server takes sealed feeds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nats: Option<NatsConfig>,
}

/// A stream of NATS JetStream. Where it is and which files log in; never a password.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NatsConfig {
    /// Where it is: `tls://HOST:PORT`, or `nats://` on this machine.
    pub url: String,
    /// The stream.
    pub stream: String,
    /// The durable consumer; it is made if it is missing.
    pub consumer: String,
    /// Only messages of these subjects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// The authorities to trust; without it, those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The credentials file to log in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PathBuf>,
    /// The name to log in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The file with the password. A path, never a password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// What proves to the server who we are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_cert: Option<PathBuf>,
    /// The key of that certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<PathBuf>,
}

impl NatsConfig {
    /// Returns the port of the address, once that has been checked.
    pub fn port(&self) -> Option<u16> {
        NatsUrl::parse(&self.url).ok().map(|url| url.port())
    }

    /// Checks that it is whole, and resolves paths against the keep's folder.
    fn check(mut self, keep: &Path) -> Result<Self, ConfigError> {
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        if NatsUrl::parse(&self.url).is_err() {
            return refuse("intake.nats.url", "`tls://HOST:PORT`, without a login");
        }
        if self.stream.is_empty() || self.consumer.is_empty() {
            return refuse("intake.nats.stream", "a name, and so must `intake.nats.consumer`");
        }
        if self.user.is_some() != self.password_file.is_some() {
            return refuse("intake.nats.user", "there exactly if `password_file` is");
        }
        if self.user.is_some() && self.credentials.is_some() {
            return refuse("intake.nats.credentials", "absent if `user` is there");
        }
        if self.client_cert.is_some() != self.client_key.is_some() {
            return refuse("intake.nats.client_cert", "there exactly if `client_key` is");
        }
        for path in [
            &mut self.ca,
            &mut self.credentials,
            &mut self.password_file,
            &mut self.client_cert,
            &mut self.client_key,
        ] {
            *path = path.take().map(|path| keep.join(path));
        }
        Ok(self)
    }
}

/// A rule of de-identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deidentify {
    /// HIPAA Safe Harbor, 45 CFR 164.514(b)(2), with shifted dates.
    SafeHarbor,
}

/// The network edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GateConfig {
    /// Address and port to listen on.
    pub listen: String,
    /// Names and addresses that the server certificate is made for.
    pub names: Vec<String>,
    /// Where people reach the gate, for links: `https://HOST[:PORT]`; by default, the first name and
    /// the port that it listens on.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub public_url: String,
    /// Address and port for metrics, in the clear; none, if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub metrics_listen: String,
    /// Address and port for operators with certificates; none, if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub admin_listen: String,
    /// The file in which spans of requests are kept, for a collector.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_file: Option<PathBuf>,
    /// Requests a second that one client may make in the long run.
    pub rate_per_second: u32,
    /// Requests that one client may make at once beyond that, as nginx means `burst`.
    pub rate_burst: u32,
    /// Requests a second that all clients may make together; any number, if 0.
    pub total_rate_per_second: u32,
    /// Requests that all clients may make at once beyond that.
    pub total_rate_burst: u32,
    /// Connections at a time, in total.
    pub connection_count_max: u32,
    /// Connections at a time, from one address.
    pub connection_count_per_address_max: u32,
    /// Longest time, in seconds, in which a request must arrive whole.
    pub request_seconds_max: u32,
    /// Largest request body, in bytes.
    pub body_size_max: u32,
    /// Largest sealed feed that may be pushed, in bytes.
    pub feed_size_max: u64,
    /// Live events that wait in the catalog before they are moved into files.
    pub live_event_count: u32,
    /// Whether who faces the network is a process of its own, without keys.
    pub isolation: Isolation,
    /// Whether clients show a certificate.
    pub client_certificates: ClientCertificateMode,
}

/// Whether the served program is several processes, and what if the kernel cannot confine them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// They are, and are confined as far as the kernel can.
    #[default]
    On,
    /// They are, and are wholly confined, or the gate does not open.
    Required,
    /// One process, confined by nothing, has the keys and faces the network.
    DangerOff,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8443".to_owned(),
            names: vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
            public_url: String::new(),
            metrics_listen: String::new(),
            admin_listen: String::new(),
            trace_file: None,
            rate_per_second: 5,
            rate_burst: 10,
            total_rate_per_second: 0,
            total_rate_burst: 100,
            connection_count_max: 4096,
            connection_count_per_address_max: 256,
            request_seconds_max: 10,
            body_size_max: 1 << 20,
            feed_size_max: 4 << 30,
            live_event_count: 1 << 18,
            isolation: Isolation::On,
            client_certificates: ClientCertificateMode::Off,
        }
    }
}

impl GateConfig {
    /// Checks every value.
    fn check(&self) -> Result<(), ConfigError> {
        let gate = self;
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        if gate.listen.parse::<std::net::SocketAddr>().is_err() {
            return refuse("gate.listen", "an address and a port, such as `127.0.0.1:8443`");
        }
        if gate.names.is_empty() {
            return refuse("gate.names", "at least one name or address");
        }
        let admin = gate.admin_listen.parse::<std::net::SocketAddr>();
        if !gate.admin_listen.is_empty() && (admin.is_err() || gate.admin_listen == gate.listen) {
            return refuse("gate.admin_listen", "an address and a port other than `gate.listen`");
        }
        let metrics = gate.metrics_listen.parse::<std::net::SocketAddr>();
        if !gate.metrics_listen.is_empty() && !metrics.is_ok_and(|address| address.port() != 0) {
            return refuse(
                "gate.metrics_listen",
                "an address and a port, such as `127.0.0.1:9464`",
            );
        }
        let host = gate.public_url.strip_prefix("https://");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]/_".contains(&byte);
        let whole =
            |host: &str| !host.is_empty() && !host.ends_with('/') && host.bytes().all(plain);
        if !gate.public_url.is_empty() && !host.is_some_and(whole) {
            return refuse("gate.public_url", "`https://HOST[:PORT]`, without a slash at its end");
        }
        if !(1..=1_000_000).contains(&gate.rate_per_second) {
            return refuse("gate.rate_per_second", "1 to 1,000,000");
        }
        if 1_000_000 < gate.rate_burst {
            return refuse("gate.rate_burst", "0 to 1,000,000");
        }
        if 1_000_000 < gate.total_rate_per_second || 1_000_000 < gate.total_rate_burst {
            return refuse("gate.total_rate_per_second", "0 to 1,000,000, as `total_rate_burst`");
        }
        if gate.connection_count_max == 0 || gate.connection_count_per_address_max == 0 {
            return refuse("gate.connection_count_max", "at least 1");
        }
        if !(1..=3600).contains(&gate.request_seconds_max) {
            return refuse("gate.request_seconds_max", "1 to 3600");
        }
        if !(1024..=64 << 20).contains(&gate.body_size_max) {
            return refuse("gate.body_size_max", "1 KiB to 64 MiB");
        }
        if !(1 << 20..=1 << 40).contains(&gate.feed_size_max) {
            return refuse("gate.feed_size_max", "1 MiB to 1 TiB");
        }
        if !(1..=500_000).contains(&gate.live_event_count) {
            return refuse("gate.live_event_count", "1 to 500,000");
        }
        Ok(())
    }
}

/// Training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSettings {
    /// Threads; the result does not depend on it.
    pub threads: u32,
    /// Seed of row and column sampling.
    pub seed: u64,
}

/// Model versions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// How often what serves and what stands by is verified while the gate serves, in seconds.
    pub verify_every_seconds: u32,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self { verify_every_seconds: 900 }
    }
}

impl Default for TrainSettings {
    fn default() -> Self {
        Self { threads: 2, seed: 42 }
    }
}

/// Who may be asked about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsentConfig {
    /// Whether a basis must be recorded for somebody before they are asked about.
    pub required: bool,
}

/// What holds after checking.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The key file, resolved against the keep's folder.
    pub key_file: Option<PathBuf>,
    /// Reading of feeds.
    pub intake: IntakeConfig,
    /// The network edge.
    pub gate: GateConfig,
    /// Training.
    pub train: TrainSettings,
    /// Model versions.
    pub models: ModelSettings,
    /// Who touches the files, while the gate serves.
    pub watch: WatchConfig,
    /// What the model card says that only the people who run the keep can know.
    pub card: BTreeMap<String, String>,
    /// Who may be asked about.
    pub consent: ConsentConfig,
    /// What the record of processing activities says that only people can know.
    pub processing: ProcessingConfig,
    /// How much one caller may learn.
    pub budgets: Vec<BudgetConfig>,
    /// Whose access tokens are believed; paths are resolved.
    pub issuers: Vec<IssuerConfig>,
    /// Whose client certificates are believed, besides the keep's own; paths are resolved.
    pub client_cas: Vec<ClientCaConfig>,
    /// Model servers behind the gate; paths are resolved.
    pub upstreams: Vec<UpstreamConfig>,
    /// Who is told when something is wrong; paths are resolved.
    pub alerts: Vec<AlertConfig>,
    /// What incidents may do on the host; paths are resolved.
    pub host: HostConfig,
    /// Databases to read, by name; paths are resolved.
    pub(crate) source: BTreeMap<String, SourceConfig>,
}

impl Settings {
    /// Returns a database to read, by its name.
    pub fn source(&self, name: &str) -> Option<&SourceConfig> {
        self.source.get(name)
    }
}

/// Why the configuration was refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not what `twinkeep.toml` may be.
    #[error("cannot read the configuration: {reason}")]
    Syntax {
        /// What is wrong and on which line, in one line.
        reason: String,
        /// The known key that is nearest to an unknown one.
        nearest: Option<&'static str>,
    },
    /// A value is out of range.
    #[error("`{key}` in the configuration must be {expected}")]
    Value {
        /// Which key.
        key: &'static str,
        /// What it may be.
        expected: &'static str,
    },
}

impl ConfigError {
    /// The permanent name of this error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "config-syntax",
            Self::Value { .. } => "config-value",
        }
    }
}

impl Config {
    /// Reads the text of `twinkeep.toml`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().map(|span| &text[..span.start.min(text.len())]);
            let place = before
                .map(|before| format!("line {}: ", before.matches('\n').count() + 1))
                .unwrap_or_default();
            let message = error.message().lines().next().unwrap_or_default();
            // The parser names a type of ours where people write a table.
            let (said, table) = match message.split_once("expected struct ") {
                Some((said, _)) => (said, "expected a table"),
                None => (message, ""),
            };
            ConfigError::Syntax {
                reason: format!("{place}{said}{table}"),
                nearest: unknown_key(message).and_then(nearest_key),
            }
        })
    }

    /// Writes the text of a new `twinkeep.toml`.
    pub fn to_text(&self) -> String {
        let body = toml::to_string(self).unwrap_or_default();
        format!(
            "# Twinkeep's configuration; every key is explained in docs/reference/config.md.\n{body}"
        )
    }

    /// Checks every value and resolves paths against the keep's folder.
    pub fn check(self, keep: &Path) -> Result<Settings, ConfigError> {
        let Self {
            keep: KeepConfig { key_file },
            intake,
            gate,
            train,
            models,
            watch,
            card,
            consent,
            processing,
            budget,
            issuer,
            client_ca,
            upstream,
            alert,
            host,
            source,
        } = self;
        let refuse = |key, expected| Err(ConfigError::Value { key, expected });
        gate.check()?;
        let trace_file = gate.trace_file.as_ref().map(|path| keep.join(path));
        let gate = GateConfig { trace_file, ..gate };
        if !(1..=256).contains(&train.threads) {
            return refuse("train.threads", "1 to 256");
        }
        if !(1..=86_400).contains(&models.verify_every_seconds) {
            return refuse("models.verify_every_seconds", "1 to 86,400");
        }
        check_card(&card)?;
        processing.check()?;
        if source.values().any(|source| DatabaseUrl::parse(&source.url).is_err()) {
            return refuse(
                "source.url",
                "`postgres://USER@HOST:PORT/DATABASE`, without a password",
            );
        }
        let key_file = key_file.map(|path| keep.join(path));
        let drop_folder = intake.drop_folder.map(|path| keep.join(path));
        let nats = intake.nats.map(|nats| nats.check(keep)).transpose()?;
        let intake = IntakeConfig { drop_folder, nats, ..intake };
        let resolve = |(name, source): (String, SourceConfig)| (name, source.resolve(keep));
        let source = source.into_iter().map(resolve).collect();
        check_budgets(&budget)?;
        let issuers = check_issuers(issuer, keep)?;
        let client_cas = check_client_cas(client_ca, keep)?;
        let upstreams = check_upstreams(upstream, keep)?;
        let alerts = check_alerts(alert, keep)?;
        let host = host.check(keep)?;
        Ok(Settings {
            key_file,
            intake,
            gate,
            train,
            models,
            watch,
            card,
            consent,
            processing,
            budgets: budget,
            issuers,
            client_cas,
            upstreams,
            alerts,
            host,
            source,
        })
    }
}

impl From<Settings> for Config {
    fn from(settings: Settings) -> Self {
        Self {
            keep: KeepConfig { key_file: settings.key_file },
            intake: settings.intake,
            gate: settings.gate,
            train: settings.train,
            models: settings.models,
            watch: settings.watch,
            card: settings.card,
            consent: settings.consent,
            processing: settings.processing,
            budget: settings.budgets,
            issuer: settings.issuers,
            client_ca: settings.client_cas,
            upstream: settings.upstreams,
            alert: settings.alerts,
            host: settings.host,
            source: settings.source,
        }
    }
}

/// Checks what only people can know: attributes of sources, each with a text.
fn check_card(card: &BTreeMap<String, String>) -> Result<(), ConfigError> {
    let told = |(key, text): (&String, &String)| {
        is_attribute(key) && !text.is_empty() && text.len() <= CARD_TEXT_LEN_MAX
    };
    match card.iter().all(told) {
        true => Ok(()),
        false => Err(ConfigError::Value {
            key: "card",
            expected: "source attributes by their keys, as docs/guides/releases.md lists them, \
                       each of 1 to 4,000 bytes",
        }),
    }
}

/// Longest source attribute, in bytes: a page.
const CARD_TEXT_LEN_MAX: usize = 4_000;

/// Takes the key out of the parser's "unknown field `x`, expected ..." message.
fn unknown_key(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

/// Returns the known key that is at most two edits away.
fn nearest_key(typed: &str) -> Option<&'static str> {
    let distance = |known: &&&'static str| edit_distance(typed, known);
    let nearest = KEYS.iter().min_by_key(distance)?;
    (edit_distance(typed, nearest) <= 2).then_some(*nearest)
}

/// Levenshtein's distance, in bytes.
fn edit_distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.bytes().enumerate() {
            let change = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

/// Every key, for "did you mean".
const KEYS: &[&str] = &[
    "keep",
    "key_file",
    "intake",
    "deidentify",
    "drop_folder",
    "nats",
    "stream",
    "consumer",
    "subject",
    "credentials",
    "user",
    "gate",
    "listen",
    "names",
    "public_url",
    "metrics_listen",
    "admin_listen",
    "trace_file",
    "rate_per_second",
    "rate_burst",
    "total_rate_per_second",
    "total_rate_burst",
    "connection_count_max",
    "connection_count_per_address_max",
    "request_seconds_max",
    "body_size_max",
    "feed_size_max",
    "live_event_count",
    "isolation",
    "client_certificates",
    "client_ca",
    "file",
    "crl",
    "grant",
    "san",
    "roles",
    "train",
    "threads",
    "seed",
    "consent",
    "processing",
    "controller",
    "retention",
    "transfers",
    "required",
    "budget",
    "callers",
    "unit",
    "limit",
    "per",
    "exhausted",
    "issuer",
    "jwks_url",
    "jwks_file",
    "algorithms",
    "audience",
    "scope_claim",
    "roles_claim",
    "require_bound",
    "scopes",
    "upstream",
    "path",
    "protocol",
    "pin",
    "roles",
    "login_header",
    "websockets",
    "connect_seconds",
    "answer_seconds",
    "idle_seconds",
    "request_count_max",
    "health_path",
    "health_seconds",
    "unwell_after",
    "well_after",
    "breaker_failures",
    "breaker_seconds",
    "source",
    "url",
    "query",
    "tables",
    "schema",
    "since_column",
    "overlap",
    "mapping",
    "site",
    "ca",
    "client_cert",
    "client_key",
    "password_file",
    "ssh",
    "ssh_known_hosts",
    "ssh_identity",
    "card",
    "models",
    "verify_every_seconds",
    "watch",
    "files",
    "permit",
    "drift_hours",
    "alert",
    "attempts",
    "secret_file",
    "secret_file_before",
    "allow_private",
    "server",
    "tls",
    "from",
    "to",
    "size_max",
    "host",
    "drop_ports",
    "immutable",
    "keep_ports",
    "service",
    "pid_file",
    "start",
];
