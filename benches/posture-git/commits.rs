//! Makes a repository of signed commits and verifies it, here and with `git verify-commit`.
//!
//!     commits FOLDER [COMMITS] [SAMPLE]
//!
//! Every tenth commit is not signed, and every tenth is signed by a key that is not on the list. All
//! of them are verified here; git verifies a sample, because it starts a program for each. The
//! verdicts of the sample are compared.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use aws_lc_rs::digest::{SHA512, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use twinkeep_posture::collect::git::{Options, collect};
use twinkeep_posture::facts::git::Signature;

type Anyhow<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Anyhow<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let folder = Path::new(arguments.first().ok_or("commits FOLDER [COMMITS] [SAMPLE]")?);
    let number = |at: usize, usual: usize| arguments.get(at).map_or(Ok(usual), |it| it.parse());
    let (count, sample) = (number(1, 10_000)?, number(2, 200)?);
    let work = folder.join("work");
    let list = folder.join("list");
    fs::create_dir_all(&work)?;
    let listed = Ed25519KeyPair::from_seed_unchecked(&[1; 32])?;
    let stranger = Ed25519KeyPair::from_seed_unchecked(&[2; 32])?;
    let line = format!("ada@example.org ssh-ed25519 {}\n", STANDARD.encode(blob(&listed)));
    File::create(&list)?.write_all(line.as_bytes())?;
    git(&work, &["init", "--quiet", "--initial-branch", "main"])?;
    git(&work, &["config", "gpg.ssh.allowedSignersFile", &list.display().to_string()])?;
    make(&work, count, &[&listed, &stranger])?;
    git(&work, &["repack", "-adq"])?;

    let start = Instant::now();
    let facts = collect(&work, Options { branch: None, signers: Some(&list), since: None })?;
    let ours_s = start.elapsed().as_secs_f64();
    let signer = facts.list.as_ref().and_then(|list| list.signers.first()).ok_or("no list")?;
    let good = |signature: &Signature| match signature {
        Signature::Good { key, .. } => *key == signer.key,
        _ => false,
    };
    let mut out = std::io::stdout().lock();
    let goods = facts.commits.iter().filter(|commit| good(&commit.signature)).count();
    writeln!(out, "{} commits, {goods} of them in order", facts.commits.len())?;
    writeln!(out, "ours               {ours_s:.3} s for all of them")?;

    // Every tenth commit is of one kind: the steps must meet all kinds.
    let mut step = (facts.commits.len() / sample).max(1);
    while 1 < step && (step % 2 == 0 || step % 5 == 0) {
        step += 1;
    }
    let sampled: Vec<_> = facts.commits.iter().step_by(step).take(sample).collect();
    let start = Instant::now();
    let mut differ = 0;
    for commit in &sampled {
        let said = command(&work, &["verify-commit", &commit.id]).stderr(Stdio::null()).status()?;
        differ += usize::from(said.success() != good(&commit.signature));
    }
    let each_s = start.elapsed().as_secs_f64() / sampled.len() as f64;
    let all_s = each_s * facts.commits.len() as f64;
    writeln!(out, "git verify-commit  {all_s:.1} s for all of them, by {} of them", sampled.len())?;
    writeln!(out, "{:.0} times as fast; {differ} verdicts differ", all_s / ours_s)?;
    Ok(())
}

/// Writes commits, each on the one before it.
fn make(work: &Path, count: usize, keys: &[&Ed25519KeyPair; 2]) -> Anyhow<()> {
    let tree = output(work, &["mktree"])?;
    let mut parent = String::new();
    let mut names = String::new();
    let raw = work.join("raw");
    fs::create_dir_all(&raw)?;
    for at in 0..count {
        let head = format!(
            "tree {tree}\n{parent}author A <a@example.org> {time} +0000\n\
             committer A <a@example.org> {time} +0000\n",
            time = 1_780_000_000 + at
        );
        let message = format!("\nCommit {at}\n");
        let payload = format!("{head}{message}");
        let signature = match at % 10 {
            8 => String::new(),
            9 => header(keys[1], payload.as_bytes())?,
            _ => header(keys[0], payload.as_bytes())?,
        };
        let commit = format!("{head}{signature}{message}");
        let named = [format!("commit {}\0", commit.len()).as_bytes(), commit.as_bytes()].concat();
        let sha1 = digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &named);
        let id: String = sha1.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let path = raw.join(at.to_string());
        File::create(&path)?.write_all(commit.as_bytes())?;
        names.push_str(&format!("raw/{at}\n"));
        parent = format!("parent {id}\n");
    }
    let mut command = command(work, &["hash-object", "-t", "commit", "-w", "--stdin-paths"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(names.as_bytes())?;
    child.wait()?;
    let tip = parent.trim_start_matches("parent ").trim().to_owned();
    git(work, &["update-ref", "refs/heads/main", &tip])?;
    Ok(fs::remove_dir_all(raw)?)
}

/// A signature of OpenSSH as a header of a commit.
fn header(key: &Ed25519KeyPair, payload: &[u8]) -> Anyhow<String> {
    let hash = digest(&SHA512, payload);
    let parts: [&[u8]; 4] = [b"git", b"", b"sha512", hash.as_ref()];
    let signed = [&b"SSHSIG"[..], &parts.map(string).concat()].concat();
    let signature = [string(b"ssh-ed25519"), string(key.sign(&signed).as_ref())].concat();
    let outer: [&[u8]; 5] = [&blob(key), b"git", b"", b"sha512", &signature];
    let bytes = [&b"SSHSIG\0\0\0\x01"[..], &outer.map(string).concat()].concat();
    let base64 = STANDARD.encode(bytes);
    let mut lines = String::from("gpgsig -----BEGIN SSH SIGNATURE-----\n");
    for line in base64.as_bytes().chunks(70) {
        lines.push_str(&format!(" {}\n", str::from_utf8(line)?));
    }
    lines.push_str(" -----END SSH SIGNATURE-----\n");
    Ok(lines)
}

fn blob(key: &Ed25519KeyPair) -> Vec<u8> {
    [string(b"ssh-ed25519"), string(key.public_key().as_ref())].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes()[..], bytes].concat()
}

fn command(work: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command.current_dir(work).args(arguments).stdin(Stdio::null());
    command
}

fn git(work: &Path, arguments: &[&str]) -> Anyhow<()> {
    let done = command(work, arguments).status()?.success();
    if done { Ok(()) } else { Err(format!("git {arguments:?} failed").into()) }
}

fn output(work: &Path, arguments: &[&str]) -> Anyhow<String> {
    let said = command(work, arguments).output()?.stdout;
    Ok(String::from_utf8(said)?.trim().to_owned())
}
