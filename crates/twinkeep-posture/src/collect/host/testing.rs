//! Real disks and programs for tests: file systems in files, and `cryptsetup`.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

/// Runs `cryptsetup` with a password on its standard input; nothing where it is not installed.
/// `.ci/peers.sh` unpacks it.
pub(crate) fn cryptsetup(arguments: &[&str]) -> Option<()> {
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/cryptsetup");
    let unpacked = peer.join("sbin/cryptsetup");
    let libraries = ["usr/lib", "lib"].iter().flat_map(|part| fs::read_dir(peer.join(part)).ok());
    let libraries: Vec<PathBuf> = libraries.flatten().flatten().map(|it| it.path()).collect();
    let program = if unpacked.exists() { unpacked } else { PathBuf::from("cryptsetup") };
    let started = Command::new(program)
        .args(arguments)
        .env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        skipped("cryptsetup is not installed (.ci/peers.sh)");
        return None;
    };
    child.stdin.take().unwrap().write_all(b"a password").unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    Some(())
}

/// Says that a test was skipped.
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
pub(crate) fn skipped(why: &str) {
    println!("skipped: {why}");
}

pub(crate) fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A file system in a file, mounted; with a folder in it that the file system encrypts.
pub(crate) struct Disk {
    folder: tempfile::TempDir,
}

impl Disk {
    /// Makes one; nothing where that is not permitted, or not possible.
    pub(crate) fn mount() -> Option<Disk> {
        if !is_root() {
            skipped("only root may mount a disk");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("disk").tempdir_in("/tmp").unwrap();
        let image = folder.path().join("image");
        fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        let at = folder.path().join("at");
        fs::create_dir(&at).unwrap();
        let run = |program: &str, arguments: &[&str], last: &Path| {
            let mut command = Command::new(program);
            command.args(arguments).arg(last).stderr(Stdio::null()).status()
        };
        let made = run("mkfs.ext4", &["-q", "-O", "encrypt"], &image);
        let mounted = run("mount", &["-o", "loop", image.to_str().unwrap()], &at);
        if ![made, mounted].into_iter().all(|ran| ran.is_ok_and(|status| status.success())) {
            skipped("a file system in a file cannot be mounted here");
            return None;
        }
        let disk = Disk { folder };
        // A server that runs as another user has to come by.
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
        open(disk.folder.path()).unwrap();
        for name in ["clear", "secret"] {
            fs::create_dir(disk.path().join(name)).unwrap();
            open(&disk.path().join(name)).unwrap();
        }
        if run("python3", &["-c", ENCRYPT], &disk.path().join("secret")).unwrap().success() {
            return Some(disk);
        }
        skipped("this kernel does not encrypt folders of a file system");
        None
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("at")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// Gives the file system a random key, and has it encrypt an empty folder with that: what
/// `fscrypt` does, by the calls of the kernel.
const ENCRYPT: &str = "\
import fcntl, os, struct, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
key = bytearray(struct.pack('=II32sII8I', 2, 0, b'', 64, 0, *[0] * 8) + os.urandom(64))
fcntl.ioctl(folder, 0xC0506617, key)
fcntl.ioctl(folder, 0x800C6613, struct.pack('=BBBBB3s16s', 2, 1, 4, 0, 0, b'', bytes(key[8:24])))
";

/// A running `auditd` with a log of its own, and auditing switched on; both are gone when dropped.
pub(crate) struct Auditd {
    folder: tempfile::TempDir,
    child: Child,
}

impl Auditd {
    /// Starts one; nothing where nobody may, or another one runs.
    pub(crate) fn start() -> Option<Auditd> {
        if !is_root() || !audit_program("auditd").exists() {
            skipped("`auditd` is not unpacked (.ci/peers.sh), or only root may run it");
            return None;
        }
        let status = auditctl(&["-s"])?;
        if !status.lines().any(|line| line == "pid 0") || !status.contains("enabled 0\n") {
            skipped("auditing is on already, for somebody else");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plugins")).unwrap();
        let at = folder.path().display();
        let config = format!("log_file = {at}/audit.log\nplugin_dir = {at}/plugins\n{AUDITD}");
        let mut file = fs::File::create(folder.path().join("auditd.conf")).unwrap();
        file.write_all(config.as_bytes()).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600)).unwrap();
        let child = audit_command("auditd")
            .args(["-n", "-s", "enable", "-c"])
            .arg(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let auditd = Auditd { folder, child };
        let taker = format!("pid {}\n", auditd.child.id());
        for _ in 0..START_TRIES {
            let status = auditctl(&["-s"])?;
            if status.contains(&taker) && status.contains("enabled 1\n") && auditd.log().exists() {
                return Some(auditd);
            }
            thread::sleep(Duration::from_millis(50));
        }
        skipped("`auditd` does not start here");
        None
    }

    /// Its log.
    pub(crate) fn log(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }
}

impl Drop for Auditd {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        auditctl(&["-e", "0"]);
    }
}

fn audit_program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/auditd/sbin").join(name)
}

/// A program of `auditd`, unpacked by `.ci/peers.sh`.
fn audit_command(name: &str) -> Command {
    let program = audit_program(name);
    let mut command = Command::new(&program);
    command.env("LD_LIBRARY_PATH", program.with_file_name("../lib/x86_64-linux-gnu"));
    command.stdin(Stdio::null());
    command
}

/// What `auditctl` says; nothing if it refuses.
pub(crate) fn auditctl(arguments: &[&str]) -> Option<String> {
    let output = audit_command("auditctl").args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

const AUDITD: &str = "log_format = RAW\nlog_group = root\nlocal_events = yes\nwrite_logs = yes\n\
    flush = NONE\nfreq = 0\nnum_logs = 0\nmax_log_file = 8\nmax_log_file_action = IGNORE\n\
    space_left = 1\nspace_left_action = IGNORE\nadmin_space_left = 0\n\
    admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\ndisk_error_action = IGNORE\n\
    name_format = NONE\n";

/// Two minutes.
const START_TRIES: usize = 2_400;
