//! Cobblestone-256 against the vectors of Project Wycheproof.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use aws_lc_rs::digest;

use crate::SecretKey;
use crate::digest::{equal_in_constant_time, from_hex, to_hex};
use crate::sealed_feed::cobblestone::{Message, SEALED_CHUNK_LEN, TAG_LEN};

#[derive(serde::Deserialize)]
struct File {
    #[serde(rename = "numberOfTests")]
    count: usize,
    #[serde(rename = "testGroups")]
    groups: Vec<Group>,
}

#[derive(serde::Deserialize)]
struct Group {
    tests: Vec<Test>,
}

#[derive(serde::Deserialize)]
struct Test {
    #[serde(rename = "tcId")]
    id: u32,
    comment: String,
    key: String,
    ctx: String,
    ct: String,
    #[serde(rename = "msgSha512")]
    sha512: Option<String>,
    result: String,
}

#[test]
#[expect(clippy::print_stdout, reason = "a skipped test says so")]
fn cobblestone_agrees_with_wycheproof() {
    let Some(text) = read_vectors() else {
        println!("skipped: the Wycheproof vectors are not here (set TWINKEEP_DATA)");
        return;
    };
    let file: File = serde_json::from_str(&text).unwrap();
    let mut seen = BTreeMap::<_, u32>::new();
    let mut count = 0;
    for test in file.groups.iter().flat_map(|group| &group.tests) {
        let opened = open(test);
        assert_eq!(opened.is_some(), test.result == "valid", "{}: {}", test.id, test.comment);
        if let Some(plain) = opened {
            let sha512 = to_hex(digest::digest(&digest::SHA512, &plain).as_ref());
            assert_eq!(Some(sha512), test.sha512, "{}: {}", test.id, test.comment);
            assert_eq!(seal(test, &plain), ciphertext(test), "{}: sealed again", test.id);
        }
        *seen.entry(test.result.clone()).or_default() += 1;
        count += 1;
    }
    assert_eq!(count, file.count);
    assert!(seen["valid"] >= 10 && seen["invalid"] >= 25);
}

/// Opens a message the way the specification says for whole messages.
fn open(test: &Test) -> Option<Vec<u8>> {
    let ciphertext = ciphertext(test);
    let key = SecretKey::from_slice(&from_hex(&test.key)?)?;
    let (salt, rest) = ciphertext.split_at_checked(24)?;
    let (commitment, body) = rest.split_at_checked(32)?;
    let (message, expected) = Message::derive(&key, salt.try_into().ok()?, &from_hex(&test.ctx)?);
    if !equal_in_constant_time(commitment, &expected) || body.len() % SEALED_CHUNK_LEN < TAG_LEN {
        return None;
    }
    let mut plain = vec![0; body.len()];
    let length = message.open_chunks(0, body, &mut plain)?;
    plain.truncate(length);
    Some(plain)
}

/// Seals the content of a valid vector again, with its salt.
fn seal(test: &Test, plain: &[u8]) -> Vec<u8> {
    let salt: [u8; 24] = ciphertext(test)[..24].try_into().unwrap();
    let key = SecretKey::from_slice(&from_hex(&test.key).unwrap()).unwrap();
    let (message, commitment) = Message::derive(&key, &salt, &from_hex(&test.ctx).unwrap());
    let mut body = vec![0; plain.len() + (plain.len() / 16_384 + 1) * TAG_LEN];
    let length = message.seal_chunks(0, plain, true, &mut body).unwrap();
    body.truncate(length);
    [&salt[..], &commitment, &body].concat()
}

fn ciphertext(test: &Test) -> Vec<u8> {
    let packed = from_hex(&test.ct).unwrap();
    let mut bytes = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    bytes
}

fn read_vectors() -> Option<String> {
    let data = std::env::var_os("TWINKEEP_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let name = "vectors/wycheproof/c2sp_chunked_encryption_aes_256_gcm_test.json";
    std::fs::read_to_string(data.join(name)).ok()
}
