//! The two ends of the answer: what is proven to be sustained, and what is proven not to be. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outcome, Role, Scale, Trial, evidence};

/// One end of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bound {
    /// The value of the key.
    pub value: f64,
    /// Trials that met the goal, of those that count there.
    pub met: u32,
    /// Trials that count there: at this value and beyond it.
    pub of: u32,
    /// Their evidence; `2/(1 − confidence)` is needed.
    pub e: f64,
}

/// The evidence that is needed on each side, so that both together are as sure as this.
pub fn threshold(confidence: f64) -> f64 {
    // Nine tenths are no exact number, and neither is what they leave.
    2.0 / (1.0 - confidence) * (1.0 - 1e-9)
}

/// The hardest value that is proven to be sustained. At every easier one the trials at that value and harder prove it, too:
/// without this the trials that missed at harder values could be left out.
pub(super) fn carried(
    trials: &[&Trial],
    goal: usize,
    (scale, needed): (Scale, f64),
) -> Option<Bound> {
    let counted = counted(trials, goal, Role::Carried);
    let side: Vec<(f64, bool, f64)> =
        counted.iter().map(|(value, met)| (scale.load(*value), *met, *value)).collect();
    let (value, hits, misses) = farthest(side, needed)?;
    Some(Bound { value, met: hits, of: hits + misses, e: evidence(hits, misses) })
}

/// The easiest value that is proven to be missed, by the same rule the other way round.
pub(super) fn missed(
    trials: &[&Trial],
    goal: usize,
    (scale, needed): (Scale, f64),
) -> Option<Bound> {
    let counted = counted(trials, goal, Role::Missed);
    let side: Vec<(f64, bool, f64)> =
        counted.iter().map(|(value, met)| (-scale.load(*value), !*met, *value)).collect();
    let (value, hits, misses) = farthest(side, needed)?;
    Some(Bound { value, met: misses, of: hits + misses, e: evidence(hits, misses) })
}

/// Value and outcome of the trials that count for this side.
pub(super) fn counted(trials: &[&Trial], goal: usize, role: Role) -> Vec<(f64, bool)> {
    let of = |trial: &&Trial| {
        let finding = trial.findings.get(goal).filter(|finding| finding.role == role)?;
        match finding.outcome {
            Outcome::Met => Some((trial.value, true)),
            Outcome::Missed => Some((trial.value, false)),
            Outcome::Void => None,
        }
    };
    trials.iter().filter_map(of).collect()
}

/// Of trials with a place, a success or failure, and a value: the value of the farthest place at which, as at every place before
/// it, the trials from there on prove it; with their successes and failures.
fn farthest(mut side: Vec<(f64, bool, f64)>, needed: f64) -> Option<(f64, u32, u32)> {
    side.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut proven = None;
    let mut begin = 0;
    while let Some((place, _, value)) = side.get(begin).copied() {
        let from_here = &side[begin..];
        let number = |success: bool| {
            let count = from_here.iter().filter(|(_, hit, _)| *hit == success).count();
            u32::try_from(count).unwrap_or(u32::MAX)
        };
        let (hits, misses) = (number(true), number(false));
        if evidence(hits, misses) < needed {
            break;
        }
        proven = Some((value, hits, misses));
        begin += from_here.iter().take_while(|(at, ..)| *at <= place).count();
    }
    proven
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(of: &[(f64, &str)]) -> Vec<(f64, bool, f64)> {
        of.iter().flat_map(|(at, hits)| hits.chars().map(|hit| (*at, hit == '+', *at))).collect()
    }

    #[test]
    fn the_farthest_place_is_reached_over_proven_ones_only() {
        let of = |trials: &[(f64, &str)]| farthest(side(trials), threshold(0.9));
        assert_eq!(of(&[(7.0, "+++++")]), None);
        assert_eq!(of(&[(7.0, "++++++")]), Some((7.0, 6, 0)));
        // Failures farther on count where one begins.
        assert_eq!(of(&[(6.0, "++++++"), (7.0, "--")]), None);
        assert_eq!(of(&[(6.0, "++++++++++++"), (7.0, "--")]), Some((6.0, 12, 2)));
        // So do successes, and six of them farther on are enough by themselves.
        assert_eq!(of(&[(6.0, "+"), (7.0, "++++++")]), Some((7.0, 6, 0)));
        assert_eq!(of(&[(6.0, "--"), (7.0, "++++++")]), None);
    }
}
