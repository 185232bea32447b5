//! What lies in the memory of a server: looked at from outside, as root can.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::Place;
use crate::isolation::{edge, launcher, status, until};
use crate::serve::Server;

/// A mapping of another process that can be written, and how the system treats it.
struct Mapping {
    start: u64,
    length: usize,
    flags: String,
}

fn mappings(process: u32) -> Vec<Mapping> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps")).unwrap();
    let mut found: Vec<Mapping> = Vec::new();
    let mut writable = false;
    for line in text.lines() {
        let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
        if let Some((from, to)) = first.split_once('-')
            && let Ok(start) = u64::from_str_radix(from, 16)
            && let Ok(end) = u64::from_str_radix(to, 16)
        {
            writable = rest.starts_with("rw");
            let length = usize::try_from(end - start).unwrap();
            found.push(Mapping { start, length, flags: String::new() });
        } else if let Some(flags) = line.strip_prefix("VmFlags: ") {
            let last = found.last_mut().unwrap();
            last.flags = flags.to_owned();
            if !writable {
                found.pop();
            }
        }
    }
    found
}

/// Stepped over where nothing can be read; no page is smaller.
const PAGE: usize = 4096;

/// Counts where a secret lies: in memory that is left out of core dumps, and elsewhere.
pub(crate) fn places(process: u32, secret: &[u8]) -> (usize, usize) {
    let memory = File::open(format!("/proc/{process}/mem")).unwrap();
    let (mut hidden, mut open) = (0, 0);
    for mapping in mappings(process) {
        let mut bytes = vec![0; mapping.length];
        let mut read = 0;
        while read < bytes.len() {
            let part = (bytes.len() - read).min(1 << 20);
            let at = mapping.start + read as u64;
            // A page of secret memory cannot be read, nor one that was never touched.
            read += match memory.read_at(&mut bytes[read..read + part], at) {
                Ok(length @ 1..) => length,
                _ => part.min(PAGE - (at as usize) % PAGE),
            };
        }
        let count = bytes.windows(secret.len()).filter(|part| *part == secret).count();
        let is_hidden = mapping.flags.split(' ').any(|flag| flag == "dd");
        *if is_hidden { &mut hidden } else { &mut open } += count;
    }
    (hidden, open)
}

/// What opens the keep, as it lies in its file, and as it is used.
fn secrets(place: &Place) -> [Vec<u8>; 2] {
    let digits = fs::read_to_string(place.path("keep.kek")).unwrap().trim().to_owned();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    [(0..32).map(byte).collect(), digits.into_bytes()]
}

#[test]
fn a_server_has_no_core_dump_and_keeps_what_opens_the_keep_nowhere_that_one_would_show() {
    let place = Place::with_patients(30);
    let made = place.run(&["key", "new", "test"]).done();
    let header = format!("Authorization: Bearer {}", made["key"].as_str().unwrap());
    let server = Server::start(&place);
    assert_eq!(server.call("/api/v1/twins?limit=3", &["-H", &header]).status, 200);
    let process = server.process();
    let limits = fs::read_to_string(format!("/proc/{process}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().nth(4), Some("0"), "{core}");
    if File::open(format!("/proc/{process}/mem")).is_err() {
        // So it should be: only root may look into a process that forbids it.
        println!("skipped: the memory of a server can be read by root only");
        return;
    }
    // What is looked for can be found: the arguments lie in ordinary memory.
    assert!(0 < places(process, b"--listen\x00127.0.0.1:0\x00").1);
    for secret in secrets(&place) {
        let (hidden, open) = places(process, &secret);
        assert_eq!(open, 0, "{hidden} times in hidden memory");
        for process in [launcher(&server), edge(&server)] {
            assert_eq!(places(process, &secret), (0, 0), "in a process that never opens the keep");
        }
    }
    assert_eq!(server.stop(), Some(0));
}

/// Files that may be core dumps.
fn dumps(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    let is_dump = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("core");
    items.filter(is_dump).collect()
}

/// Lifts the limit on core dumps as only root can, and kills a process so that it dumps.
fn force_dump(process: u32) -> bool {
    let process = process.to_string();
    let mut lift = Command::new("prlimit");
    lift.args(["--core=unlimited:unlimited", "--pid", &process]);
    let lifted = lift.output().is_ok_and(|output| output.status.success());
    lifted && Command::new("kill").args(["-ABRT", &process]).status().unwrap().success()
}

#[test]
fn no_process_of_a_server_leaves_a_core_dump_even_where_one_is_forced() {
    let place = Place::with_patients(30);
    let secrets = secrets(&place);
    // A process that forbids nothing leaves one here, and what it was told is in it.
    let open = place.path("open");
    fs::create_dir(&open).unwrap();
    let script = "ulimit -c unlimited; kill -ABRT $$";
    let digits = std::str::from_utf8(&secrets[1]).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("PLANTED", digits).current_dir(&open).status().unwrap();
    let planted = |path: &PathBuf| {
        let dump = fs::read(path).unwrap();
        dump.windows(digits.len()).any(|part| part == digits.as_bytes())
    };
    if !dumps(&open).iter().any(planted) {
        println!("skipped: this machine keeps no core dumps where processes run");
        return;
    }
    type Choose = fn(&Server<'_>) -> u32;
    let victims: [(&str, Choose); 3] =
        [("worker", |server| server.process()), ("launcher", launcher), ("edge", edge)];
    for (name, choose) in victims {
        let server = Server::start(&place);
        let process = choose(&server);
        let folder = fs::read_link(format!("/proc/{process}/cwd")).unwrap();
        let before = dumps(&folder);
        if !force_dump(process) {
            println!("skipped: only root may lift the limit on core dumps");
            return;
        }
        until("it does not die", || {
            let state = status(process, "State");
            state.is_none_or(|state| state.starts_with('Z')).then_some(())
        });
        assert_eq!(dumps(&folder), before, "the {name} left a core dump");
    }
}
