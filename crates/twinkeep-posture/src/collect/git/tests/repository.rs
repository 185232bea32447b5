//! A real repository, with real keys of OpenSSH and GnuPG, made by the programs themselves.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::collect::git::{Options, collect};
use crate::facts::git::Git;

/// A repository with a list of signers beside it. Everything goes with it when it is dropped.
pub(crate) struct Repository {
    folder: tempfile::TempDir,
    time_s: i64,
}

/// With what a commit is signed.
#[derive(Clone, Copy)]
pub(crate) enum Key<'a> {
    None,
    /// A key of OpenSSH by its name.
    Ssh(&'a str),
    /// A key of GnuPG by its fingerprint.
    Gpg(&'a str),
}

impl Repository {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Self { folder, time_s: 1_780_000_000 };
        fs::create_dir(repository.path("gnupg")).unwrap();
        fs::set_permissions(repository.path("gnupg"), fs::Permissions::from_mode(0o700)).unwrap();
        fs::create_dir(repository.work()).unwrap();
        repository.git(&["init", "--quiet", "--initial-branch", "main"]);
        repository.git(&[
            "config",
            "gpg.ssh.allowedSignersFile",
            repository.path("ssh").to_str().unwrap(),
        ]);
        repository.append("list", "");
        repository.append("ssh", "");
        repository
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    fn append(&self, name: &str, text: &str) {
        let path = self.path(name);
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// Makes a key of OpenSSH.
    pub(crate) fn ssh_key(&self, name: &str, kind: &[&str]) {
        let path = self.path(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-N", "", "-C", "", "-f"]).arg(&path).args(kind);
        assert!(command.status().unwrap().success());
    }

    /// Puts a key of OpenSSH on the list, and on that of git.
    pub(crate) fn list_ssh(&self, name: &str, options: &str) {
        let key = fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        self.append("list", &format!("{name}@example.org {options} {key}"));
        self.append("ssh", &format!("{name}@example.org {key}"));
    }

    /// Adds a line to the list.
    pub(crate) fn list_line(&self, line: &str) {
        self.append("list", &format!("{line}\n"));
    }

    /// Makes a key of GnuPG and puts it on the list. Returns its fingerprint.
    pub(crate) fn gpg_key(&self, name: &str, kind: &str, options: &str) -> String {
        self.gpg(&["--quick-gen-key", name, kind, "sign", "never"]);
        let listed = self.gpg(&["--with-colons", "--list-keys", name]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        let fingerprint = line.split(':').nth(9).unwrap().to_owned();
        self.list_gpg(&fingerprint, options);
        fingerprint
    }

    pub(crate) fn list_gpg(&self, fingerprint: &str, options: &str) {
        use base64::Engine as _;
        let key = self.gpg(&["--export", fingerprint]);
        let key = base64::engine::general_purpose::STANDARD.encode(key);
        self.append("list", &format!("somebody {options} openpgp {key}\n"));
    }

    /// Runs GnuPG on keys of its own.
    pub(crate) fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut command = Command::new("gpg");
        command
            .args([
                "--batch",
                "--quiet",
                "--yes",
                "--pinentry-mode",
                "loopback",
                "--passphrase",
                "",
            ])
            .args(arguments)
            .env("GNUPGHOME", self.path("gnupg"));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Runs git in the repository; returns what it prints.
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("git");
        let time = format!("{} +0000", self.time_s);
        command
            .current_dir(self.work())
            .args(["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "core.fsync=none"])
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", &time)
            .env("GIT_COMMITTER_DATE", &time)
            .env("GNUPGHOME", self.path("gnupg"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a command of git that signs.
    pub(crate) fn signed(&self, key: Key<'_>, arguments: &[&str]) {
        let ssh;
        let settings: Vec<&str> = match key {
            Key::None => vec![],
            Key::Ssh(name) => {
                ssh = format!("user.signingkey={}", self.path(name).display());
                vec!["-c", "gpg.format=ssh", "-c", &ssh]
            }
            Key::Gpg(fingerprint) => {
                ssh = format!("user.signingkey={fingerprint}");
                vec!["-c", "gpg.format=openpgp", "-c", &ssh]
            }
        };
        self.git(&[&settings[..], arguments].concat());
    }

    /// Commits a change of a file. Returns the commit.
    pub(crate) fn commit(&mut self, key: Key<'_>, file: &str) -> String {
        self.time_s += 60;
        let path = self.work().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        writeln!(file, "{}", self.time_s).unwrap();
        self.git(&["add", "."]);
        let sign = if matches!(key, Key::None) { "--no-gpg-sign" } else { "-S" };
        self.signed(key, &["commit", "--quiet", "-m", "A change", sign]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Whether git itself takes the signature of a commit.
    pub(crate) fn verifies(&self, commit: &str) -> bool {
        self.command(&["verify-commit", commit]).output().unwrap().status.success()
    }

    pub(crate) fn facts(&self) -> Git {
        self.facts_since(None)
    }

    pub(crate) fn facts_since(&self, since: Option<&str>) -> Git {
        let list = self.path("list");
        collect(&self.work(), Options { branch: None, signers: Some(&list), since }).unwrap()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        // GnuPG leaves a process behind that holds its keys; it is ours, and goes with them.
        let mut command = Command::new("gpgconf");
        command.args(["--kill", "all"]).env("GNUPGHOME", self.path("gnupg"));
        let _ = command.stderr(Stdio::null()).status();
    }
}
