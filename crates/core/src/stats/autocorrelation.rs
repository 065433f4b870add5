//! By how much the values of a series resemble those before them.

use super::variance;

/// Fewer batches than this do not tell the variance of their means.
const LEAST_BATCHES: usize = 50;

/// The integrated autocorrelation time τ in steps, at least 1: the effective sample size of `n` values is `n / τ`.
///
/// By batch means (Flegal and Jones, "Batch means and spectral variance estimators in Markov chain Monte Carlo", 2010):
/// τ = b · var(mean of batches of b) / var(values), for b = 1, 2, 4, … as long as there are 50 batches, the largest of
/// them, so that a batch shorter than the correlation does not hide it. A series without variance has τ = 1.
pub fn autocorrelation_time(values: &[f64]) -> f64 {
    let whole = variance(values);
    let mut batches = values.to_vec();
    let (mut length, mut longest) = (1.0_f64, 1.0_f64);
    while whole > 0.0 && batches.len() >= LEAST_BATCHES {
        longest = longest.max(length * variance(&batches) / whole);
        batches = batches.chunks_exact(2).map(|pair| f64::midpoint(pair[0], pair[1])).collect();
        length *= 2.0;
    }
    longest
}

/// By how much autocorrelation raises the variance of a mean of these few residuals, at least 1: (1+r)/(1-r), with r
/// their correlation with the value before (Bayley and Hammersley, "The effective number of independent observations
/// in an autocorrelated time series", 1946, for a first-order autoregressive series).
pub fn inflation(residuals: &[f64]) -> f64 {
    // Beyond it the residuals are no noise, and the formula runs away.
    const MOST: f64 = 0.95;
    let squares: f64 = residuals.iter().map(|value| value * value).sum();
    let products: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let r = if squares > 0.0 { (products / squares).clamp(0.0, MOST) } else { 0.0 };
    (1.0 + r) / (1.0 - r)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    #[test]
    fn an_autoregressive_series_has_the_time_of_its_formula() {
        for (phi, expected) in [(0.0, 1.0), (0.5, 3.0), (0.9, 19.0)] {
            for seed in 0..5 {
                let time = autocorrelation_time(&ar1(phi, 20_000, seed));
                assert!((expected * 0.8..expected * 2.0).contains(&time), "{phi}: {time}");
            }
        }
    }

    #[test]
    fn a_short_series_is_judged_by_its_neighbours() {
        assert!((inflation(&ar1(0.0, 400, 1)) - 1.0).abs() < 0.3);
        let correlated = inflation(&ar1(0.5, 400, 1));
        assert!((2.0..4.5).contains(&correlated), "{correlated}");
        assert!(inflation(&vec![1.0; 50]) <= 39.1, "bounded");
    }

    #[test]
    fn what_does_not_vary_is_not_correlated() {
        assert!((autocorrelation_time(&[7.0; 500]) - 1.0).abs() < 1e-9);
        assert!((autocorrelation_time(&[]) - 1.0).abs() < 1e-9);
        assert!((inflation(&[]) - 1.0).abs() < 1e-9);
    }
}
