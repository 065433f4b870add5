//! Two samples that are not paired: the exact rank-sum test, and the shift between them with its interval.

use super::Estimate;
use super::paired::{doubled_ranks, trimmed};

/// Probability of a rank sum at least as far from its mean as that of `a`, if both samples are alike: two-sided, exact,
/// given the values; ties share their ranks.
///
/// Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than the other" (1947).
pub fn rank_sum_p(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<(f64, bool)> =
        a.iter().map(|value| (*value, true)).chain(b.iter().map(|value| (*value, false))).collect();
    all.sort_unstable_by(|one, other| one.0.total_cmp(&other.0));
    let doubled = doubled_ranks(&all.iter().map(|(value, _)| *value).collect::<Vec<_>>());
    let observed: usize =
        all.iter().zip(&doubled).filter(|((_, is_a), _)| *is_a).map(|(_, rank)| rank).sum();
    let chances = sums_of(&doubled, a.len());
    let ways: f64 = chances.iter().sum();
    let lower: f64 = chances[..=observed].iter().sum();
    let upper: f64 = chances[observed..].iter().sum();
    (2.0 * lower.min(upper) / ways).min(1.0)
}

/// By how much `b` is above `a`: the median of all differences, and the interval that holds the true shift with at least
/// `confidence`; `None` if the samples are too small for an interval of that confidence.
///
/// Hollander, Wolfe and Chicken, "Nonparametric statistical methods", 4.2 and 4.3.
pub fn shift_between(a: &[f64], b: &[f64], confidence: f64) -> Option<Estimate> {
    let ranks: Vec<usize> = (1..=a.len() + b.len()).collect();
    let chances = sums_of(&ranks, a.len());
    let ways: f64 = chances.iter().sum();
    let least: usize = (1..=a.len()).sum();
    let chances: Vec<f64> = chances[least..].iter().map(|chance| chance / ways).collect();
    let differences = a.iter().flat_map(|one| b.iter().map(move |other| other - one));
    trimmed(differences.collect(), &chances, confidence)
}

/// In how many ways (up to a common factor) `chosen` of the numbers have each sum.
fn sums_of(numbers: &[usize], chosen: usize) -> Vec<f64> {
    let most: usize = numbers.iter().sum();
    let mut ways = vec![vec![0.0; most + 1]; chosen + 1];
    ways[0][0] = 1.0;
    for &number in numbers {
        for count in (1..=chosen).rev() {
            let (fewer, more) = ways.split_at_mut(count);
            for sum in number..=most {
                more[0][sum] += fewer[count - 1][sum - number];
            }
        }
    }
    ways.swap_remove(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;
    use proptest::prelude::*;

    #[test]
    fn the_null_distribution_is_that_of_the_tables() {
        // Critical values of U at 5 % and 1 %, two-sided: Mann and Whitney's table, as in every textbook.
        for (a, b, level, critical) in
            [(5, 5, 0.05, 2), (5, 5, 0.01, 0), (10, 10, 0.05, 23), (10, 10, 0.01, 16)]
        {
            let chances = sums_of(&(1..=a + b).collect::<Vec<_>>(), a);
            let (ways, least) = (chances.iter().sum::<f64>(), a * (a + 1) / 2);
            let up_to = |u: usize| 2.0 * chances[least..=least + u].iter().sum::<f64>() / ways;
            assert!(up_to(critical) <= level && up_to(critical + 1) > level, "{a} {b} {level}");
        }
    }

    #[test]
    fn known_answers() {
        let (low, high) = ([1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 13.0, 14.0, 15.0]);
        assert!((rank_sum_p(&low, &high) - 2.0 / 252.0).abs() < 1e-12);
        assert!((rank_sum_p(&low, &low) - 1.0).abs() < 1e-12);
        let estimate = shift_between(&low, &high, 0.98).unwrap();
        assert_eq!((estimate.value, estimate.low, estimate.high), (10.0, 7.0, 13.0));
        assert_eq!(shift_between(&low[..3], &high[..3], 0.98), None);
        assert_eq!(shift_between(&[], &high, 0.98), None);
    }

    #[test]
    fn the_interval_holds_the_true_shift_as_often_as_it_says() {
        let held = (0..500)
            .filter(|&seed| {
                let noise = ar1(0.0, 16, seed);
                let b: Vec<f64> = noise[8..].iter().map(|value| value + 3.0).collect();
                let estimate = shift_between(&noise[..8], &b, 0.95).unwrap();
                estimate.low <= 3.0 && 3.0 <= estimate.high
            })
            .count();
        assert!((465..=495).contains(&held), "{held} of 500");
    }

    proptest! {
        #[test]
        fn swapping_the_sides_turns_the_sign_and_nothing_else(
            a in prop::collection::vec(-1e3..1e3_f64, 5..12), b in prop::collection::vec(-1e3..1e3_f64, 5..12),
        ) {
            prop_assert!((rank_sum_p(&a, &b) - rank_sum_p(&b, &a)).abs() < 1e-9);
            let (one, other) = (shift_between(&a, &b, 0.95).unwrap(), shift_between(&b, &a, 0.95).unwrap());
            prop_assert!((one.value + other.value).abs() < 1e-9 && (one.low + other.high).abs() < 1e-9);
        }
    }
}
