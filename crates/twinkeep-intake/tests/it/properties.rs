//! Every row of every format is accounted for, whatever its bytes; nothing panics, and memory stays
//! within a bound.
//!
//! A document of each format is made of cells that are plausible, odd, or hostile, then it is
//! altered at some places, and then it may be packed. Whatever is read of that, the account holds.

use std::fs;
use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use arrow_array::{
    ArrayRef, Float32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use twinkeep_domain::{Pack, Timestamp};
use twinkeep_intake::mapping::{parse_mapping, shipped_mapping};
use twinkeep_intake::pack_file::shipped_pack;
use twinkeep_intake::{Dates, Judgement, Mapping, Portion, ReadOptions, Source, read};
use twinkeep_vault::{Pseudonymizer, SecretKey};

/// A table with one column a variable.
const WIDE: &str = r#"
format = 1
name = "wide"
title = "One column a variable"
version = 1
subject = ["{patient}"]

[[table]]
name = "vitals"
columns = ["patient", "at", "hr", "temp"]

[[table.event]]
code = ["HR"]
time = [{ column = "at" }]
value = { column = "hr" }

[[table.event]]
code = ["Temp"]
time = [{ column = "at" }]
value = { column = "temp" }
"#;

/// Which pack, and by which mapping.
#[derive(Clone, Copy)]
enum By {
    Icu,
    Ehr,
    MedsCsv,
    Wide,
    Omop,
}

impl By {
    fn pack(self) -> &'static Pack {
        static ICU: OnceLock<Pack> = OnceLock::new();
        static EHR: OnceLock<Pack> = OnceLock::new();
        match self {
            Self::Ehr | Self::Omop => EHR.get_or_init(|| shipped_pack("ehr").unwrap()),
            _ => ICU.get_or_init(|| shipped_pack("icu").unwrap()),
        }
    }

    fn mapping(self) -> Option<&'static Mapping> {
        static MAPPINGS: OnceLock<[Mapping; 3]> = OnceLock::new();
        let [meds, wide, omop] = MAPPINGS.get_or_init(|| {
            [
                shipped_mapping("meds-csv").unwrap(),
                parse_mapping(WIDE).unwrap(),
                shipped_mapping("omop-5.4").unwrap(),
            ]
        });
        match self {
            Self::Icu | Self::Ehr => None,
            Self::MedsCsv => Some(meds),
            Self::Wide => Some(wide),
            Self::Omop => Some(omop),
        }
    }
}

/// Reads bytes, and holds what came out against the account. Returns how many rows were read;
/// nothing if the source was refused as a whole.
fn check(by: By, bytes: &[u8]) -> Option<u64> {
    let pseudonyms = Pseudonymizer::new(&SecretKey::random());
    let spool = std::env::temp_dir();
    let options = ReadOptions {
        pack: by.pack(),
        pseudonyms: &pseudonyms,
        // 2026-11-22: some of the times are in the future.
        now: Timestamp::from_micros(1_795_305_600_000_000),
        spool: &spool,
        mapping: by.mapping(),
        dates: Dates::Real,
        judgement: Judgement::ByThePack,
        deidentify: None,
        panel: None,
    };
    let (mut events, mut quarantined) = (0, 0);
    let mut take = |portion: Portion| {
        assert_eq!(portion.origins.len(), portion.screened.events().rows.len());
        events += portion.origins.len() as u64;
        quarantined += portion.quarantined.len() as u64;
        Ok(())
    };
    let mut reader = bytes;
    let media_type = "application/octet-stream";
    let source = Source::Stream { name: "feed", media_type, reader: &mut reader };
    let summary = read(source, &options, &mut |_| (), &mut take);
    let peak = peak_mib();
    assert!(peak < PEAK_MIB_MAX, "{peak} MiB for {} bytes", bytes.len());
    let counts = summary.ok()?.counts;
    assert_eq!(counts.read, counts.accepted + counts.missing + counts.quarantined);
    assert_eq!(counts.quarantined, quarantined);
    assert!(events <= counts.accepted);
    Some(counts.read)
}

/// The most memory that this process ever had.
fn peak_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

/// A few documents of some kilobytes need far less; a length that somebody claims, far more.
const PEAK_MIB_MAX: u64 = 1024;

/// What stands in a field: good values, so that some rows pass, and everything else.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => prop::sample::select(&GOOD[..]).prop_map(str::to_owned),
        2 => prop::sample::select(&ODD[..]).prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => "[ -~\\n\\r\\t\",;|]{0,20}",
        1 => (0_usize..3000).prop_map(|length| "9".repeat(length)),
    ]
}

const GOOD: [&str; 14] = [
    "1",
    "7",
    "80",
    "37.2",
    "HR",
    "Temp",
    "Age",
    "00:07",
    "2019-03-04 05:06:07",
    "2019-03-04T05:06:07Z",
    "2019-03-04",
    "60",
    "8867-4",
    "3027018",
];

const ODD: [&str; 22] = [
    "",
    "-1",
    "NaN",
    "inf",
    "-0",
    "1e999",
    "1e-999",
    "0x10",
    "2150-01-01 00:00:00",
    "0000-00-00",
    "2019-02-30",
    "9999999999999999999",
    "-9223372036854775808",
    "null",
    "NULL",
    "\"",
    "\"\"",
    "'",
    "a\"b",
    "\u{feff}1",
    "\u{0}",
    "1,5",
];

fn rows(width: usize) -> impl Strategy<Value = Vec<Vec<String>>> {
    prop::collection::vec(prop::collection::vec(cell(), 0..width + 2), 0..12)
}

/// Delimited text: quoted where it must be, or not at all.
fn delimited(header: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let width = header.split(',').count();
    let line_end = prop::sample::select(&["\n", "\r\n", "\r", "\n\n"][..]);
    (rows(width), any::<bool>(), line_end).prop_map(move |(rows, quoted, line_end)| {
        let mut text = format!("{header}{line_end}");
        for row in rows {
            let fields = row.iter().map(|field| match quoted {
                true => format!("\"{}\"", field.replace('"', "\"\"")),
                false => field.clone(),
            });
            text.push_str(&fields.collect::<Vec<_>>().join(","));
            text.push_str(line_end);
        }
        text.into_bytes()
    })
}

fn physionet() -> impl Strategy<Value = Vec<u8>> {
    (delimited("Time,Parameter,Value"), any::<bool>()).prop_map(|(text, named)| {
        let text = String::from_utf8_lossy(&text).into_owned();
        let header = "Time,Parameter,Value\n";
        let with = format!("{header}00:00,RecordID,132539\n");
        if named { text.replacen(header, &with, 1) } else { text }.into_bytes()
    })
}

/// A resource of FHIR with such values in it.
fn resource() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(&KINDS[..]);
    (kind, cell(), cell(), cell(), cell(), any::<bool>()).prop_map(|(kind, id, when, value, code, number)| {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let value = if number { value } else { quoted(&value) };
        let (id, when, code) = (quoted(&id), quoted(&when), quoted(&code));
        let coding = format!(r#"{{"coding":[{{"system":"http://loinc.org","code":{code}}}],"text":{code}}}"#);
        format!(
            r#"{{"resourceType":"{kind}","id":{id},"status":"final","gender":"female","birthDate":{when},"subject":{{"reference":"Patient/1"}},"patient":{{"reference":"Patient/1"}},"effectiveDateTime":{when},"occurrenceDateTime":{when},"authoredOn":{when},"onsetDateTime":{when},"period":{{"start":{when}}},"code":{coding},"vaccineCode":{coding},"medicationCodeableConcept":{coding},"valueQuantity":{{"value":{value},"unit":"/min"}},"component":[{{"code":{coding},"valueQuantity":{{"value":{value}}}}}]}}"#
        )
    })
}

const KINDS: [&str; 10] = [
    "Patient",
    "Encounter",
    "Condition",
    "Observation",
    "MedicationRequest",
    "Procedure",
    "Immunization",
    "DiagnosticReport",
    "DocumentReference",
    "Bundle",
];

fn ndjson() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(resource(), 0..10).prop_map(|all| (all.join("\n") + "\n").into_bytes())
}

fn bundle() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(resource(), 0..10).prop_map(|all| {
        let entry = |it: String| format!(r#"{{"fullUrl":"urn:uuid:1","resource":{it}}}"#);
        let entries: Vec<String> = all.into_iter().map(entry).collect();
        let entries = entries.join(",");
        format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{entries}]}}"#)
            .into_bytes()
    })
}

fn parquet(columns: Vec<(&str, ArrayRef)>, rows_per_group: usize) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(rows_per_group));
    let schema = batch.schema();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties.build())).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

type MedsRow = (Option<i64>, Option<i64>, Option<String>, Option<f32>, Option<String>);

fn meds_parquet() -> impl Strategy<Value = Vec<u8>> {
    let subject = prop::option::weighted(0.9, prop_oneof![4 => 1_i64..4, 1 => any::<i64>()]);
    let time =
        prop_oneof![4 => 1_000_000_000_000_000_i64..1_600_000_000_000_000, 1 => any::<i64>()];
    let row = (
        subject,
        prop::option::weighted(0.8, time),
        prop::option::weighted(0.9, cell()),
        prop::option::weighted(0.8, prop_oneof![4 => 30_f32..120.0, 1 => any::<f32>()]),
        prop::option::weighted(0.3, cell()),
    );
    (prop::collection::vec(row, 0..40), 1_usize..20).prop_map(
        |(rows, per_group): (Vec<MedsRow>, _)| {
            let columns: Vec<(&str, ArrayRef)> = vec![
                ("subject_id", Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>())),
                (
                    "time",
                    Arc::new(rows.iter().map(|row| row.1).collect::<TimestampMicrosecondArray>()),
                ),
                ("code", Arc::new(rows.iter().map(|row| row.2.clone()).collect::<StringArray>())),
                ("numeric_value", Arc::new(rows.iter().map(|row| row.3).collect::<Float32Array>())),
                (
                    "text_value",
                    Arc::new(rows.iter().map(|row| row.4.clone()).collect::<StringArray>()),
                ),
            ];
            parquet(columns, per_group)
        },
    )
}

const MEASUREMENT: &str = "person_id,measurement_id,measurement_concept_id,measurement_date,value_as_number,value_as_concept_id,unit_concept_id,measurement_source_value,measurement_source_concept_id,unit_source_value";

fn omop_parquet() -> impl Strategy<Value = Vec<u8>> {
    rows(10).prop_map(|rows| {
        let column = |at: usize| -> ArrayRef {
            Arc::new(rows.iter().map(|row| row.get(at).cloned()).collect::<StringArray>())
        };
        parquet(
            MEASUREMENT.split(',').enumerate().map(|(at, name)| (name, column(at))).collect(),
            5,
        )
    })
}

/// Something that is done to bytes.
#[derive(Clone, Debug)]
enum Edit {
    Flip(prop::sample::Index, u8),
    Cut(prop::sample::Index),
    Insert(prop::sample::Index, Vec<u8>),
    Repeat(prop::sample::Index, prop::sample::Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    let edit = prop_oneof![
        (at(), 0_u8..8).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        at().prop_map(Edit::Cut),
        (at(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        (at(), at()).prop_map(|(from, to)| Edit::Repeat(from, to)),
    ];
    // Half of the documents stay as they are.
    prop_oneof![Just(Vec::new()), prop::collection::vec(edit, 1..5)]
}

fn edited(mut bytes: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let length = bytes.len();
        if length == 0 {
            break;
        }
        match edit {
            Edit::Flip(at, bit) => bytes[at.index(length)] ^= 1 << bit,
            Edit::Cut(at) => bytes.truncate(at.index(length)),
            Edit::Insert(at, more) => {
                let at = at.index(length);
                bytes.splice(at..at, more.iter().copied());
            }
            Edit::Repeat(from, to) => {
                let (from, to) = (from.index(length), to.index(length));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(part);
            }
        }
    }
    bytes
}

/// How a document is packed.
#[derive(Clone, Copy, Debug)]
enum Packed {
    Plain,
    Gzip,
    Zstd,
    Tar(&'static str),
    TarGzip(&'static str),
}

impl Packed {
    /// `name` is what the document is called in an archive.
    fn any(name: &'static str) -> impl Strategy<Value = Self> {
        prop::sample::select(vec![
            Self::Plain,
            Self::Gzip,
            Self::Zstd,
            Self::Tar(name),
            Self::TarGzip(name),
        ])
    }

    fn pack(self, bytes: Vec<u8>) -> Vec<u8> {
        match self {
            Self::Plain => bytes,
            Self::Gzip => gzip(&bytes),
            Self::Zstd => zstd::encode_all(&bytes[..], 1).unwrap(),
            Self::Tar(name) => tar(name, &bytes),
            Self::TarGzip(name) => gzip(&tar(name, &bytes)),
        }
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn tar(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, bytes).unwrap();
    builder.into_inner().unwrap()
}

/// One property for each format: a document, altered, packed, and altered again.
macro_rules! accounted_for {
    ($($test:ident: $document:expr, $by:expr, $name:literal;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
            $(
                #[test]
                fn $test(
                    document in $document,
                    before in edits(),
                    packed in Packed::any($name),
                    after in edits(),
                ) {
                    check($by, &edited(packed.pack(edited(document, &before)), &after));
                }
            )*
        }
    };
}

accounted_for! {
    rows_of_long_tables: delimited("subject_id,time,code,numeric_value,text_value"), By::MedsCsv, "events.csv";
    rows_of_wide_tables: delimited("patient,at,hr,temp"), By::Wide, "vitals.csv";
    rows_of_stays: physionet(), By::Icu, "132539.txt";
    resources_a_line: ndjson(), By::Ehr, "export.ndjson";
    resources_in_a_bundle: bundle(), By::Ehr, "bundle.json";
    rows_of_omop_text: delimited(MEASUREMENT), By::Omop, "measurement.csv";
    rows_of_omop_parquet: omop_parquet(), By::Omop, "measurement.parquet";
    rows_of_meds_parquet: meds_parquet(), By::Icu, "0.parquet";
    bytes_of_no_format: prop::collection::vec(any::<u8>(), 0..4000), By::Icu, "x";
    bytes_that_a_mapping_is_for: prop::collection::vec(any::<u8>(), 0..4000), By::MedsCsv, "events.csv";
}

/// The properties would hold of a reader that refuses everything: this one reads.
#[test]
fn documents_that_are_left_as_they_are_are_read() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut rows = |document: BoxedStrategy<Vec<u8>>, by: By, name: &str| {
        let mut sum = 0;
        for _ in 0..20 {
            let document = document.new_tree(&mut runner).unwrap().current();
            sum += check(by, &tar(name, &document)).unwrap_or(0);
        }
        assert!(40 < sum, "{name}: {sum} rows");
    };
    rows(
        delimited("subject_id,time,code,numeric_value,text_value").boxed(),
        By::MedsCsv,
        "events.csv",
    );
    rows(delimited("patient,at,hr,temp").boxed(), By::Wide, "vitals.csv");
    rows(physionet().boxed(), By::Icu, "132539.txt");
    rows(ndjson().boxed(), By::Ehr, "export.ndjson");
    rows(bundle().boxed(), By::Ehr, "bundle.json");
    rows(delimited(MEASUREMENT).boxed(), By::Omop, "measurement.csv");
    rows(omop_parquet().boxed(), By::Omop, "measurement.parquet");
    rows(meds_parquet().boxed(), By::Icu, "0.parquet");
}
