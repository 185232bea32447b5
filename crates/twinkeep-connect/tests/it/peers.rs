//! PostgreSQL and sshd for tests: started on a free port of loopback, gone when dropped.
//!
//! Where they are not installed a test is skipped and says so, except in CI, where it fails.
//! The program's own tests use this file too.

#![allow(dead_code, reason = "each test binary uses a part of this file")]

use std::fs::{self, Permissions};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_domain::Timestamp;
use twinkeep_vault::certificate::CertificateAuthority;

/// Returns a program of a peer, or says that the test is skipped; in CI it must be there.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
    places.push("/usr/sbin".into());
    let mut versions: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|dir| dir.flatten().map(|entry| entry.path().join("bin")).collect())
        .unwrap_or_default();
    versions.sort();
    places.extend(versions.into_iter().rev());
    let found = places.into_iter().map(|place| place.join(program)).find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        println!("skipped: {program} is not installed");
    }
    found
}

/// An authority for tests, and what it issues.
pub(crate) struct Authority(CertificateAuthority);

impl Authority {
    /// Makes an authority; `days_ago` says when.
    pub(crate) fn new(days_ago: i64) -> Self {
        Self(CertificateAuthority::create("test authority", days_before_now(days_ago)).unwrap())
    }

    /// Writes the certificate to trust.
    pub(crate) fn write(&self, path: &Path) {
        write(path, self.0.cert_pem(), 0o644);
    }

    /// Issues a certificate for a server: PEM of the certificate and of the key.
    pub(crate) fn issue(&self, name: &str, days_ago: i64) -> (String, String) {
        let issued = self.0.issue_server(&[name.to_owned()], days_before_now(days_ago)).unwrap();
        let key = STANDARD.encode(issued.key.expose());
        let label = "PRIVATE KEY";
        (issued.cert_pem, format!("-----BEGIN {label}-----\n{key}\n-----END {label}-----\n"))
    }
}

/// A running PostgreSQL with the database `ward` and the role `twin`.
pub(crate) struct Postgres {
    dir: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
}

/// What `twin` logs in with.
pub(crate) const PASSWORD: &str = "correct horse: battery\\staple";

impl Postgres {
    /// Starts one with TLS, a certificate for `localhost` by `authority`.
    pub(crate) fn start(authority: &Authority) -> Option<Self> {
        let (initdb, postgres) = (find("initdb")?, find("postgres")?);
        find("psql")?;
        let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        for path in [dir.path(), &data] {
            give_away(path, 0o700);
        }
        let made = unprivileged(&initdb)
            .args(["-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let hba = "local all admin trust\nlocal all all scram-sha-256\n\
                   host all all 127.0.0.1/32 scram-sha-256\nhost all all ::1/128 scram-sha-256\n";
        write(&data.join("pg_hba.conf"), hba, 0o600);
        let port = free_port();
        let child = unprivileged(&postgres)
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(dir.path())
            .args(["-c", "listen_addresses=localhost", "-c", "fsync=off"])
            .args(["-c", "autovacuum=off", "-c", "shared_buffers=16MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { dir, child, port };
        let begun = Instant::now();
        while !server.psql("postgres", "SELECT 1").status.success() {
            assert!(begun.elapsed() < START_TIME_MAX, "PostgreSQL does not start");
            thread::sleep(Duration::from_millis(50));
        }
        server.present(&authority.issue("localhost", 0));
        let password = PASSWORD.replace('\'', "''");
        server.sql("postgres", &format!("CREATE ROLE twin LOGIN PASSWORD '{password}'"));
        server.sql("postgres", "CREATE DATABASE ward OWNER twin");
        Some(server)
    }

    /// Shows another certificate from now on.
    pub(crate) fn present(&self, (certificate, key): &(String, String)) {
        let data = self.dir.path().join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            write(&data.join(name), text, 0o600);
            give_away(&data.join(name), 0o600);
        }
        self.set("ssl", "on");
    }

    /// Changes a setting of the running server; whoever connects after that meets it.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let loaded = || self.sql("postgres", "SELECT pg_conf_load_time()");
        let before = loaded();
        self.sql("postgres", &format!("ALTER SYSTEM SET {name} = '{value}'"));
        self.sql("postgres", "SELECT pg_reload_conf()");
        let begun = Instant::now();
        while loaded() == before {
            assert!(begun.elapsed() < START_TIME_MAX, "PostgreSQL does not load its configuration");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs statements as the administrator, in `database`.
    #[track_caller]
    pub(crate) fn sql(&self, database: &str, text: &str) -> String {
        let ran = self.psql(database, text);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8_lossy(&ran.stdout).trim().to_owned()
    }

    /// The folder of its socket.
    pub(crate) fn socket_dir(&self) -> &Path {
        self.dir.path()
    }

    /// The URL of `ward`, as `twin`, at this host.
    pub(crate) fn url(&self, host: &str) -> String {
        format!("postgres://twin@{host}:{}/ward", self.port)
    }

    fn psql(&self, database: &str, text: &str) -> std::process::Output {
        Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "admin", "-d", database])
            .args(["-p", &self.port.to_string(), "-c", text, "-h"])
            .arg(self.dir.path())
            .env("PGCONNECT_TIMEOUT", "5")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGQUIT: at once, with its own children.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// A running sshd that lets this user in with `client_key`.
pub(crate) struct Sshd {
    dir: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
}

impl Sshd {
    /// Starts one; `extra` is put into its configuration.
    pub(crate) fn start(extra: &str) -> Option<Self> {
        let sshd = find("sshd")?;
        find("ssh")?;
        let dir = tempfile::Builder::new().prefix("sshd").tempdir_in("/tmp").unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for key in ["host", "client", "stranger"] {
            make_key(&dir.path().join(key));
        }
        fs::copy(at("client.pub"), at("authorized")).unwrap();
        // sshd wants its folder for the time before a login.
        if is_root() {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = free_port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\n\
             PidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
             AllowTcpForwarding yes\n{extra}\n",
            at("host"),
            at("authorized"),
        );
        // The first value of a keyword counts.
        let config = if extra.is_empty() { config } else { format!("{extra}\n{config}") };
        write(&dir.path().join("config"), &config, 0o600);
        let child = Command::new(sshd)
            .args(["-D", "-e", "-f", &at("config")])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let host = fs::read_to_string(at("host.pub")).unwrap();
        write(&dir.path().join("known"), &format!("[127.0.0.1]:{port} {host}"), 0o600);
        let server = Self { dir, child, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < START_TIME_MAX, "sshd does not start");
            thread::sleep(Duration::from_millis(20));
        }
        Some(server)
    }

    /// A file of it: `known`, `client`, `stranger`, `host`.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// How it is named as a bastion.
    pub(crate) fn target(&self) -> String {
        let user = Command::new("id").arg("-un").output().unwrap().stdout;
        format!("{}@127.0.0.1:{}", String::from_utf8_lossy(&user).trim(), self.port)
    }

    /// A file of known hosts that names another key for it.
    pub(crate) fn forged_known_hosts(&self) -> PathBuf {
        let other = fs::read_to_string(self.file("stranger.pub")).unwrap();
        let path = self.file("forged");
        write(&path, &format!("[127.0.0.1]:{} {other}", self.port), 0o600);
        path
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a port of loopback on which nothing listens now: another one each time, and none that the
/// kernel gives to whoever asks for any, so that nobody has it before who is told of it listens.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Test programs that run beside each other begin at different ones.
    let first = std::process::id().wrapping_mul(97);
    loop {
        let number = first.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORTS_FIRST + number % PORTS_COUNT).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Linux gives ports from 32768 on by itself.
const PORTS_FIRST: u32 = 20_000;
const PORTS_COUNT: u32 = 12_000;

/// Writes a file of a test.
pub(crate) fn write(path: &Path, text: &str, mode: u32) {
    use std::io::Write as _;
    fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// PostgreSQL refuses to run as root: it gets the user that owns nothing.
fn unprivileged(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
    command.current_dir("/").env("HOME", "/");
    command
}

fn give_away(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    if is_root() {
        chown(path, Some(65534), Some(65534)).unwrap();
    }
}

/// Certificates are checked against the system's time, so tests of them start from it too.
fn days_before_now(days: i64) -> Timestamp {
    let now = fs::metadata("/proc/self").unwrap().mtime();
    Timestamp::from_micros((now - days * 86_400) * 1_000_000)
}

/// Far more than either takes.
const START_TIME_MAX: Duration = Duration::from_secs(120);
