//! Audit logs: whatever they hold, every line is a record or counted, and every event is found once.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twinkeep_watch::access::audit::{AuditQuery, AuditReader, Names, interpret};

fuzz_target!(|data: &[u8]| {
    let lines = |text: &[u8]| String::from_utf8_lossy(text).lines().count() as u64;
    for key in [None, Some("a".to_owned())] {
        let query = AuditQuery { key, ..AuditQuery::default() };
        let mut records = 0;
        let mut found = |event: &twinkeep_watch::access::audit::AuditEvent| {
            records += event.lines.len() as u64;
            for line in &event.lines {
                let shown = interpret(line, "now", &Names::default());
                assert!(!shown.chars().any(char::is_control));
            }
        };
        let mut reader = AuditReader::new(&query);
        reader.read(&mut &data[..], &mut found).expect("a slice can be read");
        let counts = reader.finish(&mut found);
        assert!(records <= counts.records);
        assert!(counts.records <= lines(data) + 1);
    }
});
