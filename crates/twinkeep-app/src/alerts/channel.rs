//! One way of telling, opened: secrets are read when it is used, so that changed ones hold at once.

use std::path::Path;

use twinkeep_connect::ClientCertificate;
use twinkeep_connect::alert::{
    AlertError, EventsFile, Mail, MailLogin, MailMessage, MailRequest, MailSecurity, Reach, Syslog,
    SyslogMessage, Webhook, WebhookMessage, WebhookRequest, WebhookSecret,
};
use twinkeep_vault::SecretBytes;
use twinkeep_vault::files::{open_to_others, read_secret_bounded};
use twinkeep_watch::Severity;

use super::ocsf::{Origin, event};
use super::outbox::Stored;
use super::words::{about, detector_name, line, severity_name, stage_name, text};
use crate::alert_config::MailTls;
use crate::{AlertConfig, AlertKind, App, AppError};

/// One way of telling.
pub(super) struct Channel<'a> {
    way: Way,
    keep: &'a str,
    host: &'a str,
}

enum Way {
    Webhook(Webhook),
    Mail(Box<Mail>),
    Syslog(Syslog),
    File(EventsFile),
}

impl<'a> Channel<'a> {
    /// Reads what it takes; nothing is asked yet.
    pub(super) fn open(app: &'a App, config: &AlertConfig) -> Result<Self, AppError> {
        let way = match config.kind {
            AlertKind::Webhook => Way::Webhook(webhook(config)?),
            AlertKind::Email => Way::Mail(Box::new(mail(config)?)),
            AlertKind::Syslog => Way::Syslog(syslog(config)?),
            AlertKind::OcsfFile => {
                let path = config.file.as_deref().unwrap_or(Path::new(""));
                Way::File(EventsFile::new(path, config.size_max))
            }
        };
        let host = app.settings.gate.names.first().map_or("-", String::as_str);
        Ok(Self { way, keep: app.ledger_origin(), host })
    }

    /// Tells it.
    pub(super) fn tell(&self, stored: &Stored, now_us: i64) -> Result<(), AlertError> {
        let Stored { id, alert, queued_us, .. } = stored;
        let origin = Origin { id, keep: self.keep, queued_us: *queued_us };
        let json = || serde_json::to_vec(&event(alert, &origin)).unwrap_or_default();
        match &self.way {
            Way::Webhook(webhook) => webhook.deliver(&WebhookMessage {
                id,
                time_seconds: now_us.div_euclid(1_000_000),
                body: &json(),
            }),
            Way::Mail(mail) => mail.deliver(&MailMessage {
                id,
                time_seconds: queued_us.div_euclid(1_000_000),
                subject: &format!("[twinkeep] {}", line(alert)),
                text: &text(alert, self.keep),
            }),
            Way::Syslog(syslog) => {
                let about = about(&alert.target);
                let incident = alert.incident.as_deref().unwrap_or_default();
                let data = [
                    ("id", id.as_str()),
                    ("incident", incident),
                    ("detector", detector_name(alert.detector)),
                    ("target", &about),
                    ("severity", severity_name(alert.severity)),
                    ("keep", self.keep),
                ];
                syslog.deliver(&SyslogMessage {
                    severity: syslog_severity(alert.severity),
                    time_us: alert.seen_us,
                    host: self.host,
                    kind: stage_name(alert.stage),
                    data: &data,
                    text: &line(alert),
                })
            }
            Way::File(file) => file.deliver(&json()),
        }
    }
}

fn webhook(config: &AlertConfig) -> Result<Webhook, AppError> {
    let files = [&config.secret_file, &config.secret_file_before];
    let secrets = files.into_iter().flatten().map(|path| {
        let text = secret(config, path)?;
        WebhookSecret::parse(&text).map_err(|error| refuse(config, error))
    });
    let request = WebhookRequest {
        url: config.url.as_deref().unwrap_or_default(),
        ca: config.ca.as_deref(),
        secrets: secrets.collect::<Result<_, _>>()?,
        reach: if config.allow_private { Reach::Anywhere } else { Reach::Public },
    };
    Webhook::new(request).map_err(|error| refuse(config, error))
}

fn mail(config: &AlertConfig) -> Result<Mail, AppError> {
    let (host, port) = config.mail_place().unwrap_or_default();
    let login = match (&config.user, &config.password_file) {
        (Some(user), Some(path)) => {
            let password = first_line(&secret(config, path)?);
            Some(MailLogin { user: user.clone(), password })
        }
        _ => None,
    };
    let request = MailRequest {
        host,
        port,
        security: match config.tls {
            MailTls::Starttls => MailSecurity::StartTls,
            MailTls::Implicit => MailSecurity::Implicit,
            MailTls::DangerPlaintext => MailSecurity::DangerPlaintext,
        },
        ca: config.ca.as_deref(),
        login,
        from: config.from.as_deref().unwrap_or_default(),
        to: &config.to,
    };
    Mail::new(request).map_err(|error| refuse(config, error))
}

fn syslog(config: &AlertConfig) -> Result<Syslog, AppError> {
    let place = config.syslog_place().ok_or_else(|| {
        let attempt = format!("the alert `{}` has no syslog server", config.name);
        AppError::usage("alert-address", attempt)
    })?;
    let client = match (&config.client_cert, &config.client_key) {
        (Some(chain), Some(key)) => {
            Some(ClientCertificate { chain: chain.clone(), key: key.clone() })
        }
        _ => None,
    };
    Syslog::new(place, config.ca.as_deref(), client.as_ref()).map_err(|error| refuse(config, error))
}

/// Reads a secret that nobody else may read.
fn secret(config: &AlertConfig, path: &Path) -> Result<SecretBytes, AppError> {
    let attempt = || format!("cannot read the secret of the alert `{}`", config.name);
    let cannot =
        |error: std::io::Error| AppError::environment("alert-secret", attempt()).because(error);
    if open_to_others(path).map_err(cannot)? != 0 {
        return Err(AppError::refused("alert-secret", attempt())
            .hint(format!("run `chmod 600 {}`, and choose a new secret", path.display())));
    }
    read_secret_bounded(path, SECRET_SIZE_MAX).map_err(cannot)
}

fn first_line(text: &SecretBytes) -> SecretBytes {
    let line = text.expose().split(|byte| matches!(byte, b'\r' | b'\n')).next();
    SecretBytes::new(line.unwrap_or_default().to_vec())
}

fn refuse(config: &AlertConfig, error: AlertError) -> AppError {
    let attempt = format!("the alert `{}` cannot be told", config.name);
    AppError::usage(error.code(), attempt).because(error)
}

/// RFC 5424, 6.2.1, from the words of OCSF.
fn syslog_severity(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 1,
        Severity::High => 2,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Informational => 6,
    }
}

/// A password, or 64 bytes in Base64.
const SECRET_SIZE_MAX: u64 = 4096;
