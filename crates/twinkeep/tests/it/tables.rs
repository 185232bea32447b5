//! Tables that a mapping explains, from the file to the forecast.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::harness::Place;

/// A keep for customers.
fn shop() -> Place {
    let place = Place::empty();
    place.run(&["init", "keep", "--pack", "audience", "--key-file", "keep.kek"]).done();
    place
}

fn write(place: &Place, name: &str, text: &str) {
    let path = place.path(name);
    std::io::Write::write_all(&mut fs::File::create(path).unwrap(), text.as_bytes()).unwrap();
}

/// Invoices of made-up customers, each of whom buys about the same every ten days.
fn invoices(customers: u32) -> String {
    let header =
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country";
    let mut text = format!("{header}\n");
    for customer in 0..customers {
        for visit in 0..14_u32 {
            let day = visit * 10 + customer % 7;
            let date =
                format!("2011-{:02}-{:02} 1{}:00:00", 1 + day / 28, 1 + day % 28, visit % 10);
            let quantity = 1 + customer % 9 + (customer * visit) % 3;
            for line in 0..1 + customer % 3 {
                let number = customer * 100 + visit;
                writeln!(text, "{number},S{line},\"a, b\",{quantity},{date},2.5,{customer}.0,UK")
                    .unwrap();
            }
        }
    }
    text
}

#[test]
fn invoices_of_a_shop_become_forecasts_of_its_customers() {
    let place = shop();
    write(&place, "invoices.csv", &invoices(200));
    let report = place.run(&["ingest", "invoices.csv"]).done();
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("read"), count("accepted") + count("missing") + count("quarantined"));
    // Amount, pieces, and lines of 14 invoices each.
    assert_eq!((count("accepted"), count("subjects")), (3 * 14 * 200, 200));
    forecast(&place);
}

/// Learns, and asks for a customer.
fn forecast(place: &Place) {
    let trained = place.run(&["train"]).done();
    let version = trained["version"].as_str().unwrap();
    assert!(trained["evaluation"]["mase_median"].as_f64().unwrap() < 1.0, "{trained}");
    place.run(&["model", "release", version, "--reason", "test"]).done();
    let list = place.run(&["twin", "list"]).done();
    let twins = list["twins"].as_array().unwrap();
    let most = twins.iter().max_by_key(|twin| twin["event_count"].as_u64().unwrap()).unwrap();
    let answer = place.run(&["twin", "forecast", most["subject"].as_str().unwrap()]).done();
    let targets = answer["targets"].as_array().unwrap();
    let amount = targets.iter().find(|target| target["code"] == "PurchaseAmount").unwrap();
    assert_eq!(amount["points"].as_array().unwrap().len(), 30);
}

#[test]
fn real_purchases_become_forecasts() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let root = std::env::var_os("TWINKEEP_DATA").map_or(beside, PathBuf::from);
    let file = root.join("online-retail/online_retail_2010-12_2011-09.csv.gz");
    let Ok(file) = file.canonicalize() else {
        println!(
            "skipped: Online Retail is not here; set TWINKEEP_DATA to the folder of data sets"
        );
        return;
    };
    let place = shop();
    let report = place.run(&["ingest", file.to_str().unwrap()]).done();
    assert_eq!(report["subjects"], 3_658);
    assert!(report["quarantined"].as_u64().unwrap() < 20, "{report}");
    forecast(&place);
}

/// A hospital's own export and the mapping that it wrote for it.
const OWN: &str = r#"
format = 1
name = "own"
title = "Our export"
version = 1
zone = "Europe/Berlin"
subject = ["{Patient}"]

[dialect]
delimiter = ";"
encoding = "windows-1252"
decimal = ","

[[table]]
name = "vitals"
columns = ["Patient", "Größe"]

[[table.event]]
columns = { Puls = "HR", Temperatur = "Temp" }
time = [{ column = "Zeit", formats = ["%d.%m.%Y %H:%M"] }]

[[table.event]]
code = ["Height"]
value = { column = "Größe" }
"#;

#[test]
fn a_hospital_writes_its_own_mapping_tries_it_and_ingests_by_it() {
    let place = Place::with_keep();
    write(&place, "own.toml", OWN);
    let text = "Patient;Zeit;Puls;Temperatur;Größe;Station\r\n\
                7;01.07.2021 12:00;80;37,5;180;A\r\n\
                7;01.07.2021 13:00;;38,0;;A\r\n\
                8;gestern;80;37,0;170;A\r\n";
    let bytes: Vec<u8> = text.chars().map(|char| u8::try_from(u32::from(char)).unwrap()).collect();
    let path = place.path("export.csv");
    std::io::Write::write_all(&mut fs::File::create(&path).unwrap(), &bytes).unwrap();

    let check = place.run(&["mapping", "check", "own.toml", "export.csv"]).done();
    assert_eq!(check["files"][0]["table"], "vitals");
    assert_eq!(check["files"][0]["unused"], serde_json::json!(["Station"]));
    assert_eq!(check["files"][0]["refused"], serde_json::json!({ "bad-time (time)": 2 }));
    assert_eq!(
        (&check["read"], &check["events"], &check["missing"]),
        (&9.into(), &6.into(), &1.into())
    );

    assert_eq!(place.run(&["ingest", "export.csv"]).refused(), "intake-no-mapping");
    let report = place.run(&["ingest", "export.csv", "--mapping", "own.toml"]).done();
    assert_eq!(report["accepted"], 5);
    assert_eq!(report["missing"], 2);
    assert_eq!(report["quarantined"], 2);
    let subject = place.run(&["twin", "show", "7"]).done();
    assert!(subject.to_string().contains("2021-07-01T10:00:00"), "{subject}");
}

#[test]
fn shipped_mappings_are_listed_and_shown_and_wrong_ones_refused() {
    let place = Place::empty();
    let names: Vec<String> = place
        .run(&["mapping", "list"])
        .lines()
        .iter()
        .map(|line| line["name"].as_str().unwrap().to_owned())
        .collect();
    assert!(names.iter().any(|name| name == "mimic-iv"), "{names:?}");
    let shown = place.run(&["mapping", "show", "mimic-iv"]).done();
    assert!(shown["text"].as_str().unwrap().contains("labevents"));
    assert_eq!(place.run(&["mapping", "show", "mimic-v"]).refused(), "mapping-missing");
    write(&place, "bad.toml", &OWN.replace("zone =", "zonne ="));
    write(&place, "a.csv", "a,b\n1,2\n");
    let bad = place.run(&["mapping", "check", "bad.toml", "a.csv"]);
    assert_eq!(bad.refused(), "mapping-syntax");
    assert!(bad.stderr.contains("line 6"), "{}", bad.stderr);
}
