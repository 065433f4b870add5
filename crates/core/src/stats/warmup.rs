//! Where the warm-up of a series ends.

/// Values are averaged in batches of this many, which is the 5 of MSER-5.
const BATCH: usize = 5;
/// With fewer batches the statistic is noise.
const LEAST_BATCHES: usize = 10;

/// Where the warm-up of a series ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// How many values at the start belong to the warm-up.
    pub values: usize,
    /// False if the search ended where it had to, at half of the series: then no steady state was found.
    pub settled: bool,
}

/// How much of the start of a series should be left out so that its mean is known best; `None` of fewer than 50 values.
///
/// MSER-5 (White, Cobb and Spratt, "A comparison of five steady-state truncation heuristics for simulation", 2000): of
/// the means z of n batches of 5, leave out the first d that make Σ(z - mean)² / (n-d)² of the rest the least, with d at
/// most half of n.
pub fn mser5(values: &[f64]) -> Option<Truncation> {
    let means: Vec<f64> =
        values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<f64>() / BATCH as f64).collect();
    if means.len() < LEAST_BATCHES {
        return None;
    }
    // Around the overall mean, or large values of little variance would cancel out.
    let level = means.iter().sum::<f64>() / means.len() as f64;
    let (mut sum, mut squares) = (0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    for (left_out, mean) in means.iter().enumerate().rev() {
        let deviation = mean - level;
        sum += deviation;
        squares += deviation * deviation;
        let count = (means.len() - left_out) as f64;
        let error = (squares - sum * sum / count).max(0.0) / (count * count);
        // From the end to the start: among equals the one that keeps the most wins.
        if left_out <= means.len() / 2 && error <= best.0 {
            best = (error, left_out);
        }
    }
    Some(Truncation { values: best.1 * BATCH, settled: best.1 < means.len() / 2 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::examples::ar1;

    fn with_slow_begin(slow: usize, seed: u64) -> Vec<f64> {
        let noise = ar1(0.0, 1_000, seed);
        (0..).zip(noise).map(|(at, value)| if at < slow { value + 30.0 } else { value }).collect()
    }

    #[test]
    fn a_slow_begin_is_left_out_to_the_batch() {
        for seed in 0..20 {
            let truncation = mser5(&with_slow_begin(200, seed)).unwrap();
            assert!(
                truncation.settled && (200..=260).contains(&truncation.values),
                "{truncation:?}"
            );
        }
    }

    #[test]
    fn what_is_steady_is_kept_and_what_never_settles_is_said_to() {
        assert_eq!(mser5(&[4.0; 100]), Some(Truncation { values: 0, settled: true }));
        let rising: Vec<f64> = (0..1_000).map(f64::from).collect();
        assert!(!mser5(&rising).unwrap().settled);
        assert_eq!(mser5(&[1.0; 49]), None);
    }
}
