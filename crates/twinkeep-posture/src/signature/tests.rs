//! Signatures that were made to break whoever reads them.

use super::packet::{Signature, packets};
use super::{Certificate, Keys, Verified, decode_base64, ssh_key_bits, verify};

/// Bytes that look random: a generator of splitmix64.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let words = std::iter::repeat_with(move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb).to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[test]
fn random_bytes_are_survived_as_packets_keys_and_signatures() {
    for seed in 0..3000 {
        let mut bytes = noise(usize::try_from(seed % 200).unwrap(), seed);
        Signature::read(&bytes);
        ssh_key_bits(&bytes);
        // Heads that are right, so that more of what follows is read.
        bytes.splice(0..0, [0x98, 40, 4]);
        packets(&bytes);
        Certificate::read(&bytes);
        bytes.splice(0..0, *b"SSHSIG\0\0\0\x01\0\0\0\x04");
        let text = super::armor::base64_unpadded(&bytes);
        let text = format!("-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n");
        let said = verify(text.as_bytes(), b"message", &Keys::default(), 0);
        assert!(!matches!(said, Verified::Good { .. }));
        let text = text.replace("SSH SIGNATURE", "PGP SIGNATURE");
        let said = verify(text.as_bytes(), b"message", &Keys::default(), 0);
        assert!(!matches!(said, Verified::Good { .. }));
    }
}

/// Text around an armor was not signed; a second armor neither.
#[test]
fn an_armor_with_something_around_it_is_none() {
    let armor = "-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----";
    let inside = super::armor::block(armor.as_bytes(), "SSH SIGNATURE").unwrap();
    assert_eq!(inside, b"SSHSIG");
    for text in [format!("{armor}\ntext"), format!("{armor}\n{armor}"), armor[..40].to_owned()] {
        assert_eq!(super::armor::block(text.as_bytes(), "SSH SIGNATURE"), None, "{text}");
    }
}

#[test]
fn base64_may_be_padded_broken_into_lines_or_wrong() {
    assert_eq!(decode_base64(b"U1N IU\n0lH").unwrap(), b"SSHSIG");
    assert_eq!(decode_base64(b"U1M=").unwrap(), b"SS");
    assert_eq!(decode_base64(b"U!M="), None);
}
