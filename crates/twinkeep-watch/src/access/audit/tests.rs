//! Logs as `auditd` writes them, and as nobody does.

use proptest::prelude::*;

use super::{AuditCounts, AuditEvent, AuditQuery, AuditReader, Names, Record, interpret};

fn search(log: &str, key: Option<&str>) -> (Vec<AuditEvent>, AuditCounts) {
    let query = AuditQuery { key: key.map(str::to_owned), ..AuditQuery::default() };
    let mut events = Vec::new();
    let mut found = |event: &AuditEvent| events.push(event.clone());
    let mut reader = AuditReader::new(&query);
    reader.read(&mut log.as_bytes(), &mut found).unwrap();
    let counts = reader.finish(&mut found);
    (events, counts)
}

const OPENED: &str = "type=SYSCALL msg=audit(1700000000.123:7): arch=c000003e syscall=257 success=yes exit=3 a0=ffffff9c a1=7f a2=0 a3=0 items=1 ppid=10 pid=11 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=1 comm=6D7920636174 exe=\"/usr/bin/cat\" key=\"model_access\"";
const FOLDER: &str = "type=CWD msg=audit(1700000000.123:7): cwd=\"/srv/keep\"";
const PATH: &str = "type=PATH msg=audit(1700000000.123:7): item=0 name=6D6F64656C732F6120622E62696E inode=5 dev=fe:00 mode=0100644 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL";

#[test]
fn interleaved_records_become_events_with_names_out_of_hexadecimal() {
    let other = OPENED.replace(":7)", ":8)").replace("model_access", "elsewhere");
    let log = [OPENED, &other, FOLDER, "no record", PATH, ""].join("\n");
    let (events, counts) = search(&log, Some("model_access"));
    assert_eq!(counts, AuditCounts { records: 4, malformed: 1, found: 1 });
    let event = &events[0];
    assert_eq!((event.process.as_str(), event.action.as_str()), ("my cat", "openat"));
    assert_eq!(event.files, ["/srv/keep/models/a b.bin"]);
    assert_eq!((event.login, event.user, event.pid), (Some(1000), Some(0), Some(11)));
    assert_eq!((event.success, event.id.time_ms), (Some(true), 1_700_000_000_123));
    assert_eq!(event.lines.len(), 3);
    assert_eq!(search(&log, None).0.len(), 2);
}

#[test]
fn enriched_records_other_hosts_and_several_keys_are_read() {
    let enriched = format!(
        "node=web-1 {}\u{1d}ARCH=x86_64 SYSCALL=openat AUID=\"alice\" UID=\"root\"",
        OPENED.replace("\"model_access\"", "61016D6F64656C5F616363657373")
    );
    let (events, _) = search(&enriched, Some("model"));
    assert_eq!((events[0].id.node.as_str(), &events[0].keys[1][..]), ("web-1", "model_access"));
    let shown = interpret(&enriched, "now", &Names::default());
    for part in ["node=web-1 type=SYSCALL msg=audit(now:7) :", "auid=alice", "comm=my cat"] {
        assert!(shown.contains(part), "{shown}");
    }
    let names = Names::parse("bob:x:1000:1000::/:/bin/sh\nroot:x:0:0\n", "wheel:x:0:\n");
    let plain = interpret(OPENED, "now", &names);
    assert!(plain.contains("auid=bob uid=root gid=wheel"), "{plain}");
    assert!(interpret(PATH, "now", &names).contains("mode=file,644"));
}

#[test]
fn a_change_of_the_rules_is_found_by_its_key_and_an_end_of_event_ends_it() {
    let change = "type=CONFIG_CHANGE msg=audit(1700000000.000:3): auid=4294967295 ses=4294967295 op=add_rule key=\"model_access\" list=4 res=1";
    let end = "type=EOE msg=audit(1700000000.000:3): ";
    let (events, counts) = search(&format!("{change}\n{end}\n{change}"), Some("model_access"));
    assert_eq!((events.len(), counts.records), (2, 3), "what comes after the end is another");
    assert_eq!((events[0].action.as_str(), events[0].login), ("add_rule", None));
    let ring =
        OPENED.replace("SYSCALL", "URINGOP").replace("arch=c000003e syscall=257", "uring_op=18");
    assert_eq!(search(&ring, Some("model_access")).0[0].action, "openat");
}

#[test]
fn a_log_without_ends_and_without_line_breaks_stays_small() {
    let long = "x".repeat(1 << 20);
    let (events, counts) = search(&format!("{long}\n{OPENED}"), None);
    assert_eq!((events.len(), counts.malformed), (1, 16));
    let lines = (0..70_000).map(|serial| OPENED.replace(":7)", &format!(":{serial})")) + "\n");
    let counts = search(&lines.collect::<String>(), None).1;
    assert_eq!((counts.found, counts.malformed), (70_000, 0), "more than wait at a time");
}

proptest! {
    #[test]
    fn no_line_makes_it_fail(line in "(node=[a-z] )?type=[A-Z]{0,3} msg=audit\\([0-9.:]{0,20}\\): .{0,80}") {
        let _ = Record::parse(&line).map(|it| (it.keys(), it.fields().count()));
        search(&line, Some("a"));
        interpret(&line, "", &Names::default());
    }

    #[test]
    fn no_fields_make_it_fail(fields in "[a-z0-9=\"' \u{1d}é]{0,80}") {
        let line = format!("type=SYSCALL msg=audit(1.000:1):{fields}");
        search(&line, None);
        interpret(&line, "", &Names::default());
    }
}
