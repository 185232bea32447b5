//! A running PostgreSQL for tests, asked through `psql`; gone when dropped.

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A running PostgreSQL.
pub(crate) struct Server {
    dir: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Server {
    /// Starts one with these settings and this `pg_hba.conf`. Where it is not installed a test is
    /// skipped and says so, except in CI, where it fails.
    pub(crate) fn start(settings: &[&str], hba: &str) -> Option<Server> {
        let (initdb, postgres) = (find("initdb")?, find("postgres")?);
        find("psql")?;
        let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        give_away(dir.path(), 0o700);
        give_away(&data, 0o700);
        let made = unprivileged(&initdb)
            .args(["-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        // The administrator of the test comes by the socket.
        let hba = format!("local all admin trust\n{hba}\n");
        let path = data.join("pg_hba.conf");
        fs::File::create(&path).unwrap().write_all(hba.as_bytes()).unwrap();
        give_away(&path, 0o600);
        if settings.contains(&"ssl=on") {
            make_certificate(&data);
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = unprivileged(&postgres)
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-k"])
            .arg(dir.path())
            .args(["-c", "listen_addresses=localhost", "-c", "fsync=off"])
            .args(["-c", "autovacuum=off", "-c", "shared_buffers=16MB"])
            .args(settings.iter().flat_map(|setting| ["-c", setting]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Server { dir, child, port };
        let begun = Instant::now();
        while !server.run("admin", "SELECT 1").status.success() {
            assert!(begun.elapsed() < START_TIME_MAX, "PostgreSQL does not start");
            thread::sleep(Duration::from_millis(50));
        }
        Some(server)
    }

    /// Runs statements as the administrator.
    #[track_caller]
    pub(crate) fn sql(&self, text: &str) {
        let ran = self.run("admin", text);
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    /// Asks as a role, as a caller of the collector does.
    pub(crate) fn ask(&self, role: &str, query: &str) -> Result<String, String> {
        let ran = self.run(role, query);
        match ran.status.success() {
            true => Ok(String::from_utf8_lossy(&ran.stdout).into_owned()),
            false => Err(String::from_utf8_lossy(&ran.stderr).into_owned()),
        }
    }

    fn run(&self, role: &str, text: &str) -> Output {
        Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", role, "-d", "postgres"])
            .args(["-p", &self.port.to_string(), "-c", text, "-h"])
            .arg(self.dir.path())
            .env("PGCONNECT_TIMEOUT", "5")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGQUIT: at once, with its own children.
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Makes a certificate for `localhost` that it issues itself.
fn make_certificate(data: &Path) {
    let (key, certificate) = (data.join("server.key"), data.join("server.crt"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
        .args(["-subj", "/CN=localhost", "-days", "2", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(made.success());
    give_away(&key, 0o600);
    give_away(&certificate, 0o600);
}

#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places: Vec<PathBuf> = std::env::split_paths(&path).collect();
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

/// Far more than it takes.
const START_TIME_MAX: Duration = Duration::from_secs(120);
