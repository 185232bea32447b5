//! Any few shares give the key back, fewer do not, and what was changed is noticed.

use proptest::prelude::*;

use super::{EscrowError, Share, combine, split};
use crate::SecretKey;

fn key() -> SecretKey {
    SecretKey::from_slice(&[7; 32]).unwrap()
}

/// Through the text and back, as a person carries it.
fn carried(share: &Share) -> Share {
    Share::from_text(share.to_text().expose()).unwrap()
}

#[test]
fn any_three_of_five_give_the_key_back_in_any_order() {
    let shares = split(&key(), "0123abcd", 3, 5).unwrap();
    assert!(shares.iter().map(carried).all(|share| share.keep() == "0123abcd"));
    for one in 0..5 {
        for two in 0..5 {
            for three in 0..5 {
                let chosen = [one, two, three].map(|at| carried(&shares[at]));
                let different = one != two && two != three && one != three;
                match combine(&chosen) {
                    Ok(found) => {
                        assert!(different);
                        assert_eq!(found.expose(), key().expose());
                    }
                    Err(error) => {
                        assert!(!different);
                        assert!(matches!(error, EscrowError::TooFew { threshold: 3, .. }));
                    }
                }
            }
        }
    }
    let all: Vec<Share> = shares.iter().map(carried).collect();
    assert_eq!(combine(&all).unwrap().expose(), key().expose());
}

#[test]
fn each_splitting_is_another_one_and_their_shares_do_not_mix_unnoticed() {
    let [one, other] = [(); 2].map(|()| split(&key(), "0123abcd", 2, 3).unwrap());
    assert_ne!(one[0].value.expose(), other[0].value.expose());
    // Of the same key and keep: only the key that comes out shows it.
    let mixed = combine(&[carried(&one[0]), carried(&other[1])]).unwrap();
    assert_ne!(mixed.expose(), key().expose());
    let elsewhere = split(&key(), "ffff0000", 2, 3).unwrap();
    let mixed = combine(&[carried(&one[0]), carried(&elsewhere[1])]);
    assert_eq!(mixed.unwrap_err(), EscrowError::Mixed);
    let changed = split(&SecretKey::random(), "0123abcd", 2, 3).unwrap();
    let mixed = combine(&[carried(&one[0]), carried(&changed[1])]);
    assert_eq!(mixed.unwrap_err(), EscrowError::Mixed);
}

#[test]
fn too_few_shares_cannot_be_made_or_used() {
    for (threshold, count) in [(0, 5), (1, 5), (6, 5), (2, 1), (0, 0)] {
        let refused = split(&key(), "k", threshold, count).unwrap_err();
        assert_eq!(refused, EscrowError::Count, "{threshold} of {count}");
    }
    assert_eq!(split(&key(), "k", 255, 255).unwrap().len(), 255);
    assert!(matches!(combine(&[]), Err(EscrowError::TooFew { found: 0, .. })));
}

#[test]
fn a_share_is_read_however_it_is_spaced_and_says_nothing_when_printed() {
    let shares = split(&key(), "0123abcd", 2, 2).unwrap();
    let text = String::from_utf8(shares[1].to_text().expose().to_vec()).unwrap();
    assert!(text.contains("share   2 of 2\nneeded  2\n"), "{text}");
    let spaced = text.replace('\n', " \r\n  ");
    let read = Share::from_text(spaced.as_bytes()).unwrap();
    assert_eq!(read.value.expose(), shares[1].value.expose());
    assert_eq!(format!("{read:?}"), "Share(2 of 2, hidden)");
}

proptest! {
    #[test]
    fn a_changed_letter_is_noticed(at in 27_usize..240, letter in b'0'..=b'z') {
        let shares = split(&key(), "0123abcd", 2, 2).unwrap();
        let mut text = shares[0].to_text().expose().to_vec();
        prop_assume!(at < text.len() && !text[at].is_ascii_whitespace() && text[at] != letter);
        // Upper and lower case are the same digit.
        prop_assume!(!text[at].eq_ignore_ascii_case(&letter));
        text[at] = letter;
        prop_assert!(Share::from_text(&text).is_err());
    }

    #[test]
    fn anything_else_is_refused(text in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(Share::from_text(&text).is_err());
        prop_assert!(Share::from_text(&[super::SHARE_TITLE.as_bytes(), &text].concat()).is_err());
    }
}
