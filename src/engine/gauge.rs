//! A gauge: a value looked at again and again while a run goes on, in bounded memory.
//!
//! Invariant: the values are at regular distances, and never more than [`MOST`]: when they are, every other one goes, and
//! from then on only every other look counts.

const MOST: usize = 4096;

/// What was seen at each look, or at every second, fourth, ... of them.
#[derive(Debug, Clone)]
pub(super) struct Gauge {
    /// In order of time.
    pub(super) values: Vec<f64>,
    every: u64,
    looks: u64,
}

impl Gauge {
    pub(super) fn new() -> Self {
        Self { values: Vec::new(), every: 1, looks: 0 }
    }

    /// Takes in what was seen at the next look.
    pub(super) fn look(&mut self, value: f64) {
        if self.looks.is_multiple_of(self.every) {
            if self.values.len() == MOST {
                self.values = self.values.iter().copied().step_by(2).collect();
                self.every *= 2;
            }
            self.values.push(value);
        }
        self.looks += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_at_regular_distances_however_many_there_are() {
        for looks in [0_u32, 1, 4096, 4097, 8192, 8193, 50_000] {
            let mut gauge = Gauge::new();
            (0..looks).for_each(|look| gauge.look(f64::from(look)));
            let values = gauge.values;
            assert!(values.len() <= MOST && (looks == 0 || values[0] == 0.0));
            let steps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
            assert!(steps.iter().all(|step| (step - steps[0]).abs() < 0.5), "{looks}: {steps:?}");
        }
    }
}
