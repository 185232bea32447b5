//! Syslog: RFC 5424 over UDP (RFC 5426), TCP (RFC 6587, counted octets), and TLS (RFC 5425).
//!
//! Syslog has no word for "received". Over TCP and TLS the side that sends ends first, and the
//! message counts as delivered if the other side ends in order, or still reads after a while; a
//! connection that breaks does not count. Over UDP nobody knows.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use url::Url;

use super::AlertError;
use crate::{ClientCertificate, client_config};

/// Where a syslog server is: `udp://`, `tcp://`, or `tls://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogPlace {
    /// How it is reached.
    pub transport: SyslogTransport,
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// How a syslog server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// One datagram a message; whether it arrives is not known.
    Udp,
    /// A stream, in the clear.
    Tcp,
    /// A stream within TLS.
    Tls,
}

impl SyslogPlace {
    /// Reads an address.
    pub fn parse(text: &str) -> Result<Self, AlertError> {
        let wrong = || AlertError::Address {
            address: text.to_owned(),
            expected: "`udp://`, `tcp://`, or `tls://HOST[:PORT]`",
        };
        let url = Url::parse(text).map_err(|_| wrong())?;
        let (transport, usual) = match url.scheme() {
            "udp" => (SyslogTransport::Udp, 514),
            "tcp" => (SyslogTransport::Tcp, 601),
            "tls" => (SyslogTransport::Tls, 6514),
            _ => return Err(wrong()),
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host_str().filter(|host| bare && !host.is_empty()).ok_or_else(wrong)?;
        Ok(Self {
            transport,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(usual),
        })
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        Ok((self.host.as_str(), self.port).to_socket_addrs()?.collect())
    }
}

/// What is told.
#[derive(Clone, Copy, Debug)]
pub struct SyslogMessage<'a> {
    /// 0 (the system is unusable) to 7 (debugging).
    pub severity: u8,
    /// When it was noticed, in microseconds since 1970.
    pub time_us: i64,
    /// The host that tells.
    pub host: &'a str,
    /// The kind of message.
    pub kind: &'a str,
    /// Facts by name.
    pub data: &'a [(&'a str, &'a str)],
    /// One line.
    pub text: &'a str,
}

impl SyslogMessage<'_> {
    /// Writes the message (RFC 5424, 6).
    fn render(&self) -> Vec<u8> {
        let priority = FACILITY * 8 + u16::from(self.severity.min(7));
        let time = jiff::Timestamp::from_microsecond(self.time_us).unwrap_or_default();
        let mut text = format!(
            "<{priority}>1 {time:.6} {} twinkeep - {} [{DATA_ID}",
            field(self.host, 255),
            field(self.kind, 32)
        );
        for (name, value) in self.data {
            text.push_str(&format!(" {}=\"{}\"", name_of(name), escaped(value)));
        }
        text.push_str("] ");
        let line = self.text.chars().map(|c| if c.is_control() { '?' } else { c });
        let mut length = text.len();
        // A datagram stays below what networks carry in one piece.
        text.extend(line.take_while(|c| {
            length += c.len_utf8();
            length <= MESSAGE_LEN_MAX
        }));
        text.into_bytes()
    }
}

/// A syslog server.
#[derive(Debug)]
pub struct Syslog {
    place: SyslogPlace,
    tls: Option<Arc<ClientConfig>>,
}

impl Syslog {
    /// Takes a server; nothing is asked yet.
    pub fn new(
        place: SyslogPlace,
        ca: Option<&Path>,
        client: Option<&ClientCertificate>,
    ) -> Result<Self, AlertError> {
        let tls = match place.transport {
            SyslogTransport::Tls => Some(Arc::new(
                client_config(ca, client)
                    .map_err(|source| AlertError::Tls { host: place.host.clone(), source })?,
            )),
            SyslogTransport::Udp | SyslogTransport::Tcp => None,
        };
        Ok(Self { place, tls })
    }

    /// Sends a message.
    pub fn deliver(&self, message: &SyslogMessage<'_>) -> Result<(), AlertError> {
        let bytes = message.render();
        let sent = match (self.place.transport, &self.tls) {
            (SyslogTransport::Udp, _) => self.datagram(&bytes),
            (_, None) => self.connect().and_then(|stream| by_tcp(stream, &bytes)),
            (_, Some(tls)) => self.connect().and_then(|stream| self.by_tls(tls, stream, &bytes)),
        };
        sent.map_err(|error| AlertError::unreachable(&self.place.host, error))
    }

    fn datagram(&self, bytes: &[u8]) -> io::Result<()> {
        let mut last = ErrorKind::NotFound.into();
        for address in self.place.addresses()? {
            let any = if address.is_ipv6() { "[::]:0" } else { "0.0.0.0:0" };
            match UdpSocket::bind(any).and_then(|socket| socket.send_to(bytes, address)) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect(&self) -> io::Result<TcpStream> {
        let mut last = ErrorKind::NotFound.into();
        for address in self.place.addresses()? {
            match TcpStream::connect_timeout(&address, TIMEOUT) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(TIMEOUT))?;
                    stream.set_write_timeout(Some(TIMEOUT))?;
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn by_tls(&self, tls: &Arc<ClientConfig>, stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
        let name = ServerName::try_from(self.place.host.clone()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(&counted(bytes))?;
        stream.conn.send_close_notify();
        stream.flush()?;
        stream.sock.shutdown(Shutdown::Write)?;
        ends_in_order(&mut stream.sock)
    }
}

fn by_tcp(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&counted(bytes))?;
    stream.shutdown(Shutdown::Write)?;
    ends_in_order(&mut stream)
}

/// RFC 6587, 3.4.1: the length goes first.
fn counted(bytes: &[u8]) -> Vec<u8> {
    [format!("{} ", bytes.len()).as_bytes(), bytes].concat()
}

/// Waits until the other side has read everything and ends, or for a while.
fn ends_in_order(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(LINGER))?;
    let mut rest = [0; 512];
    // A server that talks without end gets no more of our time than this.
    for _ in 0..READ_COUNT_MAX {
        match stream.read(&mut rest) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One word of the header: printable, without spaces, `-` if there is none.
fn field(text: &str, length_max: usize) -> String {
    let word: String = text.chars().filter(char::is_ascii_graphic).take(length_max).collect();
    if word.is_empty() { "-".to_owned() } else { word }
}

fn name_of(text: &str) -> String {
    let fine = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    field(&text.chars().filter(fine).collect::<String>(), 32)
}

/// RFC 5424, 6.3.3: what would end a value is escaped.
fn escaped(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    for c in text.chars().take(VALUE_LEN_MAX) {
        match c {
            '"' | '\\' | ']' => value.extend(['\\', c]),
            c if c.is_control() => value.push('?'),
            c => value.push(c),
        }
    }
    value
}

/// "Log audit".
const FACILITY: u16 = 13;

/// Names of facts that are registered nowhere have a number of an enterprise behind them; this one
/// is set aside for examples (RFC 5612), for the project has none.
const DATA_ID: &str = "alert@32473";

/// For a connection, and for each step.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other side may take to end.
const LINGER: Duration = Duration::from_secs(2);

const READ_COUNT_MAX: usize = 16;

const VALUE_LEN_MAX: usize = 200;

/// RFC 5424, 6.1: every receiver takes 480, and should take 2,048; a datagram of Ethernet has 1,472.
const MESSAGE_LEN_MAX: usize = 1400;

#[cfg(test)]
mod tests {
    use super::{SyslogMessage, SyslogPlace, SyslogTransport};

    #[test]
    fn a_message_is_written_as_rfc_5424_says_whatever_is_in_it() {
        let message = SyslogMessage {
            severity: 2,
            time_us: 1_614_265_330_123_456,
            host: "keep host\n.example",
            kind: "incident",
            data: &[("incident", "i-1"), ("what=\"]", "a\"b\\c]d\ne")],
            text: "first\nsecond",
        };
        assert_eq!(
            String::from_utf8(message.render()).unwrap(),
            "<106>1 2021-02-25T15:02:10.123456Z keephost.example twinkeep - incident \
             [alert@32473 incident=\"i-1\" what=\"a\\\"b\\\\c\\]d?e\"] first?second"
        );
        let long = "é".repeat(5000);
        let message = SyslogMessage { text: &long, ..message };
        assert!(message.render().len() <= 1400);
    }

    #[test]
    fn a_place_is_a_host_and_a_port() {
        let place = SyslogPlace::parse("tls://[2001:db8::1]").unwrap();
        let expected = SyslogPlace {
            transport: SyslogTransport::Tls,
            host: "2001:db8::1".to_owned(),
            port: 6514,
        };
        assert_eq!(place, expected);
        assert_eq!(SyslogPlace::parse("udp://log.example:1514").unwrap().port, 1514);
        for wrong in
            ["", "log.example", "http://h", "tcp://a:b@h", "tcp://h/path", "tcp://h?x", "tcp://"]
        {
            assert!(SyslogPlace::parse(wrong).is_err(), "{wrong}");
        }
    }
}
