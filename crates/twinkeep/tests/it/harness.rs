//! Runs the program in a folder of its own, with a key file instead of a prompt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Once;

use serde_json::Value;

use crate::template;

/// A folder with a keep in it, gone when the test ends.
pub(crate) struct Place {
    dir: tempfile::TempDir,
}

/// What a run of the program gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// Returns the result, if it was done.
    #[track_caller]
    pub(crate) fn done(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(self.stdout.lines().next().unwrap()).unwrap()
    }

    /// Returns the results, one a line.
    #[track_caller]
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the code of the refusal.
    #[track_caller]
    pub(crate) fn refused(&self) -> String {
        assert_ne!(self.code, 0, "this was not refused: {}", self.stdout);
        let last = self.stderr.lines().last().unwrap();
        let error: Value = serde_json::from_str(last).unwrap_or_else(|_| panic!("{}", self.stderr));
        error["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl Place {
    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A folder with a keep, and a sender that it accepts.
    pub(crate) fn with_keep() -> Self {
        Self::with_keep_of("icu")
    }

    /// The same with fewer targets than the pack has: what trains several times takes long enough.
    pub(crate) fn with_keep_of_few_targets() -> Self {
        let pack = Path::new(env!("CARGO_TARGET_TMPDIR")).join("few-targets.toml");
        PACK.call_once(|| write(&pack, icu_with_targets(&FEW_TARGETS).as_bytes()));
        Self::with_keep_of(pack.to_str().unwrap())
    }

    fn with_keep_of(pack: &str) -> Self {
        let place = Self::empty();
        place.run(&["init", "keep", "--pack", pack, "--key-file", "keep.kek"]).done();
        place.run(&["identity", "new", "hospital", "--key-file", "hospital.kek"]).done();
        place.run(&["sender", "add", "hospital.identity.pub"]).done();
        place
    }

    /// A keep with made-up patients in it, from a sealed feed. Each time it is a copy of the same
    /// keep, in the state of its first day.
    pub(crate) fn with_patients(stays: u32) -> Self {
        template::copy(&format!("patients-{stays}"), || Self::another_with_patients(stays))
    }

    /// The same with few targets.
    pub(crate) fn with_few_targets(stays: u32) -> Self {
        template::copy(&format!("few-targets-{stays}"), || {
            let place = Self::with_keep_of_few_targets();
            place.receive(stays);
            place
        })
    }

    /// A copy of a keep with made-up patients, and a version learned from them, not released.
    pub(crate) fn with_version() -> (Self, String) {
        let place = template::copy("version", || {
            let place = Self::with_patients(240);
            place.run(&["train"]).done();
            place
        });
        let version = place.version("candidate");
        (place, version)
    }

    /// A copy of a keep with made-up patients, and a version in service.
    pub(crate) fn with_model() -> (Self, String) {
        let place = template::copy("model", || {
            let (place, version) = Self::with_version();
            place.run(&["model", "release", &version, "--reason", "test"]).done();
            place
        });
        let version = place.version("in-service");
        (place, version)
    }

    /// Returns the version that is in a state.
    pub(crate) fn version(&self, state: &str) -> String {
        let versions = self.run(&["model", "list"]).lines();
        let found = versions.iter().find(|version| version["state"] == state).unwrap();
        found["version"].as_str().unwrap().to_owned()
    }

    /// A keep of its own, with keys of its own, and made-up patients in it.
    pub(crate) fn another_with_patients(stays: u32) -> Self {
        let place = Self::with_keep();
        place.receive(stays);
        place
    }

    fn receive(&self, stays: u32) {
        self.synth("feed.tar.gz", stays, 12, 42);
        self.seal("feed.tar.gz").done();
        self.run(&["ingest", "feed.tar.gz.sealed"]).done();
    }

    /// Makes up patients.
    pub(crate) fn synth(&self, file: &str, stays: u32, poisoned: u32, seed: u64) -> Value {
        let (stays, poisoned) = (stays.to_string(), poisoned.to_string());
        let seed = seed.to_string();
        self.run(&["synth", file, "--stays", &stays, "--poisoned", &poisoned, "--seed", &seed])
            .done()
    }

    /// Seals a file as the hospital, to the keep.
    pub(crate) fn seal(&self, file: &str) -> Ran {
        self.run(&[
            "seal",
            file,
            "--identity",
            "hospital.identity",
            "--key-file",
            "hospital.kek",
            "--to",
            "keep/public/keep.identity.pub",
        ])
    }

    /// Runs the program, with `--json`.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = self.command(args).arg("--json").output().unwrap();
        ran(&output)
    }

    /// Runs the program as a person at a terminal would see it.
    #[track_caller]
    pub(crate) fn show(&self, args: &[&str]) -> Ran {
        ran(&self.command(args).output().unwrap())
    }

    /// The program, ready to run.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twinkeep"));
        command
            .args(args)
            .current_dir(self.dir.path())
            .env_remove("TWINKEEP_KEEP")
            .env("XDG_STATE_HOME", self.dir.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// All files below a folder, sorted.
    pub(crate) fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.path(below), &mut found);
        found.sort();
        found
    }

    /// Changes one bit of a file.
    pub(crate) fn flip(&self, path: &Path, bit: usize) {
        let mut bytes = fs::read(path).unwrap();
        let length = bytes.len();
        bytes[bit / 8 % length] ^= 1 << (bit % 8);
        write(path, &bytes);
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Copies a folder as an attacker or a backup would.
    pub(crate) fn copy(&self, from: &str, to: &str) {
        let (from, to) = (self.path(from), self.path(to));
        let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(status.success());
    }
}

/// Enough that a training which is cut off after two has most of it before it.
const FEW_TARGETS: [&str; 12] =
    ["HR", "Temp", "Urine", "SysABP", "RespRate", "GCS", "Glucose", "K", "Na", "BUN", "HCT", "WBC"];

static PACK: Once = Once::new();

/// The text of the `icu` pack with these targets only, and without what one may add to it.
pub(crate) fn icu_with_targets(targets: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packs/icu.toml");
    let mut text = String::new();
    let (mut inside, mut code) = (false, String::new());
    for line in fs::read_to_string(root).unwrap().lines() {
        if line.starts_with('[') {
            inside = line == "[privacy]" || line == "[[target]]";
        }
        if inside {
            continue;
        }
        if let Some(name) = line.strip_prefix("code = ") {
            code = name.trim_matches('"').to_owned();
        }
        let line = match line {
            "target = true" if !targets.contains(&code.as_str()) => "target = false",
            _ => line,
        };
        text.push_str(&format!("{line}\n"));
    }
    text
}

/// Returns a peer's program, if it is there; in CI it must be, elsewhere the test says that it was
/// skipped.
pub(crate) fn peer(name: &'static str) -> Option<&'static str> {
    let found = Command::new("sh").args(["-c", &format!("command -v {name}")]).output().unwrap();
    if found.status.success() {
        return Some(name);
    }
    assert!(std::env::var_os("CI").is_none(), "`{name}` is missing: .ci/test.sh installs it");
    println!("skipped: `{name}` is not installed");
    None
}

/// Writes a file that only its owner can read.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) {
    use std::os::unix::fs::PermissionsExt as _;
    write(path, bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Replaces a file's content, leaving its mode.
pub(crate) fn write(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { walk(&path, found) } else { found.push(path) }
    }
}

/// Takes what a run of the program gave.
pub(crate) fn ran(output: &Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
