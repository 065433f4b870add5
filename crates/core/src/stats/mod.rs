//! Numbers about numbers: intervals, autocorrelation, trend, warm-up, level shift, differences. Pure.
//!
//! Only what the verdict and comparisons use; each function names the source of its formula. Values are in order of time and evenly
//! spaced wherever order matters. Invariant: no clock, no socket, no unit: what goes in has the unit of what comes out.

mod autocorrelation;
mod multiplicity;
mod order;
mod paired;
mod shift;
mod student;
mod trend;
mod unpaired;
mod warmup;
mod effective_sample_size;

pub use autocorrelation::{autocorrelation_time, inflation};
pub use effective_sample_size::{Cluster, effective_sample_size};
pub use multiplicity::holm;
pub use order::{
    Estimate, block_medians, carries, interval, median, next_value, percentile, quantile_named,
    size_for,
};
pub use paired::{fewest_for, shift, signed_rank_p};
pub use shift::{Shift, level_shift};
pub use student::{OverRuns, over_runs};
pub use trend::slope;
pub use unpaired::{rank_sum_p, shift_between};
pub use warmup::{Truncation, mser5};

/// Of a normal distribution, 95 % lies within this many standard deviations.
const Z_95: f64 = 1.96;

#[cfg(test)]
pub(crate) mod examples {
    //! Series with known properties, the same in every run.

    use rand::SeedableRng as _;
    use rand_distr::{Distribution as _, StandardNormal};
    use rand_xoshiro::SplitMix64;

    /// A stationary autoregressive series of mean 0 and variance 1: its autocorrelation time is (1+phi)/(1-phi).
    pub(crate) fn ar1(phi: f64, count: usize, seed: u64) -> Vec<f64> {
        let mut random = SplitMix64::seed_from_u64(seed);
        let innovation = (1.0 - phi * phi).sqrt();
        let mut value: f64 = StandardNormal.sample(&mut random);
        (0..count)
            .map(|_| {
                let noise: f64 = StandardNormal.sample(&mut random);
                value = phi * value + innovation * noise;
                value
            })
            .collect()
    }
}
