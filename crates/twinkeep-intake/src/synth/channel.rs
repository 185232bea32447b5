//! What is measured, when, and how it depends on the hidden state.

use super::body::DRIVES;

/// One measured quantity.
pub(super) struct Channel {
    pub code: &'static str,
    /// When it is measured, together with others of its panel.
    pub panel: Panel,
    /// Mean over patients.
    pub mean: f64,
    /// Standard deviation between patients.
    pub between: f64,
    /// What one unit of each drive adds.
    pub load: [f64; DRIVES],
    /// What the afternoon adds.
    pub day: f64,
    /// Standard deviation of the measurement itself.
    pub noise: f64,
    /// Where sensors end: well within the ranges of the pack.
    pub bounds: (f64, f64),
    /// Digits behind the point.
    pub digits: usize,
}

/// Quantities that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Panel {
    /// Bedside monitor.
    Monitor,
    /// Arterial line, where there is one.
    ArterialLine,
    /// Cuff.
    Cuff,
    /// Nurse's round.
    Round,
    /// Ventilator and blood gases.
    Gases,
    /// Chemistry and blood count.
    Laboratory,
    /// Liver panel, in some patients.
    Liver,
}

const fn channel(
    code: &'static str,
    panel: Panel,
    (mean, between): (f64, f64),
    load: [f64; DRIVES],
    (day, noise): (f64, f64),
    bounds: (f64, f64),
    digits: usize,
) -> Channel {
    Channel { code, panel, mean, between, load, day, noise, bounds, digits }
}

/// Loads are by severity, circulation, inflammation, breathing, kidneys.
pub(super) const CHANNELS: [Channel; 29] = {
    use Panel::*;
    [
        channel(
            "HR",
            Monitor,
            (84.0, 9.0),
            [4.0, 6.0, 4.0, 2.0, 0.0],
            (3.0, 4.0),
            (25.0, 220.0),
            0,
        ),
        channel(
            "RespRate",
            Monitor,
            (18.0, 2.0),
            [1.0, 0.0, 1.0, 2.5, 0.0],
            (0.5, 2.6),
            (4.0, 60.0),
            0,
        ),
        channel(
            "SysABP",
            ArterialLine,
            (122.0, 11.0),
            [-5.0, -9.0, -3.0, 0.0, 2.0],
            (4.0, 9.0),
            (55.0, 240.0),
            0,
        ),
        channel(
            "DiasABP",
            ArterialLine,
            (60.0, 6.0),
            [-2.5, -5.0, -2.0, 0.0, 1.0],
            (2.0, 4.0),
            (20.0, 140.0),
            0,
        ),
        channel(
            "MAP",
            ArterialLine,
            (80.0, 7.0),
            [-3.5, -6.5, -2.5, 0.0, 1.5],
            (2.5, 5.0),
            (30.0, 180.0),
            0,
        ),
        channel(
            "NISysABP",
            Cuff,
            (119.0, 11.0),
            [-5.0, -9.0, -3.0, 0.0, 2.0],
            (4.0, 9.0),
            (55.0, 240.0),
            0,
        ),
        channel(
            "NIDiasABP",
            Cuff,
            (58.0, 6.0),
            [-2.5, -5.0, -2.0, 0.0, 1.0],
            (2.0, 6.0),
            (20.0, 140.0),
            0,
        ),
        channel(
            "NIMAP",
            Cuff,
            (77.0, 7.0),
            [-3.5, -6.5, -2.5, 0.0, 1.5],
            (2.5, 6.0),
            (30.0, 180.0),
            1,
        ),
        channel(
            "Temp",
            Round,
            (37.0, 0.25),
            [0.05, 0.0, 0.45, 0.0, 0.0],
            (0.25, 0.2),
            (33.0, 41.5),
            1,
        ),
        channel(
            "GCS",
            Round,
            (12.5, 1.6),
            [-1.4, -0.2, -0.3, -0.4, 0.0],
            (0.0, 0.7),
            (3.0, 15.0),
            0,
        ),
        channel(
            "Urine",
            Round,
            (110.0, 25.0),
            [-10.0, -18.0, 0.0, 0.0, -22.0],
            (8.0, 35.0),
            (0.0, 900.0),
            0,
        ),
        channel(
            "Weight",
            Round,
            (82.0, 17.0),
            [0.3, 0.0, 0.3, 0.0, 0.6],
            (0.0, 0.4),
            (38.0, 190.0),
            1,
        ),
        channel(
            "FiO2",
            Gases,
            (0.5, 0.04),
            [0.03, 0.0, 0.0, 0.09, 0.0],
            (0.0, 0.02),
            (0.21, 1.0),
            2,
        ),
        channel(
            "pH",
            Gases,
            (7.38, 0.02),
            [-0.025, -0.015, -0.01, -0.02, -0.01],
            (0.0, 0.015),
            (6.9, 7.7),
            2,
        ),
        channel(
            "PaCO2",
            Gases,
            (40.0, 3.0),
            [0.5, 0.0, -0.8, 3.0, 0.0],
            (0.0, 2.0),
            (18.0, 110.0),
            0,
        ),
        channel(
            "PaO2",
            Gases,
            (132.0, 18.0),
            [-6.0, 0.0, -3.0, -16.0, 0.0],
            (0.0, 18.0),
            (38.0, 480.0),
            0,
        ),
        channel(
            "SaO2",
            Gases,
            (96.8, 0.6),
            [-0.4, -0.1, 0.0, -1.0, 0.0],
            (0.0, 0.7),
            (65.0, 100.0),
            0,
        ),
        channel(
            "Lactate",
            Gases,
            (2.2, 0.4),
            [0.7, 0.6, 0.2, 0.1, 0.1],
            (0.0, 0.25),
            (0.4, 24.0),
            1,
        ),
        channel(
            "Na",
            Laboratory,
            (139.0, 2.5),
            [0.3, 0.0, 0.2, 0.0, 0.9],
            (0.0, 1.3),
            (115.0, 168.0),
            0,
        ),
        channel(
            "K",
            Laboratory,
            (4.1, 0.2),
            [0.07, 0.0, 0.0, 0.03, 0.22],
            (0.0, 0.2),
            (2.2, 8.0),
            1,
        ),
        channel(
            "HCO3",
            Laboratory,
            (24.0, 1.6),
            [-1.2, -0.5, -0.3, 0.6, -0.9],
            (0.0, 0.9),
            (8.0, 44.0),
            0,
        ),
        channel(
            "BUN",
            Laboratory,
            (25.0, 6.0),
            [2.0, 0.5, 0.0, 0.0, 8.0],
            (0.0, 1.5),
            (3.0, 150.0),
            0,
        ),
        channel(
            "Creatinine",
            Laboratory,
            (1.3, 0.25),
            [0.1, 0.05, 0.0, 0.0, 0.5],
            (0.0, 0.08),
            (0.2, 14.0),
            1,
        ),
        channel(
            "Glucose",
            Laboratory,
            (138.0, 16.0),
            [9.0, 2.0, 7.0, 0.0, 2.0],
            (5.0, 14.0),
            (35.0, 600.0),
            0,
        ),
        channel(
            "Mg",
            Laboratory,
            (2.0, 0.12),
            [0.0, 0.0, 0.02, 0.0, 0.12],
            (0.0, 0.1),
            (0.9, 5.0),
            1,
        ),
        channel(
            "HCT",
            Laboratory,
            (31.0, 3.2),
            [-0.6, -0.9, -0.3, 0.0, -0.3],
            (0.0, 0.9),
            (15.0, 58.0),
            1,
        ),
        channel(
            "Platelets",
            Laboratory,
            (195.0, 58.0),
            [-10.0, -3.0, -12.0, 0.0, 0.0],
            (0.0, 10.0),
            (8.0, 900.0),
            0,
        ),
        channel(
            "WBC",
            Laboratory,
            (12.0, 2.4),
            [0.7, 0.2, 2.6, 0.0, 0.0],
            (0.0, 0.8),
            (0.4, 90.0),
            1,
        ),
        channel(
            "Bilirubin",
            Liver,
            (1.4, 0.5),
            [0.35, 0.1, 0.25, 0.0, 0.1],
            (0.0, 0.12),
            (0.1, 38.0),
            1,
        ),
    ]
};

impl Panel {
    pub(super) const ALL: [Self; 7] = [
        Self::Monitor,
        Self::ArterialLine,
        Self::Cuff,
        Self::Round,
        Self::Gases,
        Self::Laboratory,
        Self::Liver,
    ];

    /// Mean time between two measurements in a patient who is doing well, in minutes.
    pub(super) fn interval_minutes(self) -> f64 {
        match self {
            Self::Monitor | Self::ArterialLine => 60.0,
            Self::Cuff => 75.0,
            Self::Round => 150.0,
            Self::Gases => 420.0,
            Self::Laboratory => 600.0,
            Self::Liver => 1100.0,
        }
    }

    /// How often a value of the panel is not written down.
    pub(super) fn gap(self) -> f64 {
        match self {
            Self::Monitor | Self::ArterialLine | Self::Cuff => 0.06,
            Self::Round => 0.35,
            Self::Gases => 0.15,
            Self::Laboratory | Self::Liver => 0.08,
        }
    }
}
