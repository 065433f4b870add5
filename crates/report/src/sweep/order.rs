//! In which order a pass plays the points, and with which seed: both drawn anew for each pass, from the sweep's seed alone.
//!
//! A fresh random order in every pass keeps what a machine does over time from being taken for an effect of a key.

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::SplitMix64;

/// The points of a pass, by their index, in the order in which they are played; passes count from 1.
pub fn order(seed: u64, pass: u32, points: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(points).unwrap_or(u32::MAX)).collect();
    order.shuffle(&mut random(seed, pass));
    order
}

/// The seed of the plans of a pass, which all of its points have, so that they differ in nothing else.
pub fn seed_of_pass(seed: u64, pass: u32) -> u64 {
    let mut random = random(seed, pass);
    // Exact in every reader of JSON.
    random.next_u64() >> 11
}

fn random(seed: u64, pass: u32) -> SplitMix64 {
    // Passes follow one another in the same stream of seeds.
    let mut seeds = SplitMix64::seed_from_u64(seed);
    let nth = (0..pass).map(|_| seeds.next_u64()).last().unwrap_or(seed);
    SplitMix64::seed_from_u64(nth)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_pass_plays_every_point_once(seed in any::<u64>(), pass in 1..100_u32, points in 1..400_usize) {
            let mut played = order(seed, pass, points);
            prop_assert_eq!(&played, &order(seed, pass, points), "the same whenever it is asked for");
            played.sort_unstable();
            prop_assert!((0..).zip(&played).all(|(place, point)| place == *point));
            prop_assert_eq!(played.len(), points);
        }

        #[test]
        fn passes_have_their_own_orders_and_seeds(seed in any::<u64>()) {
            prop_assert_ne!(order(seed, 1, 30), order(seed, 2, 30));
            prop_assert_ne!(order(seed, 2, 30), order(seed, 3, 30));
            prop_assert_ne!(order(seed, 1, 30), order(seed ^ 1, 1, 30));
            prop_assert_ne!(seed_of_pass(seed, 1), seed_of_pass(seed, 2));
        }
    }
}
