//! Small files that people write: packs, mappings, identities, configuration.

#![no_main]

use libfuzzer_sys::fuzz_target;
use twinkeep_vault::SecretKey;
use twinkeep_vault::identity::{Identity, PublicIdentity};

fuzz_target!(|data: &[u8]| {
    let _ = Identity::from_bytes(data, &SecretKey::random());
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = twinkeep_intake::pack_file::parse_pack(text);
    let _ = twinkeep_intake::mapping::parse_mapping(text);
    let _ = PublicIdentity::from_text(text);
    let _ = twinkeep_app::Config::parse(text).map(|config| config.check("keep".as_ref()));
});
