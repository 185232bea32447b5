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
        let panel = Panel::new(Reference::learn(&part(half), COURSE, 1).unwrap());
        let apart = part(1 - half);
        let suspects = panel.screen(&apart, &mut SenderStats::new(panel.reference()));
        let held = suspects.len();
        let by = Detector::ALL
            .map(|detector| suspects.iter().filter(|suspect| suspect.detector == detector).count());
        assert!(held * 1000 <= apart.rows.len(), "{by:?} of {}", apart.rows.len());
        assert!(0 < held, "a panel that holds nothing is not there");
    }
}
