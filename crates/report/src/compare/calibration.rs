//! The noise of a machine, from a scenario that was compared with itself.

use rand::Rng as _;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_xoshiro::SplitMix64;

use super::answers::block_difference;
use super::effect::{CONFIDENCE, Criteria, Effect, percent};
use super::{Experiment, METRICS, Metric, Questions};
use crate::result::{
    Answer, CALIBRATION_SCHEMA, CalibrationResult, ComparisonResult, MetricNoise, SmallestVisible,
};
use zload_core::quantity::index;
use zload_core::stats;

/// Random choices of blocks and sides.
const CHOICES: u32 = 2000;
/// Numbers of blocks for which the minimum detectable effect is given.
const BLOCKS: [u32; 4] = [9, 12, 20, 40];

/// The noise that an experiment of a scenario with itself shows; false alarms are counted for comparisons of `blocks`
/// blocks.
pub fn calibrate(
    experiment: &Experiment,
    comparison: ComparisonResult,
    questions: &Questions,
    blocks: u32,
) -> CalibrationResult {
    let compared = |metric: &&Metric| comparison.metrics.iter().any(|one| one.name == metric.name);
    let noise = METRICS
        .iter()
        .filter(compared)
        .filter_map(|metric| noise(experiment, metric, questions, blocks))
        .collect();
    CalibrationResult { schema: CALIBRATION_SCHEMA.to_owned(), noise, comparison }
}

/// The blocks that a comparison needs to find a change of twice the margin four times of five, by a calibration; `None` if
/// it does not tell.
pub fn blocks_for(calibration: &CalibrationResult, metric: &Metric) -> Option<u32> {
    let noise = calibration.noise.iter().find(|noise| noise.name == metric.name)?;
    noise.blocks_for_twice_the_margin
}

fn noise(
    experiment: &Experiment,
    metric: &Metric,
    questions: &Questions,
    blocks: u32,
) -> Option<MetricNoise> {
    let pairs = experiment.pairs(metric, 1);
    let differences: Vec<f64> =
        pairs.values().filter_map(|pairs| block_difference(pairs)).collect();
    let levels: Vec<f64> = pairs
        .values()
        .filter_map(|pairs| {
            stats::median(&pairs.iter().flatten().map(|value| value.ln()).collect::<Vec<_>>())
        })
        .collect();
    let margin_percent = questions
        .margin_percent
        .filter(|_| metric.name == questions.primary.name)
        .unwrap_or(metric.margin_percent);
    let question = Criteria { better: metric.better, margin_percent, admitted: true };
    let step = experiment.step(metric, pairs.values().flatten());
    let effect = Effect::paired(&differences).in_steps_of(step);
    let visible = |blocks: u32| effect.visible_with(blocks, margin_percent);
    visible(BLOCKS[0])?;
    Some(MetricNoise {
        name: metric.name.to_owned(),
        block_percent: percent(deviation(&differences)),
        level_percent: percent(spread(&levels)),
        false_alarms: false_alarms(&differences, step, question, blocks),
        smallest_visible: BLOCKS
            .into_iter()
            .filter_map(|blocks| Some(SmallestVisible { blocks, percent: visible(blocks)? }))
            .collect(),
        blocks_for_twice_the_margin: (stats::fewest_for(CONFIDENCE)..=10_000)
            .find(|blocks| visible(*blocks).is_some_and(|percent| percent <= 2.0 * margin_percent)),
    })
}

/// Share of random choices of blocks, each with its sides exchanged at random, that are called a difference.
fn false_alarms(differences: &[f64], step: f64, question: Criteria, blocks: u32) -> f64 {
    let mut random = SplitMix64::seed_from_u64(1);
    let mut left: Vec<f64> = differences.to_vec();
    let chosen = (blocks as usize).min(left.len());
    let mut alarms = 0_u32;
    for _ in 0..CHOICES {
        let (choice, _) = left.partial_shuffle(&mut random, chosen);
        for difference in choice.iter_mut().filter(|_| random.next_u64() >> 63 == 1) {
            *difference = -*difference;
        }
        let answer = Effect::paired(choice).in_steps_of(step).answer(question);
        alarms += u32::from(matches!(answer, Answer::Better | Answer::Worse));
    }
    f64::from(alarms) / f64::from(CHOICES)
}

/// The standard deviation around zero: what is the same differs by nothing.
fn deviation(differences: &[f64]) -> f64 {
    let squares: f64 = differences.iter().map(|difference| difference * difference).sum();
    (squares / differences.len().max(1) as f64).sqrt()
}

/// Share of the pairs of blocks that differ by no more than what is called their level.
const MOST_PAIRS: f64 = 0.98;

/// By how much two of the levels differ at most, in 98 of 100 pairs.
fn spread(levels: &[f64]) -> f64 {
    let mut distances: Vec<f64> = (0..levels.len())
        .flat_map(|one| (0..one).map(move |other| (levels[one] - levels[other]).abs()))
        .collect();
    distances.sort_unstable_by(f64::total_cmp);
    let rank = index(distances.len() as f64 * MOST_PAIRS);
    distances.get(rank.min(distances.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Direction;
    use proptest::prelude::*;
    use zload_core::stats::examples::ar1;

    const QUESTION: Criteria =
        Criteria { better: Direction::Lower, margin_percent: 3.0, admitted: true };

    #[test]
    fn what_is_the_same_seldom_raises_an_alarm_and_what_differs_does() {
        let noise: Vec<f64> = ar1(0.0, 24, 7).iter().map(|value| value * 0.02).collect();
        assert!(false_alarms(&noise, 0.0, QUESTION, 12) < 0.02);
        // A difference whose sign a coin turns is found only when the coin falls the same way every time.
        assert!(false_alarms(&[0.5; 24], 0.0, QUESTION, 12) < 0.05);
        assert_eq!(false_alarms(&[0.0; 24], 0.0, QUESTION, 12).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn known_answers() {
        assert!((deviation(&[0.1, -0.1, 0.1]) - 0.1).abs() < 1e-12);
        assert!((spread(&[1.0, 1.5, 3.0]) - 2.0).abs() < 1e-12);
        assert!(spread(&[]).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn more_blocks_see_smaller_changes(noise in prop::collection::vec(-0.2..0.2_f64, 12..30)) {
            let effect = Effect::paired(&noise);
            let visible: Vec<f64> = BLOCKS.into_iter().filter_map(|blocks| effect.visible_with(blocks, 3.0)).collect();
            prop_assert_eq!(visible.len(), BLOCKS.len());
            prop_assert!(visible.is_sorted_by(|few, many| few >= many), "{:?}", visible);
        }
    }
}
