//! Out of one keep and into another: every event comes back, and nothing else.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use proptest::prelude::*;
use twinkeep_domain::Timestamp;
use twinkeep_vault::KekSource;

use super::{FILE_EVENTS, MedsRequest, export_meds};
use crate::time_text::rfc3339;
use crate::{
    App, Caller, Config, Dates, IngestReport, IngestRequest, InitRequest, Surroundings,
    ingest_feed, init_keep, load_mapping, shipped_pack_text,
};

/// What happened to somebody: time, code, bits of the value, text.
type Told = (Option<i64>, String, Option<u32>, Option<String>);

fn open(dir: &Path, name: &str) -> App {
    let (root, secret) = (dir.join(name), KekSource::KeyFile(dir.join(format!("{name}.kek"))));
    // 2026-11-22.
    let clock = || Timestamp::from_micros(1_795_305_600_000_000);
    init_keep(&InitRequest {
        dir: &root,
        pack: shipped_pack_text("ehr").unwrap(),
        secret: &secret,
        config: Config::default(),
        now: clock(),
    })
    .unwrap();
    App::open(&root, &secret, &Surroundings { clock, state_dir: None }).unwrap()
}

fn ingest(app: &App, feed: &Path, mapping: Option<&str>) -> IngestReport {
    let mapping = mapping.map(|name| load_mapping(name).unwrap());
    let request = IngestRequest {
        feed,
        allow_gap: false,
        site: Some("clinic"),
        dates: Dates::Shifted,
        mapping: mapping.as_ref(),
        hold: false,
        deidentify: None,
    };
    let report = ingest_feed(app, &Caller::operator(), request, &mut |_| ()).unwrap();
    assert_eq!(report.read, report.accepted + report.missing + report.quarantined);
    report
}

/// Returns what the keep knows, by the source's name of each person.
fn known(app: &App) -> BTreeMap<String, Vec<Told>> {
    let mut people = BTreeMap::new();
    app.store
        .visit_people(FILE_EVENTS, &mut |company| {
            for timeline in &company.cohort.timelines {
                let source = app.store.source_of(timeline.subject()).unwrap().unwrap();
                let told = timeline.events().iter().map(|event| {
                    (
                        event.time.map(Timestamp::micros),
                        company.cohort.codes[event.code as usize].as_str().to_owned(),
                        event.value.map(f32::to_bits),
                        event.text.as_deref().map(str::to_owned),
                    )
                });
                let mut told: Vec<Told> = told.collect();
                told.sort();
                people.insert(source.reveal().to_owned(), told);
            }
            Ok(())
        })
        .unwrap();
    people
}

/// One row: subject, time, code, value, text.
type Row = (i64, Option<i64>, String, Option<f32>, Option<String>);

fn row() -> impl Strategy<Value = Row> {
    // The whole range of MIMIC's shifted years, to the microsecond.
    let time = -2_000_000_000_000_000_i64..7_000_000_000_000_000;
    let code = prop_oneof![
        3 => prop::sample::select(&["8867-4", "8310-5", "LAB//50912//mg/dL", "DRUG//x"][..])
            .prop_map(str::to_owned),
        1 => "[A-Za-z0-9/_. -]{1,24}",
        1 => "\\PC{1,12}",
    ];
    let value = prop_oneof![3 => 20_f32..200.0, 1 => any::<f32>().prop_filter("finite", |it| it.is_finite())];
    let text = prop_oneof!["[ -~\n\"]{1,30}", "\\PC{1,30}"];
    (
        prop_oneof![4 => 1_i64..6, 1 => any::<i64>()],
        prop::option::weighted(0.9, time),
        code,
        prop::option::weighted(0.8, value),
        prop::option::weighted(0.3, text),
    )
}

fn write_csv(path: &Path, rows: &[Row]) {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let mut text = "subject_id,time,code,numeric_value,text_value\n".to_owned();
    for (subject, time, code, value, note) in rows {
        let time = time.map(|micros| rfc3339(Timestamp::from_micros(micros))).unwrap_or_default();
        let value = value.map(|value| value.to_string()).unwrap_or_default();
        let note = note.as_deref().map(quoted).unwrap_or_default();
        text.push_str(&format!("{subject},{time},{},{value},{note}\n", quoted(code)));
    }
    File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

proptest! {
    // Each case makes two keeps, and each keep syncs many files.
    #![proptest_config(ProptestConfig { cases: 3, max_shrink_iters: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_out_comes_back_the_same(rows in prop::collection::vec(row(), 1..120)) {
        let dir = tempfile::tempdir().unwrap();
        let (one, two) = (open(dir.path(), "one"), open(dir.path(), "two"));
        let feed = dir.path().join("feed.csv");
        write_csv(&feed, &rows);
        let report = ingest(&one, &feed, Some("meds-csv"));
        prop_assume!(0 < report.events);
        let folder = dir.path().join("out");
        let request = MedsRequest { folder: &folder, split: rows.len() % 2 == 0, keep_ids: true };
        let exported = export_meds(&one, &Caller::operator(), request, &mut |_| ()).unwrap();
        prop_assert_eq!(exported.events, report.events);
        let again = ingest(&two, &folder.join("data"), None);
        prop_assert_eq!((again.read, again.accepted), (report.events, report.events));
        prop_assert_eq!(known(&two), known(&one));
    }
}
