//! Mail over SMTP: TLS before anything is said, AUTH PLAIN within it, one message at a time.
//!
//! The message is composed here and not by a library: it is text in ASCII under eight headers, and
//! what comes from elsewhere is cleaned before it goes into any of them, so that no header can be
//! put in and no line can end the message.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use lettre::address::{Address, Envelope};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{SmtpTransport, Transport as _};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use twinkeep_vault::SecretBytes;

use super::{AlertError, FinalWord};
use crate::TlsError;
use crate::tls::{certificates, system_certificates};

/// A mail server, and who writes to whom.
#[derive(Debug)]
pub struct MailRequest<'a> {
    /// Its name, as its certificate has it.
    pub host: &'a str,
    /// Its port.
    pub port: u16,
    /// How TLS begins.
    pub security: MailSecurity,
    /// The authorities to trust; without it, those of the system.
    pub ca: Option<&'a Path>,
    /// What logs in, if it must.
    pub login: Option<MailLogin>,
    /// Who writes.
    pub from: &'a str,
    /// To whom.
    pub to: &'a [String],
}

/// How TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// By STARTTLS, without which nothing is said (RFC 3207).
    StartTls,
    /// With the connection (RFC 8314).
    Implicit,
    /// Not at all: for a server on this machine only. Nobody logs in like that.
    DangerPlaintext,
}

/// What logs in to a mail server.
pub struct MailLogin {
    /// The name.
    pub user: String,
    /// The password.
    pub password: SecretBytes,
}

impl std::fmt::Debug for MailLogin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MailLogin(hidden)")
    }
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct MailMessage<'a> {
    /// Stays the same however often it is tried.
    pub id: &'a str,
    /// When it was written, in seconds since 1970.
    pub time_seconds: i64,
    /// One line.
    pub subject: &'a str,
    /// Lines.
    pub text: &'a str,
}

/// A mail server that takes messages for somebody.
#[derive(Debug)]
pub struct Mail {
    transport: SmtpTransport,
    envelope: Envelope,
    host: String,
}

impl Mail {
    /// Takes a server; nothing is asked yet.
    pub fn new(request: MailRequest<'_>) -> Result<Self, AlertError> {
        let MailRequest { host, port, security, ca, login, from, to } = request;
        if security == MailSecurity::DangerPlaintext && !is_this_machine(host) {
            let expected = "`localhost` or an address of loopback, where nothing is encrypted";
            return Err(AlertError::Address { address: host.to_owned(), expected });
        }
        let from = address(from)?;
        let to = to.iter().map(|to| address(to)).collect::<Result<Vec<_>, _>>()?;
        let hello = ClientId::Domain(from.domain().to_owned());
        let envelope = Envelope::new(Some(from), to).map_err(|_| AlertError::Address {
            address: String::new(),
            expected: "at least one mail address",
        })?;
        let tls = match security {
            MailSecurity::StartTls => Tls::Required(parameters(host, ca)?),
            MailSecurity::Implicit => Tls::Wrapper(parameters(host, ca)?),
            MailSecurity::DangerPlaintext => Tls::None,
        };
        let mut builder = SmtpTransport::builder_dangerous(host)
            .port(port)
            .tls(tls)
            .hello_name(hello)
            .timeout(Some(TIMEOUT));
        // A password in the clear would be everybody's.
        let login = login.filter(|_| security != MailSecurity::DangerPlaintext);
        if let Some(MailLogin { user, password }) = login {
            let password = String::from_utf8_lossy(password.expose()).into_owned();
            builder = builder
                .credentials(Credentials::new(user, password))
                .authentication(vec![Mechanism::Plain]);
        }
        Ok(Self { transport: builder.build(), envelope, host: host.to_owned() })
    }

    /// Sends a message; the server has it when this returns.
    pub fn deliver(&self, message: &MailMessage<'_>) -> Result<(), AlertError> {
        let text = compose(&self.envelope, message);
        let sent = self.transport.send_raw(&self.envelope, text.as_bytes());
        sent.map(drop).map_err(|error| match error.status() {
            Some(code) => AlertError::Refused {
                host: self.host.clone(),
                status: u16::from(code),
                // The mailbox or the message: a login that is refused may be mended.
                final_word: match u16::from(code) {
                    550..=559 => FinalWord::Never,
                    _ => FinalWord::AskAgain,
                },
            },
            None => AlertError::unreachable(&self.host, error),
        })
    }
}

/// Returns whether a host is this machine, by its name or its address.
pub fn is_this_machine(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Returns whether mail can go there.
pub fn is_mail_address(text: &str) -> bool {
    text.is_ascii() && address(text).is_ok()
}

fn address(text: &str) -> Result<Address, AlertError> {
    text.parse().map_err(|_| AlertError::Address {
        address: "address".to_owned(),
        expected: "a mail address, such as `oncall@hospital.example`",
    })
}

fn parameters(host: &str, ca: Option<&Path>) -> Result<TlsParameters, AlertError> {
    let failed = |source| AlertError::Tls { host: host.to_owned(), source };
    let trusted = match ca {
        Some(path) => certificates(path).map_err(failed)?,
        None => usable(system_certificates()),
    };
    if trusted.is_empty() {
        return Err(failed(TlsError::NoRoots));
    }
    let refuse = |error| AlertError::unreachable(host, error);
    let mut builder =
        TlsParameters::builder(host.to_owned()).certificate_store(CertificateStore::None);
    for certificate in trusted {
        let certificate = Certificate::from_der(certificate.as_ref().to_vec()).map_err(refuse)?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build_rustls().map_err(refuse)
}

/// A certificate of the system that cannot be read is one authority less to trust.
fn usable(found: Vec<CertificateDer<'static>>) -> Vec<CertificateDer<'static>> {
    let reads = |it: &CertificateDer<'static>| RootCertStore::empty().add(it.clone()).is_ok();
    found.into_iter().filter(reads).collect()
}

/// Writes the message (RFC 5322).
fn compose(envelope: &Envelope, message: &MailMessage<'_>) -> String {
    let from = envelope.from().map(ToString::to_string).unwrap_or_default();
    let domain = envelope.from().map(Address::domain).unwrap_or("localhost");
    let to: Vec<String> = envelope.to().iter().map(ToString::to_string).collect();
    let mut text = String::new();
    let headers = [
        ("From", from.clone()),
        ("To", to.join(",\r\n ")),
        ("Subject", line(message.subject, SUBJECT_LEN_MAX)),
        ("Date", date(message.time_seconds)),
        ("Message-ID", format!("<{}@{domain}>", line(message.id, ID_LEN_MAX))),
        // So that nobody answers by a machine (RFC 3834).
        ("Auto-Submitted", "auto-generated".to_owned()),
        ("MIME-Version", "1.0".to_owned()),
        ("Content-Type", "text/plain; charset=us-ascii".to_owned()),
    ];
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text.push_str("\r\n");
    for each in message.text.lines() {
        text.push_str(&line(each, LINE_LEN_MAX));
        text.push_str("\r\n");
    }
    text
}

/// Makes one line of printable ASCII: nothing in it ends a header or a message.
fn line(text: &str, length_max: usize) -> String {
    let plain = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(length_max).map(plain).collect()
}

fn date(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A step of the conversation; a server that looks for spam takes some seconds.
const TIMEOUT: Duration = Duration::from_secs(20);

const SUBJECT_LEN_MAX: usize = 200;

const ID_LEN_MAX: usize = 100;

/// RFC 5322, 2.1.1: at most 998.
const LINE_LEN_MAX: usize = 900;

#[cfg(test)]
mod tests {
    use super::{Envelope, MailMessage, address, compose, is_mail_address};

    #[test]
    fn nothing_that_is_told_becomes_a_header_or_ends_the_message() {
        let to = vec![address("a@b.example").unwrap()];
        let envelope = Envelope::new(Some(address("keep@h.example").unwrap()), to).unwrap();
        let message = MailMessage {
            id: "msg_1\r\nBcc: all@h.example",
            time_seconds: 1_614_265_330,
            subject: "incident\r\nBcc: mallory@evil.example\r\n\r\n<script>\u{2028}é",
            text: "first\r\n.\r\nQUIT\rinjected\u{85}line",
        };
        let text = compose(&envelope, &message);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert_eq!(head.lines().count(), 8, "{head}");
        assert!(!head.to_lowercase().contains("\nbcc"), "{head}");
        assert!(head.contains("Date: Thu, 25 Feb 2021 15:02:10 +0000\r\n"), "{head}");
        assert_eq!(body, "first\r\n.\r\nQUIT?injected?line\r\n");
        assert!(text.is_ascii() && !text.replace("\r\n", "").contains(['\r', '\n']));
    }

    #[test]
    fn an_address_is_one_address() {
        assert!(is_mail_address("on-call@hospital.example"));
        for wrong in
            ["", "a", "a@b@c", "a@b\r\nDATA", "a@b.example, c@d.example", "a <b@c.example>"]
        {
            assert!(!is_mail_address(wrong), "{wrong}");
        }
    }
}
