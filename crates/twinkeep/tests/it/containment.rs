//! Containment on the host and after crashes: what is done is done by whoever may, is undone, and is
//! on record whenever somebody is killed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::harness::{Place, Ran, ran, write, write_private};
use crate::incident::{actions, drill, steps};
use crate::isolation::{child, until};
use crate::release::{approve, approver, damage, two_versions};
use crate::serve::Server;

/// A process, gone when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A playbook of the keep for drills of severity `critical`.
fn import(place: &Place, steps: &[(&str, &str)]) {
    let mut text = "name = \"host\"\nid = \"playbook--5b0f63d2-7a14-4c86-9d1e-3f2a7c90b1e4\"\n\
                    created = \"2026-11-23T00:00:00.000Z\"\nmodified = \"2026-11-23T00:00:00.000Z\"\n\
                    description = \"A test.\"\ndetectors = [\"drill\"]\nseverity = \"critical\"\n"
        .to_owned();
    for (action, on) in steps {
        text.push_str(&format!("\n[[step]]\naction = \"{action}\"\n"));
        text.push_str(&if on.is_empty() { String::new() } else { format!("on = \"{on}\"\n") });
    }
    write(&place.path("host.toml"), text.as_bytes());
    place.run(&["incident", "playbook", "import", "host.toml"]).done();
}

/// Permits the host to be acted on, and names a service of it.
fn configure(place: &Place, host: &str) {
    let path = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("drop_ports = false").count(), 1);
    let text = text.replace("drop_ports = false", "drop_ports = true");
    write(&path, format!("{text}\n{host}").as_bytes());
}

/// Runs the program as another one does: `before` is put in front of it.
fn run_by(place: &Place, before: &[&str], args: &[&str]) -> Ran {
    let command = place.command(args);
    let mut by = Command::new(before[0]);
    by.args(&before[1..]).arg(command.get_program()).args(command.get_args()).arg("--json");
    by.current_dir(place.folder()).env("XDG_STATE_HOME", place.path("state")).stdin(Stdio::null());
    ran(&by.output().unwrap())
}

fn pid_in(file: &Path) -> u32 {
    fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

/// `T` if it is held; none, if it does not run.
fn process_state(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = text.rsplit_once(") ")?.1.chars().next()?;
    (state != 'Z').then_some(state)
}

/// A service that writes its number into `legacy.pid`, and what starts it.
fn legacy(place: &Place) -> (Running, String) {
    let pid_file = place.path("legacy.pid");
    let script = format!("echo $$ > {}; exec sleep 1000", pid_file.display());
    configure(
        place,
        &format!(
            "[[host.service]]\nname = \"legacy\"\npid_file = {pid_file:?}\n\
             start = [\"/bin/sh\", \"-c\", {script:?}]\n"
        ),
    );
    let service = Running(Command::new("sh").args(["-c", &script]).spawn().unwrap());
    while !fs::read_to_string(&pid_file).is_ok_and(|text| text.ends_with('\n')) {
        std::thread::yield_now();
    }
    (service, script)
}

#[test]
fn a_port_is_dropped_and_a_service_stopped_and_both_come_back() {
    let enough = Command::new("unshare").args(["-n", "nft", "list", "ruleset"]).output();
    if !enough.is_ok_and(|output| output.status.success()) {
        println!("skipped: it takes root, `unshare`, and `nft`");
        return;
    }
    let network = Command::new("unshare").args(["-n", "sleep", "1000"]).spawn().unwrap();
    let network = Running(network);
    let number = network.0.id().to_string();
    let own = fs::read_link("/proc/self/ns/net").unwrap();
    while fs::read_link(format!("/proc/{number}/ns/net")).unwrap() == own {
        std::thread::yield_now();
    }
    let inside = ["nsenter", "-t", &number, "-n"];
    let within =
        |args: &[&str]| Command::new("nsenter").args(&inside[1..]).args(args).output().unwrap();
    assert!(within(&["ip", "link", "set", "lo", "up"]).status.success());
    // Nobody listens: a port that is open refuses at once, and one that is dropped says nothing.
    let dropped = || {
        let connect = ["timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8500"];
        within(&connect).status.code() == Some(124)
    };
    // A busy machine may say nothing for a second, too.
    let is_open = || until("it is dropped", || (!dropped()).then_some(()));
    let place = Place::with_keep();
    let (service, script) = legacy(&place);
    let pid_file = place.path("legacy.pid");
    let what = [("preserve-evidence", ""), ("drop-port", "tcp/8500"), ("stop-service", "legacy")];
    import(&place, &[&what[..], &[("notify", "")]].concat());
    is_open();

    let arguments = ["incident", "drill", "--severity", "critical"];
    let plan = run_by(&place, &inside, &[&arguments[..], &["--dry-run"]].concat()).done();
    assert_eq!(plan["steps"][1]["before"]["dropped"], "no", "{plan}");
    let add = "nft add element inet twinkeep tcp_ports { 8500 }";
    let has = |step: &Value, commands: &str, command: &str| {
        step[commands].as_array().unwrap().iter().any(|it| it == command)
    };
    assert!(has(&plan["steps"][1], "commands", add), "{plan}");
    let delete = "nft delete element inet twinkeep tcp_ports { 8500 }";
    assert!(has(&plan["steps"][1], "undo_commands", delete), "{plan}");
    assert_eq!(plan["steps"][1]["expected"], "what comes to tcp port 8500 is dropped");
    let kill = format!("kill -TERM {}", service.0.id());
    assert!(has(&plan["steps"][2], "commands", &kill), "{plan}");
    assert!(has(&plan["steps"][2], "undo_commands", &format!("/bin/sh -c {script}")), "{plan}");
    is_open();
    assert!(process_state(service.0.id()).is_some(), "a plan does nothing");
    let incident = run_by(&place, &inside, &arguments).done();
    let expected = ["preserve-evidence", "drop-port", "stop-service", "notify"];
    assert_eq!(steps(&incident), expected.map(|action| format!("done {action}")), "{incident}");
    assert!(dropped());
    assert_eq!(process_state(service.0.id()), None);
    // What was done is on record, to the letter.
    assert!(has(&incident["steps"][1], "commands", add), "{incident}");
    let text = place.show(&["incident", "show", "inc-1"]).stdout;
    assert!(text.contains(&format!("command  {add}\n")), "{text}");
    assert!(text.contains(&format!("command  {kill}\n")), "{text}");

    // Another incident holds the same, which ends with the last of them.
    let route = ["--route", "/api/v1/predict"];
    let other = run_by(&place, &inside, &[&arguments[..], &route].concat()).done();
    assert_eq!(steps(&other), expected.map(|action| format!("done {action}")), "{other}");
    let undo = |id| ["incident", "rollback", id, "--reason", "a drill"];
    let undone = ["done preserve-evidence", "undone drop-port", "undone stop-service"];
    let undone = [&undone[..], &["done notify"]].concat();
    assert_eq!(steps(&run_by(&place, &inside, &undo("inc-1")).done()), undone);
    assert!(dropped());
    assert_eq!(pid_in(&pid_file), service.0.id());
    assert_eq!(steps(&run_by(&place, &inside, &undo("inc-2")).done()), undone);
    is_open();
    let rules = within(&["nft", "list", "ruleset"]).stdout;
    assert!(!String::from_utf8_lossy(&rules).contains("twinkeep"), "nothing is left behind");
    let again = pid_in(&pid_file);
    assert_ne!(again, service.0.id());
    assert!(process_state(again).is_some());
    assert!(Command::new("kill").arg(again.to_string()).status().unwrap().success());
}

/// A service that only root may signal, if this is root.
fn of_somebody_else() -> Option<Running> {
    // In a session of its own: within one, anybody may let a process go on.
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sleep", "1000"];
    let Ok(service) = Command::new("setsid").args(nobody).spawn().map(Running) else {
        println!("skipped: it takes `setsid` and `setpriv`");
        return None;
    };
    let pid = service.0.id();
    let owner = || fs::metadata(format!("/proc/{pid}")).map(|it| it.uid());
    while process_state(pid).is_some() && !owner().is_ok_and(|it| it == 65534) {
        std::thread::yield_now();
    }
    if process_state(pid).is_none() {
        println!("skipped: it takes root");
        return None;
    }
    Some(service)
}

/// Permits a process to be acted on, by these names.
fn name_service(place: &Place, pid: u32, names: &[&str]) {
    let pid_file = place.path("other.pid");
    write(&pid_file, format!("{pid}\n").as_bytes());
    let of = |name: &&str| format!("[[host.service]]\nname = {name:?}\npid_file = {pid_file:?}\n");
    configure(place, &names.iter().map(of).collect::<String>());
}

/// Without any privilege of root.
const BARE: [&str; 3] = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];

#[test]
fn a_command_without_privileges_leaves_the_host_to_the_server_that_has_them() {
    let Some(service) = of_somebody_else() else { return };
    let (bare, pid) = (BARE, service.0.id());
    let (place, _) = Place::with_model();
    // By two names: what was done to one a moment ago is not done to it again.
    name_service(&place, pid, &["other", "again"]);
    import(&place, &[("freeze-service", "other"), ("notify", "")]);
    let arguments = ["incident", "drill", "--severity", "critical"];
    let alone = run_by(&place, &bare, &arguments).done();
    assert_eq!(steps(&alone)[0], "failed freeze-service host-not-permitted", "{alone}");
    run_by(&place, &bare, &["incident", "close", "inc-1", "--reason", "a drill"]).done();

    let server = Server::start(&place);
    let beside = run_by(&place, &bare, &arguments).done();
    assert_eq!(steps(&beside), ["done freeze-service", "done notify"], "{beside}");
    assert_eq!(beside["state"], "contained");
    assert_eq!(process_state(pid), Some('T'));
    // Looking at it, and reporting something else, changes nothing of what is on record.
    let report = run_by(&place, &bare, &["incident", "report", "inc-2"]).done();
    assert!(report.to_string().contains("freeze-service other: done"), "{report}");
    run_by(&place, &bare, &["incident", "drill", "--severity", "low"]).done();
    let shown = run_by(&place, &bare, &["incident", "show", "inc-2"]).done();
    assert_eq!(shown["steps"], beside["steps"]);
    // So is undoing it, also when it was closed before.
    run_by(&place, &bare, &["incident", "close", "inc-2", "--reason", "x"]).done();
    let undone = run_by(&place, &bare, &["incident", "rollback", "inc-2", "--reason", "x"]).done();
    assert_eq!(steps(&undone), ["undone freeze-service", "done notify"], "{undone}");
    assert_ne!(process_state(pid), Some('T'));
    run_by(&place, &bare, &["incident", "close", "inc-2", "--reason", "x"]).done();

    // Where nobody has the privileges, it says so, and stays undone for whoever has them.
    import(&place, &[("freeze-service", "again"), ("notify", "")]);
    run_by(&place, &bare, &arguments).done();
    assert_eq!(server.stop(), Some(0));
    let undo = ["incident", "rollback", "inc-3", "--reason", "x"];
    assert_eq!(run_by(&place, &bare, &undo).refused(), "rollback-partial");
    let shown = place.run(&["incident", "show", "inc-3"]).done();
    assert_eq!(steps(&shown)[0], "kept freeze-service host-not-permitted", "{shown}");
    let says = shown["steps"][0]["says"].as_str().unwrap();
    assert!(says.contains("it takes root") && says.contains("while a `serve` runs"), "{says}");
    assert_eq!(process_state(pid), Some('T'));
    place.run(&undo).done();
    assert_ne!(process_state(pid), Some('T'));
}

#[test]
fn a_step_that_failed_is_tried_again_when_a_person_asks() {
    let Some(service) = of_somebody_else() else { return };
    let pid = service.0.id();
    let place = Place::with_keep();
    name_service(&place, pid, &["other"]);
    import(&place, &[("freeze-service", "other"), ("notify", "")]);
    let failed = run_by(&place, &BARE, &["incident", "drill", "--severity", "critical"]).done();
    let expected = ["failed freeze-service host-not-permitted", "done notify"];
    assert_eq!(steps(&failed), expected, "{failed}");
    // Not by itself: whatever kept it from succeeding may be there still.
    let all = place.run(&["incident", "resume"]).done();
    assert!(all["resumed"].as_array().unwrap().is_empty(), "{all}");
    assert_ne!(process_state(pid), Some('T'));
    let again = place.run(&["incident", "resume", "inc-1"]).done();
    let expected = [&expected[..], &["done freeze-service"]].concat();
    assert_eq!(steps(&again), expected, "{again}");
    assert_eq!(again["state"], "contained");
    assert_eq!(process_state(pid), Some('T'));
    // Nothing failed since, and nothing is done twice.
    assert_eq!(place.run(&["incident", "resume", "inc-1"]).done()["steps"], again["steps"]);
    let undone = place.run(&["incident", "rollback", "inc-1", "--reason", "x"]).done();
    assert_eq!(steps(&undone)[2], "undone freeze-service");
    assert_ne!(process_state(pid), Some('T'));
}

#[test]
fn a_helper_without_privileges_is_left_nothing() {
    let Some(service) = of_somebody_else() else { return };
    let pid = service.0.id();
    let place = Place::with_keep();
    name_service(&place, pid, &["other"]);
    let mut helper = Command::new(BARE[0]);
    helper.args(&BARE[1..]).arg(place.command(&[]).get_program());
    helper.args(["serve-host", "--keep"]).arg(place.path("keep"));
    helper.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut helper = Running(helper.spawn().unwrap());
    let mut ask = helper.0.stdin.take().unwrap();
    ask.write_all(b"{\"number\":1,\"ask\":{\"ask\":\"look\",\"files\":[]}}\n").unwrap();
    let mut answer = String::new();
    BufReader::new(helper.0.stdout.take().unwrap()).read_line(&mut answer).unwrap();
    assert!(answer.contains("seen"), "{answer}");
    import(&place, &[("freeze-service", "other"), ("notify", "")]);
    let own = place.run(&["incident", "drill", "--severity", "critical"]).done();
    assert_eq!(steps(&own), ["done freeze-service", "done notify"], "{own}");
    assert_eq!(process_state(pid), Some('T'));
    let undone = place.run(&["incident", "rollback", "inc-1", "--reason", "x"]).done();
    assert_eq!(steps(&undone)[0], "undone freeze-service");
}

/// What the service of the next test does when it is told to end for the first time.
enum Then {
    /// It goes on.
    Stays,
    /// It ends, and somebody starts it again.
    Returns,
}

/// The helper is killed in the middle of a step, by the service that the step ends.
fn kill_the_helper_in_the_middle(then: &Then) {
    let (place, _) = Place::with_model();
    let (folder, returns) = (place.folder().display(), matches!(then, Then::Returns));
    let after = match then {
        Then::Stays => "",
        Then::Returns => "sh -c 'echo $$ > pid; exec sleep 1000' & exit",
    };
    let script = format!(
        "cd {folder}
        trap 'echo TERM >> marks
              [ -e killed ] && exit
              touch killed
              while [ ! -s drill.pid ]; do sleep 0.02; done
              kill -9 $(cat drill.pid) $(cat helper.pid)
              . ./after' TERM
        echo $$ > pid
        while :; do sleep 0.02; done"
    );
    write(&place.path("after"), after.as_bytes());
    let mut service = Running(Command::new("sh").args(["-c", &script]).spawn().unwrap());
    let pid_file = place.path("pid");
    until("it runs", || fs::read_to_string(&pid_file).ok().filter(|it| it.ends_with('\n')));
    configure(&place, &format!("[[host.service]]\nname = \"own\"\npid_file = {pid_file:?}\n"));
    import(&place, &[("stop-service", "own"), ("notify", "")]);
    let server = Server::start(&place);
    let helper = until("the helper is there", || child(server.process(), "serve-host"));
    write(&place.path("helper.pid"), format!("{helper}\n").as_bytes());
    let arguments = ["incident", "drill", "--severity", "critical"];
    let mut drill = Running(place.command(&arguments).stdout(Stdio::null()).spawn().unwrap());
    write(&place.path("drill.pid"), format!("{}\n", drill.0.id()).as_bytes());
    drill.0.wait().unwrap();

    // People are told, and it is not contained; nobody takes it for done or for failed.
    let shown = || place.run(&["incident", "show", "inc-1"]).done();
    let waits = until("it waits for a helper", || {
        Some(shown()).filter(|it| steps(it) == ["intended stop-service host-helper", "done notify"])
    });
    assert_eq!(waits["state"], "open", "{waits}");
    let close = ["incident", "close", "inc-1", "--reason", "x"];
    assert_eq!(place.run(&close).refused(), "incident-pending");
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(&place);
    let done = until("it is contained", || Some(shown()).filter(|it| it["state"] == "contained"));
    assert_eq!(steps(&done), ["done stop-service", "done notify"], "{done}");
    assert_eq!(server.stop(), Some(0));
    // Not skipped: it ended. Not repeated: whoever came in its place was told nothing.
    service.0.wait().unwrap();
    let marks = fs::read_to_string(place.path("marks")).unwrap();
    assert_eq!(marks.lines().count(), if returns { 1 } else { 2 });
    if returns {
        let another = pid_in(&pid_file);
        assert!(process_state(another).is_some());
        assert!(Command::new("kill").arg(another.to_string()).status().unwrap().success());
    }
    let lines = place.run(&["ledger", "show", "--limit", "300"]).lines();
    let applied = lines.iter().filter(|it| {
        it["action"] == "containment.applied" && it["details"]["step"] == "stop-service"
    });
    let outcomes: Vec<&Value> = applied.map(|it| &it["outcome"]).collect();
    assert_eq!(outcomes.len(), 2, "once that it was lost, once that it is done: {outcomes:?}");
}

#[test]
fn a_step_whose_helper_was_killed_is_neither_skipped_nor_repeated() {
    kill_the_helper_in_the_middle(&Then::Stays);
    kill_the_helper_in_the_middle(&Then::Returns);
}

fn signal(name: &str, pid: u32) {
    assert!(Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap().success());
}

/// About somebody, with nothing to do on the host.
const OF_SOMEBODY: [&str; 4] = ["--as", "extraction", "--identity", "key:0123456789abcdef"];

/// What is done about [`OF_SOMEBODY`].
const DONE_OF_SOMEBODY: [&str; 3] =
    ["done preserve-evidence", "done suspend-identity", "done notify"];

#[test]
fn what_takes_long_on_the_host_holds_no_other_incident_up_and_is_done_once() {
    let place = Place::with_keep();
    let (marks, pid_file) = (place.path("marks"), place.path("pid"));
    let script = format!(
        "cd {}; trap 'echo TERM >> marks' TERM; echo $$ > pid; while :; do sleep 0.02; done",
        place.folder().display()
    );
    let mut service = Running(Command::new("sh").args(["-c", &script]).spawn().unwrap());
    until("it runs", || fs::read_to_string(&pid_file).ok().filter(|it| it.ends_with('\n')));
    configure(&place, &format!("[[host.service]]\nname = \"own\"\npid_file = {pid_file:?}\n"));
    import(&place, &[("stop-service", "own"), ("pause-training", ""), ("notify", "")]);
    let arguments = ["incident", "drill", "--severity", "critical"];
    let slow = |args: &[&str]| {
        let mut command = place.command(args);
        Running(command.stdout(Stdio::null()).spawn().unwrap())
    };
    let mut acts = slow(&arguments);
    until("it is told to end", || marks.exists().then_some(()));
    // Whoever acts is in the middle of it, and stays there.
    signal("STOP", acts.0.id());
    let other = drill(&place, &OF_SOMEBODY);
    assert_eq!(
        (steps(&other), &other["state"]),
        (DONE_OF_SOMEBODY.map(str::to_owned).to_vec(), &"contained".into())
    );
    let shown = || place.run(&["incident", "show", "inc-1"]).done();
    // What is done in the keep went first; people are told once all of it is.
    let expected = ["intended stop-service", "done pause-training", "planned notify"];
    assert_eq!(steps(&shown()), expected);
    let mut resumes = slow(&["incident", "resume", "inc-1"]);
    signal("CONT", acts.0.id());
    assert!(acts.0.wait().unwrap().success() && resumes.0.wait().unwrap().success());
    service.0.wait().unwrap();
    assert_eq!(steps(&shown()), ["done stop-service", "done pause-training", "done notify"]);
    assert_eq!(fs::read_to_string(&marks).unwrap(), "TERM\n", "it was told once");
    let lines = place.run(&["ledger", "show", "--limit", "300"]).lines();
    let applied = |it: &&Value| {
        it["action"] == "containment.applied" && it["details"]["step"] == "stop-service"
    };
    assert_eq!(lines.iter().filter(applied).count(), 1);
}

#[test]
fn a_helper_that_is_held_where_it_is_counts_as_lost() {
    let (place, _) = Place::with_model();
    let mut command = Command::new("sleep");
    let service = Running(command.arg("1000").spawn().unwrap());
    name_service(&place, service.0.id(), &["other"]);
    import(&place, &[("freeze-service", "other"), ("notify", "")]);
    let server = Server::start(&place);
    let helper = until("the helper is there", || child(server.process(), "serve-host"));
    until("it says what it does", || {
        let keep = fs::File::open(place.path("keep")).unwrap();
        matches!(keep.try_lock_shared(), Err(fs::TryLockError::WouldBlock)).then_some(())
    });
    signal("STOP", helper);
    let arguments = ["incident", "drill", "--severity", "critical"];
    let mut left = Running(place.command(&arguments).stdout(Stdio::null()).spawn().unwrap());
    let shown = || place.run(&["incident", "show", "inc-1"]);
    until("it is an incident", || (shown().code == 0).then_some(()));
    let other = drill(&place, &OF_SOMEBODY);
    assert_eq!(steps(&other), DONE_OF_SOMEBODY);
    // People are told, and nothing of it is taken for done or for failed.
    let waits = until("it is lost", || {
        let expected = ["planned freeze-service host-helper", "done notify"];
        Some(shown().done()).filter(|it| steps(it) == expected)
    });
    assert_eq!(waits["state"], "open", "{waits}");
    left.0.wait().unwrap();
    // Whoever may does it themselves, though the helper is there still.
    assert_ne!(process_state(service.0.id()), Some('T'));
    place.run(&["incident", "resume", "inc-1"]).done();
    assert_eq!(steps(&shown().done()), ["done freeze-service", "done notify"]);
    assert_eq!(process_state(service.0.id()), Some('T'));
    // Nobody waits for it for good, and it ends when it is let go.
    assert_eq!(server.stop(), Some(0));
    signal("CONT", helper);
    until("it is gone", || process_state(helper).is_none().then_some(()));
}

#[test]
fn what_would_be_refused_is_shown_as_refused_before_anything_is_done() {
    let place = Place::with_keep();
    let issued = place.run(&["cert", "issue", "operator", "--scope", "admin", "--out", "."]).done();
    let caller = format!("cert:{}", issued["id"].as_str().unwrap());
    import(&place, &[("suspend-identity", &caller), ("drop-port", "tcp/8500")]);
    let plan = drill(&place, &["--severity", "critical", "--dry-run"]);
    let expected = ["refused suspend-identity last-way-in", "refused drop-port host-off"];
    assert_eq!(steps(&plan), expected, "{plan}");
    assert!(plan["steps"][0]["says"].as_str().unwrap().contains("nobody else may administer"));
    let args = ["incident", "drill", "--severity", "critical", "--dry-run"];
    let text = place.show(&args).stdout;
    assert!(text.contains("refused") && !text.contains("planned"), "{text}");
    // What is done is what was said.
    let done = drill(&place, &["--severity", "critical"]);
    let expected = ["failed suspend-identity last-way-in", "failed drop-port host-off"];
    assert_eq!(steps(&done), expected);
    // Nor is anything announced that a failure before it rules out.
    import(&place, &[("drop-port", "tcp/8500"), ("pause-training", ""), ("notify", "")]);
    let text = fs::read_to_string(place.path("host.toml")).unwrap();
    let text = text.replace("tcp/8500\"", "tcp/8500\"\non_failure = \"stop\"");
    write(&place.path("host.toml"), text.as_bytes());
    place.run(&["incident", "playbook", "import", "host.toml"]).done();
    let plan = drill(&place, &["--severity", "critical", "--dry-run"]);
    let expected =
        ["refused drop-port host-off", "skipped pause-training stopped", "planned notify"];
    assert_eq!(steps(&plan), expected, "{plan}");
}

#[test]
fn a_version_that_cannot_be_taken_away_is_an_incident_all_the_same() {
    let (place, [first, second]) = two_versions();
    damage(&place, &second);
    let quarantine = place.path("keep/models/quarantine");
    let _ = fs::remove_dir_all(&quarantine);
    write(&quarantine, b"in the way");
    let list = place.run(&["twin", "list", "--limit", "1"]).done();
    let subject = list["twins"][0]["subject"].as_str().unwrap();
    // The backup may answer; what is wrong cannot be taken away.
    place.run(&["twin", "forecast", subject]);
    fs::remove_file(&quarantine).unwrap();
    fs::DirBuilder::new().mode(0o700).create(&quarantine).unwrap();
    let found = place.run(&["incident", "list"]).lines();
    let about = |it: &Value| (it["detector"].clone(), it["target"]["name"].clone());
    let expected = ("model-integrity".into(), second.clone().into());
    assert_eq!(found.iter().map(about).collect::<Vec<_>>(), [expected]);
    place.run(&["incident", "resume"]).done();
    let found = place.run(&["incident", "show", "inc-1"]).done();
    assert_eq!(found["state"], "contained", "{found}");
    assert_eq!(place.version("in-service"), first);
    assert_eq!(place.version("quarantined"), second);
}

#[test]
fn evidence_that_was_written_before_a_crash_is_in_the_ledger_after_it() {
    let place = Place::with_keep();
    place.copy("keep", "pristine");
    place.copy("state", "pristine-state");
    drill(&place, &[]);
    fs::copy(place.path("keep/evidence/inc-1.sealed"), place.path("kept")).unwrap();
    for folder in ["keep", "state"] {
        fs::remove_dir_all(place.path(folder)).unwrap();
    }
    place.copy("pristine", "keep");
    place.copy("pristine-state", "state");
    // Killed after it was written, and before the ledger knew.
    fs::DirBuilder::new().mode(0o700).create(place.path("keep/evidence")).unwrap();
    fs::copy(place.path("kept"), place.path("keep/evidence/inc-1.pending")).unwrap();
    let digest = |file: &str| twinkeep_vault::digest::sha256(&fs::read(place.path(file)).unwrap());
    let digest = format!("sha256:{}", twinkeep_vault::digest::to_hex(&digest("kept")));
    let incident = drill(&place, &[]);
    assert_eq!(incident["evidence"]["evidence"], Value::from(digest.clone()));
    let lines = place.run(&["ledger", "show", "--limit", "100"]).lines();
    let kept = lines.iter().filter(|line| line["action"] == "evidence.preserved");
    let digests: Vec<&Value> = kept.map(|line| &line["details"]["digest"]).collect();
    assert_eq!(digests, [&Value::from(digest)]);
    assert!(!place.path("keep/evidence/inc-1.pending").exists());
    // Cut off while it was written, it is taken anew.
    write_private(&place.path("keep/evidence/inc-2.pending"), b"half");
    place.run(&["incident", "close", "inc-1", "--reason", "a drill"]).done();
    assert_eq!(steps(&drill(&place, &[]))[0], "done preserve-evidence");
    assert_eq!(actions(&place).iter().filter(|it| *it == "evidence.preserved").count(), 2);
}

#[test]
fn a_snapshot_has_what_is_done_about_incidents_and_what_proves_them() {
    let place = Place::with_keep();
    import(&place, &[("preserve-evidence", "")]);
    drill(&place, &["--severity", "critical"]);
    write(&place.path("keep/drift.toml"), b"");
    write(&place.path("keep/probe.toml"), b"");
    place.run(&["store", "snapshot", "monday"]).done();
    let args = ["store", "restore", "monday", "--into", "restored", "--key-file", "keep.kek"];
    place
        .run(&[&args[..], &["--keyring", "keep/store/keyring", "--ledger", "keep/ledger"]].concat())
        .done();
    for file in ["drift.toml", "probe.toml", "policy.cedar", "evidence/inc-1.sealed"] {
        let of = |folder: &str| fs::read(place.path(&format!("{folder}/{file}"))).unwrap();
        assert_eq!(of("restored"), of("keep"), "{file}");
    }
    let ask = ["--keep", "restored", "--key-file", "keep.kek", "incident", "playbook", "list"];
    let list = place.run(&ask).done();
    let own = list["playbooks"].as_array().unwrap().iter().find(|it| it["name"] == "host");
    assert_eq!(own.unwrap()["from"], "keep");
}

#[test]
fn evidence_is_shown_and_a_copied_model_tells_how_many_people_it_learned_from() {
    let (place, version) = Place::with_model();
    let record = place.run(&["model", "show", &version]).done();
    let of = |split: &str| record["training"]["subjects"][split].as_u64().unwrap();
    let people = of("train") + of("tuning");
    assert!(0 < people, "{record}");
    let incident =
        drill(&place, &["--as", "file-access", "--severity", "low", "--model", &version]);
    assert_eq!(incident["training_subjects"][&version], people, "{incident}");
    let text = place.show(&["incident", "show", "inc-1"]).stdout;
    assert!(text.contains(&format!("{version} learned from {people}")), "{text}");
    let report = place.run(&["incident", "report", "inc-1"]).done();
    let known = format!("{version} learned from {people} people");
    assert!(report["fields"][1]["known"].as_array().unwrap().contains(&known.into()), "{report}");
    // Who probes, probes what serves.
    let probed = drill(&place, &["--as", "extraction", "--severity", "low"]);
    assert_eq!(probed["models"], Value::from(vec![version.clone()]), "{probed}");

    let shown = place.run(&["incident", "evidence", "inc-1"]).done();
    assert_eq!(shown["digest"], incident["evidence"]["evidence"]);
    let files = shown["evidence"]["files"].as_object().unwrap();
    let weights = format!("models/{version}/weights.safetensors");
    let of = |name: &str| files.iter().find(|file| file.0.starts_with(name)).unwrap().1;
    assert!(of(weights.trim_end_matches(".safetensors"))["digest"].as_str().unwrap().len() == 71);
    let text = place.show(&["incident", "evidence", "inc-1"]).stdout;
    assert!(text.contains("sealed as sha256:") && text.contains("sha256:"), "{text}");
    assert_eq!(place.run(&["incident", "evidence", "inc-9"]).refused(), "evidence-none");
    assert_eq!(place.run(&["incident", "evidence", "../inc-1"]).refused(), "evidence-none");
    place.flip(&place.path("keep/evidence/inc-1.sealed"), 999);
    assert_eq!(place.run(&["incident", "evidence", "inc-1"]).refused(), "evidence-damaged");
}

#[test]
fn a_file_without_end_among_those_of_a_model_holds_nothing_up() {
    let (place, [_, second]) = two_versions();
    let path = place.path("keep/models").join(&second).join("more");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    place.run(&["incident", "drill", "--as", "model-integrity", "--model", &second]).done();
    let shown = place.run(&["incident", "evidence", "inc-1"]).done();
    let files = shown["evidence"]["files"].as_object().unwrap();
    let (_, more) = files.iter().find(|(name, _)| name.ends_with("/more")).unwrap();
    assert_eq!((&more["digest"], &more["size"]), (&"".into(), &(1_u64 << 40).into()), "{shown}");
}

/// Whoever cannot read what is in quarantine leaves it out of a copy, and says so.
fn copies_are_made_all_the_same(place: &Place, bare: &[&str]) {
    let whole = place.run(&["store", "snapshot", "whole"]).done();
    assert_eq!(whole["left_out"], Value::Null, "{whole}");
    let part = run_by(place, bare, &["store", "snapshot", "part"]).done();
    let count = part["left_out"].as_u64().unwrap();
    assert!(4 <= count, "{part}");
    assert_eq!(whole["files"].as_u64().unwrap(), part["files"].as_u64().unwrap() + count);
}

/// A version that was left out of a copy is known where that is restored.
fn left_out_is_known(place: &Place, version: &str) {
    let args = ["store", "restore", "part", "--into", "restored", "--key-file", "keep.kek"];
    let with = ["--keyring", "keep/store/keyring", "--ledger", "keep/ledger"];
    place.run(&[&args[..], &with[..]].concat()).done();
    let ask = ["--keep", "restored", "--key-file", "keep.kek", "model", "list"];
    let there = place.run(&ask).lines();
    assert!(there.iter().any(|it| it["version"] == *version && it["state"] == "quarantined"));
}

/// Takes the flag away, so that the folder can be deleted.
struct Loose<'a>(&'a Place);

impl Drop for Loose<'_> {
    fn drop(&mut self) {
        let _ = Command::new("chattr").args(["-R", "-i"]).arg(self.0.path("keep/models")).output();
    }
}

#[test]
fn a_version_in_quarantine_is_immutable_where_the_configuration_says_so() {
    let (place, [_, second]) = two_versions();
    let probe = place.path("probe");
    write(&probe, b"");
    let flag = |change: &str| Command::new("chattr").arg(change).arg(&probe).output();
    let bare = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    if !flag("+i").is_ok_and(|output| output.status.success())
        || !Path::new("/usr/bin/setpriv").exists()
    {
        println!("skipped: it takes root, `setpriv`, and a file system with the flag");
        return;
    }
    flag("-i").unwrap();
    let _loose = Loose(&place);
    let config = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert_eq!(text.matches("immutable = false").count(), 1);
    let text = text.replace("immutable = false", "immutable = true");
    let text = text.replace("verify_every_seconds = 900", "verify_every_seconds = 1");
    write(&config, text.as_bytes());
    let model = ["incident", "drill", "--as", "model-integrity", "--model", &second];
    // Without the privilege it is taken away all the same, and the ledger says what is missing.
    run_by(&place, &bare, &model).done();
    let entry = |action: &str| {
        let lines = place.run(&["ledger", "show", "--limit", "300"]).lines();
        lines.into_iter().rev().find(|line| line["action"] == action)
    };
    let quarantined = entry("model.quarantined").unwrap();
    assert_eq!(quarantined["details"]["immutable"], "host-not-permitted", "{quarantined}");
    let card = place.path("keep/models/quarantine").join(&second).join("card.json");
    let open = || fs::OpenOptions::new().write(true).open(&card);
    open().unwrap();
    let server = Server::start(&place);
    until("the helper does it", || entry("model.sealed"));
    assert_eq!(server.stop(), Some(0));
    let refused = std::io::ErrorKind::PermissionDenied;
    assert_eq!(open().unwrap_err().kind(), refused, "not even root");
    assert_eq!(fs::remove_file(&card).unwrap_err().kind(), refused);
    let (folder, away) = (card.parent().unwrap(), place.path("away"));
    assert_eq!(fs::rename(folder, away).unwrap_err().kind(), refused, "nor all of it");
    let shown = fs::metadata(&card).unwrap();
    assert_eq!(shown.mode() & 0o7777, 0);

    copies_are_made_all_the_same(&place, &bare);

    // Given back by whoever has the privilege, and by nobody else.
    approver(&place, "ada");
    let undo = |file: &str| {
        place.run(&["incident", "request", "inc-1", "--out", file]).done();
        let agreed = approve(&place, "ada", file);
        ["incident", "rollback", "inc-1", "--reason", "x", "--approval", &agreed].map(str::to_owned)
    };
    let args = undo("first.json");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    assert_eq!(run_by(&place, &bare, &args).refused(), "rollback-partial");
    let kept = place.run(&["incident", "show", "inc-1"]).done();
    assert_eq!(steps(&kept)[2], "kept quarantine-model model-immutable", "{kept}");
    assert!(kept["steps"][2]["says"].as_str().unwrap().contains("run this as root"), "{kept}");
    let args = undo("second.json");
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    place.run(&args);
    assert_eq!(place.version("candidate"), second);
    let card = place.path("keep/models").join(&second).join("card.json");
    assert_eq!(fs::metadata(&card).unwrap().mode() & 0o7777, 0o600);
    fs::OpenOptions::new().write(true).open(&card).unwrap();

    // At once, where whoever takes it away has the privilege.
    place.run(&["model", "quarantine", &second, "--reason", "again"]).done();
    let quarantined = entry("model.quarantined").unwrap();
    assert_eq!(quarantined["details"]["immutable"], "yes", "{quarantined}");
    let card = place.path("keep/models/quarantine").join(&second).join("card.json");
    assert_eq!(fs::remove_file(&card).unwrap_err().kind(), refused);
    left_out_is_known(&place, &second);
}
