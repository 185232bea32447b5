//! Whatever a feed may hold: PhysioNet text, archives, gzip, zstd, Parquet, FHIR, tables. Every row
//! ends in exactly one place.

#![no_main]

use libfuzzer_sys::fuzz_target;

mod intake;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    intake::check(["icu", "ehr", "audience"][usize::from(choice) % 3], None, data);
});
