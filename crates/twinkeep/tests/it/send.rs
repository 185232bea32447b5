//! Sending feeds to a running gate: pushed in parts, resumed after a cut, stored once.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, Ran};
use crate::peers::free_port;

/// A running server; killed when dropped.
pub(crate) struct Gate {
    child: Child,
    address: String,
}

impl Gate {
    /// Asks it to end, and returns its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn serve(place: &Place, listen: &str) -> Gate {
    serve_with(place, &["--listen", listen])
}

/// Starts a server; on a free port, unless the arguments name one.
pub(crate) fn serve_with(place: &Place, args: &[&str]) -> Gate {
    let listen: &[&str] =
        if args.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
    started(place.command(&[&["serve", "--json"], listen, args].concat()))
}

fn started(mut command: Command) -> Gate {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let started: Value = serde_json::from_str(&line).unwrap();
    Gate { child, address: started["listening"].as_str().unwrap().to_owned() }
}

/// Returns what the server says of its parts.
pub(crate) fn status_of(place: &Place, gate: &Gate) -> Value {
    // Who asks again and again stays below the gate's limit of requests.
    std::thread::sleep(Duration::from_millis(300));
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--max-time", "120", "--cacert"])
        .arg(place.path("keep/public/ca.pem"))
        .arg(format!("https://{}/readyz", gate.address))
        .output()
        .unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A keep that accepts the hospital's feeds, and a key for pushing them.
fn ready() -> Place {
    let place = Place::with_keep();
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("rate_per_second = 5", "rate_per_second = 1000");
    crate::harness::write(&config, text.replace("rate_burst = 10", "rate_burst = 1000").as_bytes());
    place.run(&["key", "new", "hospital", "--scope", "feeds:write", "--out", "push.key"]).done();
    place
}

fn send_to(place: &Place, url: &str, paths: &[&str]) -> Ran {
    let options = [
        "--to",
        url,
        "--identity",
        "hospital.identity",
        "--key-file",
        "hospital.kek",
        "--recipient",
        "keep/public/keep.identity.pub",
        "--ca",
        "keep/public/ca.pem",
        "--api-key-file",
        "push.key",
        "--retries",
        "4",
    ];
    place.run(&[&["send"], paths, &options[..]].concat())
}

fn send(place: &Place, gate: &Gate, paths: &[&str]) -> Ran {
    send_to(place, &format!("https://{}", gate.address), paths)
}

fn sender(place: &Place) -> String {
    place.run(&["sender", "list"]).lines()[0]["key_id"].as_str().unwrap().to_owned()
}

/// Calls the gate with curl; returns the status and everything that came.
fn curl(place: &Place, gate: &Gate, path: &str, args: &[&str]) -> (u32, String) {
    let key = fs::read_to_string(place.path("push.key")).unwrap();
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--include", "--max-time", "120", "--cacert"])
        .arg(place.path("keep/public/ca.pem"))
        .args(["-H", &format!("Authorization: Bearer {}", key.trim()), "-H", "Expect:"])
        .args(args)
        .arg(format!("https://{}{path}", gate.address))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).to_ascii_lowercase();
    let status = text.split_whitespace().nth(1).unwrap_or_else(|| {
        panic!("no answer: {}", String::from_utf8_lossy(&output.stderr));
    });
    (status.parse().unwrap(), text)
}

#[test]
fn files_and_folders_arrive_as_feeds_and_once() {
    let place = ready();
    place.synth("monday.tar.gz", 20, 3, 1);
    place.synth("tuesday.tar.gz", 20, 0, 2);
    fs::create_dir(place.path("folder")).unwrap();
    fs::copy(place.path("tuesday.tar.gz"), place.path("folder/a.tar.gz")).unwrap();
    let gate = serve(&place, "127.0.0.1:0");
    let lines = send(&place, &gate, &["monday.tar.gz", "tuesday.tar.gz"]).lines();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["delivery"]["state"], "stored");
    let report = &lines[0]["delivery"]["report"];
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    assert!(0 < count("quarantined"));
    assert_eq!(lines[1]["sequence"], 2);
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 2);
    assert_eq!(place.files("hospital.identity.outbox"), Vec::<std::path::PathBuf>::new());
    assert!(place.files("keep/incoming").iter().all(|file| file.extension().unwrap() == "report"));
    // The same content again is refused, and its number is free for the next feed.
    assert_eq!(send(&place, &gate, &["monday.tar.gz"]).refused(), "feed-refused");
    place.synth("wednesday.tar.gz", 20, 0, 3);
    assert_eq!(send(&place, &gate, &["wednesday.tar.gz"]).done()["sequence"], 3);
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_feed_that_is_sealed_elsewhere_is_pushed_by_any_client_and_answered_alike() {
    let place = ready();
    place.synth("feed.tar.gz", 20, 0, 1);
    place.seal("feed.tar.gz").done();
    let gate = serve(&place, "127.0.0.1:0");
    let path = format!("/api/v1/feeds/{}/1", sender(&place));
    let body = format!("@{}", place.path("feed.tar.gz.sealed").display());
    let put = ["-X", "PUT", "--data-binary", &body];
    let other = format!("/api/v1/feeds/{}/1", "0".repeat(32));
    assert_eq!(curl(&place, &gate, &path, &[]).0, 404);
    let (status, text) = curl(&place, &gate, &other, &put);
    assert_eq!((status, text.contains("feed-unknown-sender")), (403, true), "{text}");
    let gap = format!("{}/2", path.rsplit_once('/').unwrap().0);
    let (status, text) = curl(&place, &gate, &gap, &put);
    assert_eq!((status, text.contains("feed-gap")), (409, true), "{text}");
    let (status, first) = curl(&place, &gate, &path, &put);
    assert_eq!((status, first.contains("\"stored\"")), (200, true), "{first}");
    let (status, again) = curl(&place, &gate, &path, &put);
    let body = |text: &str| text.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!((status, body(&again)), (200, body(&first)));
    assert_eq!(curl(&place, &gate, &path, &[]).0, 200);
    // Another feed under the same number is told apart by its digest.
    let forked = ["-H", "Repr-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"];
    let (status, text) = curl(&place, &gate, &path, &[&put[..], &forked].concat());
    assert_eq!((status, text.contains("feed-forked")), (409, true), "{text}");
    let (status, _) = curl(&place, &gate, "/api/v1/feeds/../../etc/1", &["--path-as-is"]);
    assert_eq!(status, 400);
}

#[test]
fn a_feed_that_is_not_genuine_is_refused_and_forgotten() {
    let place = ready();
    place.synth("feed.tar.gz", 20, 0, 1);
    place.seal("feed.tar.gz").done();
    let gate = serve(&place, "127.0.0.1:0");
    let path = format!("/api/v1/feeds/{}/1", sender(&place));
    let whole = fs::read(place.path("feed.tar.gz.sealed")).unwrap();
    let push = |bytes: &[u8]| {
        crate::harness::write(&place.path("attack"), bytes);
        let body = format!("@{}", place.path("attack").display());
        curl(&place, &gate, &path, &["-X", "PUT", "--data-binary", &body])
    };
    let mut flipped = whole.clone();
    let last = flipped.len() - 100;
    flipped[last] ^= 1;
    for attack in [&flipped[..], &whole[..whole.len() - 1], &whole[..40], b"", b"plain text"] {
        let (status, text) = push(attack);
        assert_eq!(status, 422, "{text}");
        assert!(!text.contains("incoming"), "{text}");
    }
    assert!(place.run(&["feed", "list"]).lines().is_empty());
    assert_eq!(push(&whole).0, 200);
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
}

#[test]
fn a_part_goes_where_the_last_one_ended_and_a_digest_is_believed() {
    let place = ready();
    place.synth("feed.tar.gz", 20, 0, 1);
    place.seal("feed.tar.gz").done();
    let gate = serve(&place, "127.0.0.1:0");
    let path = format!("/api/v1/feeds/{}/1", sender(&place));
    let whole = fs::read(place.path("feed.tar.gz.sealed")).unwrap();
    let part = |offset: usize, bytes: &[u8], last: bool, more: &[&str]| {
        crate::harness::write(&place.path("part"), bytes);
        let body = format!("@{}", place.path("part").display());
        let offset = format!("Upload-Offset: {offset}");
        let complete = format!("Upload-Complete: ?{}", u8::from(last));
        let kind = "Content-Type: application/partial-upload";
        let args =
            ["-X", "PATCH", "-H", &offset, "-H", &complete, "-H", kind, "--data-binary", &body];
        curl(&place, &gate, &path, &[&args[..], more].concat())
    };
    assert_eq!(part(0, &whole[..1000], false, &[]).0, 200);
    let (status, text) = part(999, &whole[999..], true, &[]);
    assert_eq!((status, text.contains("upload-offset: 1000")), (409, true), "{text}");
    let wrong = ["-H", "Content-Digest: sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"];
    assert_eq!(part(1000, &whole[1000..2000], false, &wrong).0, 422);
    let (status, text) = curl(&place, &gate, &path, &["--head"]);
    assert_eq!((status, text.contains("upload-offset: 1000")), (204, true), "{text}");
    assert_eq!(part(1000, &whole[1000..], true, &[]).0, 200);
    let (_, text) = curl(&place, &gate, &path, &["--head"]);
    assert!(text.contains("upload-complete: ?1"), "{text}");
}

/// Passes bytes on, and cuts every connection after so many of them.
fn cutting_proxy(target: String, cut_after: u64) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let cuts = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&cuts);
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let (Ok(mut client), Ok(mut server)) = (client, TcpStream::connect(&target)) else {
                return;
            };
            let (mut back, mut down) = (server.try_clone().unwrap(), client.try_clone().unwrap());
            let counted = Arc::clone(&counted);
            std::thread::spawn(move || _ = std::io::copy(&mut back, &mut down));
            std::thread::spawn(move || {
                // Later connections live longer, so that every sender arrives in the end.
                let left = cut_after * (number as u64 + 1);
                let mut limited = (&mut client).take(left);
                if std::io::copy(&mut limited, &mut server).is_ok_and(|count| count == left) {
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                let _ = server.shutdown(std::net::Shutdown::Both);
                let _ = client.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (address, cuts)
}

#[test]
fn a_send_that_is_cut_goes_on_where_it_was() {
    let place = ready();
    // Random bytes do not shrink: two parts and more. The gate refuses them only when it has all.
    place.synth("feed.tar.gz", 3000, 0, 1);
    let gate = serve(&place, "127.0.0.1:0");
    let (proxy, cuts) = cutting_proxy(gate.address.clone(), 600_000);
    let url = format!("https://localhost:{}", proxy.rsplit_once(':').unwrap().1);
    let sent = send_to(&place, &url, &["feed.tar.gz"]).done();
    assert_eq!(sent["delivery"]["state"], "stored");
    assert!(0 < cuts.load(Ordering::Relaxed), "no connection was cut");
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
}

#[test]
fn a_send_to_a_gate_that_is_down_keeps_the_same_bytes_for_the_next_one() {
    let place = ready();
    place.synth("feed.tar.gz", 20, 0, 1);
    // Nobody else is given this port while the gate is down.
    let gate = serve(&place, &format!("127.0.0.1:{}", free_port()));
    let url = format!("https://{}", gate.address);
    let address = gate.address.clone();
    drop(gate);
    let options = ["--retries", "0"];
    let base = [
        "send",
        "feed.tar.gz",
        "--to",
        &url,
        "--identity",
        "hospital.identity",
        "--key-file",
        "hospital.kek",
        "--recipient",
        "keep/public/keep.identity.pub",
        "--ca",
        "keep/public/ca.pem",
        "--api-key-file",
        "push.key",
    ];
    let failed = place.run(&[&base[..], &options].concat());
    assert_eq!((failed.code, failed.refused().as_str()), (3, "push-unreachable"));
    let sealed: Vec<_> = place
        .files("hospital.identity.outbox")
        .into_iter()
        .filter(|file| file.extension().unwrap() == "sealed")
        .collect();
    let bytes = fs::read(&sealed[0]).unwrap();
    let failed = place.run(&[&base[..], &options].concat());
    assert_eq!(failed.code, 3);
    assert_eq!(fs::read(&sealed[0]).unwrap(), bytes, "it was sealed again");
    let gate = serve(&place, &address);
    let sent = send_to(&place, &url, &[]).done();
    assert_eq!((&sent["sequence"], &sent["delivery"]["state"]), (&1.into(), &"stored".into()));
    drop(gate);
}

#[test]
fn a_gate_with_another_certificate_or_a_key_without_the_scope_gets_nothing() {
    let place = ready();
    place.synth("feed.tar.gz", 5, 0, 1);
    let gate = serve(&place, "127.0.0.1:0");
    place.run(&["init", "other", "--key-file", "other.kek"]).done();
    place.copy("keep/public/ca.pem", "right.pem");
    place.copy("other/public/ca.pem", "keep/public/");
    let failed = send(&place, &gate, &["feed.tar.gz"]);
    assert_eq!((failed.code, failed.refused().as_str()), (3, "push-unreachable"));
    place.copy("right.pem", "keep/public/ca.pem");
    place.run(&["key", "new", "reader", "--scope", "twins:read", "--out", "reader.key"]).done();
    place.copy("reader.key", "push.key");
    assert_eq!(send(&place, &gate, &[]).refused(), "push-refused");
    assert!(place.run(&["feed", "list"]).lines().is_empty());
}

#[test]
fn a_feed_that_was_whole_when_the_gate_died_is_stored_when_it_opens_again() {
    let place = ready();
    place.synth("feed.tar.gz", 20, 0, 1);
    place.seal("feed.tar.gz").done();
    let gate = serve(&place, "127.0.0.1:0");
    drop(gate);
    let name = format!("keep/incoming/{}-{:016}.sealed", sender(&place), 1);
    fs::create_dir_all(place.path("keep/incoming")).unwrap();
    let mut file = fs::File::create(place.path(&name)).unwrap();
    file.write_all(&fs::read(place.path("feed.tar.gz.sealed")).unwrap()).unwrap();
    let gate = serve(&place, "127.0.0.1:0");
    let path = format!("/api/v1/feeds/{}/1", sender(&place));
    let start = Instant::now();
    while !curl(&place, &gate, &path, &[]).1.contains("\"stored\"") {
        assert!(start.elapsed() < Duration::from_secs(120), "it was never stored");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
}

/// A keep, and a sealed feed that is larger than what the gate holds in memory of it.
fn ready_with_large_feed() -> (Place, Vec<u8>) {
    let place = ready();
    place.synth("feed.tar.gz", 3000, 0, 1);
    place.seal("feed.tar.gz").done();
    let whole = fs::read(place.path("feed.tar.gz.sealed")).unwrap();
    assert!(1_000_000 < whole.len(), "{} bytes", whole.len());
    (place, whole)
}

/// Sends the rest of a feed from where the gate is, in the background and not fast.
fn send_rest(place: &Place, gate: &Gate, whole: &[u8]) -> (Child, u64) {
    let path = format!("/api/v1/feeds/{}/1", sender(place));
    let (_, text) = curl(place, gate, &path, &["--head"]);
    let line = text.lines().find_map(|line| line.strip_prefix("upload-offset: "));
    let at: usize = line.map_or(0, |line| line.trim().parse().unwrap());
    crate::harness::write(&place.path("rest"), &whole[at..]);
    let key = fs::read_to_string(place.path("push.key")).unwrap();
    let client = Command::new("curl")
        .args(["--silent", "--max-time", "120", "--limit-rate", "600k", "-X", "PATCH", "--cacert"])
        .arg(place.path("keep/public/ca.pem"))
        .args(["-H", &format!("Authorization: Bearer {}", key.trim()), "-H", "Expect:"])
        .args(["-H", &format!("Upload-Offset: {at}"), "-H", "Upload-Complete: ?1"])
        .args(["-H", "Content-Type: application/partial-upload", "--data-binary"])
        .arg(format!("@{}", place.path("rest").display()))
        .arg(format!("https://{}{path}", gate.address))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (client, at as u64)
}

#[test]
fn a_gate_that_is_killed_while_a_feed_comes_loses_nothing_and_stores_it_once() {
    let (place, whole) = ready_with_large_feed();
    let file =
        |suffix: &str| place.path(&format!("keep/incoming/{}-{:016}.{suffix}", sender(&place), 1));
    let (upload, sealed) = (file("upload"), file("sealed"));
    let arrived = || fs::metadata(&upload).map_or(0, |metadata| metadata.len());
    let kill = |mut gate: Gate, mut client: Child| {
        gate.child.kill().unwrap();
        gate.child.wait().unwrap();
        client.wait().unwrap();
    };
    let start = Instant::now();
    let until = |done: &dyn Fn() -> bool| {
        while !done() {
            assert!(start.elapsed() < Duration::from_secs(120), "the upload does not go on");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    // In the middle, twice: each time the next part begins where the last one was cut.
    for _ in 0..2 {
        let gate = serve(&place, "127.0.0.1:0");
        let (client, at) = send_rest(&place, &gate, &whole);
        until(&|| at < arrived());
        kill(gate, client);
        assert!(at < arrived() && arrived() < whole.len() as u64);
    }
    // And when it is whole, while it is being stored.
    let gate = serve(&place, "127.0.0.1:0");
    let (client, at) = send_rest(&place, &gate, &whole);
    assert!(0 < at);
    until(&|| sealed.exists());
    kill(gate, client);
    let gate = serve(&place, "127.0.0.1:0");
    let path = format!("/api/v1/feeds/{}/1", sender(&place));
    until(&|| curl(&place, &gate, &path, &[]).1.contains("\"stored\""));
    let feeds = place.run(&["feed", "list"]).lines();
    assert_eq!(feeds.len(), 1);
    // The same as if it had been ingested in peace.
    let other = Place::with_keep();
    other.synth("feed.tar.gz", 3000, 0, 1);
    let report = other.run(&["ingest", "feed.tar.gz"]).done();
    for count in ["read", "accepted", "missing", "quarantined"] {
        assert_eq!(feeds[0][count], report[count], "{count}");
    }
    assert_eq!(gate.stop(), Some(0));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_full_disk_is_said_and_the_upload_goes_on_when_there_is_room() {
    let (place, whole) = ready_with_large_feed();
    // No file may become larger than this many blocks of 512 bytes: as far as a program can tell,
    // the disk is full.
    let server = place.command(&["serve", "--listen", "127.0.0.1:0", "--json"]);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 1600; exec \"$0\" \"$@\""])
        .arg(server.get_program())
        .args(server.get_args())
        .current_dir(server.get_current_dir().unwrap())
        .env("XDG_STATE_HOME", place.path("state"));
    let gate = started(limited);
    let path = format!("/api/v1/feeds/{}/1", sender(&place));
    let body = format!("@{}", place.path("feed.tar.gz.sealed").display());
    // Some versions of curl miss an answer over HTTP/2 that comes before they have sent everything.
    let put = ["--http1.1", "-X", "PUT", "--data-binary", &body];
    let (status, text) = curl(&place, &gate, &path, &put);
    assert_eq!((status, text.contains("disk-full")), (507, true), "{text}");
    assert!(!text.contains("incoming"), "the answer says where the keep has its files: {text}");
    // The gate lives, and says how far the upload is.
    let (status, text) = curl(&place, &gate, &path, &["--head"]);
    assert_eq!((status, text.contains("upload-complete: ?0")), (204, true), "{text}");
    assert_eq!(gate.stop(), Some(0));
    let gate = serve(&place, "127.0.0.1:0");
    let (mut client, at) = send_rest(&place, &gate, &whole);
    assert!(0 < at && at < whole.len() as u64, "{at}");
    assert!(client.wait().unwrap().success());
    assert!(curl(&place, &gate, &path, &[]).1.contains("\"stored\""));
    assert_eq!(place.run(&["feed", "list"]).lines().len(), 1);
}
