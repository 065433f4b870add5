//! What goes up and down in several shards at once, added up over time.
//!
//! Each shard looked at regular instants of its window, one some times more often than another. Invariant: the order in
//! which they come changes nothing, as they hold whole numbers.

use std::collections::BTreeMap;

/// What was seen so far, by how often was looked.
#[derive(Debug, Default)]
pub(super) struct Gauges(BTreeMap<usize, (u64, Vec<f64>)>);

impl Gauges {
    /// Adds what one shard saw, in order of time.
    pub(super) fn add(&mut self, values: &[f64]) {
        if values.is_empty() {
            return;
        }
        let (shards, sum) =
            self.0.entry(values.len()).or_insert_with(|| (0, vec![0.0; values.len()]));
        *shards += 1;
        for (sum, value) in sum.iter_mut().zip(values) {
            *sum += value;
        }
    }

    /// What all saw together, at the instants at which most of them looked: of the others what they saw nearest to it.
    pub(super) fn finish(self) -> Vec<f64> {
        let usual = self.0.iter().max_by_key(|(length, (shards, _))| (*shards, **length));
        let Some(length) = usual.map(|(length, _)| *length) else { return Vec::new() };
        let nearest = |sum: &[f64], at: usize| sum[at * sum.len() / length];
        (0..length).map(|at| self.0.values().map(|(_, sum)| nearest(sum, at)).sum()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_at_the_same_time_is_added_up() {
        let sum = |all: &[&[f64]]| {
            let mut gauges = Gauges::default();
            for values in all {
                gauges.add(values);
            }
            gauges.finish()
        };
        assert_eq!(sum(&[]), [0.0; 0]);
        assert_eq!(sum(&[&[1.0, 2.0], &[]]), [1.0, 2.0]);
        assert_eq!(sum(&[&[1.0, 2.0], &[10.0, 20.0]]), [11.0, 22.0]);
        let uneven: [&[f64]; 3] = [&[1.0, 2.0], &[10.0, 20.0], &[100.0, 200.0, 300.0, 400.0]];
        assert_eq!(sum(&uneven), [111.0, 322.0]);
        let turned: Vec<&[f64]> = uneven.into_iter().rev().collect();
        assert_eq!(sum(&turned), sum(&uneven));
    }
}
