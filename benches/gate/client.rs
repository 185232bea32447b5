//! A client for `make bench-gate` that makes full handshakes, or holds connections that are idle.
//!
//! wrk and h2load do neither with post-quantum key exchange. It speaks TLS by the same library as
//! the gate, which is fair to both servers: only the server's processor time is measured.
//!
//! `client handshakes ADDRESS CA classic|pq SECONDS [CERTIFICATE KEY]` prints how many were made;
//! `client idle ADDRESS CA COUNT` says `ready` and holds them until its standard input ends.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

type Stream = StreamOwned<ClientConnection, TcpStream>;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut out = io::stdout();
    match args[..] {
        ["handshakes", address, ca, group, seconds, ref own @ ..] => {
            let config = config(ca, group, own)?;
            let end = Instant::now() + Duration::from_secs(seconds.parse()?);
            let mut count = 0;
            while Instant::now() < end {
                let mut stream = connect(&config, address)?;
                ask(&mut stream, "close")?;
                count += 1;
            }
            writeln!(out, "{count}")?;
        }
        ["idle", address, ca, count] => {
            let config = config(ca, "classic", &[])?;
            let mut held = Vec::new();
            for _ in 0..count.parse()? {
                let mut stream = connect(&config, address)?;
                ask(&mut stream, "keep-alive")?;
                held.push(stream);
            }
            writeln!(out, "ready")?;
            out.flush()?;
            io::stdin().read_to_end(&mut Vec::new())?;
            let alive = held.iter_mut().filter_map(|stream| ask(stream, "keep-alive").ok()).count();
            writeln!(out, "{alive}")?;
        }
        _ => return Err("handshakes or idle".into()),
    }
    Ok(())
}

fn config(ca: &str, group: &str, own: &[&str]) -> Result<Arc<ClientConfig>, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(ca)? {
        roots.add(certificate?)?;
    }
    let kx_groups = match group {
        "pq" => vec![aws_lc_rs::kx_group::X25519MLKEM768],
        _ => vec![aws_lc_rs::kx_group::X25519],
    };
    let provider = CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() };
    let builder = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots);
    let mut config = match own {
        [certificate, key] => builder.with_client_auth_cert(
            CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?,
            PrivateKeyDer::from_pem_file(key)?,
        )?,
        _ => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn connect(config: &Arc<ClientConfig>, address: &str) -> Result<Stream, Box<dyn Error>> {
    let name = ServerName::try_from("localhost")?;
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(StreamOwned::new(ClientConnection::new(Arc::clone(config), name)?, stream))
}

/// Asks for the least that there is, and reads the answer to its end.
fn ask(stream: &mut Stream, connection: &str) -> io::Result<()> {
    let request =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: {connection}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        answer.extend_from_slice(&piece[..count]);
        let text = String::from_utf8_lossy(&answer);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.trim().parse().ok());
            if !head.starts_with("http/1.1 200") {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if length.is_some_and(|length: usize| length <= body.len()) {
                return Ok(());
            }
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}
