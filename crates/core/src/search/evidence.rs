//! What a number of trials proves: e-values, which stay valid however long one goes on and whenever one stops. Pure.

/// The largest evidence that is told apart.
const MOST: f64 = 1e12;

/// The evidence of `hits` successes and `misses` failures against "at most half of such trials succeed".
///
/// It is what a bettor has who begins with 1 and bets on success, in a game that is fair at one half: half of the money on
/// 0.95, half spread evenly over all chances from one half to 1. While at most half succeed, the expected fortune is never
/// more than 1, so by Ville's inequality it ever reaches x with a chance of at most 1/x (Ville, "Étude critique de la notion
/// de collectif", 1939; Ramdas et al., "Game-theoretic statistics and safe anytime-valid inference", 2023).
pub fn evidence(hits: u32, misses: u32) -> f64 {
    let (k, m) = (f64::from(hits), f64::from(misses));
    let fixed = libm::exp(k * libm::log(1.9) + m * libm::log(0.1));
    (0.5 * fixed + 0.5 * mixture(hits, misses)).min(MOST)
}

/// `2^n · ∫ θ^k (1−θ)^m dθ` over θ from one half to 1, where n = k + m + 1: the sum of C(n, i) for i up to k, divided by
/// n · C(k + m, k). Its last term is 1/(m + 1), and each other one follows from the one behind it.
fn mixture(hits: u32, misses: u32) -> f64 {
    let n = f64::from(hits + misses + 1);
    let (mut term, mut sum) = (1.0 / f64::from(misses + 1), 0.0);
    for i in (0..=hits).rev() {
        sum += term;
        term *= f64::from(i) / (n - f64::from(i) + 1.0);
    }
    sum
}

/// The logarithm of a binomial coefficient.
pub(super) fn ln_choose(n: u32, k: u32) -> f64 {
    let ln_factorial = |number: u32| libm::lgamma(f64::from(number) + 1.0);
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The fewest trials, of which `misses` fail, that prove it.
    fn fewest(misses: u32, needed: f64) -> u32 {
        (0..99).find(|hits| evidence(*hits, misses) >= needed).unwrap() + misses
    }

    #[test]
    fn a_few_trials_are_needed() {
        assert_eq!([0, 1, 2].map(|misses| fewest(misses, 20.0)), [6, 10, 14]);
        assert_eq!([0, 1, 2].map(|misses| fewest(misses, 40.0)), [7, 11, 15]);
    }

    #[test]
    fn at_a_chance_of_one_half_the_expected_evidence_is_one() {
        for n in [1_u32, 2, 7, 30, 200] {
            let chance = |k: u32| libm::exp(ln_choose(n, k) - f64::from(n) * libm::log(2.0));
            let expected: f64 = (0..=n).map(|k| chance(k) * evidence(k, n - k)).sum();
            // What is above the largest evidence is left out.
            assert!(expected <= 1.0 + 1e-9 && (n > 30 || expected > 1.0 - 1e-9), "{n}: {expected}");
        }
    }

    proptest! {
        #[test]
        fn a_hit_is_more_evidence_and_a_miss_less(hits in 0..500_u32, misses in 0..500_u32) {
            let here = evidence(hits, misses);
            prop_assert!(here.is_finite() && here >= 0.0);
            prop_assert!(evidence(hits + 1, misses) >= here);
            prop_assert!(evidence(hits, misses + 1) <= here);
        }
    }
}
