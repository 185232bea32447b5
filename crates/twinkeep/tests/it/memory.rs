//! What lies in the memory of a server: looked at from outside, as root can.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use crate::harness::Place;
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
            // A page that was never touched may not be readable.
            let _ = memory.read_at(&mut bytes[read..read + part], at);
            read += part;
        }
        let count = bytes.windows(secret.len()).filter(|part| *part == secret).count();
        let is_hidden = mapping.flags.split(' ').any(|flag| flag == "dd");
        *if is_hidden { &mut hidden } else { &mut open } += count;
    }
    (hidden, open)
}

#[test]
fn a_server_has_no_core_dump_and_keeps_what_opens_the_keep_nowhere_that_one_would_show() {
    let place = Place::with_patients(30);
    let digits = fs::read_to_string(place.path("keep.kek")).unwrap().trim().to_owned();
    let key: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
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
    for secret in [digits.as_bytes(), &key] {
        let (hidden, open) = places(process, secret);
        assert_eq!(open, 0, "{hidden} times in hidden memory");
    }
    assert_eq!(server.stop(), Some(0));
}
