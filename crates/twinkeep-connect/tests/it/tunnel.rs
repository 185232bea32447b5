//! Through a bastion, with the system's `ssh` and a real `sshd`.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use twinkeep_connect::{
    Database, DatabaseError, DatabaseRequest, DatabaseUrl, Query, Security, SshTarget, Tunnel,
    TunnelRequest,
};
use twinkeep_vault::SecretBytes;

use crate::peers::{Authority, PASSWORD, Postgres, Sshd, free_port};

struct Site {
    server: Postgres,
    bastion: Sshd,
    dir: tempfile::TempDir,
}

/// How to go through the bastion.
struct Way<'a> {
    through: String,
    known_hosts: PathBuf,
    identity: PathBuf,
    to_port: u16,
    to_host: &'a str,
}

impl Site {
    fn start(config: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new(30);
        authority.write(&dir.path().join("ca.pem"));
        let bastion = Sshd::start(config)?;
        Some(Self { server: Postgres::start(&authority)?, bastion, dir })
    }

    fn way(&self) -> Way<'static> {
        Way {
            through: self.bastion.target(),
            known_hosts: self.bastion.file("known"),
            identity: self.bastion.file("client"),
            to_port: self.server.port,
            to_host: "localhost",
        }
    }

    fn open(&self, way: &Way<'_>, plain: bool) -> Result<Database, DatabaseError> {
        let ca = self.dir.path().join("ca.pem");
        let security = if plain {
            Security::DangerPlaintext
        } else {
            Security::Verified { ca: Some(&ca), client: None }
        };
        self.open_with(way, security)
    }

    fn open_with(&self, way: &Way<'_>, security: Security<'_>) -> Result<Database, DatabaseError> {
        let text = format!("postgres://twin@{}:{}/ward", way.to_host, way.to_port);
        let url = DatabaseUrl::parse(&text).unwrap();
        let through = SshTarget::parse(&way.through).unwrap();
        let tunnel = Tunnel::open(&TunnelRequest {
            through: &through,
            to_host: way.to_host,
            to_port: way.to_port,
            known_hosts: Some(&way.known_hosts),
            identity: Some(&way.identity),
        })
        .unwrap();
        let password = SecretBytes::new(PASSWORD.as_bytes().to_vec());
        let password = Some(&password);
        Database::open(DatabaseRequest { url: &url, password, security, tunnel: Some(tunnel) })
    }
}

#[test]
fn a_database_behind_a_bastion_is_read_and_the_tunnel_is_gone_after_it() {
    let Some(site) = Site::start("") else { return };
    for plain in [false, true] {
        let mut database = site.open(&site.way(), plain).unwrap();
        let mut rows = String::new();
        let series = Query::new("SELECT n FROM generate_series(1, 100000) AS n").unwrap();
        database.copy(&series, None).unwrap().read_to_string(&mut rows).unwrap();
        assert_eq!(rows.lines().count(), 100_001);
        assert_eq!(tunnels(&site).len(), 1);
        database.finish().unwrap();
        assert_gone(&site);
    }
    // The tunnel changes nothing of whom TLS trusts.
    let way = Way { to_host: "127.0.0.1", ..site.way() };
    assert_eq!(site.open(&way, false).unwrap_err().code(), "tls-host-name");
    let other = site.dir.path().join("other.pem");
    Authority::new(0).write(&other);
    let security = Security::Verified { ca: Some(&other), client: None };
    assert_eq!(site.open_with(&site.way(), security).unwrap_err().code(), "tls-untrusted");
    assert_gone(&site);
}

#[test]
fn each_way_to_fail_has_its_name() {
    let Some(site) = Site::start("") else { return };
    let refused = |way: &Way<'_>| site.open(way, false).unwrap_err().code();
    let way = Way { known_hosts: site.bastion.forged_known_hosts(), ..site.way() };
    let changed = site.open(&way, false).unwrap_err();
    assert_eq!(changed.code(), "tunnel-host-key");
    assert!(changed.hint().unwrap().contains("in between"), "{changed:?}");
    let empty = site.dir.path().join("empty");
    fs::File::create(&empty).unwrap();
    let unknown = site.open(&Way { known_hosts: empty, ..site.way() }, false).unwrap_err();
    assert_eq!(unknown.code(), "tunnel-host-key");
    assert!(unknown.hint().unwrap().contains("--ssh-known-hosts"), "{unknown:?}");

    let way = Way { identity: site.bastion.file("stranger"), ..site.way() };
    assert_eq!(refused(&way), "tunnel-login");
    assert_eq!(refused(&Way { to_port: free_port(), ..site.way() }), "tunnel-forward");
    let through = format!("twin@127.0.0.1:{}", free_port());
    let known_hosts = site.bastion.file("known");
    assert_eq!(refused(&Way { through, known_hosts, ..site.way() }), "tunnel-unreachable");
    assert_gone(&site);
}

#[test]
fn a_bastion_may_forbid_to_go_on() {
    let Some(site) = Site::start("AllowTcpForwarding no") else { return };
    let error = site.open(&site.way(), false).unwrap_err();
    assert_eq!(error.code(), "tunnel-forward");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.ends_with("it does not permit that"), "{cause}");
}

#[test]
fn a_tunnel_that_breaks_is_never_taken_for_the_end() {
    let Some(site) = Site::start("") else { return };
    let mut database = site.open(&site.way(), false).unwrap();
    let endless = Query::new("SELECT generate_series(1, 2000000000) AS n").unwrap();
    let mut rows = database.copy(&endless, None).unwrap();
    rows.read_exact(&mut vec![0; 1 << 16]).unwrap();
    let ssh = tunnels(&site);
    let status = std::process::Command::new("kill").args(["-KILL", &ssh[0].to_string()]).status();
    assert!(status.unwrap().success());
    assert!(std::io::copy(&mut rows, &mut std::io::sink()).is_err());
    drop(rows);
    assert_eq!(database.finish().unwrap_err().code(), "database-cut");
}

/// Asserts that nothing is left of a tunnel through this bastion. One that was told to end may need
/// a moment.
#[track_caller]
fn assert_gone(site: &Site) {
    let begun = Instant::now();
    while !tunnels(site).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(120), "a tunnel was left");
        thread::sleep(Duration::from_millis(20));
    }
}

/// The clients that go through this bastion: those of other tests are none of them.
fn tunnels(site: &Site) -> Vec<u32> {
    let identity = site.bastion.file("client");
    let bastion = identity.parent().unwrap().to_str().unwrap();
    let tasks = fs::read_dir(Path::new("/proc/self/task")).unwrap();
    let mut found = Vec::new();
    for task in tasks.flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for pid in text.split_whitespace() {
            let of = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&of("cmdline")).into_owned();
            if of("comm") == b"ssh\n" && arguments.contains(bastion) {
                found.push(pid.parse().unwrap());
            }
        }
    }
    found
}
