//! Reads bytes as a source and holds the account of rows against them.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock};

use twinkeep_domain::{Pack, Timestamp};
use twinkeep_intake::mapping::Mapping;
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_intake::{Dates, Judgement, ReadOptions, Source, read};
use twinkeep_vault::{Pseudonymizer, SecretKey};

/// Every row that is read ends in exactly one place, and nothing panics.
pub fn check(pack: &'static str, mapping: Option<&Mapping>, data: &[u8]) {
    static PACKS: Mutex<BTreeMap<&str, &Pack>> = Mutex::new(BTreeMap::new());
    static PSEUDONYMS: OnceLock<Pseudonymizer> = OnceLock::new();
    let pack: &Pack = PACKS
        .lock()
        .unwrap()
        .entry(pack)
        .or_insert_with(|| Box::leak(Box::new(shipped_pack(pack).unwrap())));
    let pseudonyms = PSEUDONYMS.get_or_init(|| Pseudonymizer::new(&SecretKey::random()));
    let options = ReadOptions {
        pack,
        pseudonyms,
        now: Timestamp::RELATIVE_ORIGIN,
        spool: "/tmp".as_ref(),
        mapping,
        dates: Dates::Real,
        judgement: Judgement::ByThePack,
        deidentify: None,
        panel: None,
    };
    let (mut events, mut quarantined) = (0, 0);
    let mut reader = data;
    let source = Source::Stream {
        name: "fuzz",
        media_type: "application/octet-stream",
        reader: &mut reader,
    };
    let summary = read(source, &options, &mut |_| {}, &mut |portion| {
        events += portion.screened.events().rows.len() as u64;
        quarantined += portion.quarantined.len() as u64;
        Ok(())
    });
    let Ok(summary) = summary else { return };
    let counts = summary.counts;
    assert_eq!(counts.accepted + counts.missing + counts.quarantined, counts.read);
    assert_eq!(counts.quarantined, quarantined);
    assert!(events <= counts.accepted);
}
