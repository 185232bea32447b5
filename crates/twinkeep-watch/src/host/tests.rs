//! What is done on the host, with real processes, and with real nftables in a network namespace of
//! the test's own.

#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::{
    Changes, HostAction, HostGuards, Protocol, Service, apply, is_immutable, look_at_host, plan,
    set_changes, undo,
};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a program that writes its number into a file, as services do.
fn service(dir: &Path, script: &str) -> (Running, Service) {
    let pid_file = dir.join("service.pid");
    let child = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).spawn().unwrap();
    fs::File::create(&pid_file).unwrap().write_all(format!("{}\n", child.id()).as_bytes()).unwrap();
    (Running(child), Service::Process { pid_file, start: Vec::new() })
}

fn state(pid: u32) -> char {
    super::process::Process::look(pid).unwrap().state
}

#[test]
fn a_service_is_stopped_and_stopping_it_again_does_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut running, service) = service(dir.path(), "exec sleep 1000");
    let action = HostAction::StopService { service: service.clone() };
    let plan_ = plan(&action, &HostGuards::default()).unwrap();
    assert_eq!(plan_.commands[0], format!("kill -TERM {}", running.0.id()));
    // Somebody must wait for it, or it stays as a number.
    let waiting = std::thread::spawn(move || running.0.wait().map(|_| running));
    apply(&action, &HostGuards::default(), &plan_.before).unwrap();
    waiting.join().unwrap().unwrap();
    apply(&action, &HostGuards::default(), &plan_.before).unwrap();
    let error = undo(&action, &plan_.before).unwrap_err();
    assert_eq!(error.code(), "host-no-way-back");
}

#[test]
fn a_frozen_service_does_nothing_until_it_is_let_go_and_another_process_is_never_meant() {
    let dir = tempfile::tempdir().unwrap();
    let (running, service) = service(dir.path(), "exec sleep 1000");
    let pid = running.0.id();
    let action = HostAction::FreezeService { service: service.clone() };
    let plan_ = plan(&action, &HostGuards::default()).unwrap();
    for _ in 0..2 {
        apply(&action, &HostGuards::default(), &plan_.before).unwrap();
        while state(pid) != 'T' {
            std::thread::yield_now();
        }
    }
    for _ in 0..2 {
        undo(&action, &plan_.before).unwrap();
    }
    while state(pid) == 'T' {
        std::thread::yield_now();
    }
    // The number went to another process meanwhile.
    let (other, _) = self::service(dir.path(), "exec sleep 1000");
    assert_eq!(
        apply(&action, &HostGuards::default(), &plan_.before).unwrap_err().code(),
        "host-no-service"
    );
    assert_ne!(state(other.0.id()), 'T');
}

#[test]
fn what_runs_the_host_or_this_program_is_never_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("x.pid");
    let of = |text: &str| {
        fs::File::create(&pid_file).unwrap().write_all(text.as_bytes()).unwrap();
        let service = Service::Process { pid_file: pid_file.clone(), start: Vec::new() };
        plan(&HostAction::StopService { service }, &HostGuards::default()).unwrap_err().code()
    };
    assert_eq!(of("1"), "host-guarded");
    assert_eq!(of(&std::process::id().to_string()), "host-guarded");
    for nonsense in ["", "0", "-1", "99999999", "a", "1 2", &"9".repeat(100)] {
        assert_eq!(of(nonsense), "host-no-service", "{nonsense}");
    }
    let unit = |unit: &str| {
        let service = Service::Unit { unit: unit.to_owned() };
        plan(&HostAction::StopService { service }, &HostGuards::default()).unwrap_err().code()
    };
    assert_eq!(unit("sshd.service"), "host-guarded");
    assert_eq!(unit("systemd-networkd.service"), "host-guarded");
    for nonsense in ["", ".service", "-H.service", "a b.service", "nginx", "x.service\n"] {
        assert_eq!(unit(nonsense), "host-no-service", "{nonsense}");
    }
}

#[test]
fn a_file_of_somebody_else_names_none_of_our_processes() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("x.pid");
    let of = |pid_file: &Path| {
        let service = Service::Process { pid_file: pid_file.to_path_buf(), start: Vec::new() };
        plan(&HostAction::StopService { service }, &HostGuards::default()).map(drop)
    };
    let (other, _) = service(dir.path(), "exec sleep 1000");
    let number = other.0.id().to_string();
    fs::File::create(&pid_file).unwrap().write_all(number.as_bytes()).unwrap();
    of(&pid_file).unwrap();
    let link = dir.path().join("link.pid");
    symlink(&pid_file, &link).unwrap();
    assert_eq!(of(&link).unwrap_err().code(), "host-no-service");
    if std::os::unix::fs::chown(&pid_file, Some(65534), None).is_err() {
        println!("skipped: it takes root");
        return;
    }
    assert_eq!(of(&pid_file).unwrap_err().code(), "host-no-service");
}

#[test]
fn a_stopped_service_is_started_again_by_what_the_operator_said() {
    let dir = tempfile::tempdir().unwrap();
    let pid_file = dir.path().join("service.pid");
    let script = format!("echo $$ > {}; exec sleep 1000", pid_file.display());
    let start = vec!["sh".to_owned(), "-c".to_owned(), script];
    let service = Service::Process { pid_file, start };
    let action = HostAction::StopService { service: service.clone() };
    // What starts it is what the operator said, also the first time.
    super::service::start(&service, &Default::default()).unwrap();
    let plan_ = plan(&action, &HostGuards::default()).unwrap();
    apply(&action, &HostGuards::default(), &plan_.before).unwrap();
    for _ in 0..2 {
        undo(&action, &plan_.before).unwrap();
    }
    let again = plan(&action, &HostGuards::default()).unwrap();
    assert_ne!(again.before["process"], plan_.before["process"]);
    apply(&action, &HostGuards::default(), &again.before).unwrap();
}

#[test]
fn who_has_a_file_open_and_who_listens_is_seen_whatever_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights");
    let file = fs::File::create(&path).unwrap();
    let other = dir.path().join("another-name");
    fs::hard_link(&path, &other).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = look_at_host(&[other.clone(), dir.path().join("missing")]);
    let own = std::process::id();
    let open = seen.open.iter().find(|it| it.pid == own).unwrap();
    assert_eq!(open.file, other);
    let socket = seen.sockets.iter().find(|it| it.port == port).unwrap();
    assert_eq!((socket.pid, socket.protocol.as_str()), (Some(own), "tcp"));
    drop(file);
    assert!(look_at_host(&[other]).open.iter().all(|it| it.pid != own));
}

#[test]
fn ports_by_which_operators_come_in_are_never_dropped() {
    let guards = HostGuards { ports: [9443].into() };
    for port in [22, 9443, 0] {
        let action = HostAction::DropPort { port, protocol: Protocol::Tcp };
        assert_eq!(plan(&action, &guards).unwrap_err().code(), "host-guarded", "{port}");
        assert_eq!(
            apply(&action, &guards, &Default::default()).unwrap_err().code(),
            "host-guarded"
        );
    }
}

/// Runs this very test program again in a network namespace of its own; says that it was skipped
/// where that is not permitted.
fn in_a_namespace(test: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let enough = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
    if !enough.is_ok_and(|output| output.status.success()) {
        println!("skipped: it takes root, `unshare`, and `nft`");
        return false;
    }
    let ran = Command::new("unshare")
        .arg("-n")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("host::tests::{test}"), "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && text.contains("1 passed"), "{text}");
    false
}

const INSIDE: &str = "TWINKEEP_TEST_IN_NAMESPACE";

fn nft(args: &[&str]) -> String {
    let output = Command::new("nft").args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Whether a connection to this port of loopback comes about. Where it must, it has all the time
/// that a busy machine takes.
fn reachable(port: u16, wanted: bool) -> bool {
    let time = std::time::Duration::from_millis(if wanted { 60_000 } else { 500 });
    std::net::TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), time).is_ok()
}

#[test]
fn a_port_is_dropped_and_opened_again_and_rules_of_others_stay() {
    if !in_a_namespace("a_port_is_dropped_and_opened_again_and_rules_of_others_stay") {
        return;
    }
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(up.success());
    nft(&["add", "table", "inet", "foreign"]);
    nft(&["add", "chain", "inet", "foreign", "mine", "{ type filter hook input priority 0; }"]);
    nft(&["add", "rule", "inet", "foreign", "mine", "tcp", "dport", "81", "drop"]);
    let foreign = nft(&["list", "table", "inet", "foreign"]);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let [port, kept] = [&listener, &other].map(|it| it.local_addr().unwrap().port());
    let guards = HostGuards::default();
    let action = HostAction::DropPort { port, protocol: Protocol::Tcp };

    let planned = plan(&action, &guards).unwrap();
    assert!(!nft(&["list", "ruleset"]).contains("twinkeep"), "a plan changes nothing");
    assert!(reachable(port, true));
    for _ in 0..2 {
        apply(&action, &guards, &planned.before).unwrap();
    }
    assert!(!reachable(port, false) && reachable(kept, true));
    let rules = nft(&["list", "table", "inet", "twinkeep"]);
    assert_eq!(rules.matches("drop").count(), 2, "{rules}");

    // Another one beside it; undoing the first leaves the second.
    let second = HostAction::DropPort { port: kept, protocol: Protocol::Udp };
    let planned_second = plan(&second, &guards).unwrap();
    apply(&second, &guards, &planned_second.before).unwrap();
    for _ in 0..2 {
        undo(&action, &planned.before).unwrap();
    }
    assert!(reachable(port, true));
    assert!(nft(&["list", "ruleset"]).contains("twinkeep"));
    // What was dropped before it was planned stays dropped.
    let planned_again = plan(&second, &guards).unwrap();
    assert!(planned_again.undo.is_empty());
    undo(&second, &planned_again.before).unwrap();
    assert!(nft(&["list", "ruleset"]).contains("twinkeep"));
    undo(&second, &planned_second.before).unwrap();
    assert!(!nft(&["list", "ruleset"]).contains("twinkeep"), "nothing is left behind");
    assert_eq!(nft(&["list", "table", "inet", "foreign"]), foreign);
}

#[test]
fn only_plain_files_of_the_folder_are_made_immutable() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, outside) = (dir.path().join("keep"), dir.path().join("outside"));
    fs::create_dir(&folder).unwrap();
    for file in [&outside, &folder.join("plain")] {
        fs::File::create(file).unwrap();
    }
    symlink(&outside, folder.join("link")).unwrap();
    symlink(dir.path(), folder.join("folder")).unwrap();
    fs::hard_link(&outside, folder.join("name")).unwrap();
    let whole = outside.to_str().unwrap();
    for wrong in ["link", "folder/outside", "name", "../outside", ".", "none", whole] {
        assert!(set_changes(&folder, Path::new(wrong), Changes::Refused).is_err(), "{wrong}");
        assert!(!is_immutable(&outside), "{wrong}");
    }
    let (plain, path) = (Path::new("plain"), folder.join("plain"));
    if let Err(error) = set_changes(&folder, plain, Changes::Refused) {
        println!("skipped: {error}");
        return;
    }
    let set = is_immutable(&path);
    set_changes(&folder, plain, Changes::Permitted).unwrap();
    assert!(set && !is_immutable(&path));
    let (inner, moved) = (folder.join("inner"), folder.join("moved"));
    fs::create_dir(&inner).unwrap();
    set_changes(&folder, Path::new("inner"), Changes::Refused).unwrap();
    let (added, renamed) = (fs::File::create(inner.join("more")), fs::rename(&inner, &moved));
    set_changes(&folder, Path::new("inner"), Changes::Permitted).unwrap();
    assert!(added.is_err() && renamed.is_err(), "a folder keeps its files and its name");
}
