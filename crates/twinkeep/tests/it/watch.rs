//! Who touched the files of models and keys: everybody is seen, whatever way they take.

use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Place, ran, write};
use crate::isolation::until;
use crate::serve::Server;

/// A running `twinkeep watch`.
struct Watch {
    child: Child,
    lines: BufReader<ChildStdout>,
    began: Value,
}

impl Watch {
    /// Starts it, by way of other programs if some are named; it sees when this returns.
    fn start(place: &Place, by: &[&str], args: &[&str]) -> Self {
        let program = place.command(&[]).get_program().to_owned();
        let mut words = by.iter().map(Into::into).chain([program]);
        let mut command = Command::new(words.next().unwrap());
        let mut child = command
            .args(words)
            .args(["watch", "--json"])
            .args(args)
            .current_dir(place.folder())
            .env("XDG_STATE_HOME", place.path("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut began = String::new();
        lines.read_line(&mut began).unwrap();
        let began = serde_json::from_str(&began).unwrap_or_default();
        Self { child, lines, began }
    }

    /// Returns whether it is known who does what here; root is asked by the kernel.
    fn knows_who(&self) -> bool {
        if self.began["who"] == true {
            return true;
        }
        println!("skipped: this system does not permit to be asked (fanotify)");
        false
    }

    /// Stops it, and returns what it saw.
    fn stop(mut self) -> Vec<Value> {
        signal(&self.child, "TERM");
        assert!(self.child.wait().unwrap().success());
        let lines = self.lines.by_ref().lines();
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Whoever reads what a test says would wait for this one to end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
}

/// The weights of a version: its largest file.
fn weights(place: &Place) -> PathBuf {
    let files = place.files("keep/models");
    files.into_iter().max_by_key(|file| fs::metadata(file).unwrap().len()).unwrap()
}

/// A copy of `cat` with a name of its own, so that each way is told apart.
fn reader(place: &Place, name: &str) -> PathBuf {
    let path = place.path(name);
    assert!(Command::new("cp").arg("/bin/cat").arg(&path).status().unwrap().success());
    path
}

fn done(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|it| it.success())
}

fn read_by(program: &Path, file: &Path) -> bool {
    done(Command::new(program).arg(file))
}

/// Whether `seen` says that the process called `name` did `action`.
fn says(seen: &[Value], name: &str, action: &str) -> bool {
    seen.iter().any(|it| it["process"] == name && it["action"] == action)
}

#[test]
fn all_six_ways_to_read_a_model_are_seen_and_who_took_them() {
    let (place, _) = Place::with_version();
    let file = weights(&place);
    let (link, hard, mounted) = (place.path("link"), place.path("hard"), place.path("mounted"));
    std::os::unix::fs::symlink(&file, &link).unwrap();
    fs::create_dir(&mounted).unwrap();
    let name = file.file_name().unwrap();
    let watch = Watch::start(&place, &[], &[]);
    if !watch.knows_who() {
        return;
    }
    let mut taken = vec!["plain", "symlink", "hardlink"];
    assert!(read_by(&reader(&place, "plain"), &file));
    assert!(read_by(&reader(&place, "symlink"), &link));
    fs::hard_link(&file, &hard).unwrap();
    assert!(read_by(&reader(&place, "hardlink"), &hard));
    let namespace = |script: &str, reader: &Path, file: &Path| {
        let folder = file.parent().unwrap();
        let words = [folder, &mounted, reader, file, &mounted.join(name)];
        done(Command::new("unshare").args(["-m", "sh", "-c", script, "sh"]).args(words))
    };
    let elsewhere = [
        ("bind", r#"mount --bind "$1" "$2" && exec "$3" "$5""#),
        ("namespace", r#"mount -t tmpfs none "$2" && exec "$3" "$4""#),
    ];
    for (way, script) in elsewhere {
        if namespace(script, &reader(&place, way), &file) {
            taken.push(way);
        } else {
            println!("skipped: this system does not permit to mount ({way})");
        }
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/uring.py");
    let ring = Command::new("python3").arg(script).arg(&file).status().unwrap();
    match ring.code() {
        Some(77) => println!("skipped: this system has no io_uring"),
        code => assert_eq!(code, Some(0)),
    }
    let seen = watch.stop();
    for way in taken {
        assert!(says(&seen, way, "open") && says(&seen, way, "read"), "{way}: {seen:#?}");
    }
    let by_ring = |it: &&Value| {
        it["process"].as_str().is_some_and(|name| name.starts_with("python"))
            && it["action"] == "open"
    };
    let ring_seen = seen.iter().find(by_ring);
    assert_eq!(ring_seen.is_some(), ring.code() == Some(0), "{seen:#?}");
    let link = seen.iter().find(|it| it["action"] == "link").unwrap();
    assert!(link["file"].as_str().unwrap().ends_with(name.to_str().unwrap()), "{link}");
    let plain = seen.iter().find(|it| it["process"] == "plain").unwrap();
    assert_eq!((&plain["user"], &plain["answer"]), (&0.into(), &"allowed".into()));
    assert_eq!(plain["executable"], place.path("plain").canonicalize().unwrap().to_str().unwrap());
    assert_eq!(plain["executable_sha256"].as_str().unwrap().len(), 64);
    // Each is in the ledger, and the ledger holds.
    let entries = place.run(&["ledger", "search", "--action", "file.open"]).lines();
    assert!(entries.iter().any(|entry| entry["details"]["process"] == "hardlink"));
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn others_are_refused_and_nobody_waits_for_a_watch_that_was_killed() {
    let (place, version) = Place::with_version();
    let (file, cat) = (weights(&place), reader(&place, "thief"));
    let backup = reader(&place, "backup");
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let permit = format!("permit = [{:?}]", backup.to_str().unwrap());
    write(&config, text.replace("permit = []", "permit = [\"/no/such\"]").as_bytes());
    assert_eq!(place.run(&["watch", "--deny"]).refused(), "watch-permit");
    write(&config, text.replace("permit = []", &permit).as_bytes());
    let mut watch = Watch::start(&place, &[], &["--deny"]);
    if !watch.knows_who() {
        return;
    }
    assert!(!read_by(&cat, &file), "a stranger");
    assert!(read_by(&backup, &file), "a program that the operator permits");
    assert!(!read_by(&cat, &place.path("keep/keys/root.key")), "keys are watched, too");
    place.run(&["model", "verify", &version]).done();
    // Whoever asks all the time asks in the moment of the kill, too.
    let loops = r#"while :; do "$1" "$2" >/dev/null 2>&1; done"#;
    let mut readers: Vec<Child> = (0..4)
        .map(|_| Command::new("sh").args(["-c", loops, "sh"]).args([&cat, &file]).spawn().unwrap())
        .collect();
    std::thread::sleep(Duration::from_millis(200));
    watch.child.kill().unwrap();
    watch.child.wait().unwrap();
    let failsafe = Instant::now() + Duration::from_secs(120);
    let mut after = Command::new(&cat).arg(&file).stdout(Stdio::null()).spawn().unwrap();
    let ended = loop {
        match after.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if Instant::now() > failsafe => break None,
            None => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    for reader in &mut readers {
        let alive = reader.try_wait().unwrap().is_none();
        reader.kill().unwrap();
        reader.wait().unwrap();
        assert!(alive);
    }
    assert!(ended.is_some_and(|status| status.success()), "whoever asks afterwards is let through");
    let denied = place.run(&["ledger", "search", "--action", "file.open", "--outcome", "failure"]);
    let denied = denied.lines();
    assert!(denied.iter().any(|entry| entry["details"]["process"] == "thief"), "{denied:#?}");
}

#[test]
fn without_the_privilege_it_is_said_what_is_not_seen_and_the_rest_is() {
    let (place, _) = Place::with_version();
    let less = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    let dropped = done(Command::new("setpriv").args(&less[1..]).arg("true"));
    let by: &[&str] = if dropped { &less } else { &[] };
    let watch = Watch::start(&place, by, &[]);
    assert_eq!((&watch.began["by"], &watch.began["who"]), (&"inotify".into(), &false.into()));
    assert!(watch.began["blind"][0].as_str().unwrap().contains("CAP_SYS_ADMIN"));
    let key = place.path("keep/keys/root.key");
    assert!(read_by(Path::new("cat"), &key));
    let seen_by = Instant::now() + Duration::from_secs(120);
    while place.run(&["ledger", "search", "--action", "file.open"]).lines().is_empty() {
        assert!(Instant::now() < seen_by, "the entry never came");
    }
    // It may have been the keep. Whoever opens a file to others was not, and nobody knows who it was.
    assert!(place.run(&["incident", "list"]).lines().is_empty());
    let model = weights(&place);
    fs::set_permissions(&model, Permissions::from_mode(0o644)).unwrap();
    let opened =
        until("it is an incident", || place.run(&["incident", "list"]).lines().into_iter().next());
    assert_eq!((&opened["detector"], &opened["severity"]), (&"file-access".into(), &"high".into()));
    let seen = watch.stop();
    let read = seen.iter().find(|it| it["action"] == "open").unwrap();
    assert_eq!((&read["pid"], &read["answer"]), (&Value::Null, &"told".into()));
    let mut denying = Command::new(if dropped { less[0] } else { "env" });
    if dropped {
        denying.args(&less[1..]);
    }
    denying.arg(place.command(&[]).get_program()).args(["watch", "--deny", "--json"]);
    denying.current_dir(place.folder()).env("XDG_STATE_HOME", place.path("state"));
    let ended = || place.run(&["ledger", "search", "--action", "watch.ended"]).lines().len();
    let before = ended();
    let refused = ran(&denying.output().unwrap());
    assert_eq!(refused.refused(), "watch-not-permitted");
    assert_eq!(ended(), before, "what did not begin does not end");
}

/// Configures that `serve` keeps the watch.
fn keep_watch(place: &Place) {
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("files = \"off\"", "files = \"record\"");
    // Who waits asks again and again, and must not be refused for it.
    let text = text.replace("rate_per_second = 5\n", "rate_per_second = 100000\n");
    let text = text.replace("rate_burst = 10\n", "rate_burst = 100000\n");
    assert!(text.contains("files = \"record\""));
    write(&config, text.as_bytes());
}

/// The numbers of processes that run a command here.
fn running(place: &Place, name: &str) -> Vec<String> {
    let folder = place.folder().canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let command = fs::read(process.path().join("cmdline")).unwrap_or_default();
        let here = fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == folder);
        here && command.split(|byte| *byte == 0).any(|word| word == name.as_bytes())
    });
    processes.map(|process| process.file_name().into_string().unwrap()).collect()
}

#[test]
fn whoever_kills_one_process_of_the_watch_is_told_of_and_whoever_kills_both_ends_it() {
    let (place, _) = Place::with_model();
    keep_watch(&place);
    let server = Server::start(&place);
    let kill = |numbers: &[String]| {
        assert!(Command::new("kill").arg("-9").args(numbers).status().unwrap().success());
    };
    let both = || [running(&place, "serve-watch"), running(&place, "serve-watch-eyes")].concat();
    let found = |action: &str| place.run(&["ledger", "search", "--action", action]).lines().len();
    let stands = || server.call("/readyz", &[]).json();
    until("it is watched", || (stands()["files"] == "watching").then_some(()));
    for (count, name) in [(2, "serve-watch"), (3, "serve-watch-eyes"), (4, "serve-watch")] {
        let before = running(&place, name);
        assert_eq!(before.len(), 1, "{name}: {before:?}");
        kill(&before);
        until("it begins again", || (found("watch.began") == count).then_some(()));
        until("there is one of each", || {
            (both().len() == 2 && running(&place, name) != before).then_some(())
        });
        until("it is watched", || (stands()["files"] == "watching").then_some(()));
        assert_eq!((found("watch.ended"), &stands()["status"]), (count - 1, &"ready".into()));
    }
    kill(&both());
    until("it is not watched", || (stands()["files"] == "failing").then_some(()));
    assert_eq!(stands()["status"], "degraded");
    let told = |it: &Value| it["says"].as_str().is_some_and(|says| says.contains("was ended"));
    assert!(place.run(&["incident", "list"]).lines().iter().any(told));
    assert_eq!(server.stop(), Some(0));
    assert_eq!(found("watch.ended"), 4);
    // What is meant to end is no alarm.
    let server = Server::start(&place);
    assert_eq!(server.stop(), Some(0));
    assert_eq!(both(), [""; 0]);
    let ended = place.run(&["ledger", "search", "--action", "watch.ended"]).lines();
    let meant = ended.iter().filter(|it| it["outcome"] == "success").count();
    assert_eq!((ended.len(), meant), (5, 1), "{ended:#?}");
}

#[test]
fn a_server_keeps_the_watch_and_the_watch_ends_with_it() {
    let place = Place::with_keep();
    keep_watch(&place);
    let server = Server::start(&place);
    assert!(read_by(&reader(&place, "stranger"), &place.path("keep/keys/root.key")));
    let found = |action: &str| place.run(&["ledger", "search", "--action", action]).lines();
    let by_fanotify = found("watch.began")[0]["details"]["by"] == "fanotify";
    // The server itself has opened that file, too.
    let stranger = |entry: &Value| match by_fanotify {
        true => entry["details"]["process"] == "stranger",
        false => entry["details"]["file"] == "keys/root.key",
    };
    let seen_by = Instant::now() + Duration::from_secs(120);
    while !found("file.open").iter().any(stranger) {
        assert!(Instant::now() < seen_by, "the entry never came");
    }
    // Whoever blinds the watch is told of, and the watch sees again.
    let eyes = running(&place, "serve-watch-eyes");
    assert_eq!(eyes.len(), 1, "{eyes:?}");
    assert!(Command::new("kill").args(["-9", &eyes[0]]).status().unwrap().success());
    while found("watch.began").len() < 2 {
        assert!(Instant::now() < seen_by, "the watch does not begin again");
    }
    let died = found("watch.ended");
    assert_eq!(died[0]["outcome"], "watch-died", "{died:#?}");
    let told = |it: &Value| it["says"].as_str().is_some_and(|says| says.contains("was ended"));
    while !place.run(&["incident", "list"]).lines().iter().any(told) {
        assert!(Instant::now() < seen_by, "nobody is told");
    }
    // Killed, so that it cannot tell the watch to end: that hears of it all the same.
    drop(server);
    let ended_by = Instant::now() + Duration::from_secs(120);
    while ["serve-watch", "serve-watch-eyes"].iter().any(|it| !running(&place, it).is_empty()) {
        assert!(Instant::now() < ended_by, "the watch outlives its server");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Auditing, on for as long as this lives; none where it cannot be turned on.
struct Auditing(PathBuf);

impl Auditing {
    fn on() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let tool = root.join("target/peers/auditd/sbin/auditctl");
        let auditing = Self(tool);
        if auditing.set("1") {
            return Some(auditing);
        }
        println!("skipped: auditing cannot be turned on here");
        None
    }

    fn set(&self, enabled: &str) -> bool {
        let libraries = self.0.with_file_name("../lib/x86_64-linux-gnu");
        let mut command = Command::new(&self.0);
        done(command.args(["-e", enabled]).env("LD_LIBRARY_PATH", libraries))
    }
}

impl Drop for Auditing {
    fn drop(&mut self) {
        self.set("0");
    }
}

#[test]
fn who_changed_attributes_is_known_though_gone_at_once() {
    let (place, _) = Place::with_version();
    let file = weights(&place);
    let Some(_auditing) = Auditing::on() else { return };
    if place.run(&["watch", "rules", "--load"]).code != 0 {
        println!("skipped: this system does not permit to load audit rules");
        return;
    }
    let watch = Watch::start(&place, &[], &[]);
    let audited = watch.began["audit"] == true;
    // A program that asks for none of the keep's files: nothing but the record says who it was.
    let toucher = place.path("toucher");
    assert!(Command::new("cp").arg("/bin/chmod").arg(&toucher).status().unwrap().success());
    for mode in ["0600", "0640"].repeat(15) {
        assert!(done(Command::new(&toucher).arg(mode).arg(&file)));
    }
    let knows = watch.knows_who();
    let seen = watch.stop();
    place.run(&["watch", "rules", "--unload"]).done();
    if !knows {
        return;
    }
    assert!(audited, "rules are loaded, and auditing is on");
    let changes: Vec<&Value> = seen.iter().filter(|it| it["action"] == "attribute").collect();
    let count = |it: &&Value| it["count"].as_u64().unwrap();
    assert!(changes.iter().map(count).sum::<u64>() >= 15, "{seen:#?}");
    for change in changes {
        assert_eq!(change["process"], "toucher", "{change:#}");
        assert_eq!(change["executable"], toucher.to_str().unwrap(), "{change:#}");
    }
}
