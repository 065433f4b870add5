//! The trend of a series, whatever its outliers.

use super::{Estimate, inflation, median};
use crate::quantity::index;

/// Of a normal distribution, 99 % is within this many standard deviations.
const Z_99: f64 = 2.576;
/// Fewer values show no trend at this confidence, however they lie.
const LEAST: usize = 6;

/// The slope of evenly spaced values per step, with its 99 % interval; `None` of fewer than 6 values.
///
/// Theil and Sen's estimator, the median of the slopes of all pairs (Sen, "Estimates of the regression coefficient based
/// on Kendall's tau", 1968), with Sen's interval: of the N sorted slopes those with ranks (N ± C)/2, where
/// C = z·√(n(n-1)(2n+5)/18). The variance is raised by the autocorrelation of what the trend leaves over, as Hamed and
/// Rao do ("A modified Mann-Kendall trend test for autocorrelated data", 1998), so that noise in waves is no trend.
/// Takes time and memory with the square of the number of values: give it some hundred at most.
pub fn slope(values: &[f64]) -> Option<Estimate> {
    if values.len() < LEAST {
        return None;
    }
    let mut slopes = Vec::with_capacity(values.len() * (values.len() - 1) / 2);
    for (at, value) in values.iter().enumerate() {
        let later = (1..).zip(&values[at + 1..]);
        slopes.extend(later.map(|(distance, other)| (other - value) / f64::from(distance)));
    }
    slopes.sort_unstable_by(f64::total_cmp);
    let per_step = median(&slopes)?;
    let n = values.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) / 18.0 * inflation(&residuals(values, per_step));
    let half = Z_99 * variance.sqrt() / 2.0;
    let middle = slopes.len() as f64 / 2.0;
    let at = |rank: f64| slopes[index(rank).min(slopes.len() - 1)];
    Some(Estimate { value: per_step, low: at(middle - half), high: at(middle + half) })
}

/// What a trend of `per_step` leaves over, around its median.
fn residuals(values: &[f64], per_step: f64) -> Vec<f64> {
    let flat: Vec<f64> =
        values.iter().zip(0..).map(|(value, at)| value - per_step * f64::from(at)).collect();
    let level = median(&flat).unwrap_or(0.0);
    flat.iter().map(|value| value - level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    #[test]
    fn a_line_has_its_own_slope_and_an_outlier_does_not_bend_it() {
        let mut values: Vec<f64> = (0..20).map(|at| 3.0 + 2.0 * f64::from(at)).collect();
        values[7] = 1e9;
        let slope = slope(&values).unwrap();
        assert!((slope.value - 2.0).abs() < 1e-9 && slope.low > 0.0, "{slope:?}");
    }

    #[test]
    fn the_slope_is_the_median_of_the_slopes_of_all_pairs() {
        // Ten pairs have slope 1, the five with the last value 5, 3, 7/3, 2 and 9/5.
        let estimate = slope(&[0.0, 1.0, 2.0, 3.0, 4.0, 9.0]).unwrap();
        assert!((estimate.value - 1.0).abs() < 1e-9, "{estimate:?}");
        assert_eq!(slope(&[0.0, 1.0, 2.0, 3.0, 4.0]), None);
    }

    #[test]
    fn noise_seldom_has_a_trend_even_if_it_comes_in_waves() {
        for phi in [0.0, 0.5, 0.8] {
            let trends = (0..300)
                .filter_map(|seed| slope(&ar1(phi, 50, seed)))
                .filter(|slope| slope.low > 0.0 || slope.high < 0.0)
                .count();
            assert!(trends <= 15, "{phi}: {trends} of 300");
        }
    }
}
