//! The ledger as a person meets it: whoever edits it is found.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::harness::{Place, write};
use crate::serve::{Server, key};

/// A keep whose ledger has some entries, and a copy of it from before the last ones.
fn grown() -> Place {
    let place = Place::with_keep();
    for _ in 0..5 {
        place.run(&["twin", "list"]).done();
    }
    place.copy("keep", "old");
    place.run(&["twin", "list"]).done();
    place
}

#[test]
fn an_untouched_ledger_verifies_without_a_secret() {
    let place = grown();
    fs::remove_file(place.path("keep.kek")).unwrap();
    let report = place.run(&["ledger", "verify"]).done();
    assert_eq!(report["entries"], 7);
    assert_eq!(report["trusted_checkpoints"], 2);
    let shown = place.run(&["ledger", "show", "--limit", "100"]).lines();
    assert_eq!(shown.len(), 7);
    assert_eq!(shown[0]["action"], "sender.added");
    assert_eq!(shown[6]["action"], "twins.listed");
}

#[test]
fn a_verification_goes_on_from_an_earlier_one_of_the_same_keep_only() {
    let place = grown();
    let verified = |args: &[&str]| place.run(&[&["ledger", "verify"], args].concat());
    assert!(verified(&[]).done()["resumed_entries"].is_null());
    assert_eq!(verified(&["--resume"]).done()["resumed_entries"], 0);
    let memory = place.path("keep/ledger.verified");
    let good = fs::read(&memory).unwrap();
    for forged in [good[1..].to_vec(), [good.as_slice(), &[7; 48]].concat(), Vec::new()] {
        write(&memory, &forged);
        assert_eq!(verified(&["--resume"]).done()["resumed_entries"], 0);
        assert_eq!(fs::read(&memory).unwrap(), good);
    }
    fs::remove_file(place.path("keep.kek")).unwrap();
    assert_ne!(verified(&["--resume"]).code, 0);
    verified(&[]).done();
}

#[test]
fn what_was_verified_is_not_read_again_unless_it_was_touched() {
    let place = Place::with_keep();
    let settings = place.path("keep/twinkeep.toml");
    let text = fs::read_to_string(&settings).unwrap();
    let quick = text.replace("rate_per_second = 5\n", "rate_per_second = 100000\n");
    assert_ne!(quick, text);
    write(&settings, quick.replace("rate_burst = 10\n", "rate_burst = 100000\n").as_bytes());
    let (header, _) = key(&place, &["--scope", "twins:read"]);
    let server = Server::start(&place);
    for _ in 0..260 {
        assert_eq!(server.call("/api/v1/twins", &["-H", &header]).status, 200);
    }
    assert_eq!(server.stop(), Some(0));
    // Files that changed just now are not remembered.
    thread::sleep(Duration::from_secs(4));
    let resume = || place.run(&["ledger", "verify", "--resume"]);
    assert_eq!(resume().done()["resumed_entries"], 0);
    assert_eq!(resume().done()["resumed_entries"], 256);
    let memory = place.path("keep/ledger.verified");
    let good = fs::read(&memory).unwrap();
    for at in [0, 31, 40, good.len() - 1] {
        place.flip(&memory, at * 8);
        assert_eq!(resume().done()["resumed_entries"], 0, "byte {at} of the memory");
        assert_eq!(fs::read(&memory).unwrap(), good);
    }
    let bundle = place.path("keep/ledger/tile/entries/000");
    place.flip(&bundle, 800);
    assert_eq!(resume().refused(), "ledger-entry-changed");
    place.flip(&bundle, 800);
    assert_eq!(resume().done()["resumed_entries"], 0);
}

#[test]
fn every_changed_bit_of_the_ledger_is_found() {
    let place = grown();
    let files = place.files("keep/ledger");
    let names: Vec<_> = files.iter().filter(|path| !path.ends_with("lock")).collect();
    assert!(3 <= names.len());
    for path in names {
        let good = fs::read(path).unwrap();
        for bit in [0, 77, good.len() * 4, good.len() * 8 - 1] {
            place.flip(path, bit);
            let ran = place.run(&["ledger", "verify"]);
            assert_eq!(ran.code, 1, "bit {bit} of {}", path.display());
            write(path, &good);
        }
    }
    place.run(&["ledger", "verify"]).done();
}

#[test]
fn a_removed_and_a_reordered_entry_are_found() {
    let place = grown();
    let entries: Vec<_> = place
        .files("keep/ledger")
        .into_iter()
        .filter(|path| path.to_string_lossy().contains("entries"))
        .collect();
    let path = entries.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let good = fs::read(path).unwrap();
    // Entries are framed with a two-byte length (C2SP tlog-tiles).
    let first = 2 + usize::from(u16::from_be_bytes([good[0], good[1]]));
    let second = first + 2 + usize::from(u16::from_be_bytes([good[first], good[first + 1]]));
    let swapped = [&good[first..second], &good[..first], &good[second..]].concat();
    for forged in [good[first..].to_vec(), swapped] {
        write(path, &forged);
        assert_eq!(place.run(&["ledger", "verify"]).code, 1);
    }
}

#[test]
fn a_ledger_that_was_rolled_back_is_found_and_does_not_open() {
    let place = grown();
    fs::remove_dir_all(place.path("keep/ledger")).unwrap();
    place.copy("old/ledger", "keep/ledger");
    assert_eq!(place.run(&["ledger", "verify"]).refused(), "ledger-rolled-back");
    assert_eq!(place.run(&["twin", "list"]).refused(), "ledger-rolled-back");
}

#[test]
fn a_whole_keep_that_was_rolled_back_is_found() {
    let place = grown();
    fs::remove_dir_all(place.path("keep")).unwrap();
    place.copy("old", "keep");
    assert_eq!(place.run(&["ledger", "verify"]).refused(), "ledger-rolled-back");
    assert_eq!(place.run(&["twin", "list"]).refused(), "ledger-rolled-back");
}

#[test]
fn a_checkpoint_that_was_kept_elsewhere_finds_a_rollback_too() {
    let place = grown();
    place.copy("keep/ledger/checkpoint", "kept");
    let report = place.run(&["ledger", "verify", "--trusted", "kept"]).done();
    assert_eq!(report["trusted_checkpoints"], 3);
    fs::remove_dir_all(place.path("keep")).unwrap();
    fs::remove_dir_all(place.path("state")).unwrap();
    place.copy("old", "keep");
    let ran = place.run(&["ledger", "verify", "--trusted", "kept"]);
    assert_eq!(ran.refused(), "ledger-rolled-back");
}

#[test]
fn an_entry_is_proven_to_somebody_who_has_nothing_but_the_public_key() {
    let place = grown();
    let shown = place.show(&["ledger", "prove", "3"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{}", shown.stdout);
    let proven = place.run(&["ledger", "prove", "3", "--out", "3.tlog-proof"]).done();
    assert_eq!(proven["proof"].as_str().unwrap().trim_end(), shown.stdout.trim_end());
    // Elsewhere: no keep, only the key in one form or the other.
    place.copy("keep/public/ledger.pub", "hex.pub");
    let vkey = place.show(&["ledger", "key"]).stdout;
    write(&place.path("note.pub"), vkey.as_bytes());
    fs::rename(place.path("keep"), place.path("away")).unwrap();
    for key in ["hex.pub", "note.pub"] {
        let checked = place.run(&["ledger", "verify-proof", "3.tlog-proof", "--key", key]).done();
        assert_eq!(checked["entry"], proven["entry"]);
        assert_eq!(checked["size"], 7);
    }
    assert_eq!(place.run(&["ledger", "verify-proof", "3.tlog-proof"]).refused(), "keep-missing");
    place.run(&["init", "other", "--pack", "icu", "--key-file", "other.kek"]).done();
    let foreign = ["ledger", "verify-proof", "3.tlog-proof", "--key", "other/public/ledger.pub"];
    assert_eq!(place.run(&foreign).refused(), "ledger-checkpoint");
    let good = fs::read_to_string(place.path("3.tlog-proof")).unwrap();
    write(&place.path("3.tlog-proof"), good.replace("index 3", "index 4").as_bytes());
    let changed = ["ledger", "verify-proof", "3.tlog-proof", "--key", "hex.pub"];
    assert_eq!(place.run(&changed).refused(), "ledger-proof");
    assert_eq!(
        place.run(&["ledger", "prove", "7", "--keep", "away"]).refused(),
        "ledger-out-of-range"
    );
}

#[test]
fn states_of_a_ledger_are_compared_and_a_fork_is_found() {
    let place = grown();
    place.copy("old/ledger/checkpoint", "kept");
    let report = place.run(&["ledger", "consistency", "kept"]).done();
    assert_eq!((report["old_size"].as_u64(), report["new_size"].as_u64()), (Some(6), Some(7)));
    place.run(&["ledger", "consistency", "2", "5"]).done();
    place.run(&["ledger", "consistency", "kept", "--out", "request"]).done();
    let request = fs::read_to_string(place.path("request")).unwrap();
    assert!(request.starts_with("old 6\n"), "{request}");
    let unsigned = ["ledger", "consistency", "2", "5", "--out", "request"];
    assert_eq!(place.run(&unsigned).refused(), "checkpoint-unsigned");
    assert_eq!(place.run(&["ledger", "consistency", "5", "2"]).refused(), "ledger-rolled-back");
    assert_eq!(place.run(&["ledger", "consistency", "8"]).refused(), "ledger-rolled-back");
    assert_eq!(place.run(&["ledger", "consistency", "missing"]).refused(), "checkpoint-read");
    // The copy goes another way than the ledger that it is a copy of.
    fs::remove_dir_all(place.path("state")).unwrap();
    let key_file = ["--keep", "old", "--key-file", "keep.kek"];
    for _ in 0..2 {
        place.run(&[&["twin", "list"][..], &key_file].concat()).done();
    }
    place.copy("keep/ledger/checkpoint", "ours");
    let fork = place.run(&["ledger", "consistency", "ours", "--keep", "old"]);
    assert_eq!(fork.refused(), "ledger-rewritten");
}

#[test]
fn entries_are_found_and_what_was_asked_is_on_record() {
    let place = grown();
    let found = place.run(&["ledger", "search", "--action", "twins.*"]).lines();
    assert_eq!(found.len(), 6);
    assert_eq!(found[0]["action"], "twins.listed");
    let none = place.run(&["ledger", "search", "--actor", "key:0"]);
    assert_eq!((none.code, none.stdout.as_str()), (0, ""));
    let newest = place.run(&["ledger", "search", "--actor", "operator", "--limit", "1"]).lines();
    assert_eq!(newest[0]["index"], 6);
    let time = newest[0]["time"].as_str().unwrap();
    let late = place.run(&["ledger", "search", "--from", "2100-01-01T00:00:00Z"]);
    assert_eq!(late.stdout, "");
    let early = place.run(&["ledger", "search", "--until", "2100-01-01T00:00:00Z", "--scan"]);
    assert_eq!(early.lines().len(), 7);
    assert!(!place.run(&["ledger", "search", "--from", time]).lines().is_empty());
    // Who is asked for is on record, whether the keep knows them or not.
    place.run(&["ledger", "search", "--subject", "nobody"]);
    let asked = place.run(&["ledger", "search", "--action", "ledger.searched"]).lines();
    assert_eq!(asked.len(), 1);
}

#[test]
fn entries_are_handed_to_other_systems_as_they_are_or_as_fhir() {
    let place = grown();
    let ocsf = place.show(&["ledger", "export", "--format", "ocsf"]);
    let lines: Vec<&str> = ocsf.stdout.lines().collect();
    assert_eq!(lines.len(), 7);
    // Each line is what the tree has a hash of.
    let proven = place.run(&["ledger", "prove", "4"]).done();
    let proof = proven["proof"].as_str().unwrap();
    let extra = proof.lines().nth(1).unwrap().strip_prefix("extra ").unwrap();
    let entry = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, extra).unwrap();
    assert_eq!(lines[4].as_bytes(), entry);
    let wrote = place
        .run(&["ledger", "export", "--format", "fhir", "--action", "twins.*", "--out", "f.ndjson"])
        .done();
    assert_eq!((wrote["entries"].as_u64(), wrote["ledger_size"].as_u64()), (Some(6), Some(7)));
    let text = fs::read_to_string(place.path("f.ndjson")).unwrap();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(event["resourceType"], "AuditEvent");
        assert_eq!(event["subtype"][0]["code"], "twins.listed");
        assert_eq!(event["agent"][0]["who"]["identifier"]["value"], "operator");
    }
    assert_eq!(text.lines().count(), 6);
}

#[test]
fn a_full_disk_is_told_and_nothing_is_answered() {
    let place = grown();
    let full = place.path("keep/ledger/checkpoint.part");
    std::os::unix::fs::symlink("/dev/full", &full).unwrap();
    let ran = place.run(&["twin", "list"]);
    assert_eq!((ran.refused().as_str(), ran.code), ("ledger-write", 3));
    assert!(ran.stderr.contains("No space left on device"), "{}", ran.stderr);
    fs::remove_file(full).unwrap();
    place.run(&["twin", "list"]).done();
    place.run(&["ledger", "verify"]).done();
}

/// As after a power cut: the journal has the last batches, and their files are empty.
#[test]
fn what_a_power_cut_left_in_the_journal_is_finished_by_the_next_command() {
    let place = grown();
    let (header, _) = key(&place, &[]);
    let server = Server::start(&place);
    for _ in 0..3 {
        assert_eq!(server.call("/api/v1/twins", &["-H", &header]).status, 200);
    }
    // Killed at once, before it comes to rest.
    drop(server);
    let newest = fs::read(place.path("keep/ledger/checkpoint")).unwrap();
    let journal = fs::read(place.path("keep/ledger/journal")).unwrap();
    if journal.iter().all(|byte| *byte == 0) {
        println!("skipped: the machine was so slow that the ledger came to rest first");
        return;
    }
    // The first record says how many entries there were when all was durable; tiles that are wider
    // came later.
    let durable = u64::from_be_bytes(journal[12..20].try_into().unwrap());
    let width = |path: &Path| -> Option<u64> { path.file_name()?.to_str()?.parse().ok() };
    for path in place.files("keep/ledger/tile") {
        if width(&path).is_some_and(|width| durable < width) {
            write(&path, b"");
        }
    }
    write(&place.path("keep/ledger/checkpoint"), b"");
    let found = place.run(&["ledger", "verify"]);
    assert_eq!(found.refused(), "ledger-checkpoint");
    assert!(found.stderr.contains("verify again"), "{}", found.stderr);
    place.run(&["twin", "list"]).done();
    let report = place.run(&["ledger", "verify"]).done();
    let size = |note: &[u8]| -> u64 {
        std::str::from_utf8(note).unwrap().lines().nth(1).unwrap().parse().unwrap()
    };
    assert_eq!(report["entries"], size(&newest) + 1);
}
