//! Which subjects a model learns from, is tuned on, and is measured on.

/// The three splits of MEDS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Split {
    /// The model learns from these.
    Train,
    /// Choices and calibration are made on these.
    Tuning,
    /// The model is measured on these, and on nothing else.
    HeldOut,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Tuning, Self::HeldOut];

    /// Returns the name that MEDS uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Tuning => "tuning",
            Self::HeldOut => "held_out",
        }
    }

    /// Reads the name that MEDS uses.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|split| split.name() == name)
    }
}

/// How many of a hundred subjects go to each split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SplitPlan {
    train_percent: u8,
    tuning_percent: u8,
}

impl SplitPlan {
    /// Takes the shares of `train` and `tuning`; the rest is `held_out`. `None` if any is empty.
    pub fn new(train_percent: u8, tuning_percent: u8) -> Option<Self> {
        let used = train_percent.checked_add(tuning_percent)?;
        let valid = 0 < train_percent && 0 < tuning_percent && used < 100;
        valid.then_some(Self { train_percent, tuning_percent })
    }

    /// Returns the split for a subject, from a number that is uniform over subjects.
    ///
    /// The number comes from a keyed hash of the subject, so a subject keeps its split when more
    /// subjects arrive, and nobody outside can choose it.
    pub fn assign(self, uniform: u64) -> Split {
        let percent = (uniform % 100) as u8;
        if percent < self.train_percent {
            Split::Train
        } else if percent < self.train_percent + self.tuning_percent {
            Split::Tuning
        } else {
            Split::HeldOut
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Split, SplitPlan};

    #[test]
    fn shares_are_kept() {
        let plan = SplitPlan::new(60, 20).unwrap();
        let count = |split| (0..1000).filter(|&number| plan.assign(number) == split).count();
        assert_eq!(count(Split::Train), 600);
        assert_eq!(count(Split::Tuning), 200);
        assert_eq!(count(Split::HeldOut), 200);
    }

    #[test]
    fn no_split_may_be_empty() {
        for (train, tuning) in [(0, 20), (80, 0), (80, 20), (200, 100)] {
            assert_eq!(SplitPlan::new(train, tuning), None);
        }
    }

    #[test]
    fn names_read_back() {
        for split in Split::ALL {
            assert_eq!(Split::parse(split.name()), Some(split));
        }
    }
}
