//! The tensors of window targets that are not trees.

use twinkeep_domain::limits::EVENT_HORIZON_COUNT_MAX;
use twinkeep_domain::{Pack, QUANTILES, TensorData, WindowTarget};

use super::{BASES, Reader, TensorError, basis_of, index};
use crate::boost::{CAUSE_COUNT_MAX, LANE_COUNT, TotalScale};
use crate::calibrate::STRETCH_MAX;
use crate::forest::Forest;
use crate::target::Quantiles;
use crate::window_model::{EventHead, TotalHead, WindowHead, WindowModel};

/// Writes the tensors of all window targets.
pub(super) fn write(windows: &[WindowModel]) -> Vec<(&'static str, Vec<usize>, TensorData)> {
    let count = windows.len();
    let floats = |of: &dyn Fn(&WindowModel) -> Vec<f32>| {
        TensorData::F32(windows.iter().flat_map(of).collect())
    };
    let quantiles = |of: &dyn Fn(&TotalHead) -> Quantiles| {
        floats(&|window| match &window.head {
            WindowHead::Total(head) => of(head).to_vec(),
            WindowHead::Event(_) => vec![0.0; QUANTILES.len()],
        })
    };
    let choices = (0..).zip(windows).flat_map(|(at, window)| choices(at, window)).collect();
    vec![
        (CHOICES, vec![count, CHOICE_COUNT], TensorData::I32(choices)),
        (NUMBERS, vec![count, NUMBER_COUNT], floats(&numbers)),
        (START, vec![count, LANE_COUNT], floats(&|window| window.start.to_vec())),
        (REFERENCE, vec![count, QUANTILES.len()], quantiles(&|head| head.reference)),
        (SHIFT, vec![count, QUANTILES.len()], quantiles(&|head| head.shift)),
        (STRETCH, vec![count, 2], floats(&stretch)),
        (BASE, vec![count, EVENT_HORIZON_COUNT_MAX, CAUSE_COUNT_MAX], floats(&base)),
        (CALIBRATION, vec![count, 2, CAUSE_COUNT_MAX], floats(&calibration)),
    ]
}

/// Reads the window targets of a pack; `forests` are theirs.
pub(super) fn read(
    reader: &Reader<'_>,
    pack: &Pack,
    forests: &mut [Forest],
) -> Result<Vec<WindowModel>, TensorError> {
    let count = pack.windows().len();
    let heads = Heads {
        choices: reader.ints(CHOICES, &[count, CHOICE_COUNT])?,
        numbers: reader.floats(NUMBERS, &[count, NUMBER_COUNT])?,
        start: reader.floats(START, &[count, LANE_COUNT])?,
        reference: reader.floats(REFERENCE, &[count, QUANTILES.len()])?,
        shift: reader.floats(SHIFT, &[count, QUANTILES.len()])?,
        stretch: reader.floats(STRETCH, &[count, 2])?,
        base: reader.floats(BASE, &[count, EVENT_HORIZON_COUNT_MAX, CAUSE_COUNT_MAX])?,
        calibration: reader.floats(CALIBRATION, &[count, 2, CAUSE_COUNT_MAX])?,
    };
    let windows = pack.windows().iter().zip(forests).enumerate();
    windows.map(|(at, (target, forest))| heads.window(at, target, std::mem::take(forest))).collect()
}

struct Heads<'a> {
    choices: &'a [i32],
    numbers: &'a [f32],
    start: &'a [f32],
    reference: &'a [f32],
    shift: &'a [f32],
    stretch: &'a [f32],
    base: &'a [f32],
    calibration: &'a [f32],
}

impl Heads<'_> {
    fn window(
        &self,
        at: usize,
        target: &WindowTarget,
        forest: Forest,
    ) -> Result<WindowModel, TensorError> {
        let mut model = WindowModel::empty(target);
        let (basis, carried) = match self.choices[at * CHOICE_COUNT..][..CHOICE_COUNT] {
            [own, basis, carried @ 0..=1] if usize::try_from(own) == Ok(at) => {
                (basis_of(basis), carried == 1)
            }
            _ => (None, false),
        };
        let number = |place: usize| self.numbers[at * NUMBER_COUNT + place];
        let share = |place| (0.0..=1.0).contains(&number(place)).then(|| number(place));
        let wrong = TensorError::Value { name: NUMBERS };
        let (Some(tree_share), Some(mean_tree_share)) = (share(0), share(1)) else {
            return Err(wrong);
        };
        if number(2) <= 0.0 || number(3) <= 0.0 {
            return Err(wrong);
        }
        model.basis = basis.ok_or(TensorError::Value { name: CHOICES })?;
        model.tree_share = tree_share;
        model.mean_tree_share = mean_tree_share;
        model.start.copy_from_slice(part(self.start, at, LANE_COUNT));
        model.forest = forest;
        match &mut model.head {
            WindowHead::Total(head) => {
                let power = head.scale.power;
                head.scale = TotalScale { unit: number(2), mean: number(3), power };
                head.carried = carried;
                head.reference.copy_from_slice(part(self.reference, at, QUANTILES.len()));
                head.shift.copy_from_slice(part(self.shift, at, QUANTILES.len()));
                head.stretch.copy_from_slice(part(self.stretch, at, 2));
                if !head.stretch.iter().all(|number| (0.0..=STRETCH_MAX).contains(number)) {
                    return Err(TensorError::Value { name: STRETCH });
                }
            }
            WindowHead::Event(head) => self.event(at, head),
        }
        Ok(model)
    }

    fn event(&self, at: usize, head: &mut EventHead) {
        let rows = part(self.base, at, EVENT_HORIZON_COUNT_MAX * CAUSE_COUNT_MAX);
        for (base, row) in head.base.iter_mut().zip(rows.chunks_exact(CAUSE_COUNT_MAX)) {
            base[..CAUSE_COUNT_MAX].copy_from_slice(row);
        }
        let (slope, intercept) =
            part(self.calibration, at, 2 * CAUSE_COUNT_MAX).split_at(CAUSE_COUNT_MAX);
        head.slope.copy_from_slice(slope);
        head.intercept.copy_from_slice(intercept);
    }
}

fn part(data: &[f32], at: usize, size: usize) -> &[f32] {
    &data[at * size..][..size]
}

fn choices(at: usize, window: &WindowModel) -> Vec<i32> {
    let basis = BASES.iter().position(|&basis| basis == window.basis).unwrap_or(0);
    let carried = matches!(&window.head, WindowHead::Total(head) if head.carried);
    vec![index(at), index(basis), i32::from(carried)]
}

fn numbers(window: &WindowModel) -> Vec<f32> {
    let [unit, mean] = match &window.head {
        WindowHead::Total(head) => [head.scale.unit, head.scale.mean],
        WindowHead::Event(_) => [1.0; 2],
    };
    vec![window.tree_share, window.mean_tree_share, unit, mean]
}

fn stretch(window: &WindowModel) -> Vec<f32> {
    match &window.head {
        WindowHead::Total(head) => head.stretch.to_vec(),
        WindowHead::Event(_) => vec![0.0; 2],
    }
}

fn base(window: &WindowModel) -> Vec<f32> {
    let mut rows = match &window.head {
        WindowHead::Event(head) => {
            head.base.iter().flat_map(|lanes| lanes[..CAUSE_COUNT_MAX].to_vec()).collect()
        }
        WindowHead::Total(_) => Vec::new(),
    };
    rows.resize(EVENT_HORIZON_COUNT_MAX * CAUSE_COUNT_MAX, 0.0);
    rows
}

fn calibration(window: &WindowModel) -> Vec<f32> {
    match &window.head {
        WindowHead::Event(head) => [head.slope, head.intercept].concat(),
        WindowHead::Total(_) => [[1.0; CAUSE_COUNT_MAX], [0.0; CAUSE_COUNT_MAX]].concat(),
    }
}

/// Place, basis, whether the window before is the reference.
const CHOICE_COUNT: usize = 3;

/// Tree share, tree share of the mean, unit and mean of totals.
const NUMBER_COUNT: usize = 4;

pub(super) const CHOICES: &str = "window.choices";
pub(super) const NUMBERS: &str = "window.numbers";
pub(super) const START: &str = "window.start";
pub(super) const REFERENCE: &str = "window.reference";
pub(super) const SHIFT: &str = "window.shift";
pub(super) const STRETCH: &str = "window.stretch";
pub(super) const BASE: &str = "window.base";
pub(super) const CALIBRATION: &str = "window.calibration";
