//! How well scores tell members from others, and how sure that is.
//!
//! The area under the curve has the confidence interval of DeLong, DeLong, and Clarke-Pearson
//! (Biometrics 1988), in the form of Obuchowski (Biometrics 1997) where one person is judged
//! several times. A rate has that of Wilson (1927), with people and not judgments as the count.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How well an attack tells members from others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackFigures {
    /// Members who were judged; a person counts once.
    pub member_count: u64,
    /// Others who were judged.
    pub other_count: u64,
    /// Area under the curve: how often a member has the higher score; 0.5 is guessing.
    pub auc: f64,
    /// Lower end of its 95 % confidence interval.
    pub auc_low: f64,
    /// Upper end.
    pub auc_high: f64,
    /// Share of the members who are found where 1 % of the others are taken for members; nothing
    /// with fewer than 100 others.
    pub tpr_at_fpr_1_percent: Option<Rate>,
    /// The same at 0.1 %; nothing with fewer than 1,000 others.
    pub tpr_at_fpr_0_1_percent: Option<Rate>,
}

/// A share, with its 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    /// The share.
    pub value: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// What an attack said of one person under one model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgment {
    /// Who.
    pub(super) person: usize,
    /// Whether the model learned from the person.
    pub(super) member: bool,
    /// The higher, the more the attack believes it.
    pub(super) score: f64,
}

/// Measures judgments; `None` without members or without others.
pub(super) fn figures(judgments: &[Judgment]) -> Option<AttackFigures> {
    let scores = |member: bool| {
        let own = judgments.iter().filter(|one| one.member == member);
        let mut scores: Vec<f64> = own.map(|one| one.score).collect();
        scores.sort_by(f64::total_cmp);
        scores
    };
    let (members, others) = (scores(true), scores(false));
    if members.is_empty() || others.is_empty() {
        return None;
    }
    let people = |member: bool| {
        let mut people: Vec<usize> =
            judgments.iter().filter(|one| one.member == member).map(|one| one.person).collect();
        people.sort_unstable();
        people.dedup();
        people.len()
    };
    let (member_count, other_count) = (people(true), people(false));
    let (auc, error) = area(judgments, &members, &others);
    let found = |share: f64, needed: usize| {
        (needed <= other_count).then(|| {
            let rate = found(&members, &others, share);
            wilson(rate, member_count as f64)
        })
    };
    Some(AttackFigures {
        member_count: member_count as u64,
        other_count: other_count as u64,
        auc,
        auc_low: (auc - NORMAL_95 * error).max(0.0),
        auc_high: (auc + NORMAL_95 * error).min(1.0),
        tpr_at_fpr_1_percent: found(0.01, 100),
        tpr_at_fpr_0_1_percent: found(0.001, 1_000),
    })
}

/// Returns the area under the curve and its standard error.
fn area(judgments: &[Judgment], members: &[f64], others: &[f64]) -> (f64, f64) {
    // Which share of the other side a score beats; ties count half.
    let beats = |sorted: &[f64], score: f64| {
        let below = sorted.partition_point(|&other| other < score);
        let not_above = sorted.partition_point(|&other| other <= score);
        (below + not_above) as f64 / 2.0 / sorted.len() as f64
    };
    let auc = members.iter().map(|&score| beats(others, score)).sum::<f64>() / members.len() as f64;
    let mut sums: BTreeMap<usize, [f64; 2]> = BTreeMap::new();
    for one in judgments {
        let share = match one.member {
            true => beats(others, one.score),
            false => 1.0 - beats(members, one.score),
        };
        sums.entry(one.person).or_default()[usize::from(!one.member)] += share - auc;
    }
    let counts = [true, false].map(|member| {
        let mut people: Vec<usize> =
            judgments.iter().filter(|one| one.member == member).map(|one| one.person).collect();
        people.dedup();
        people.sort_unstable();
        people.dedup();
        people.len() as f64
    });
    let [m, n] = [members.len() as f64, others.len() as f64];
    let squares = |side: usize| sums.values().map(|sum| sum[side] * sum[side]).sum::<f64>();
    let small_sample = |count: f64| count / (count - 1.0).max(1.0);
    let both: f64 = sums.values().map(|sum| sum[0] * sum[1]).sum();
    let variance = small_sample(counts[0]) * squares(0) / (m * m)
        + small_sample(counts[1]) * squares(1) / (n * n)
        + 2.0 * small_sample(sums.len() as f64) * both / (m * n);
    (auc, variance.max(0.0).sqrt())
}

/// Returns the share of the members above the score that at most `share` of the others exceed.
fn found(members: &[f64], others: &[f64], share: f64) -> f64 {
    let allowed = (share * others.len() as f64).floor() as usize;
    let Some(limit) = others.len().checked_sub(allowed + 1).map(|at| others[at]) else {
        return 1.0;
    };
    let above = members.len() - members.partition_point(|&score| score <= limit);
    above as f64 / members.len() as f64
}

/// Returns a share of `count` people with its interval.
fn wilson(share: f64, count: f64) -> Rate {
    let z = NORMAL_95;
    let middle = (share + z * z / (2.0 * count)) / (1.0 + z * z / count);
    let half = z * (share * (1.0 - share) / count + z * z / (4.0 * count * count)).sqrt()
        / (1.0 + z * z / count);
    Rate { value: share, low: (middle - half).max(0.0), high: (middle + half).min(1.0) }
}

/// The 97.5 % quantile of the normal distribution.
const NORMAL_95: f64 = 1.959_963_985;

#[cfg(test)]
mod tests {
    use super::{Judgment, figures, wilson};

    fn judge(scores: &[(usize, bool, f64)]) -> super::AttackFigures {
        let judgment =
            |&(person, member, score): &(usize, bool, f64)| Judgment { person, member, score };
        figures(&scores.iter().map(judgment).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_area_and_its_interval_are_those_of_delong() {
        let found = judge(&[
            (0, true, 4.0),
            (1, true, 2.0),
            (2, true, 3.0),
            (3, true, 1.0),
            (4, false, 2.0),
            (5, false, 0.5),
            (6, false, 3.5),
        ]);
        // Members beat 3, 1.5, 2, and 1 of the 3 others.
        let auc = 7.5 / 12.0;
        assert!((found.auc - auc).abs() < 1e-12);
        let own = [1.0, 0.5, 2.0 / 3.0, 1.0 / 3.0];
        let of_own = own.iter().map(|v| (v - auc).powi(2)).sum::<f64>() / 3.0;
        // Of the others, 2.5, 4, and 1 of the 4 members lie above.
        let other = [2.5 / 4.0, 1.0, 0.25];
        let of_other = other.iter().map(|v| (v - auc).powi(2)).sum::<f64>() / 2.0;
        let error = (of_own / 4.0 + of_other / 3.0).sqrt();
        assert!((found.auc_low - (auc - 1.959_963_985 * error).max(0.0)).abs() < 1e-9);
        assert_eq!(found.tpr_at_fpr_1_percent, None);
    }

    #[test]
    fn judging_the_same_people_again_makes_nothing_surer() {
        let once: Vec<_> =
            (0..80).map(|at| (at, at % 2 == 0, f64::from((at * 37 % 101) as u32))).collect();
        let often: Vec<_> = (0..10).flat_map(|_| once.iter().copied()).collect();
        let (once, often) = (judge(&once), judge(&often));
        assert_eq!(once.member_count, often.member_count);
        assert!((once.auc - often.auc).abs() < 1e-9, "{once:?} {often:?}");
        assert!((once.auc_low - often.auc_low).abs() < 1e-9, "{once:?} {often:?}");
    }

    #[test]
    fn the_share_found_is_what_lies_above_the_allowed_alarms() {
        let mut all: Vec<_> =
            (0..1_000).map(|at| (at, false, f64::from(u32::try_from(at).unwrap()))).collect();
        // One false alarm in a thousand is allowed: the highest score of the others, 999.
        all.extend((0..100).map(|at| (2_000 + at, true, if at < 7 { 998.5 } else { 998.0 })));
        let found = judge(&all);
        assert_eq!(found.tpr_at_fpr_0_1_percent.unwrap().value, 0.07);
        assert_eq!(found.tpr_at_fpr_1_percent.unwrap().value, 1.0);
    }

    #[test]
    fn wilsons_interval_is_the_published_one() {
        // 10 of 100: 0.0552 to 0.1744 (Newcombe 1998).
        let rate = wilson(0.1, 100.0);
        assert!((rate.low - 0.0552).abs() < 1e-4 && (rate.high - 0.1744).abs() < 1e-4, "{rate:?}");
        assert_eq!(wilson(0.0, 50.0).low, 0.0);
    }
}
