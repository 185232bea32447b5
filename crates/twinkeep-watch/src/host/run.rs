//! Runs a program of the system: no shell, no environment, a bound on time and on what it says.

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::HostError;

/// What a program said.
pub(super) struct Said {
    pub(super) fine: bool,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs `program` where systems keep theirs, with `input`, and waits for its end.
pub(super) fn run(program: &'static str, args: &[&str], input: &str) -> Result<Said, HostError> {
    let path = find(program).ok_or(HostError::Missing { program })?;
    let failed = |error| HostError::system(format!("run `{program}`"), error);
    let mut child = Command::new(path)
        .args(args)
        .env_clear()
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = input.to_owned();
    // Each pipe on a thread of its own: a program that fills one waits for nobody.
    let feeding = thread::spawn(move || stdin.map(|mut pipe| pipe.write_all(input.as_bytes())));
    let out = thread::spawn(move || stdout.map(read_some));
    let err = thread::spawn(move || stderr.map(read_some));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            break status;
        }
        if TIME_MAX < begun.elapsed() {
            let _ = child.kill();
            let _ = child.wait();
            return Err(HostError::TimedOut { program });
        }
        thread::sleep(LOOK_EVERY);
    };
    let _ = feeding.join();
    let text = |thread: thread::JoinHandle<Option<String>>| {
        thread.join().ok().flatten().unwrap_or_default()
    };
    Ok(Said { fine: status.success(), out: text(out), err: text(err) })
}

/// The same, where anything but success is an error.
pub(super) fn must(program: &'static str, args: &[&str], input: &str) -> Result<String, HostError> {
    let said = run(program, args, input)?;
    if said.fine { Ok(said.out) } else { Err(said.refusal(program)) }
}

impl Said {
    /// What its refusal means.
    pub(super) fn refusal(&self, program: &'static str) -> HostError {
        let forbidden = ["not permitted", "Permission denied", "must be root", "Access denied"];
        if forbidden.iter().any(|words| self.err.contains(words)) {
            return HostError::NotPermitted { program };
        }
        let line = self.err.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let plain = line.chars().map(|c| if c.is_control() { '?' } else { c });
        HostError::Failed { program, says: plain.take(SAYS_LEN_MAX).collect() }
    }
}

fn find(program: &str) -> Option<PathBuf> {
    FOLDERS.iter().map(|folder| PathBuf::from(folder).join(program)).find(|path| path.is_file())
}

fn read_some(pipe: impl std::io::Read) -> String {
    let mut bytes = Vec::new();
    let mut pipe = pipe.take(OUTPUT_SIZE_MAX);
    let _ = pipe.read_to_end(&mut bytes);
    // What is more is read and forgotten, so that the program ends.
    let _ = std::io::copy(&mut pipe.into_inner(), &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Where no user can put a program.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/// Stopping a service waits for its end, which systemd itself bounds at 90 seconds.
const TIME_MAX: Duration = Duration::from_secs(100);

const LOOK_EVERY: Duration = Duration::from_millis(2);

const OUTPUT_SIZE_MAX: u64 = 4 << 20;

const SAYS_LEN_MAX: usize = 200;
