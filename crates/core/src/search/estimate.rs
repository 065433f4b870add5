//! About where the capacity is, from all trials: no bound, and where to look. Pure.

use super::{Outcome, Scale, Trial};

/// A block of trials that are taken together, as their misses do not rise with the load.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// The mean of ln load, and of how far the goal was missed.
    at: f64,
    missed_by: f64,
    weight: f64,
}

/// The value at which the share of slow requests is what is allowed: where the isotonic regression of its logarithm over that
/// of the load crosses 0 (pool adjacent violators: Ayer et al., "An empirical distribution function for sampling with
/// incomplete information", 1955). `None` unless trials were met and missed.
pub(super) fn estimate(trials: &[&Trial], goal: usize, scale: Scale) -> Option<f64> {
    let of = |trial: &&Trial| {
        let missed_by = missed_by(trial, goal)?;
        Some(Block { at: libm::log(scale.load(trial.value)), missed_by, weight: 1.0 })
    };
    let mut points: Vec<Block> = trials.iter().filter_map(of).collect();
    points.sort_by(|one, other| {
        one.at.total_cmp(&other.at).then(one.missed_by.total_cmp(&other.missed_by))
    });
    let mut blocks: Vec<Block> = Vec::new();
    for point in points {
        let mut last = point;
        // Of one load there is one value.
        while let Some(before) =
            blocks.pop_if(|before| before.missed_by > last.missed_by || last.at - before.at < 1e-12)
        {
            last = together(before, last);
        }
        blocks.push(last);
    }
    let above = blocks.iter().position(|block| block.missed_by > 0.0)?;
    let (below, above) = (blocks.get(above.checked_sub(1)?)?, &blocks[above]);
    let share = -below.missed_by / (above.missed_by - below.missed_by);
    let load = libm::exp(below.at + share * (above.at - below.at));
    Some(if scale.more_is_easier { 1.0 / load } else { load })
}

fn together(one: Block, other: Block) -> Block {
    let weight = one.weight + other.weight;
    let mean = |a: f64, b: f64| (a * one.weight + b * other.weight) / weight;
    Block { at: mean(one.at, other.at), missed_by: mean(one.missed_by, other.missed_by), weight }
}

/// How far a trial missed the goal, as a logarithm: below 0 if it met it.
fn missed_by(trial: &Trial, goal: usize) -> Option<f64> {
    let finding = trial.findings.get(goal)?;
    let sign = match finding.outcome {
        Outcome::Void => return None,
        Outcome::Met => -1.0,
        Outcome::Missed => 1.0,
    };
    let by = finding
        .slow
        .map_or(sign, |slow| libm::log((slow.slow as f64 + 0.5) / (slow.allowed as f64 + 0.5)));
    // Another limit than that on the slow ones may have decided.
    Some(if by * sign > 0.0 { by } else { sign * 0.01 })
}
