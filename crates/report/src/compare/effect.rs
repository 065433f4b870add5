//! From the blocks' differences to an answer: better, worse, same or unclear.
//!
//! A difference is the natural logarithm of b / a. `worse` and `better` need an interval without zero and an estimate of
//! at least the margin; `same` needs an interval within the margin. Whatever is neither is unclear: nothing is called the
//! same because no difference was found. Invariant: exchanging the sides exchanges better and worse and changes nothing else.

use crate::result::{Answer, Direction};
use zload_core::quantity::saturating;
use zload_core::stats::{self, Estimate};

/// How often an interval holds the true effect: of two hundred comparisons of what is the same, one at most is called a
/// difference.
pub const CONFIDENCE: f64 = 0.995;
/// The chance of any false alarm among all metrics but the primary one.
pub(super) const FAMILY: f64 = 0.02;
/// Of a normal distribution, this many standard deviations end the interval's half.
const Z_CONFIDENCE: f64 = 2.807;
/// An effect detected with 80 % power is this many standard errors above the threshold.
const Z_POWER: f64 = 0.842;
/// Minimum runs per side for an unpaired test: 2 of 924 orders are as extreme as can
/// be, which is less than 1 - [`CONFIDENCE`].
const FEWEST_RUNS: u32 = 6;
/// More blocks than this are no answer.
const MOST_BLOCKS: f64 = 10_000.0;

/// What the blocks say of one metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Effect {
    /// Logarithm of b / a, with its interval; `None` if there are too few blocks.
    pub(super) estimate: Option<Estimate>,
    /// Probability of such blocks if there is no difference.
    pub(super) p: f64,
    /// Blocks that count.
    pub(super) blocks: u32,
    /// Fewer blocks than this show nothing.
    pub(super) fewest: u32,
    /// Half of the interval as far as it is the blocks' noise.
    noise: Option<f64>,
    /// By how much the interval is wider on either side because the sides were not interleaved: no number of blocks removes it.
    pub(super) drift: f64,
    /// By how much the least step of its figures moves the difference (one count, or what a histogram tells apart): the
    /// interval reaches as far on either side, as such an error may be the same in every block, and none shows it.
    pub(super) step: f64,
}

/// What is asked of an effect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Criteria {
    pub(super) better: Direction,
    pub(super) margin_percent: f64,
    /// Whether the probability, corrected for the number of questions, allows to call it a difference.
    pub(super) admitted: bool,
}

impl Effect {
    /// Of blocks in which both sides took turns: the logarithm of b / a of each.
    pub(super) fn paired(differences: &[f64]) -> Self {
        let estimate = stats::shift(differences, CONFIDENCE);
        Self {
            estimate,
            p: stats::signed_rank_p(differences),
            blocks: u32::try_from(differences.len()).unwrap_or(u32::MAX),
            fewest: stats::fewest_for(CONFIDENCE),
            noise: estimate.map(half_width),
            drift: 0.0,
            step: 0.0,
        }
    }

    /// Of runs that were not interleaved: the logarithms of each side's figures. The machine may have changed by `drift`
    /// (a logarithm) in between, which nothing can tell from an effect, so the interval is wider by as much.
    pub(super) fn unpaired(a: &[f64], b: &[f64], drift: f64) -> Self {
        let estimate = stats::shift_between(a, b, CONFIDENCE);
        Self {
            estimate: estimate.map(|estimate| Estimate {
                low: estimate.low - drift,
                high: estimate.high + drift,
                ..estimate
            }),
            p: stats::rank_sum_p(a, b),
            blocks: u32::try_from(a.len().min(b.len())).unwrap_or(u32::MAX),
            fewest: FEWEST_RUNS,
            noise: estimate.map(half_width),
            drift,
            step: 0.0,
        }
    }

    /// The same of figures whose least step moves the difference by `step` (a logarithm): to either side of the estimate no
    /// interval is narrower.
    #[must_use]
    pub(super) fn in_steps_of(mut self, step: f64) -> Self {
        self.step = step;
        self.estimate = self.estimate.map(|Estimate { value, low, high }| Estimate {
            value,
            low: low.min(value - step),
            high: high.max(value + step),
        });
        self
    }

    /// The answer.
    pub(super) fn answer(&self, question: Criteria) -> Answer {
        let Some(Estimate { value, low, high }) = self.estimate else { return Answer::Unclear };
        let margin = logarithm(question.margin_percent);
        let (up, down) = match question.better {
            Direction::Higher => (Answer::Better, Answer::Worse),
            Direction::Lower => (Answer::Worse, Answer::Better),
        };
        if question.admitted && low > 0.0 && value >= margin {
            up
        } else if question.admitted && high < 0.0 && value <= -margin {
            down
        } else if low > -margin && high < margin {
            Answer::Same
        } else {
            Answer::Unclear
        }
    }

    /// The smallest change, in percent, that would be detected with 80 % power: it must differ from zero, and
    /// be estimated at the margin or more.
    ///
    /// From the interval's half width h = z·se: different from zero is an effect of h + 0.842·se (Cohen, "Statistical power
    /// analysis for the behavioral sciences", 2.4), called one is margin + 0.842·se.
    pub(super) fn smallest_visible_percent(&self, margin_percent: f64) -> Option<f64> {
        self.visible_with(self.blocks, margin_percent)
    }

    /// The same after this many blocks of the same noise: the interval shrinks with the root of their number.
    pub(super) fn visible_with(&self, blocks: u32, margin_percent: f64) -> Option<f64> {
        let half = self.noise? * (f64::from(self.blocks) / f64::from(blocks)).sqrt();
        let error = half / Z_CONFIDENCE;
        let needed = (self.drift + half).max(self.step).max(logarithm(margin_percent));
        Some(percent(needed + Z_POWER * error))
    }

    /// How far either end of the interval may lie from the estimate in a clear answer: what is below the margin may turn
    /// out the same, what is above it a difference.
    fn room(&self, margin_percent: f64) -> Option<f64> {
        let (value, margin) = (self.estimate?.value.abs(), logarithm(margin_percent));
        Some(if value < margin { margin - value } else { value })
    }

    /// Whether no number of blocks can make it clear, because one step of its figures is too much.
    pub(super) fn needs_smaller_steps(&self, margin_percent: f64) -> bool {
        self.room(margin_percent).is_some_and(|room| room <= self.step)
    }

    /// The blocks after which it would probably be clear, if the noise stays as it is: the interval shrinks with the root
    /// of their number. `None` if too many to be practical.
    pub(super) fn blocks_needed(&self, margin_percent: f64) -> Option<u32> {
        let half = self.noise?;
        let room = self.room(margin_percent)? - self.drift;
        if room <= 0.0 || self.needs_smaller_steps(margin_percent) {
            return None;
        }
        let blocks = (f64::from(self.blocks) * (half / room).powi(2)).ceil();
        let blocks = u32::try_from(saturating(blocks)).ok().filter(|_| blocks <= MOST_BLOCKS)?;
        Some(blocks.max(self.blocks + 1))
    }
}

fn half_width(estimate: Estimate) -> f64 {
    (estimate.high - estimate.low) / 2.0
}

/// A logarithm of b / a as a change in percent of a.
pub(super) fn percent(logarithm: f64) -> f64 {
    logarithm.exp_m1() * 100.0
}

/// A change in percent as a logarithm.
pub(super) fn logarithm(percent: f64) -> f64 {
    (percent / 100.0).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zload_core::stats::examples::ar1;

    fn question(better: Direction) -> Criteria {
        Criteria { better, margin_percent: 3.0, admitted: true }
    }

    /// Blocks around an effect in percent, with a spread in percent.
    fn blocks(effect: f64, spread: f64) -> Vec<f64> {
        (-6..=6).map(|step| logarithm(effect) + f64::from(step) / 6.0 * spread / 100.0).collect()
    }

    #[test]
    fn each_answer_has_its_evidence() {
        let answer = |effect, spread| {
            Effect::paired(&blocks(effect, spread)).answer(question(Direction::Lower))
        };
        assert_eq!(answer(10.0, 2.0), Answer::Worse);
        assert_eq!(answer(-10.0, 2.0), Answer::Better);
        assert_eq!(answer(0.0, 2.0), Answer::Same);
        assert_eq!(answer(0.5, 1.0), Answer::Same, "different from zero, and too small to count");
        assert_eq!(answer(0.0, 30.0), Answer::Unclear);
        assert_eq!(answer(10.0, 60.0), Answer::Unclear);
        assert_eq!(answer(2.8, 1.0), Answer::Unclear, "at the margin");
        assert_eq!(
            Effect::paired(&[0.5; 6]).answer(question(Direction::Lower)),
            Answer::Unclear,
            "too few"
        );
        let exact = Effect::paired(&[0.0; 12]);
        assert_eq!(exact.answer(question(Direction::Lower)), Answer::Same);
    }

    /// Blocks of a comparison whose sides differ by `effect` percent, on a machine whose blocks spread by 4 %, now and then by
    /// 20 % (a neighbour).
    fn on_a_shared_machine(effect: f64, seed: u64) -> Vec<f64> {
        let (noise, neighbour) = (ar1(0.3, 12, seed), ar1(0.5, 12, seed + 1_000_000));
        noise
            .iter()
            .zip(&neighbour)
            .map(|(noise, neighbour)| {
                let spread = if *neighbour > 1.3 { 0.2 } else { 0.04 };
                logarithm(effect) + noise * spread
            })
            .collect()
    }

    fn share(effect: f64, of: Answer) -> f64 {
        let answer = |seed| {
            Effect::paired(&on_a_shared_machine(effect, seed)).answer(question(Direction::Lower))
        };
        (0..500).filter(|seed| answer(*seed) == of).count() as f64 / 500.0
    }

    #[test]
    fn on_a_shared_machine_no_answer_is_wrong_more_often_than_it_may_be() {
        assert!(share(0.0, Answer::Worse) <= 0.02 && share(0.0, Answer::Better) <= 0.02);
        assert!(share(5.0, Answer::Same) <= 0.02 && share(5.0, Answer::Better) <= 0.001);
        assert!(share(10.0, Answer::Worse) >= 0.6, "what is large is found there, too");
    }

    #[test]
    fn an_effect_that_the_correction_does_not_admit_is_unclear() {
        let effect = Effect::paired(&blocks(10.0, 2.0));
        let question = Criteria { admitted: false, ..question(Direction::Lower) };
        assert_eq!(effect.answer(question), Answer::Unclear);
    }

    #[test]
    fn what_the_machine_may_have_done_in_between_is_no_effect() {
        let (a, b) = (blocks(0.0, 1.0), blocks(8.0, 1.0));
        let answer =
            |drift| Effect::unpaired(&a, &b, logarithm(drift)).answer(question(Direction::Lower));
        assert_eq!(answer(0.0), Answer::Worse);
        assert_eq!(answer(10.0), Answer::Unclear);
        let alike = Effect::unpaired(&a, &a, logarithm(10.0));
        assert_eq!(
            alike.answer(question(Direction::Lower)),
            Answer::Unclear,
            "a drift can hide a change, too"
        );
        assert_eq!(alike.blocks_needed(3.0), None, "no number of runs takes the drift away");
        assert!(alike.smallest_visible_percent(3.0) > Some(10.0));
    }

    #[test]
    fn the_blocks_needed_follow_the_square_of_the_width() {
        let effect = Effect::paired(&blocks(0.0, 12.0));
        let half = effect.noise.unwrap();
        let needed = f64::from(effect.blocks_needed(3.0).unwrap());
        assert!((needed - (13.0 * (half / logarithm(3.0)).powi(2)).ceil()).abs() < 1.0, "{needed}");
        assert!(effect.smallest_visible_percent(3.0).unwrap() > percent(half));
        let quiet = Effect::paired(&[0.0; 12]);
        assert!((quiet.smallest_visible_percent(3.0).unwrap() - 3.0).abs() < 1e-9);
    }

    #[test]
    fn no_interval_is_narrower_than_what_one_count_can_move() {
        let effect =
            |percent, step: f64| Effect::paired(&[logarithm(percent); 12]).in_steps_of(step);
        let answer = |effect: &Effect| effect.answer(question(Direction::Higher));
        // 40 replies in a slice of either side.
        let off_by_one = effect(-2.5, 0.025);
        assert_eq!(
            answer(&off_by_one),
            Answer::Unclear,
            "the same in every block, and no evidence"
        );
        assert_eq!(off_by_one.blocks_needed(3.0), None);
        assert_eq!(answer(&effect(-5.0, 0.025)), Answer::Worse);
        assert_eq!(answer(&effect(0.0, 0.025)), Answer::Same);
        assert_eq!(answer(&effect(-10.0, 0.2)), Answer::Unclear);
        assert!(effect(0.0, 0.2).smallest_visible_percent(3.0) > Some(20.0));
        // Where the noise is more, it decides.
        let noisy = Effect::paired(&blocks(0.0, 12.0));
        assert_eq!(noisy.clone().in_steps_of(1e-3).estimate, noisy.estimate);
    }

    proptest! {
        #[test]
        fn exchanging_the_sides_exchanges_better_and_worse(
            differences in prop::collection::vec(-0.2..0.2_f64, 7..20), shift in -0.2..0.2_f64,
        ) {
            let one: Vec<f64> = differences.iter().map(|difference| difference / 4.0 + shift).collect();
            let other: Vec<f64> = one.iter().map(|difference| -difference).collect();
            let [one, other] = [one, other].map(|blocks| Effect::paired(&blocks).answer(question(Direction::Higher)));
            let exchanged = match one {
                Answer::Better => Answer::Worse,
                Answer::Worse => Answer::Better,
                same => same,
            };
            prop_assert_eq!(other, exchanged);
        }

        #[test]
        fn the_scale_of_a_metric_does_not_matter(
            pairs in prop::collection::vec((1.0..2.0_f64, 1.0..2.0_f64), 7..20), scale in 1e-3..1e6_f64,
        ) {
            let of = |scale: f64| {
                let differences: Vec<f64> = pairs.iter().map(|(a, b)| ((b * scale) / (a * scale)).ln()).collect();
                Effect::paired(&differences).answer(question(Direction::Lower))
            };
            prop_assert_eq!(of(1.0), of(scale));
        }
    }
}
