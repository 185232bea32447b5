//! Audit logs and rules: the same events are found as `ausearch` finds, and the kernel takes what
//! `auditctl` cannot say.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Place, write};

/// `ausearch`, unpacked by `.ci/peers.sh`, with the folder of its libraries.
fn ausearch() -> Option<(PathBuf, PathBuf)> {
    let peer = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/auditd");
    let program = peer.join("sbin/ausearch");
    if !program.is_file() {
        assert!(std::env::var_os("CI").is_none(), "ausearch is missing: .ci/peers.sh unpacks it");
        println!("skipped: ausearch is not unpacked (.ci/peers.sh)");
        return None;
    }
    let libraries = fs::read_dir(peer.join("lib")).unwrap().flatten().map(|entry| entry.path());
    let libraries = libraries.filter(|path| path.is_dir()).max().unwrap();
    Some((program, libraries))
}

/// The numbers of the events that ausearch finds.
fn theirs(log: &Path, key: &str) -> Option<BTreeSet<u64>> {
    let (program, libraries) = ausearch()?;
    let output = Command::new(program)
        .args(["--raw", "-k", key, "-if"])
        .arg(log)
        .env("LD_LIBRARY_PATH", libraries)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let raw = String::from_utf8_lossy(&output.stdout).into_owned();
    Some(raw.lines().filter_map(serial).collect())
}

fn serial(line: &str) -> Option<u64> {
    line.split_once("msg=audit(")?.1.split_once(')')?.0.split_once(':')?.1.parse().ok()
}

/// A log with what logs have: records of several events between each other, names in hexadecimal,
/// several keys, what auditd adds for people, changes of the rules, and ends of events.
fn log() -> String {
    let mut events: Vec<Vec<String>> = Vec::new();
    for serial in 1..=400_u64 {
        let stamp =
            format!("msg=audit({}.{:03}:{serial}):", 1_700_000_000 + serial / 9, serial % 9);
        let key = match serial % 7 {
            0 => "(null)".to_owned(),
            1 => "6D6F64656C5F616363657373016B657973".to_owned(), // model_access, keys
            2 => "\"other\"".to_owned(),
            _ => "\"model_access\"".to_owned(),
        };
        let comm = if serial % 5 == 0 { "6D7920636174" } else { "\"cat\"" };
        let people = match serial % 3 {
            0 => "\u{1d}ARCH=x86_64 SYSCALL=openat AUID=\"unset\" UID=\"root\"",
            _ => "",
        };
        if serial % 50 == 0 {
            events.push(vec![format!(
                "type=CONFIG_CHANGE {stamp} auid=4294967295 ses=4294967295 op=add_rule key=\"model_access\" list=4 res=1"
            )]);
            continue;
        }
        let mut records = vec![
            format!(
                "type=SYSCALL {stamp} arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7ffd a2=0 a3=0 items=1 ppid=8 pid={serial} auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=2 comm={comm} exe=\"/usr/bin/cat\" key={key}{people}"
            ),
            format!("type=CWD {stamp} cwd=\"/srv\""),
            format!(
                "type=PATH {stamp} item=0 name=6D6F64656C7320612E62696E inode=5 dev=fe:00 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0 cap_fi=0 cap_fe=0 cap_fver=0 cap_frootid=0"
            ),
            format!("type=PROCTITLE {stamp} proctitle=636174006D6F64656C"),
        ];
        if serial % 4 == 0 {
            records.push(format!("type=EOE {stamp} "));
        }
        events.push(records);
    }
    let mut lines = String::new();
    for together in events.chunks(3) {
        let longest = together.iter().map(Vec::len).max().unwrap_or(0);
        for at in 0..longest {
            for line in together.iter().filter_map(|records| records.get(at)) {
                lines.push_str(line);
                lines.push('\n');
            }
        }
    }
    lines
}

#[test]
fn the_same_events_are_found_as_ausearch_finds() {
    let place = Place::empty();
    let (newest, all) = (place.path("audit.log"), log());
    write(&newest, all.as_bytes());
    let ours = |key: &str| -> BTreeSet<u64> {
        let found = place.run(&["watch", "search", "--key", key, "--log", "audit.log"]).lines();
        found.iter().map(|event| event["serial"].as_u64().unwrap()).collect()
    };
    assert_eq!(ours("model_access").len(), 288);
    for key in ["model_access", "model", "keys", "other", "nothing"] {
        if let Some(theirs) = theirs(&newest, key) {
            assert_eq!(ours(key), theirs, "{key}");
        }
    }
    // What was rotated away is read, too.
    let cut = all.lines().take(600).map(|line| line.len() + 1).sum();
    write(&place.path("audit.log.1"), &all.as_bytes()[..cut]);
    write(&newest, &all.as_bytes()[cut..]);
    assert_eq!(ours("model_access").len(), 288);
    let text = ["watch", "search", "-k", "model_access", "--log", "audit.log", "--interpret"];
    let shown = place.show(&text).stdout;
    assert!(shown.contains("comm=my cat") && shown.contains("name=models a.bin"), "{shown}");
    // People read the time on their wall; what programs read is UTC.
    let local = |zone: &str| {
        let output = place.command(&text).env("TZ", zone).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(local("Asia/Kolkata").contains("+05:30:"), "{}", local("Asia/Kolkata"));
    assert!(local("UTC").contains("+00:00:"), "{}", local("UTC"));
    let csv = place.show(&[&text[..], &["--format", "csv"]].concat()).stdout;
    assert!(csv.lines().skip(1).all(|line| line.split(',').next().unwrap().ends_with('Z')));
    assert_eq!(csv.lines().count(), 289);
    let ocsf = place.show(&[&text[..], &["--format", "ocsf"]].concat()).stdout;
    let first: serde_json::Value = serde_json::from_str(ocsf.lines().next().unwrap()).unwrap();
    assert_eq!((&first["class_uid"], &first["type_uid"]), (&1001.into(), &100_114.into()));
    assert_eq!(place.run(&["watch", "search", "--log", "none"]).refused(), "audit-log-missing");
}

#[test]
fn the_kernel_takes_the_rules_and_gives_them_back() {
    let place = Place::with_keep();
    let text = place.show(&["watch", "rules"]).stdout;
    assert!(text.contains("-F perm=rwa -F key=model_access"), "{text}");
    place.run(&["watch", "rules", "--write", "70.rules", "--watch-form"]).done();
    assert!(fs::read_to_string(place.path("70.rules")).unwrap().contains("/keep/models -p rwa"));
    let loaded = place.run(&["watch", "rules", "--load"]);
    if loaded.code != 0 {
        assert_eq!(loaded.refused(), "audit-not-permitted");
        println!("skipped: this system does not permit to load audit rules");
        return;
    }
    let added = loaded.done()["added"].as_u64().unwrap();
    let again = place.run(&["watch", "rules", "--load"]).done();
    assert_eq!((again["added"].as_u64(), again["kept"].as_u64()), (Some(0), Some(added)));
    let check = || {
        let said = place.run(&["watch", "rules", "--check"]).stdout;
        let report: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
        report["findings"].to_string()
    };
    assert!(!check().contains("not loaded"), "{}", check());
    let removed = place.run(&["watch", "rules", "--unload"]).done();
    assert_eq!(removed["removed"].as_u64(), Some(added));
    assert!(check().contains("not loaded"), "{}", check());
}

#[test]
fn it_is_said_whether_what_was_recorded_lasts_six_years() {
    let place = Place::with_keep();
    write(&place.path("audit.log"), log().as_bytes());
    let keeps = |conf: &str| {
        write(&place.path("auditd.conf"), conf.as_bytes());
        let args = ["watch", "retention", "--log", "audit.log", "--conf", "auditd.conf"];
        let ran = place.run(&args);
        let line = ran.stdout.lines().next().unwrap().to_owned();
        (ran.code, serde_json::from_str::<serde_json::Value>(&line).unwrap())
    };
    // The log began in 2023, so a day adds little; a tiny rotation is too short all the same.
    let (code, report) = keeps("num_logs = 0\n");
    assert_eq!((code, &report["audit_logs"]["enough"]), (1, &false.into()), "{report}");
    assert_eq!(report["needed_days"], 2192);
    // A few entries: the journals, which have their size from the first day on, are not among them.
    let per_day = report["ledger"]["bytes_per_day"].as_u64().unwrap();
    assert!((1..1 << 20).contains(&per_day), "{report}");
    let (_, report) = keeps("num_logs = 99\nmax_log_file = 100\n");
    assert_eq!(report["audit_logs"]["enough"], true, "{report}");
}
