//! Tables by each shipped mapping.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twinkeep_intake::mapping::{shipped_mapping, shipped_names};

mod intake;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let names = shipped_names();
    let mapping = shipped_mapping(names[usize::from(choice) % names.len()]).unwrap();
    intake::check("ehr", Some(&mapping), data);
});
