//! A small keep with a released model, made once for all tests that do not break it.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use tempfile::TempDir;
use twinkeep_app::{
    App, Caller, Config, Dates, IngestRequest, InitRequest, LedgerLine, ReleaseRequest,
    Surroundings, TrainRequest,
};
use twinkeep_domain::Timestamp;
use twinkeep_vault::KekSource;

/// A keep in a folder that is gone with it.
pub(super) struct TestKeep {
    pub(super) app: Arc<App>,
    pub(super) root: PathBuf,
    dir: TempDir,
}

impl TestKeep {
    /// The keep that tests share: three hundred people and a released model.
    pub(super) fn shared() -> &'static Self {
        static SHARED: OnceLock<TestKeep> = OnceLock::new();
        SHARED.get_or_init(Self::filled)
    }

    /// Checks the whole ledger.
    pub(super) fn verify_ledger(&self) {
        let request = twinkeep_app::VerifyLedgerRequest::default();
        twinkeep_app::verify_ledger(&self.root, None, &request, &mut |_, _| {}).unwrap();
    }

    /// A keep of one's own, with the same people and a model.
    pub(super) fn filled() -> Self {
        let keep = Self::empty();
        keep.fill();
        keep
    }

    /// Opens the keep once more, as another process would.
    pub(super) fn reopen(&self) -> App {
        let secret = KekSource::KeyFile(self.dir.path().join("kek"));
        let surroundings = Surroundings { clock: now, state_dir: None };
        App::open(&self.root, &secret, &surroundings).unwrap()
    }

    /// A keep of one's own, with nobody in it and no model.
    pub(super) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("keep");
        let secret = KekSource::KeyFile(dir.path().join("kek"));
        twinkeep_app::init_keep(&InitRequest {
            dir: &root,
            pack: PACK,
            secret: &secret,
            config: Config::default(),
            now: now(),
        })
        .unwrap();
        let surroundings = Surroundings { clock: now, state_dir: None };
        let app = App::open(&root, &secret, &surroundings).unwrap();
        Self { app: Arc::new(app), root, dir }
    }

    fn fill(&self) {
        let feed = self.root.parent().unwrap().join("feed");
        write_feed(&feed, 0..300);
        let (app, caller) = (&*self.app, Caller::operator());
        let request = IngestRequest {
            feed: &feed,
            allow_gap: false,
            site: None,
            dates: Dates::Real,
            mapping: None,
            hold: false,
            deidentify: None,
        };
        let report = twinkeep_app::ingest_feed(app, &caller, request, &mut |_| ()).unwrap();
        assert_eq!(report.accepted, report.read, "{report:?}");
        let report =
            twinkeep_app::train_model(app, &caller, TrainRequest::default(), &mut |_| ()).unwrap();
        let why = ReleaseRequest { reason: "for the tests", ..ReleaseRequest::default() };
        twinkeep_app::release_model(app, &caller, &report.version, why, &mut |_| ()).unwrap();
    }

    /// Returns the newest audit entries, oldest first.
    pub(super) fn ledger(&self) -> Vec<LedgerLine> {
        twinkeep_app::show_ledger(&self.root, Some(0), u64::MAX).unwrap()
    }

    /// Returns the entries about one request id.
    pub(super) fn entries_about(&self, request_id: &str) -> Vec<LedgerLine> {
        let about = |line: &LedgerLine| {
            line.details.get("request_id").is_some_and(|id| id.as_str() == Some(request_id))
        };
        self.ledger().into_iter().filter(about).collect()
    }
}

/// Tests have their own time: 2026-11-21.
fn now() -> Timestamp {
    Timestamp::from_micros(1_795_219_200_000_000)
}

/// One file a stay, as in PhysioNet 2012; two days of a heart rate that wanders around its mean.
pub(super) fn write_feed(dir: &Path, stays: std::ops::Range<u32>) {
    std::fs::create_dir(dir).unwrap();
    let mut seed: u64 = 1;
    let mut noise = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    for stay in stays {
        let record = 100_000 + stay;
        let mut text = String::from("Time,Parameter,Value\n");
        writeln!(text, "00:00,RecordID,{record}\n00:00,Age,{}", 40 + stay % 50).unwrap();
        let mut rate = 80.0 + 40.0 * noise();
        for hour in 0..47 {
            rate += 0.2 * (80.0 - rate) + 10.0 * noise();
            writeln!(text, "{hour:02}:30,HR,{rate:.0}").unwrap();
            if hour % 4 == 0 {
                writeln!(text, "{hour:02}:45,Temp,{:.1}", 37.0 + noise()).unwrap();
            }
        }
        let mut file = File::create(dir.join(format!("{record}.txt"))).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }
}

/// The smallest pack that has everything.
const PACK: &str = r#"
format = 1
name = "ward"
title = "A ward for tests"
version = 1

[words]
subject = "patient"
subjects = "patients"

[forecast]
cuts_hours = [24]
evaluation_cut_hours = 24
horizon_hours = 24
step_hours = 4
memory_hours = [2, 6, 24]
buckets_hours = [12, 24]
history_event_count_min = 5
splits = { train_percent = 40, tuning_percent = 30, held_out_percent = 30 }

[[variable]]
code = "Age"
title = "Age at admission"
unit = "a"
kind = "static"
target = false
range = [0, 120]
missing = [-1]

[[variable]]
code = "HR"
title = "Heart rate <b>"
unit = "/min"
kind = "series"
target = true
range = [10, 300]
missing = [-1]

[[variable]]
code = "Temp"
title = "Temperature"
unit = "Cel"
kind = "series"
target = true
range = [20, 45]
missing = [-1]
"#;
