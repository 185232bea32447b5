//! A running PostgreSQL for tests, asked through `psql`; gone when dropped.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Returns a port of loopback on which nothing listens now, another one each time. It lies below
/// those that the system hands out, so that nobody gets it by chance before it is used.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let begin = std::process::id() % 120 * 100;
        let number = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        let port = 20_000 + number as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running PostgreSQL.
#[derive(Debug)]
pub(crate) struct Server {
    dir: tempfile::TempDir,
    child: Child,
    port: u16,
}

impl Server {
    /// Starts one with these settings and this `pg_hba.conf`. Where it is not installed a test is
    /// skipped and says so, except in CI, where it fails.
    pub(crate) fn start(settings: &[&str], hba: &str) -> Option<Server> {
        Server::start_in(Path::new("/tmp"), settings, hba)
    }

    /// Starts one whose files lie in this folder.
    pub(crate) fn start_in(folder: &Path, settings: &[&str], hba: &str) -> Option<Server> {
        let (initdb, postgres) = (find("initdb")?, find("postgres")?);
        Server::of((&initdb, &postgres), folder, settings, hba)
    }

    /// Starts one whose `pg_hba.conf` may include files: version 16, which `.ci/peers.sh` installs.
    /// Without it a test is skipped and says so.
    pub(crate) fn start_with_includes(hba: &str) -> Option<Server> {
        let programs = with_includes()?;
        let (initdb, postgres) = (programs.join("initdb"), programs.join("postgres"));
        Server::of((&initdb, &postgres), Path::new("/tmp"), &[], hba)
    }

    fn of(
        (initdb, postgres): (&Path, &Path),
        folder: &Path,
        settings: &[&str],
        hba: &str,
    ) -> Option<Server> {
        find("psql")?;
        let dir = tempfile::Builder::new().prefix("pg").tempdir_in(folder).unwrap();
        let data = dir.path().join("data");
        fs::create_dir(&data).unwrap();
        give_away(dir.path(), 0o700);
        give_away(&data, 0o700);
        let made = unprivileged(initdb)
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
        let port = free_port();
        let child = unprivileged(postgres)
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

    /// Its data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Gives it a certificate for `localhost` that it issues itself.
    pub(crate) fn certify(&self) {
        make_certificate(&self.data());
    }

    /// A connection as a role that stays, whoever else may come in later.
    pub(crate) fn session(&self, role: &str) -> Session {
        let mut child = self
            .psql(role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Session { child, stdout }
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
        let mut psql = self.psql(role);
        psql.args(["-v", "ON_ERROR_STOP=1", "-c", text]).stdin(Stdio::null()).output().unwrap()
    }

    fn psql(&self, role: &str) -> Command {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-q", "-A", "-t", "-U", role, "-d", "postgres"])
            .args(["-p", &self.port.to_string(), "-h"])
            .arg(self.dir.path())
            .env("PGCONNECT_TIMEOUT", "5");
        psql
    }
}

/// A connection that stays.
#[derive(Debug)]
pub(crate) struct Session {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Session {
    /// Asks for one text; an error if the server refuses, or is gone.
    pub(crate) fn ask(&mut self, query: &str) -> Result<String, String> {
        let stdin = self.child.stdin.as_mut().unwrap();
        // `ERROR` is what became of the query before.
        writeln!(stdin, "{query};\n\\echo ended :ERROR").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            match self.stdout.read_line(&mut line).unwrap() {
                0 => return Err("the session has ended".to_owned()),
                _ if line == "ended false\n" => return Ok(answer.trim_end().to_owned()),
                _ if line == "ended true\n" => return Err("the server refused".to_owned()),
                _ => answer.push_str(&line),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
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

/// The programs of a version whose `pg_hba.conf` may include files, if whoever runs them can.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn with_includes() -> Option<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/lib");
    let unpacked = fs::read_dir(peers)
        .into_iter()
        .flatten()
        .flatten()
        .map(|python| python.path().join("site-packages/pgserver/pginstall/bin"));
    let system = (16..20).map(|version| format!("/usr/lib/postgresql/{version}/bin").into());
    let runs = |programs: &PathBuf| {
        let mut postgres = unprivileged(&programs.join("postgres"));
        let ran = postgres.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|ran| ran.success())
    };
    let found = unpacked.chain(system).find(runs);
    if found.is_none() {
        println!("skipped: PostgreSQL 16 is not installed (.ci/peers.sh)");
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
