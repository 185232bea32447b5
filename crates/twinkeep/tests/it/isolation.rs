//! The processes of a server: what the kernel holds each of them to, what is in the memory of the
//! one that faces the network, and what becomes of the others when one dies.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;
use twinkeep_app::{App, Surroundings, server_identity};
use twinkeep_domain::Timestamp;
use twinkeep_vault::{KekSource, SecretBytes};

use crate::harness::{Place, peer, write, write_private};
use crate::memory::places;
use crate::serve::{Server, key, ready};

/// Longer than anything takes on a slow machine: it only ends what hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is there.
#[track_caller]
pub(crate) fn until<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}");
        sleep(Duration::from_millis(20));
    }
}

/// A child of a process, by the command that it runs.
pub(crate) fn child(parent: u32, command: &str) -> Option<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.find(|&number| {
        let line = fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
        let runs = line.split(|&byte| byte == 0).any(|word| word == command.as_bytes());
        runs && status(number, "PPid") == Some(parent.to_string())
    })
}

/// A line of what the kernel says about a process.
pub(crate) fn status(process: u32, name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

pub(crate) fn launcher(server: &Server<'_>) -> u32 {
    until("no launcher", || child(server.process(), "serve-launcher"))
}

pub(crate) fn edge(server: &Server<'_>) -> u32 {
    let launcher = launcher(server);
    until("no edge", || child(launcher, "serve-edge"))
}

/// Lets everybody ask as often as they like.
fn without_limits(place: &Place) {
    let path = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("rate_per_second = 5\n", "rate_per_second = 100000\n");
    // A thread that the machine puts aside while it is being judged comes late to its turn.
    let text = text.replace("rate_burst = 10\n", "rate_burst = 100000\n");
    assert_eq!(text.matches(" = 100000\n").count(), 2, "{text}");
    write(&path, text.as_bytes());
}

/// The number that makes the server's signatures, out of its private key.
fn tls_secret(place: &Place) -> Vec<u8> {
    let key = server_key(place);
    let der = key.expose();
    // RFC 5915: version 1, and an octet string of 32 bytes.
    let at = der.windows(5).position(|part| part == [2, 1, 1, 4, 32]).unwrap() + 5;
    der[at..at + 32].to_vec()
}

/// The server's private key.
fn server_key(place: &Place) -> SecretBytes {
    let source = KekSource::KeyFile(place.path("keep.kek"));
    let state_dir = Some(place.path("state"));
    let surroundings = Surroundings { clock: || Timestamp::RELATIVE_ORIGIN, state_dir };
    let app = App::open(&place.path("keep"), &source, &surroundings).unwrap();
    server_identity(&app).unwrap().key
}

/// Asks for the same thing many times over a few connections; the answers are thrown away.
fn ask_often(
    server: &Server<'_>,
    place: &Place,
    path: &str,
    header: &str,
    count: usize,
) -> Command {
    let one = format!("url = \"{}{path}\"\noutput = \"/dev/null\"\n", server.base());
    let file = place.path("requests.curl");
    write(&file, one.repeat(count).as_bytes());
    let mut command = Command::new("curl");
    command
        .args(["--silent", "--parallel", "--parallel-max", "8", "--max-time", "600"])
        .args(["--write-out", "%{http_code} %{exitcode} %{errormsg}\n", "-H", header, "--cacert"])
        .arg(place.path("keep/public/ca.pem"))
        .arg("--config")
        .arg(file)
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    command
}

#[test]
fn the_process_that_faces_the_network_has_no_key_and_no_history_and_may_die() {
    let place = ready();
    without_limits(&place);
    let (header, _) = key(&place, &[]);
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let twin = list["twins"][0]["subject"].as_str().unwrap().to_owned();
    // Known to nobody but the keep; the last value is another, as an answer may tell that one.
    for (value, hours) in [("97.40625", "47.5"), ("88", "47.9")] {
        let site = ["--site", "hospital", "--time", hours, "--unit", "/min"];
        place.run(&[&["event", "add", &twin, "HR", value], &site[..]].concat()).done();
    }
    let digits = fs::read_to_string(place.path("keep.kek")).unwrap().trim().to_owned();
    let kek: Vec<u8> =
        (0..32).map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap()).collect();
    let tls = tls_secret(&place);
    let server = Server::start(&place);
    let forecast = format!("/api/v1/twins/{twin}/forecast");
    let answers = ask_often(&server, &place, &forecast, &header, 1000).output().unwrap();
    let codes = String::from_utf8(answers.stdout).unwrap();
    let (good, bad): (Vec<_>, Vec<_>) = codes.lines().partition(|code| code.starts_with("200 "));
    assert_eq!(good.len(), 1000, "{bad:?}");

    let edge = edge(&server);
    if File::open(format!("/proc/{edge}/mem")).is_ok() {
        let backwards = |bytes: &[u8]| bytes.iter().rev().copied().collect::<Vec<u8>>();
        let secrets = [
            ("the key-encryption key, as digits", digits.as_bytes().to_vec()),
            ("the key-encryption key", kek),
            ("the private key of TLS", tls.clone()),
            ("the private key of TLS, as words", backwards(&tls)),
            ("a value of the history, as text", b"97.40625".to_vec()),
            ("a value of the history", 97.40625_f64.to_le_bytes().to_vec()),
        ];
        for (name, secret) in secrets {
            assert_eq!(places(edge, &secret), (0, 0), "{name} is in the memory of the edge");
        }
        // What is looked for can be found: what passes through is there, and so is the certificate.
        let token = header.rsplit_once(' ').unwrap().1;
        assert!(0 < places(edge, token.as_bytes()).1 + places(edge, twin.as_bytes()).1);
    } else {
        println!("skipped: the memory of a server can be read by root only");
    }
    killed_under_load(&server, &place, &forecast, &header);
    assert_eq!(server.stop(), Some(0));
    place.run(&["ledger", "verify"]).done();
    let lines = place.run(&["ledger", "show", "--limit", "10000"]).lines();
    let again = lines.iter().any(|line| line.to_string().contains("edge-started-again"));
    assert!(again, "that the edge died is not on record");
}

fn killed_under_load(server: &Server<'_>, place: &Place, path: &str, header: &str) {
    let worker = server.process();
    let open = || fs::read_dir(format!("/proc/{worker}/fd")).map_or(0, Iterator::count);
    let threads = || status(worker, "Threads").unwrap().parse::<usize>().unwrap();
    let before = (open(), threads());
    let mut load =
        ask_often(server, place, path, header, 2000).stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..3 {
        let old = edge(server);
        let id = old.to_string();
        assert!(Command::new("kill").args(["-KILL", &id]).status().unwrap().success());
        let launcher = launcher(server);
        until("no new edge", || child(launcher, "serve-edge").filter(|new| *new != old));
        let again = ["-H", header, "--retry", "60", "--retry-all-errors", "--retry-delay", "1"];
        assert_eq!(server.call(path, &again).status, 200);
    }
    let _ = load.kill();
    let _ = load.wait();
    // Threads that wait for work come and go; what each edge had is gone with it.
    until("files stay open", || (open() <= before.0 + 32).then_some(()));
    until("threads stay", || (threads() <= before.1 + 80).then_some(()));
}

#[test]
fn the_kernel_holds_each_process_to_what_it_does() {
    let place = Place::with_keep();
    let server = Server::start(&place);
    let isolation = server.started()["isolation"].clone();
    let whole = serde_json::json!({ "files": true, "network": true, "programs": true });
    if isolation["worker"] != whole || isolation["edge"] != whole {
        println!("skipped: this kernel does not confine processes: {isolation}");
        return required_is_refused(&place);
    }
    let (worker, edge) = (server.process(), edge(&server));
    for process in [worker, edge] {
        for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap().flatten() {
            let number = thread.file_name().to_str().unwrap().parse().unwrap();
            // A thread may have ended since.
            let held =
                |name| status(number, name).map(|value: String| value.parse::<u8>().unwrap());
            assert_ne!(held("NoNewPrivs"), Some(0), "{process}");
            assert!(matches!(held("Seccomp"), None | Some(2)), "{process}");
        }
    }
    assert_eq!(status(edge, "CapEff").unwrap(), "0".repeat(16));
    assert_eq!(status(edge, "CapPrm").unwrap(), "0".repeat(16));
    if let (Some(of_worker), Some(of_edge)) = (network_sockets(worker), network_sockets(edge)) {
        assert_eq!((of_worker, of_edge), (0, 1));
    } else {
        println!("skipped: the sockets of a server can be listed by root only");
    }
    // A service manager signals every process; the worker is the one to say what comes of it.
    for signal in ["-TERM", "-INT"] {
        for process in [edge, launcher(&server)] {
            let id = process.to_string();
            assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        }
    }
    assert_eq!(server.call("/healthz", &[]).status, 200);
    assert_eq!(child(launcher(&server), "serve-edge"), Some(edge));
    assert_eq!(server.stop(), Some(0));
    until("the edge outlives the server", || status(edge, "State").is_none().then_some(()));
}

/// Counts the sockets of a process that belong to the network of the machine.
fn network_sockets(process: u32) -> Option<usize> {
    let files = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
    let links = files.filter_map(|file| fs::read_link(file.path()).ok());
    let links: Vec<String> = links.map(|link| link.to_string_lossy().into_owned()).collect();
    let tables = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"];
    let text: String = tables
        .map(|name| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default())
        .concat();
    let known: Vec<&str> = text.split_whitespace().collect();
    let inode = |link: &String| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned());
    let inodes = links.iter().filter_map(inode);
    Some(inodes.filter(|inode| known.contains(&inode.as_str())).count())
}

fn choose(place: &Place, isolation: &str) {
    let path = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&path).unwrap();
    let at = text.find("isolation = \"").unwrap();
    let end = at + text[at..].find('\n').unwrap();
    let text = format!("{}isolation = \"{isolation}\"{}", &text[..at], &text[end..]);
    write(&path, text.as_bytes());
}

fn required_is_refused(place: &Place) {
    choose(place, "required");
    let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
    assert_eq!(refused, "gate-isolation");
}

#[test]
fn isolation_is_required_or_switched_off_by_a_dangerous_word_only() {
    let place = Place::with_keep();
    for word in ["off", "danger_off"] {
        choose(&place, word);
        let refused = place.run(&["serve", "--listen", "127.0.0.1:0"]).refused();
        assert_eq!(refused, "config-syntax", "{word}");
    }
    choose(&place, "danger-off");
    let server = Server::start(&place);
    assert_eq!(server.started()["isolation"], Value::Null);
    assert_eq!(child(server.process(), "serve-launcher"), None);
    assert_eq!(server.call("/healthz", &[]).status, 200);
    assert_eq!(server.stop(), Some(0));
    choose(&place, "on");
    let server = Server::start(&place);
    let whole = server.started()["isolation"].to_string().matches("true").count() == 6;
    assert_eq!(server.stop(), Some(0));
    if !whole {
        return required_is_refused(&place);
    }
    choose(&place, "required");
    let server = Server::start(&place);
    assert_eq!(server.call("/healthz", &[]).status, 200);
    assert_eq!(server.stop(), Some(0));
}

/// A certificate of the server's own key that signs itself.
fn self_signed(place: &Place, name: &str) -> String {
    let (key, out) = (place.path("server.der"), place.path(name));
    write_private(&key, server_key(place).expose());
    let made = Command::new("openssl")
        .args(["req", "-x509", "-keyform", "DER", "-subj", "/CN=localhost", "-days", "2"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-key"])
        .args([key.as_os_str(), "-out".as_ref(), out.as_os_str()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    fs::read_to_string(out).unwrap()
}

#[test]
fn another_certificate_is_shown_on_request_and_no_request_is_lost() {
    if peer("openssl").is_none() {
        return;
    }
    let place = Place::with_keep();
    without_limits(&place);
    let new = self_signed(&place, "new.pem");
    let old = fs::read_to_string(place.path("keep/public/server.pem")).unwrap();
    let authority = fs::read_to_string(place.path("keep/public/ca.pem")).unwrap();
    write(&place.path("both.pem"), format!("{authority}\n{new}").as_bytes());
    for isolation in ["on", "danger-off"] {
        choose(&place, isolation);
        write(&place.path("keep/public/server.pem"), old.as_bytes());
        let server = Server::start(&place);
        let mut load = ask_often(&server, &place, "/healthz", "X-Nothing: 1", 2000);
        let load = load.arg("--cacert").arg(place.path("both.pem"));
        let load = load.stdout(Stdio::piped()).spawn().unwrap();
        let trusting = ["--cacert".to_owned(), place.path("new.pem").display().to_string()];
        let shown = || server.answers("/healthz", &trusting);
        assert!(!shown());
        let offer = |chain: &str| {
            write(&place.path("keep/public/server.pem"), chain.as_bytes());
            let id = server.process().to_string();
            assert!(Command::new("kill").args(["-HUP", &id]).status().unwrap().success());
        };
        offer(&new);
        until("the new certificate is not shown", || shown().then_some(()));
        // One that cannot be read, and one of another key.
        for bad in ["", &authority] {
            offer(bad);
            assert!(shown(), "{bad}");
        }
        let codes = String::from_utf8(load.wait_with_output().unwrap().stdout).unwrap();
        let bad: Vec<_> = codes.lines().filter(|code| !code.starts_with("200 ")).collect();
        assert_eq!((codes.lines().count(), bad), (2000, Vec::new()));
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn nobody_faces_the_network_for_a_worker_that_is_gone() {
    let place = Place::with_keep();
    let server = Server::start(&place);
    let (launcher, edge) = (launcher(&server), edge(&server));
    // As `kill -9` would: the worker can tell nobody.
    drop(server);
    for process in [launcher, edge] {
        // Whoever adopted it may not have taken note of its end yet.
        let gone = || status(process, "State").is_none_or(|state| state.starts_with('Z'));
        until("it lives on", || gone().then_some(()));
    }
    // And whoever starts one by hand sees it end.
    for command in ["serve-launcher", "serve-edge"] {
        let ran = place.run(&[command]);
        assert_ne!(ran.code, 101, "{}", ran.stderr);
        assert_eq!(ran.refused(), "gate-edge");
    }
}
