//! Paired differences: the exact signed-rank test, the Hodges-Lehmann estimate and its interval.
//!
//! Invariant: no assumption about the differences but that, if nothing differs, each is as likely to be above zero as
//! below, which a random order guarantees.

use super::Estimate;

/// Probability of signed ranks at least as far from balance as these, if each difference is as likely to be above zero as
/// below: two-sided, exact, given the sizes of the differences. Zeros say nothing and are left out; ties share their ranks.
///
/// Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1 (1945); Pratt's objection to leaving out
/// zeros concerns the estimate of a shift and not this conditional distribution.
pub fn signed_rank_p(differences: &[f64]) -> f64 {
    let mut sizes: Vec<f64> =
        differences.iter().copied().filter(|difference| *difference != 0.0).collect();
    sizes.sort_unstable_by(|one, other| one.abs().total_cmp(&other.abs()));
    let doubled = doubled_ranks(&sizes.iter().map(|size| size.abs()).collect::<Vec<_>>());
    let all: usize = doubled.iter().sum();
    let above: usize =
        sizes.iter().zip(&doubled).filter(|(size, _)| **size > 0.0).map(|(_, rank)| rank).sum();
    let lower: f64 = subset_sums(&doubled)[..=above.min(all - above)].iter().sum();
    (2.0 * lower).min(1.0)
}

/// The Hodges-Lehmann estimate (the median of the means of all pairs) and its interval, which holds the true shift with at
/// least `confidence`; `None` if there are too few differences for an interval of that confidence.
///
/// Hollander, Wolfe and Chicken, "Nonparametric statistical methods", 3.2 and 3.3.
pub fn shift(differences: &[f64], confidence: f64) -> Option<Estimate> {
    let count = differences.len();
    let ranks: Vec<usize> = (1..=count).collect();
    let means = (0..count)
        .flat_map(|one| (0..=one).map(move |other| (one, other)))
        .map(|(one, other)| f64::midpoint(differences[one], differences[other]));
    trimmed(means.collect(), &subset_sums(&ranks), confidence)
}

/// The median of the values and the interval from which as many are left out at either end as the chances of so low a sum
/// of ranks, one by one, allow; `None` if not even the outermost may be.
pub(super) fn trimmed(mut values: Vec<f64>, chances: &[f64], confidence: f64) -> Option<Estimate> {
    let outside = (1.0 - confidence) / 2.0;
    let mut tail = 0.0;
    let within = |chance: &&f64| {
        tail += **chance;
        tail <= outside
    };
    let left_out = chances.iter().take_while(within).count();
    if left_out == 0 {
        return None;
    }
    values.sort_unstable_by(f64::total_cmp);
    let value = super::median(&values)?;
    Some(Estimate { value, low: values[left_out - 1], high: values[values.len() - left_out] })
}

/// The fewest differences of which an interval of this confidence can be had.
pub fn fewest_for(confidence: f64) -> u32 {
    let outside = (1.0 - confidence) / 2.0;
    (1..64).find(|count| 0.5_f64.powi(*count) <= outside).map_or(64, i32::unsigned_abs)
}

/// Twice the ranks of sorted values: whole numbers, although ties share the mean of their ranks.
pub(super) fn doubled_ranks(sorted: &[f64]) -> Vec<usize> {
    let mut ranks = Vec::with_capacity(sorted.len());
    for tied in sorted.chunk_by(|one, other| one.total_cmp(other).is_eq()) {
        // The mean of the ranks first + 1 to first + length, doubled.
        let first = ranks.len();
        ranks.extend(std::iter::repeat_n(2 * first + tied.len() + 1, tied.len()));
    }
    ranks
}

/// Probability of each sum, if each of the numbers is in it or not with equal probability.
fn subset_sums(numbers: &[usize]) -> Vec<f64> {
    let mut probabilities = vec![0.0; numbers.iter().sum::<usize>() + 1];
    probabilities[0] = 1.0;
    let mut greatest = 0;
    for &number in numbers {
        greatest += number;
        for sum in (0..=greatest).rev() {
            let with = if sum >= number { probabilities[sum - number] } else { 0.0 };
            probabilities[sum] = f64::midpoint(probabilities[sum], with);
        }
    }
    probabilities
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;
    use proptest::prelude::*;

    #[test]
    fn the_null_distribution_is_that_of_the_tables() {
        // Critical values, one-sided: Wilcoxon and Wilcox, "Some rapid approximate statistical procedures", table 2.
        for (count, level, critical) in
            [(10, 0.025, 8), (10, 0.01, 5), (12, 0.025, 13), (12, 0.01, 9), (20, 0.01, 43)]
        {
            let sums = subset_sums(&(1..=count).collect::<Vec<_>>());
            let up_to = |sum: usize| sums[..=sum].iter().sum::<f64>();
            assert!(up_to(critical) <= level && up_to(critical + 1) > level, "{count} {level}");
        }
    }

    #[test]
    fn known_answers_of_the_test() {
        let all_above: Vec<f64> = (1..=10).map(f64::from).collect();
        assert!((signed_rank_p(&all_above) - 2.0 / 1024.0).abs() < 1e-12);
        assert!((signed_rank_p(&[1.0, -1.0]) - 1.0).abs() < 1e-12);
        assert!((signed_rank_p(&[]) - 1.0).abs() < 1e-12);
        assert!((signed_rank_p(&[0.0, 0.0, 0.0]) - 1.0).abs() < 1e-12);
        // Ranks 1, 2, 3.5, 3.5 with the first below: W = 1 or less has 2 of 16 chances, and so has its mirror.
        assert!((signed_rank_p(&[-1.0, 2.0, 3.0, 3.0]) - 0.25).abs() < 1e-12);
    }

    #[test]
    fn known_answers_of_the_estimate() {
        let estimate = shift(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 0.98).unwrap();
        assert_eq!((estimate.value, estimate.low, estimate.high), (4.0, 1.0, 7.0));
        assert_eq!(shift(&[1.0; 6], 0.98), None, "6 differences cannot show anything at 98 %");
        assert_eq!((fewest_for(0.98), fewest_for(0.95)), (7, 6));
    }

    #[test]
    fn the_interval_holds_the_true_shift_as_often_as_it_says() {
        let held = (0..1000)
            .filter(|&seed| {
                let differences: Vec<f64> =
                    ar1(0.0, 12, seed).iter().map(|noise| noise + 3.0).collect();
                let estimate = shift(&differences, 0.98).unwrap();
                estimate.low <= 3.0 && 3.0 <= estimate.high
            })
            .count();
        assert!((970..=998).contains(&held), "{held} of 1000");
    }

    proptest! {
        #[test]
        fn swapping_the_sides_turns_the_sign_and_nothing_else(
            differences in prop::collection::vec(-1e3..1e3_f64, 7..40),
        ) {
            let swapped: Vec<f64> = differences.iter().map(|difference| -difference).collect();
            prop_assert!((signed_rank_p(&differences) - signed_rank_p(&swapped)).abs() < 1e-9);
            let (one, other) = (shift(&differences, 0.98).unwrap(), shift(&swapped, 0.98).unwrap());
            prop_assert!((one.value + other.value).abs() < 1e-9 && (one.low + other.high).abs() < 1e-9);
            prop_assert!(one.low <= one.value && one.value <= one.high);
        }

        #[test]
        fn the_interval_excludes_zero_only_if_the_test_does(
            differences in prop::collection::vec(-10.0..12.0_f64, 7..30),
        ) {
            let estimate = shift(&differences, 0.98).unwrap();
            if estimate.low > 0.0 || estimate.high < 0.0 {
                prop_assert!(signed_rank_p(&differences) <= 0.02 + 1e-12);
            }
        }
    }
}
