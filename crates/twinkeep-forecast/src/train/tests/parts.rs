//! A training that was interrupted goes on, and ends with the same bytes.

use std::collections::BTreeMap;

use twinkeep_domain::{Code, Pack, Tensor, TensorData};

use super::super::{TrainParts, train_on};
use crate::testing::{cohort, config, pack, shop_cohort, shop_pack};
use crate::{Model, TrainConfig};

#[derive(Clone, Default)]
struct Kept {
    parts: BTreeMap<Code, Vec<Tensor>>,
    put: usize,
}

impl TrainParts for Kept {
    fn get(&mut self, code: &Code) -> Option<Vec<Tensor>> {
        self.parts.get(code).cloned()
    }

    fn put(&mut self, code: &Code, part: &[Tensor]) {
        self.put += 1;
        assert!(self.parts.insert(code.clone(), part.to_vec()).is_none(), "{code} came twice");
    }
}

fn trained(pack: &Pack, shop: bool, kept: &mut Kept) -> (Model, Vec<(String, bool)>) {
    let config = TrainConfig { rounds_max: 8, ..config() };
    let of = |seed, count| if shop { shop_cohort(seed, count) } else { cohort(seed, count) };
    let mut told = Vec::new();
    let model = train_on(pack, &config, &of(1, 120), &of(2, 80), kept, &mut |step| {
        assert_eq!(step.done_count, told.len() + 1);
        assert!(step.done_work <= step.total_work);
        assert_eq!(step.done_work == step.total_work, step.done_count == step.total_count);
        told.push((step.code.to_string(), step.restored));
    })
    .unwrap();
    (model, told)
}

#[test]
fn whatever_was_learned_before_is_not_learned_again_and_the_bytes_are_the_same() {
    for (pack, shop) in [(pack(), false), (shop_pack(), true)] {
        let mut kept = Kept::default();
        let (whole, told) = trained(&pack, shop, &mut kept);
        assert_eq!(kept.put, told.len());
        for lost in 0..=told.len() {
            let mut some = Kept { put: 0, ..kept.clone() };
            for (code, _) in &told[..lost] {
                some.parts.remove(&Code::new(code).unwrap());
            }
            let (again, told_again) = trained(&pack, shop, &mut some);
            assert_eq!(again.to_tensors(), whole.to_tensors());
            assert_eq!(some.put, lost);
            let restored = told_again.iter().filter(|(_, restored)| *restored).count();
            assert_eq!(restored, told.len() - lost);
            assert!(told_again[..restored].iter().all(|(_, restored)| *restored));
        }
    }
}

type Damage<'a> = dyn Fn(&mut Vec<Tensor>) + 'a;

#[test]
fn a_part_that_is_damaged_or_of_another_pack_is_learned_again() {
    let pack = pack();
    let mut kept = Kept::default();
    let (whole, told) = trained(&pack, false, &mut kept);
    let mut shop = Kept::default();
    trained(&shop_pack(), true, &mut shop);
    let foreign = shop.parts.into_values().next().unwrap();
    let damages: [&Damage<'_>; 4] = [
        &|part| part.truncate(3),
        &|part| *part = foreign.clone(),
        &|part| {
            let leaves = part.iter_mut().find(|tensor| tensor.name == "leaf.steps").unwrap();
            let TensorData::F32(steps) = &mut leaves.data else { panic!("steps are floats") };
            steps[0] = f32::NAN;
        },
        &|part| {
            let nodes = part.iter_mut().find(|tensor| tensor.name == "node.left").unwrap();
            let TensorData::I32(left) = &mut nodes.data else { panic!("children are integers") };
            left[0] = i32::MAX;
        },
    ];
    for damage in damages {
        let mut some = kept.clone();
        let code = Code::new("level").unwrap();
        let mut part = some.parts.remove(&code).unwrap();
        damage(&mut part);
        some.parts.insert(code.clone(), part);
        let mut broken = Broken(some);
        let config = TrainConfig { rounds_max: 8, ..config() };
        let (teach, tune) = (cohort(1, 120), cohort(2, 80));
        let again = train_on(&pack, &config, &teach, &tune, &mut broken, &mut |_| ()).unwrap();
        assert_eq!(again.to_tensors(), whole.to_tensors());
        assert_eq!(broken.0.put, kept.put + 1, "of {told:?} one was learned");
    }
}

/// As [`Kept`], but a part may be put in place of a broken one.
struct Broken(Kept);

impl TrainParts for Broken {
    fn get(&mut self, code: &Code) -> Option<Vec<Tensor>> {
        self.0.get(code)
    }

    fn put(&mut self, code: &Code, part: &[Tensor]) {
        self.0.parts.remove(code);
        self.0.put(code, part);
    }
}
