//! A lasting jump from one level to another.

use super::{inflation, median};

/// A side of a split has at least this many values, and at least a tenth of all.
const LEAST_SIDE: usize = 5;
/// Turns the median absolute deviation of normal values into their standard deviation.
const MAD_TO_SD: f64 = 1.4826;

/// The best split of a series into two levels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// The first value of the second level.
    pub at: usize,
    /// Median of the first level.
    pub before: f64,
    /// Median of the second level.
    pub after: f64,
    /// Difference of the levels' medians in its own standard errors: noise seldom reaches 4.
    pub strength: f64,
}

/// The best split of the values into two levels; `None` if there are fewer than 10.
///
/// The split with the least squares around the two means (Hinkley, "Inference about the change-point in a sequence of
/// random variables", 1970). The noise is the median absolute deviation around the levels, so that a few outliers
/// neither make a shift nor hide one, raised by the autocorrelation of what the levels leave over.
pub fn level_shift(values: &[f64]) -> Option<Shift> {
    let side = LEAST_SIDE.max(values.len() / 10);
    if values.len() < 2 * side {
        return None;
    }
    let at = best_split(values, side);
    let (first, second) = values.split_at(at);
    let (before, after) = (median(first)?, median(second)?);
    let around = |level: f64| move |value: &f64| value - level;
    let residuals: Vec<f64> =
        first.iter().map(around(before)).chain(second.iter().map(around(after))).collect();
    let deviations: Vec<f64> = residuals.iter().map(|value| value.abs()).collect();
    let noise = MAD_TO_SD * median(&deviations)?;
    let difference = (after - before).abs();
    let error = noise
        * (inflation(&residuals) * (1.0 / first.len() as f64 + 1.0 / second.len() as f64)).sqrt();
    let strength = if difference > 0.0 { difference / error } else { 0.0 };
    Some(Shift { at, before, after, strength })
}

/// The split that leaves the least squares, which is the one with the most between the two sides.
fn best_split(values: &[f64], side: usize) -> usize {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let mut sum = 0.0;
    let mut best = (-1.0, side);
    for (before, value) in values.iter().enumerate() {
        let at = before + 1;
        sum += value - mean;
        let left = at as f64;
        if at >= side && at <= values.len() - side {
            let between = sum * sum / (left * (count - left));
            if between > best.0 {
                best = (between, at);
            }
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    #[test]
    fn a_jump_is_found_where_it_is() {
        let values =
            [[1.0, 1.2, 0.8, 1.1, 0.9, 1.0, 1.1], [3.0, 3.1, 2.9, 3.2, 2.8, 3.0, 3.1]].concat();
        let shift = level_shift(&values).unwrap();
        assert_eq!((shift.at, shift.before, shift.after), (7, 1.0, 3.0));
        assert!(shift.strength > 10.0, "{shift:?}");
    }

    #[test]
    fn noise_is_no_shift_even_if_it_comes_in_waves() {
        for phi in [0.0, 0.5] {
            let found = (0..300)
                .filter_map(|seed| level_shift(&ar1(phi, 60, seed)))
                .filter(|shift| shift.strength > 5.0)
                .count();
            assert!(found <= 6, "{phi}: {found} of 300");
        }
    }

    #[test]
    fn what_does_not_vary_has_no_shift_and_a_clean_jump_is_infinitely_strong() {
        assert!(level_shift(&[2.0; 30]).unwrap().strength.abs() < 1e-9);
        let jump = level_shift(&[[2.0; 15], [5.0; 15]].concat()).unwrap();
        assert!(jump.at == 15 && jump.strength.is_infinite(), "{jump:?}");
        assert_eq!(level_shift(&[1.0; 9]), None);
    }
}
