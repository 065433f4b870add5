//! Draws: numbers that depend on what they are for, never on when or by whom they are drawn.
//!
//! Every draw starts a fresh generator from a key made of (seed, client, request, purpose), so one driver or eight,
//! the client or the worker, today or in a simulation, all find the same value. Invariant: no state survives a draw.

use rand::distr::weighted::WeightedIndex;
use rand::distr::{Distribution as _, Uniform};
use rand_distr::{Exp, Exp1, LogNormal, Normal, Pareto};
use rand_xoshiro::SplitMix64;
use rand_xoshiro::rand_core::SeedableRng as _;

use crate::quantity::rounded;
use crate::scenario::Distribution;
use crate::scenario::distribution::{Quantity, Z_99};

/// What a draw decides; part of its key, so that the decisions about one request are independent.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Size of a request's body.
    Payload,
    /// Fan-out of a request.
    Replies,
    /// Think time before a request of a closed load.
    Think,
    /// When a slot of a closed load starts; drawn for the slot and not for a request.
    Phase,
    /// Gap before a request of a Poisson load.
    Gap,
    /// Delay before the reply with this index.
    Delay(u32),
    /// Which operation of the mix a request is.
    Operation,
    /// Which workers a simulated dispatch looks at; no part of the offered work.
    Dispatch,
}

/// The key of one request's draws. It travels in the request, so that a worker finds the request's fan-out and
/// delays in the request itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct DrawKey(pub u64);

/// What the keys of one client's requests are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientKey(u64);

impl ClientKey {
    /// The key of a client.
    pub fn new(seed: u64, client: u32) -> Self {
        Self(mix(mix(seed) ^ u64::from(client)))
    }

    /// The key of one of its requests.
    #[inline]
    pub fn request(self, request: u64) -> DrawKey {
        DrawKey(mix(self.0 ^ request))
    }
}

impl DrawKey {
    /// The key of a client's request.
    #[inline]
    pub fn new(seed: u64, client: u32, request: u64) -> Self {
        ClientKey::new(seed, client).request(request)
    }

    /// An exponential draw with mean 1: what an exponential [`Sampler`] draws, before it is scaled and rounded.
    pub fn exponential(self, purpose: Purpose) -> f64 {
        Exp1.sample(&mut self.generator(purpose))
    }

    /// A generator for one decision about this request.
    pub fn generator(self, purpose: Purpose) -> SplitMix64 {
        let stream = match purpose {
            Purpose::Payload => 1,
            Purpose::Replies => 2,
            Purpose::Think => 3,
            Purpose::Gap => 4,
            Purpose::Dispatch => 5,
            Purpose::Phase => 6,
            Purpose::Operation => 7,
            Purpose::Delay(reply) => (2 << 32) | u64::from(reply),
        };
        SplitMix64::seed_from_u64(mix(self.0 ^ mix(stream)))
    }
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014),
/// after one step of its sequence so that 0 is not a fixed point.
pub(super) fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A distribution made ready to draw whole numbers within limits.
#[derive(Debug, Clone)]
pub struct Sampler {
    shape: Shape,
    least: u64,
    greatest: u64,
}

#[derive(Debug, Clone)]
enum Shape {
    Constant(u64),
    Uniform(Uniform<u64>),
    Exponential(Exp<f64>),
    Normal(Normal<f64>),
    Lognormal(LogNormal<f64>),
    Pareto(Pareto<f64>),
    Choice { weights: WeightedIndex<f64>, values: Vec<u64> },
}

impl Sampler {
    /// Prepares `distribution`; what falls outside `least..=greatest` is drawn as the limit it passed.
    ///
    /// Panics if the distribution's parameters are impossible: a validated scenario has none such.
    pub fn new<T: Quantity>(distribution: &Distribution<T>, least: T, greatest: T) -> Self {
        let valid = "scenario validation refuses impossible parameters";
        let shape = match (distribution.constant(), distribution) {
            (Some(value), _) => Shape::Constant(rounded(value.to_f64())),
            (None, Distribution::Constant(value)) => Shape::Constant(rounded(value.to_f64())),
            (None, Distribution::Uniform([low, high])) => Shape::Uniform(
                Uniform::new_inclusive(rounded(low.to_f64()), rounded(high.to_f64())).expect(valid),
            ),
            (None, Distribution::Exponential(mean)) => {
                Shape::Exponential(Exp::new(1.0 / mean.to_f64()).expect(valid))
            }
            (None, Distribution::Normal { mean, sd }) => {
                Shape::Normal(Normal::new(mean.to_f64(), sd.to_f64()).expect(valid))
            }
            (None, Distribution::Lognormal { median, p99 }) => {
                let location = libm::log(median.to_f64());
                let scale = (libm::log(p99.to_f64()) - location) / Z_99;
                Shape::Lognormal(LogNormal::new(location, scale).expect(valid))
            }
            (None, Distribution::Pareto { min, shape }) => {
                Shape::Pareto(Pareto::new(min.to_f64(), *shape).expect(valid))
            }
            (None, Distribution::Choice(choices)) => Shape::Choice {
                weights: WeightedIndex::new(choices.iter().map(|(weight, _)| *weight))
                    .expect(valid),
                values: choices.iter().map(|(_, value)| rounded(value.to_f64())).collect(),
            },
        };
        Self { shape, least: rounded(least.to_f64()), greatest: rounded(greatest.to_f64()) }
    }

    /// The value for `key` and `purpose`.
    #[inline]
    pub fn draw(&self, key: DrawKey, purpose: Purpose) -> u64 {
        // Most loads are constant somewhere: they pay for no generator and no call.
        match self.shape {
            Shape::Constant(value) => value,
            _ => self.draw_varied(key, purpose),
        }
    }

    #[inline(never)]
    fn draw_varied(&self, key: DrawKey, purpose: Purpose) -> u64 {
        let mut generator = key.generator(purpose);
        let drawn = match &self.shape {
            Shape::Constant(value) => *value,
            Shape::Uniform(uniform) => uniform.sample(&mut generator),
            Shape::Exponential(exponential) => rounded(exponential.sample(&mut generator)),
            Shape::Normal(normal) => rounded(normal.sample(&mut generator)),
            Shape::Lognormal(lognormal) => rounded(lognormal.sample(&mut generator)),
            Shape::Pareto(pareto) => rounded(pareto.sample(&mut generator)),
            Shape::Choice { weights, values } => values[weights.sample(&mut generator)],
        };
        drawn.clamp(self.least, self.greatest)
    }

    /// The value, if every draw gives the same one.
    #[inline]
    pub fn constant(&self) -> Option<u64> {
        match self.shape {
            Shape::Constant(value) => Some(value),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::{Count, Nanos};

    fn mean_of(distribution: &Distribution<Nanos>) -> f64 {
        let sampler = Sampler::new(distribution, Nanos(0), Nanos::from_secs(3600));
        let count = 20_000;
        let sum: u64 = (0..count)
            .map(|request| sampler.draw(DrawKey::new(7, 1, request), Purpose::Delay(0)))
            .sum();
        sum as f64 / count as f64
    }

    #[test]
    fn every_distribution_has_the_mean_it_states() {
        let distributions = [
            Distribution::Constant(Nanos(1_000_000)),
            Distribution::Uniform([Nanos(1_000), Nanos(1_999_000)]),
            Distribution::Exponential(Nanos(1_000_000)),
            Distribution::Normal { mean: Nanos(1_000_000), sd: Nanos(100_000) },
            Distribution::Lognormal { median: Nanos(1_000_000), p99: Nanos(3_000_000) },
            Distribution::Pareto { min: Nanos(600_000), shape: 3.0 },
            Distribution::Choice(vec![(3.0, Nanos(500_000)), (1.0, Nanos(2_500_000))]),
        ];
        for distribution in distributions {
            let (stated, drawn) = (distribution.mean(), mean_of(&distribution));
            assert!(
                (drawn / stated - 1.0).abs() < 0.03,
                "{distribution:?}: mean {drawn}, stated {stated}"
            );
        }
    }

    #[test]
    fn the_lognormal_has_the_percentiles_it_states() {
        let stated = Distribution::Lognormal { median: Nanos(1_000_000), p99: Nanos(20_000_000) };
        let sampler = Sampler::new(&stated, Nanos(0), Nanos::from_secs(3600));
        let above = |limit| {
            (0..100_000)
                .filter(|&request| {
                    sampler.draw(DrawKey::new(3, 0, request), Purpose::Delay(1)) > limit
                })
                .count()
        };
        assert!((49_000..51_000).contains(&above(1_000_000)), "{}", above(1_000_000));
        assert!((900..1_100).contains(&above(20_000_000)), "{}", above(20_000_000));
    }

    #[test]
    fn limits_hold_for_unbounded_distributions() {
        let heavy = Distribution::Pareto { min: Nanos(1_000), shape: 0.1 };
        let sampler = Sampler::new(&heavy, Nanos(0), Nanos(5_000));
        let drawn: Vec<u64> = (0..1_000)
            .map(|request| sampler.draw(DrawKey::new(1, 0, request), Purpose::Delay(0)))
            .collect();
        assert!(drawn.iter().all(|value| (1_000..=5_000).contains(value)));
        assert!(drawn.contains(&5_000), "a shape of 0.1 must pass the limit sometimes");
    }

    #[test]
    fn uniform_whole_numbers_include_both_ends() {
        let sampler =
            Sampler::new(&Distribution::Uniform([Count(0), Count(4)]), Count(0), Count(65_535));
        let mut seen = [0_u32; 5];
        for request in 0..5_000 {
            let value = sampler.draw(DrawKey::new(5570, 2, request), Purpose::Replies);
            seen[usize::try_from(value).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (900..1_100).contains(&count)), "{seen:?}");
    }

    // The plan is a promise across machines and versions: these values may only change with the plan's version.
    #[test]
    fn draws_have_known_values() {
        let key = DrawKey::new(5570, 1, 2);
        let uniform = Sampler::new(
            &Distribution::Uniform([Nanos(0), Nanos(1_000_000)]),
            Nanos(0),
            Nanos(1_000_000),
        );
        let lognormal = Sampler::new(
            &Distribution::Lognormal { median: Nanos(1_000), p99: Nanos(90_000) },
            Nanos(0),
            Nanos(u64::MAX),
        );
        let drawn = [
            key.0,
            uniform.draw(key, Purpose::Delay(0)),
            uniform.draw(key, Purpose::Delay(1)),
            lognormal.draw(key, Purpose::Delay(0)),
        ];
        assert_eq!(drawn, [5_603_854_295_270_728_586, 378_732, 132_621, 297]);
    }
}
