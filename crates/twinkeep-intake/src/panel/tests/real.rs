//! The promise on real data: at most one clean row in a thousand is held.

use twinkeep_domain::Pack;
use twinkeep_vault::{Pseudonymizer, SecretKey};

use super::*;
use crate::pack_file::shipped_pack;
use crate::tests::{options, real_data};
use crate::{Source, read_at_once};

fn load(pack: &Pack, path: &std::path::Path) -> Events {
    let pseudonyms = Pseudonymizer::new(&SecretKey::from_slice(&[7; 32]).unwrap());
    let spool = std::env::temp_dir();
    let options = options(pack, &pseudonyms, &spool);
    let (portion, _) = read_at_once(Source::Path(path), &options, &mut |_| ()).unwrap();
    portion.screened.events().clone()
}

#[test]
fn at_most_one_real_row_in_a_thousand_is_held() {
    let Some(data) = real_data() else { return };
    let pack = shipped_pack("icu").unwrap();
    let events = load(&pack, &data.join("physionet2012/set-a.tar.gz"));
    for half in [0, 1] {
        let part = |of: i64| {
            let mut part = events.clone();
            part.rows.retain(|event| event.subject.reveal() % 2 == of);
            part
        };
        let panel = Panel::new(learn(&part(half)).unwrap(), PanelParameters::default());
        let apart = part(1 - half);
        let suspects = panel.screen(&apart, &mut SenderStats::new(panel.reference()));
        let held = suspects.len();
        let by = Detector::ALL
            .map(|detector| suspects.iter().filter(|suspect| suspect.detector == detector).count());
        assert!(held * 1000 <= apart.rows.len(), "{by:?} of {}", apart.rows.len());
        assert!(0 < held, "a panel that holds nothing is not there");
    }
}

#[test]
fn no_variable_of_a_small_clean_feed_is_held_as_a_whole() {
    let Some(data) = real_data() else { return };
    let pack = shipped_pack("icu").unwrap();
    let events = load(&pack, &data.join("physionet2012/set-a.tar.gz"));
    for (size, deal) in [(8, 1), (8, 2), (4, 1), (4, 3)] {
        let part = |of: u64| {
            let mut part = events.clone();
            part.rows.retain(|it| mix(it.subject.reveal() as u64 ^ (deal << 40)) % size == of);
            part
        };
        let panel = Panel::new(learn(&part(0)).unwrap(), PanelParameters::default());
        let apart = part(1);
        let suspects = panel.screen(&apart, &mut SenderStats::new(panel.reference()));
        for code in 0..apart.codes().len() {
            let is_it = |row: usize| apart.rows[row].code as usize == code;
            let held = suspects.iter().filter(|suspect| is_it(suspect.row)).count();
            let all = (0..apart.rows.len()).filter(|&row| is_it(row)).count();
            assert!(held <= 5 + all / 20, "{held} of {all} rows of {}", apart.codes()[code]);
        }
    }
}
