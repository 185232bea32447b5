//! Tensors read back as they were written, and hostile ones are refused before they can harm.

use std::sync::LazyLock;

use proptest::prelude::proptest;
use twinkeep_domain::{
    Code, CodePattern, Distinct, EventPlan, EventPoint, Pack, Tensor, TensorData, WindowAnswer,
    WindowKind, WindowTarget,
};

use super::{NAMES, TensorError};
use crate::features::SubjectState;
use crate::testing::{cohort, config, shop_cohort, shop_pack};
use crate::{CodeMap, Model, Scratch, TrainConfig, train};

static TENSORS: LazyLock<Vec<Tensor>> = LazyLock::new(|| {
    let config = TrainConfig { rounds_max: 8, ..config() };
    let model = train(&pack(), &config, &cohort(1, 150), &cohort(2, 100), &mut |_| ()).unwrap();
    model.to_tensors()
});

/// A pack of three values, and targets about a window: a sum, a count, and an event.
fn pack() -> Pack {
    let pattern = |text: &str| CodePattern::new(text).unwrap();
    let target = |code: &str, about: &str, kind| WindowTarget {
        code: Code::new(code).unwrap(),
        title: code.to_owned(),
        codes: vec![pattern(about)],
        window_hours: 12.0,
        kind,
    };
    let event = EventPlan {
        horizons_hours: vec![4.0, 12.0],
        competing: vec![],
        once: false,
        absent: false,
    };
    let values = crate::testing::pack();
    let mut variables = values.variables().to_vec();
    variables[2].range.low = 0.0;
    let (name, words) = ("test".to_owned(), values.words().clone());
    let pack = Pack::new(name.clone(), name, 1, words, variables, values.forecast().clone());
    pack.and_then(|pack| {
        pack.with_windows(vec![
            target("noises", "noise", WindowKind::Sum),
            target("echoes", "echo", WindowKind::Count(Distinct::Event)),
            target("soon", "noise", WindowKind::Event(event)),
        ])
    })
    .unwrap()
}

fn place(name: &str) -> usize {
    NAMES.iter().position(|&own| own == name).unwrap()
}

fn ints<'a>(tensors: &'a mut [Tensor], name: &str) -> &'a mut Vec<i32> {
    match &mut tensors[place(name)].data {
        TensorData::I32(data) => data,
        _ => panic!("{name} holds no integers"),
    }
}

fn floats<'a>(tensors: &'a mut [Tensor], name: &str) -> &'a mut Vec<f32> {
    match &mut tensors[place(name)].data {
        TensorData::F32(data) => data,
        _ => panic!("{name} holds no floats"),
    }
}

#[track_caller]
fn check(change: impl Fn(&mut Vec<Tensor>), code: &str) {
    let mut tensors = TENSORS.clone();
    change(&mut tensors);
    let error = Model::from_tensors(&pack(), &tensors).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
}

/// Forecasts with every subject of a small cohort; whatever was accepted must survive this.
fn exercise(model: &Model) {
    let cohort = cohort(5, 3);
    let codes = CodeMap::new(&pack(), &cohort.codes);
    for timeline in &cohort.timelines {
        let state = SubjectState::from_timeline(&pack(), &codes, timeline);
        let forecast = model.forecast(&state, timeline.end().unwrap(), &[0.0, 5.0, 24.0]);
        for point in forecast.targets.iter().flat_map(|target| &target.points) {
            assert!(point.quantiles.is_sorted() && point.mean.is_finite());
            assert!(point.quantiles.iter().all(|value| value.is_finite()));
            assert!(point.outer[0] <= point.quantiles[0] && point.quantiles[6] <= point.outer[1]);
            assert!(point.outer.iter().all(|value| value.is_finite()));
        }
        let now = timeline.end().unwrap();
        let bank = model.path_bank(&[5.0, 24.0], 1);
        if let Some(simulator) = model.simulator(&bank, &state, now, &[]) {
            let mut values = vec![f32::NAN; simulator.path_len()];
            let mut windows = vec![f32::NAN; simulator.windows().len()];
            for number in 0..10 {
                simulator.path(number, &mut Scratch::default(), &mut values, &mut windows);
                assert!(values.iter().all(|value| value.is_finite()));
                assert!(windows.iter().all(|value| !value.is_nan()));
            }
        }
        let supported = model.support(&state, &[1], 1, 40.0);
        assert!(supported.supporting_count <= supported.similar_count);
        for window in &forecast.windows {
            match &window.answer {
                WindowAnswer::None => {}
                WindowAnswer::Total(point) => {
                    assert!(point.quantiles.is_sorted() && 0.0 <= point.quantiles[0]);
                    assert!(point.quantiles[6].is_finite() && point.mean.is_finite());
                    assert!(point.outer[0] <= point.quantiles[0]);
                    assert!(point.quantiles[6] <= point.outer[1] && point.outer[1].is_finite());
                }
                WindowAnswer::Event(points) => {
                    let competing = |p: &EventPoint| p.competing.iter().sum::<f32>();
                    let mut sums = points.iter().map(|p| p.probability + competing(p));
                    assert!(sums.all(|sum| (0.0..=1.0001).contains(&sum)));
                    assert!(points.windows(2).all(|p| p[0].probability <= p[1].probability));
                }
            }
        }
    }
}

#[test]
fn a_model_reads_back_identical_in_any_order() {
    assert_eq!(TENSORS.iter().map(|tensor| tensor.name.as_str()).collect::<Vec<_>>(), NAMES);
    let mut shuffled = TENSORS.clone();
    shuffled.reverse();
    let model = Model::from_tensors(&pack(), &shuffled).unwrap();
    assert_eq!(model.to_tensors(), *TENSORS);
    assert!(model.describe().iter().any(|target| 0 < target.tree_count));
    assert!(model.describe()[3..].iter().any(|window| 0 < window.leaf_count));
    assert_eq!(format!("{model:?}"), "Model(pack test, 3 targets)");
    exercise(&model);
}

#[test]
fn competing_causes_and_their_calibration_read_back_identical() {
    let pack = shop_pack();
    let config = TrainConfig { rounds_max: 8, ..config() };
    let (teach, tune) = (shop_cohort(1, 300), shop_cohort(2, 200));
    let model = train(&pack, &config, &teach, &tune, &mut |_| ()).unwrap();
    let read = Model::from_tensors(&pack, &model.to_tensors()).unwrap();
    assert_eq!(read.to_tensors(), model.to_tensors());
    let codes = CodeMap::new(&pack, &teach.codes);
    for timeline in &teach.timelines[..20] {
        let state = SubjectState::from_timeline(&pack, &codes, timeline);
        let now = timeline.end().unwrap();
        let same =
            |asked: &[f32]| model.forecast(&state, now, asked) == read.forecast(&state, now, asked);
        assert!(same(&[24.0, 96.0]));
    }
}

#[test]
fn a_missing_doubled_or_surplus_tensor_is_refused() {
    for at in 0..NAMES.len() {
        check(|tensors| drop(tensors.remove(at)), "model-tensor-missing");
        check(|tensors| tensors.push(tensors[at].clone()), "model-tensor-missing");
        check(|tensors| tensors[at].shape.push(2), "model-tensor-shape");
    }
    let extra = Tensor { name: "extra".into(), shape: vec![0], data: TensorData::U8(vec![]) };
    check(|tensors| tensors.push(extra.clone()), "model-tensor-surplus");
}

#[test]
fn a_tensor_of_another_type_is_refused() {
    for at in 0..NAMES.len() {
        let change = |tensors: &mut Vec<Tensor>| {
            let count = tensors[at].data.len();
            tensors[at].data = match tensors[at].data {
                TensorData::U8(_) => TensorData::F32(vec![0.0; count]),
                _ => TensorData::U8(vec![0; count]),
            };
        };
        check(change, "model-tensor-shape");
    }
}

#[test]
fn shapes_whose_size_overflows_are_refused() {
    check(|tensors| tensors[place("leaf.steps")].shape = vec![usize::MAX, 8], "model-tensor-shape");
    check(|tensors| ints(tensors, "forest.counts")[1] = i32::MAX, "model-tensor-shape");
    check(|tensors| ints(tensors, "forest.counts")[1] = -1, "model-tensor-value");
}

#[test]
fn a_tree_that_loops_or_leads_nowhere_is_refused() {
    // Node 0 as its own child, a child before its parent, beyond the nodes, beyond the leaves.
    check(|tensors| ints(tensors, "node.left")[0] = 0, "model-tensor-value");
    check(|tensors| ints(tensors, "node.right")[1] = 0, "model-tensor-value");
    check(|tensors| ints(tensors, "node.left")[0] = i32::MAX, "model-tensor-value");
    check(|tensors| ints(tensors, "node.left")[0] = i32::MIN, "model-tensor-value");
    check(|tensors| ints(tensors, "forest.roots")[0] = i32::MAX, "model-tensor-value");
    check(|tensors| ints(tensors, "forest.roots")[0] = i32::MIN, "model-tensor-value");
    // A tree that goes on in the next one, and a tree that is there twice.
    check(
        |tensors| {
            let next = ints(tensors, "forest.roots")[1];
            ints(tensors, "node.left")[0] = next;
        },
        "model-tensor-value",
    );
    check(|tensors| ints(tensors, "forest.roots")[1] = 0, "model-tensor-value");
}

#[test]
fn a_feature_that_does_not_exist_is_refused() {
    for feature in [-1, 30, 65_535, 65_536, i32::MAX] {
        check(|tensors| ints(tensors, "node.feature")[0] = feature, "model-tensor-value");
    }
}

#[test]
fn numbers_that_are_not_numbers_are_refused() {
    let names = ["target.numbers", "target.start", "target.reference", "target.shift"];
    let windows = ["window.numbers", "window.start", "window.reference", "window.shift"];
    let others = ["window.base", "window.calibration", "node.threshold", "leaf.steps"];
    for name in names.into_iter().chain(windows).chain(others) {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            check(|tensors| floats(tensors, name)[0] = value, "model-tensor-value");
        }
    }
    check(|tensors| floats(tensors, "leaf.steps")[0] = f32::MAX, "model-tensor-value");
    for name in ["target.stretch", "window.stretch"] {
        check(|tensors| floats(tensors, name)[0] = -0.1, "model-tensor-value");
        check(|tensors| floats(tensors, name)[0] = 2e6, "model-tensor-value");
    }
    check(|tensors| ints(tensors, "leaf.rows")[0] = -1, "model-tensor-value");
    check(|tensors| floats(tensors, "target.numbers")[2] = 1.5, "model-tensor-value");
    check(|tensors| floats(tensors, "target.numbers")[4] = -0.1, "model-tensor-value");
    for (at, value) in [(0, -0.1), (1, 1.1), (2, 0.0), (3, -1.0)] {
        check(|tensors| floats(tensors, "window.numbers")[at] = value, "model-tensor-value");
    }
}

#[test]
fn what_cannot_hang_together_is_refused() {
    for value in [f32::NAN, 2.0, -1e15] {
        check(|tensors| floats(tensors, "dependence.own")[0] = value, "model-tensor-value");
        check(|tensors| floats(tensors, "dependence.loadings")[0] = value, "model-tensor-value");
    }
    // Window targets have the part only that never fades: the second part has none of them.
    let of_window = 6 + 3;
    check(|tensors| floats(tensors, "dependence.own")[of_window] = 0.1, "model-tensor-value");
    check(
        |tensors| {
            let own = place("dependence.own");
            tensors[own].shape[0] = 1;
        },
        "model-tensor-shape",
    );
}

#[test]
fn a_picture_of_subjects_that_cannot_be_is_refused() {
    check(|tensors| ints(tensors, "support.counts")[0] = -1, "model-tensor-value");
    check(|tensors| ints(tensors, "support.counts")[0] = i32::MAX, "model-tensor-value");
    check(|tensors| ints(tensors, "support.sizes")[0] = -1, "model-tensor-value");
    check(|tensors| floats(tensors, "support.centers")[0] = 1.5, "model-tensor-value");
    check(|tensors| floats(tensors, "support.known")[0] = -0.5, "model-tensor-value");
    check(|tensors| floats(tensors, "support.marks")[1] = -1e9, "model-tensor-value");
    check(
        |tensors| {
            let kinds = place("support.kinds");
            tensors[kinds].shape[0] = 3;
        },
        "model-tensor-shape",
    );
}

#[test]
fn choices_that_no_model_makes_are_refused() {
    for at in 0..3 {
        for value in [-1, 9, i32::MAX] {
            check(|tensors| ints(tensors, "target.choices")[at] = value, "model-tensor-value");
            check(|tensors| ints(tensors, "window.choices")[at] = value, "model-tensor-value");
        }
    }
    check(|tensors| ints(tensors, "target.correlates")[0] = 4, "model-tensor-value");
    // `group` is static: it is always there, and stands in for nothing.
    check(|tensors| ints(tensors, "target.correlates")[0] = 3, "model-tensor-value");
}

#[test]
fn a_model_of_another_format_or_pack_is_refused() {
    check(|tensors| ints(tensors, "format")[0] = 2, "model-pack");
    let pack = pack();
    let mut variables = pack.variables().to_vec();
    variables[0].target = false;
    let other = Pack::new(
        "other".into(),
        "Other".into(),
        1,
        pack.words().clone(),
        variables,
        pack.forecast().clone(),
    )
    .unwrap();
    let error = Model::from_tensors(&other, &TENSORS).unwrap_err();
    assert_eq!(error, TensorError::Pack { found: 5, target_count: 3 });
}

proptest! {
    /// Whatever one changed number does, it is refused or the forecasts stay sound.
    #[test]
    fn one_changed_number_is_refused_or_harmless(tensor in 0..NAMES.len(), at: usize, bits: u32) {
        let mut tensors = TENSORS.clone();
        match &mut tensors[tensor].data {
            TensorData::F32(data) => {
                let at = at % data.len();
                data[at] = f32::from_bits(bits);
            }
            TensorData::I32(data) => {
                let at = at % data.len();
                // Small numbers are the dangerous ones: nearly right.
                data[at] = if bits % 2 == 0 { bits as i32 } else { (bits % 600) as i32 - 300 };
            }
            TensorData::U8(data) => {
                let at = at % data.len();
                data[at] = bits as u8;
            }
        }
        if let Ok(model) = Model::from_tensors(&pack(), &tensors) {
            exercise(&model);
        }
    }
}
