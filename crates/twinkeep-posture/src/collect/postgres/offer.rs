//! Asks a server of PostgreSQL on this machine whether it takes TLS, as a client of the network
//! does before it says anything else.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::facts::Known;

/// Whether the server with these settings, which is on this machine, takes TLS where it listens.
pub(super) fn offered(settings: &BTreeMap<String, String>) -> Known<bool> {
    let unknown = |why: &str| Known::Unknown(why.to_owned());
    let (Some(listens), Some(port)) = (settings.get("listen_addresses"), settings.get("port"))
    else {
        return unknown("the role may not see where the server listens");
    };
    let Ok(port) = port.parse() else { return unknown("its port is no number") };
    let mut last = unknown("the server listens at no address that could be asked");
    for address in addresses(listens) {
        match offers_tls(address, port) {
            Ok(offers) => return Known::Seen(offers),
            Err(why) => last = Known::Unknown(why),
        }
    }
    last
}

/// The addresses that a server listens at, as far as they say themselves where that is.
fn addresses(listens: &str) -> Vec<IpAddr> {
    let (v4, v6) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST));
    let mut found = Vec::new();
    for word in listens.split(',').map(|word| word.trim().trim_matches('"')) {
        match word {
            "*" | "localhost" => found.extend([v4, v6]),
            "0.0.0.0" => found.push(v4),
            "::" => found.push(v6),
            _ => found.extend(word.parse::<IpAddr>()),
        }
    }
    found
}

/// Asks a server of this machine whether it takes TLS at its port; over a socket of this machine
/// it never does.
pub(crate) fn offers_tls(address: IpAddr, port: u16) -> Result<bool, String> {
    let unknown = |error: io::Error| {
        format!("nobody can see whether it takes TLS at port {port} of this machine ({error})")
    };
    let address = SocketAddr::new(address, port);
    let ask = || -> io::Result<u8> {
        let mut stream = TcpStream::connect_timeout(&address, ANSWER_TIME_MAX)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        stream.write_all(&TLS_REQUEST)?;
        let mut answer = [0];
        stream.read_exact(&mut answer)?;
        Ok(answer[0])
    };
    match ask().map_err(unknown)? {
        b'S' => Ok(true),
        b'N' => Ok(false),
        _ => {
            Err(format!("what is at port {port} of this machine does not answer as a server does"))
        }
    }
}

/// What a client of PostgreSQL sends first: eight bytes, and the code 1234 5679.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A server of this machine answers at once.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::{addresses, offered};
    use crate::facts::Known;

    #[test]
    fn addresses_are_those_that_say_where_they_are() {
        let texts = |listens| -> Vec<String> {
            addresses(listens).iter().map(ToString::to_string).collect()
        };
        assert_eq!(texts("*"), ["127.0.0.1", "::1"]);
        assert_eq!(texts("10.0.0.5, ::"), ["10.0.0.5", "::1"]);
        assert_eq!(texts("db.example, "), [""; 0]);
    }

    /// Another program at the port, or none, is no server without TLS.
    #[test]
    fn what_does_not_answer_as_a_server_says_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let other = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.read_exact(&mut [0; 8]).unwrap();
            stream.write_all(b"HTTP/1.1 400").unwrap();
        });
        let of = |port: &str| {
            let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            offered(&[("listen_addresses", "127.0.0.1"), ("port", port)].map(pair).into())
        };
        assert!(matches!(of(&port.to_string()), Known::Unknown(_)));
        other.join().unwrap();
        assert!(matches!(of(&port.to_string()), Known::Unknown(_)), "it is gone");
        assert!(matches!(of("70000"), Known::Unknown(_)));
        assert!(matches!(offered(&[].into()), Known::Unknown(_)));
    }
}
