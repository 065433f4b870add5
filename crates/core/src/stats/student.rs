//! Student's t: how far a mean of few values may be off, and where the next value may be.

use super::Estimate;

/// Fewer values tell next to nothing of how much they differ.
const LEAST: usize = 3;

/// Of Student's distribution with this many degrees of freedom (2 and above), 95 % is within this many standard errors.
///
/// Exact for 2 (every table has it), else Cornish and Fisher's expansion (Abramowitz and Stegun, 26.7.5), which is off by less than
/// 2 % from 3 on and by less than 0.1 % from 5 on.
pub(super) fn student_95(freedom: f64) -> f64 {
    if freedom < 3.0 {
        return 4.303;
    }
    let z = 1.959_964_f64;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1_482.0 * z.powi(5)
            - 1_920.0 * z.powi(3)
            - 945.0 * z)
            / 92_160.0,
    ];
    terms.iter().rev().fold(0.0, |sum, term| (sum + term) / freedom) + z
}

/// What values of independent runs say of the runs to come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OverRuns {
    /// Their mean, and the interval that holds that of all such runs with 95 %.
    pub mean: Estimate,
    /// Where the next one will be, with 95 %.
    pub next: [f64; 2],
}

/// The mean of positive values of independent runs and where the next run's will be, in logarithms, as times of runs differ by
/// factors; `None` of fewer than three values, or if one is not positive.
///
/// mean ± t·s/√n and mean ± t·s·√(1 + 1/n) (Meeker, Hahn and Escobar, "Statistical intervals", 2017, chapter 4).
pub fn over_runs(values: &[f64]) -> Option<OverRuns> {
    if values.len() < LEAST || values.iter().any(|value| *value <= 0.0) {
        return None;
    }
    let logarithms: Vec<f64> = values.iter().map(|value| value.ln()).collect();
    let n = logarithms.len() as f64;
    let mean = logarithms.iter().sum::<f64>() / n;
    let squares: f64 = logarithms.iter().map(|value| (value - mean).powi(2)).sum();
    let margin = student_95(n - 1.0) * (squares / (n - 1.0)).sqrt();
    let within = |margin: f64| [(mean - margin).exp(), (mean + margin).exp()];
    let [low, high] = within(margin / n.sqrt());
    let mean = Estimate { value: mean.exp(), low, high };
    Some(OverRuns { mean, next: within(margin * (1.0 + 1.0 / n).sqrt()) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    #[test]
    fn quantiles_are_those_of_the_table() {
        for (freedom, expected, within) in [
            (2.0, 4.303, 1e-3),
            (3.0, 3.182, 0.02),
            (4.0, 2.776, 0.005),
            (9.0, 2.262, 1e-3),
            (15.0, 2.131, 1e-3),
            (30.0, 2.042, 1e-3),
            (1e9, 1.960, 1e-3),
        ] {
            let found = student_95(freedom);
            assert!((found / expected - 1.0).abs() < within, "{freedom}: {found}");
        }
    }

    #[test]
    fn too_few_and_zeros_have_no_interval() {
        assert_eq!(over_runs(&[1.0, 2.0]), None);
        assert_eq!(over_runs(&[1.0, 2.0, 0.0]), None);
        let same = over_runs(&[5.0; 4]).unwrap();
        assert!((same.mean.low - 5.0).abs() < 1e-9 && (same.next[1] - 5.0).abs() < 1e-9);
    }

    /// Runs that have a level of their own, each of which measures its level with an error of a tenth of that.
    #[test]
    fn of_runs_with_a_level_of_their_own_the_intervals_hold_what_they_promise() {
        for spread in [0.05, 0.2] {
            for runs in [3, 6, 10] {
                let tries = 1_000;
                let (mut mean_held, mut next_held) = (0, 0);
                for seed in 0..tries {
                    let level = ar1(0.0, runs + 1, seed);
                    let error = ar1(0.0, runs + 1, seed + 1_000_000);
                    let of_run = |(level, error): (&f64, &f64)| {
                        100.0 * (spread * (level + 0.1 * error)).exp()
                    };
                    let values: Vec<f64> = level.iter().zip(&error).map(of_run).collect();
                    let found = over_runs(&values[..runs]).unwrap();
                    mean_held += u32::from((found.mean.low..=found.mean.high).contains(&100.0));
                    next_held += u32::from((found.next[0]..=found.next[1]).contains(&values[runs]));
                }
                for held in [mean_held, next_held] {
                    assert!((930..=980).contains(&held), "{spread} {runs}: {held} of {tries}");
                }
            }
        }
    }
}
