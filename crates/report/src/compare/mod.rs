//! Two sides compared: from runs to an answer for each metric. Pure.
//!
//! The block is the unit: within it both sides took turns in short slices, in random order, and what they
//! have in common (the state of the machine, how threads came to lie on cores) is in both. An [`Experiment`] collects
//! blocks, [`Experiment::compare`] answers. Invariant: nothing is left out because of its figures, only because the verdict of a run
//! says that they must not be used, and then on all sides.

mod answers;
mod calibration;
mod differences;
mod effect;
#[cfg(test)]
mod lockstep;
mod metrics;
mod needs;
mod quantiles;
mod observed;
mod saved;
mod side;

use crate::result::{Environment, Method, PooledLatency, Slice, Steadiness};
use crate::verdict::Status;

pub use calibration::{blocks_for, calibrate};
pub use differences::differences;
pub use effect::CONFIDENCE;
pub use metrics::{METRICS, Metric, default_primary, metric_error, metric_named, short};
pub use needs::Sample;
pub use observed::Run;
pub use saved::compare_saved;
use side::Pool;
pub use side::Side;

/// What is asked: which metric matters most, which others count, and how small a difference counts as none.
#[derive(Debug, Clone)]
pub struct Questions {
    /// The one metric whose answer is not corrected for the number of others.
    pub primary: &'static Metric,
    /// Gates: further metrics whose answers count for the overall one.
    pub gates: Vec<&'static Metric>,
    /// The margin of the primary metric, in percent, if not its own.
    pub margin_percent: Option<f64>,
}

impl Questions {
    /// Whether the metric's answer counts for the overall one.
    fn asks_for(&self, metric: &Metric) -> bool {
        *metric == *self.primary || self.gates.iter().any(|gate| **gate == *metric)
    }
}

/// Slices of all sides that ran one after the other with the same plan.
#[derive(Debug)]
pub struct Round {
    /// Which slice of its block.
    pub slice: u32,
    /// Seed of its plan.
    pub seed: u64,
    /// Of each side, in their order: when its slice started, from the start of the comparison, and what it found.
    pub runs: Vec<(u64, Run)>,
}

/// All that ran.
#[derive(Debug)]
pub struct Experiment {
    sides: Vec<Side>,
    method: Method,
    machine: Option<Steadiness>,
    pools: Vec<Pool>,
    /// Response times to first replies: of each side, of each block.
    first_replies: Vec<Vec<PooledLatency>>,
    slices: Vec<Slice>,
    /// Blocks and slices of the rounds that entered.
    entered: Vec<(u32, u32)>,
    rounds: u32,
    blocks: u32,
}

impl Experiment {
    /// Nothing has run yet.
    pub fn new(sides: Vec<Side>, method: Method, machine: Option<Steadiness>) -> Self {
        Self {
            pools: vec![Pool::default(); sides.len()],
            first_replies: vec![Vec::new(); sides.len()],
            sides,
            method,
            machine,
            slices: Vec::new(),
            entered: Vec::new(),
            rounds: 0,
            blocks: 0,
        }
    }

    /// Adds a complete block. A round with a run that must not be used is left out.
    pub fn add_block(&mut self, rounds: &[Round]) {
        for blocks in &mut self.first_replies {
            blocks.push(PooledLatency::default());
        }
        for round in rounds {
            self.rounds += 1;
            let usable = round.runs.iter().all(|(_, run)| run.status != Status::Invalid);
            if usable {
                self.entered.push((self.blocks, round.slice));
            }
            for (side, (offset_ns, run)) in round.runs.iter().enumerate() {
                if self.slices.len() < self.sides.len()
                    && let Some(environment) = &run.environment
                {
                    // The program that runs it knows better than the one that started it.
                    self.sides[side].environment = environment.clone();
                }
                if usable {
                    self.pools[side].add(run);
                    if let Some(block) = self.first_replies[side].last_mut() {
                        block.add(&run.latency.first_reply);
                    }
                } else if run.status == Status::Invalid {
                    self.pools[side].leave_out(run);
                }
                self.slices.push(Slice {
                    block: self.blocks,
                    slice: round.slice,
                    side: label(side),
                    offset_ns: *offset_ns,
                    seed: round.seed,
                    status: run.status,
                    values: run.values.clone(),
                });
            }
        }
        self.blocks += 1;
    }
}

/// What two environments do not have in common, a sentence each.
fn other_conditions(a: &Environment, b: &Environment) -> Vec<String> {
    [
        ("versions of zload", &a.zload, &b.zload),
        ("versions of libzmq", &a.libzmq, &b.libzmq),
        ("builds of zload", &a.build, &b.build),
        ("kernels", &a.kernel, &b.kernel),
    ]
    .into_iter()
    .filter(|(_, one, other)| one != other)
    .map(|(what, one, other)| {
        format!("the {what} differ ({one} and {other}), which may be part of the difference")
    })
    .collect()
}

/// How a side is called in the order of the command line: a, b, c, …
pub fn label(side: usize) -> String {
    u8::try_from(side)
        .ok()
        .filter(|side| *side < 26)
        .map_or_else(|| format!("side{}", side + 1), |side| char::from(b'a' + side).to_string())
}
