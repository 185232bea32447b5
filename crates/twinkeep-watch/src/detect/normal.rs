//! The quantile of the normal distribution.

/// Returns the value below which a standard normal variable lies with this probability.
///
/// Wichura: Algorithm AS 241, the percentage points of the normal distribution, 1988 (PPND16): three
/// quotients of polynomials, exact to about the last digit.
pub fn normal_quantile(probability: f64) -> f64 {
    let beside = probability - 0.5;
    if beside.abs() <= CENTER_WIDTH {
        let r = CENTER_WIDTH * CENTER_WIDTH - beside * beside;
        return beside * quotient(&CENTER, r);
    }
    let tail = if beside < 0.0 { probability } else { 1.0 - probability };
    // The smallest number stands in for 0, where there is no quantile.
    let r = (-tail.max(f64::MIN_POSITIVE).ln()).sqrt();
    let far = match r <= FAR_FROM {
        true => quotient(&TAIL, r - TAIL_CENTER),
        false => quotient(&FAR, r - FAR_FROM),
    };
    if beside < 0.0 { -far } else { far }
}

fn quotient([above, below]: &[[f64; 8]; 2], at: f64) -> f64 {
    let polynomial = |terms: &[f64; 8]| terms.iter().fold(0.0, |sum, term| sum * at + term);
    polynomial(above) / polynomial(below)
}

const CENTER_WIDTH: f64 = 0.425;

const TAIL_CENTER: f64 = 1.6;

const FAR_FROM: f64 = 5.0;

/// For the middle: above and below the line, highest power first.
const CENTER: [[f64; 8]; 2] = [
    [
        2_509.080_928_730_122_7,
        33_430.575_583_588_13,
        67_265.770_927_008_7,
        45_921.953_931_549_87,
        13_731.693_765_509_46,
        1_971.590_950_306_551_3,
        133.141_667_891_784_38,
        3.387_132_872_796_366_5,
    ],
    [
        5_226.495_278_852_854,
        28_729.085_735_721_943,
        39_307.895_800_092_71,
        21_213.794_301_586_597,
        5_394.196_021_424_751,
        687.187_007_492_057_9,
        42.313_330_701_600_91,
        1.0,
    ],
];

/// For the tails: above and below the line, highest power first.
const TAIL: [[f64; 8]; 2] = [
    [
        0.000_774_545_014_278_341_4,
        0.022_723_844_989_269_184,
        0.241_780_725_177_450_6,
        1.270_458_252_452_368_4,
        3.647_848_324_763_204_5,
        5.769_497_221_460_691,
        4.630_337_846_156_546,
        1.423_437_110_749_683_5,
    ],
    [
        1.050_750_071_644_416_9e-9,
        0.000_547_593_808_499_534_5,
        0.015_198_666_563_616_457,
        0.148_103_976_427_480_08,
        0.689_767_334_985_1,
        1.676_384_830_183_803_8,
        2.053_191_626_637_759,
        1.0,
    ],
];

/// For far out: above and below the line, highest power first.
const FAR: [[f64; 8]; 2] = [
    [
        2.010_334_399_292_288_1e-7,
        2.711_555_568_743_487_6e-5,
        0.001_242_660_947_388_078_4,
        0.026_532_189_526_576_124,
        0.296_560_571_828_504_87,
        1.784_826_539_917_291_3,
        5.463_784_911_164_114,
        6.657_904_643_501_103,
    ],
    [
        2.044_263_103_389_939_7e-15,
        1.421_511_758_316_446e-7,
        1.846_318_317_510_054_8e-5,
        0.000_786_869_131_145_613_3,
        0.014_875_361_290_850_615,
        0.136_929_880_922_735_8,
        0.599_832_206_555_888,
        1.0,
    ],
];
