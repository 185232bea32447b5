//! What is there twice is found in any order, and nothing is lost on the way.

use std::collections::BTreeSet;

use proptest::prelude::*;
use twinkeep_domain::{Subject, Timestamp};

use super::{moment, refuse_repeated, sort};
use crate::Origin;
use crate::held::{Given, Held};

proptest! {
    #[test]
    fn any_order_gives_the_same_answer_as_remembering_everything(
        rows in prop::collection::vec((0..4_i64, prop::option::of(0..4_i64), 0..2_u32, 0..2_u8), 0..200)
    ) {
        let mut all = BTreeSet::new();
        let mut expected = BTreeSet::new();
        let mut held = Vec::new();
        for (at, &(subject, micros, code, value)) in (0..).zip(&rows) {
            if !all.insert((subject, micros, code, value)) {
                expected.insert(at);
            }
            held.push(Held {
                subject: Subject::from_pseudonym(subject).unwrap(),
                time: micros.map(Timestamp::from_micros),
                code,
                value: Some(if value == 0 && at % 2 == 0 { -0.0 } else { f32::from(value) }),
                text: None,
                given: Given { name: 0, unit: u32::MAX, value: 0.0 },
                origin: Origin { file: "".into(), row: at },
            });
        }
        let mut sorted = Vec::new();
        prop_assert!(sort(held, &mut sorted).is_empty());
        let mut held = sorted;
        let in_order = |pair: &[Held]| {
            (moment(&pair[0]), pair[0].origin.row) < (moment(&pair[1]), pair[1].origin.row)
        };
        prop_assert!(held.windows(2).all(in_order));
        let refused = refuse_repeated(&mut held);
        let refused: BTreeSet<u64> = refused.iter().map(|(row, _)| row.origin.row).collect();
        prop_assert_eq!(&refused, &expected);
        prop_assert_eq!(held.len() + refused.len(), rows.len());
    }
}
