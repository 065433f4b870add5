//! From an experiment to its answers.

use std::collections::BTreeMap;

use super::effect::{Criteria, Effect, FAMILY, percent};
use super::metrics::{self, Metric};
use super::needs::{can_be_detected, least_p};
use super::quantiles::quantiles;
use super::{Experiment, Questions, differences, label, other_conditions};
use crate::result::{Answer, COMPARISON_SCHEMA, ComparisonResult, MetricComparison};
use zload_core::quantity;
use zload_core::stats;

/// What was found of one metric, before the answers are corrected for their number.
pub(super) struct Found {
    pub(super) metric: &'static Metric,
    /// Median of the values of each side.
    pub(super) a: Option<f64>,
    pub(super) b: Option<f64>,
    pub(super) effect: Effect,
    pub(super) pairs: u32,
}

/// What slices have values of their own of.
const NOT_OF_SLICES: [&str; 4] = ["seed", "run.warmup", "run.duration", "load.requests"];

impl Experiment {
    /// Compares every side with the first. `interrupted` and `failure` say how the experiment ended.
    ///
    /// Panics if there are fewer than two sides.
    pub fn compare(
        &self,
        questions: &Questions,
        notes: &[String],
        interrupted: bool,
        failure: Option<&str>,
    ) -> ComparisonResult {
        let of = |side: usize| {
            let found: Vec<Found> = metrics::of(&self.sides[0].scenario, questions)
                .map(|metric| self.found(metric, side))
                .filter(|found| found.a.is_some() || questions.asks_for(found.metric))
                .collect();
            let metrics = answers(&found, questions);
            let valid = self.enough_is_usable();
            ComparisonResult {
                schema: COMPARISON_SCHEMA.to_owned(),
                interrupted,
                failure: failure.map(str::to_owned),
                verdict: whole(&metrics, valid),
                valid,
                notes: notes
                    .iter()
                    .cloned()
                    .chain(other_conditions(
                        &self.sides[0].environment,
                        &self.sides[side].environment,
                    ))
                    .collect(),
                a: self.pools[0].figures(&self.sides[0]),
                b: self.pools[side].figures(&self.sides[side]),
                differences: differences(&self.sides[0].scenario, &self.sides[side].scenario)
                    .into_iter()
                    // Slices have a seed and lengths of their own.
                    .filter(|difference| !NOT_OF_SLICES.contains(&difference.key.as_str()))
                    .collect(),
                method: crate::result::Method { blocks: self.blocks, ..self.method.clone() },
                machine: self.machine,
                primary: questions.primary.name.to_owned(),
                metrics,
                quantiles: quantiles(&self.first_replies[0], &self.first_replies[side], |a, b| {
                    let pairs = a.iter().zip(b).filter_map(|(a, b)| Some((*b)? - (*a)?));
                    Effect::paired(&pairs.collect::<Vec<_>>()).in_steps_of(metrics::TIME_STEP)
                }),
                slices: Vec::new(),
                others: Vec::new(),
            }
        };
        let mut result = of(1);
        result.slices.clone_from(&self.slices);
        result.others = (2..self.sides.len()).map(of).collect();
        result
    }

    /// Whether the rounds that entered are most of all, and in blocks enough for an answer.
    fn enough_is_usable(&self) -> bool {
        let mut blocks: Vec<u32> = self.entered.iter().map(|(block, _)| *block).collect();
        blocks.dedup();
        let usable = u32::try_from(blocks.len()).unwrap_or(u32::MAX);
        self.entered.len() * 2 >= self.rounds as usize
            && (usable >= stats::fewest_for(super::CONFIDENCE) || usable == self.blocks)
    }

    /// What a metric is in the rounds that entered: of each, the values of `a` and `b`.
    pub(super) fn pairs(&self, metric: &Metric, side: usize) -> BTreeMap<u32, Vec<[f64; 2]>> {
        let mut values: BTreeMap<(u32, u32), [Option<f64>; 2]> = BTreeMap::new();
        let sides = [label(0), label(side)];
        for slice in &self.slices {
            for (position, side) in sides.iter().enumerate() {
                if slice.side == *side {
                    values.entry((slice.block, slice.slice)).or_default()[position] =
                        slice.values.get(metric.name).copied();
                }
            }
        }
        let mut pairs: BTreeMap<u32, Vec<[f64; 2]>> = BTreeMap::new();
        for key in &self.entered {
            if let Some([Some(a), Some(b)]) = values.get(key) {
                pairs.entry(key.0).or_default().push([*a, *b]);
            }
        }
        pairs
    }

    fn found(&self, metric: &'static Metric, side: usize) -> Found {
        let mut pairs = self.pairs(metric, side);
        if let Some(percentile) = metric.of_first_reply() {
            let carried: usize = pairs.values().map(Vec::len).sum();
            let whole_blocks = self.block_pairs(percentile.quantile, side);
            if carried * 2 < self.entered.len() || pairs.len() < whole_blocks.len() {
                // Slices are too short for it: a whole block is one pair.
                pairs = whole_blocks;
            }
        }
        let differences: Vec<f64> =
            pairs.values().filter_map(|pairs| block_difference(pairs)).collect();
        let values = |position: usize| {
            stats::median(&pairs.values().flatten().map(|pair| pair[position]).collect::<Vec<_>>())
        };
        Found {
            metric,
            a: values(0),
            b: values(1),
            pairs: u32::try_from(pairs.values().map(Vec::len).sum::<usize>()).unwrap_or(u32::MAX),
            effect: Effect::paired(&differences)
                .in_steps_of(self.step(metric, pairs.values().flatten())),
        }
    }

    /// The least step of a metric's difference, in the middle of its pairs.
    pub(super) fn step<'a>(
        &self,
        metric: &Metric,
        pairs: impl Iterator<Item = &'a [f64; 2]>,
    ) -> f64 {
        let slice_s = self.method.slice_ns as f64 / 1e9;
        let steps: Vec<f64> = pairs.map(|pair| metric.step(*pair, [slice_s; 2])).collect();
        stats::median(&steps).unwrap_or(0.0)
    }

    fn block_pairs(&self, quantile: f64, side: usize) -> BTreeMap<u32, Vec<[f64; 2]>> {
        let blocks = self.first_replies[0].iter().zip(&self.first_replies[side]);
        (0..)
            .zip(blocks)
            .filter_map(|(block, (a, b))| {
                let pair = [a.percentile(quantile)? as f64, b.percentile(quantile)? as f64];
                Some((block, vec![pair]))
            })
            .collect()
    }
}

/// What a block says: the median over its pairs of the logarithm of b / a.
pub(super) fn block_difference(pairs: &[[f64; 2]]) -> Option<f64> {
    let differences: Vec<f64> = pairs.iter().map(|[a, b]| (b / a).ln()).collect();
    stats::median(&differences)
}

/// The answers of all metrics, corrected for their number.
pub(super) fn answers(found: &[Found], questions: &Questions) -> Vec<MetricComparison> {
    let others: Vec<usize> =
        (0..found.len()).filter(|index| found[*index].metric != questions.primary).collect();
    let corrected =
        stats::holm(&others.iter().map(|index| found[*index].effect.p).collect::<Vec<_>>());
    let number = others.len();
    let mut admitted: Vec<(f64, bool)> = found.iter().map(|found| (found.effect.p, true)).collect();
    for (index, p) in others.into_iter().zip(corrected) {
        admitted[index] = (p, p <= FAMILY);
    }
    found
        .iter()
        .zip(admitted)
        .map(|(found, (p, admitted))| {
            let primary = found.metric == questions.primary;
            let margin_percent =
                questions.margin_percent.filter(|_| primary).unwrap_or(found.metric.margin_percent);
            let question = Criteria { better: found.metric.better, margin_percent, admitted };
            let gated = questions.asks_for(found.metric);
            found.answered(question, gated, p, if primary { 1 } else { number })
        })
        .collect()
}

/// The worst answer among those that count.
pub(super) fn whole(metrics: &[MetricComparison], valid: bool) -> Answer {
    let gated = metrics.iter().filter(|metric| metric.gated).map(|metric| metric.verdict);
    if valid { gated.max().unwrap_or(Answer::Unclear) } else { Answer::Unclear }
}

impl Found {
    /// `metrics` is the number of those that its probability is corrected for.
    fn answered(
        &self,
        question: Criteria,
        gated: bool,
        p: f64,
        metrics: usize,
    ) -> MetricComparison {
        let effect = &self.effect;
        let verdict = effect.answer(question);
        let needed = (verdict == Answer::Unclear)
            .then(|| effect.blocks_needed(question.margin_percent))
            .flatten();
        let mut answer = MetricComparison {
            name: self.metric.name.to_owned(),
            unit: self.metric.unit,
            better: self.metric.better,
            gated,
            a: self.a,
            b: self.b,
            effect_percent: effect.estimate.map(|estimate| percent(estimate.value)),
            ci_low_percent: effect.estimate.map(|estimate| percent(estimate.low)),
            ci_high_percent: effect.estimate.map(|estimate| percent(estimate.high)),
            p_value: effect.estimate.map(|_| p),
            margin_percent: question.margin_percent,
            verdict,
            answered: effect.estimate.is_some() && can_be_detected(self.least_p(), metrics),
            blocks: effect.blocks,
            pairs: self.pairs,
            smallest_visible_percent: effect.smallest_visible_percent(question.margin_percent),
            blocks_needed: needed,
            sentence: self.sentence(verdict, question, needed, metrics),
        };
        if answer.medians_differ_the_other_way() {
            answer.sentence += "; medians a and b differ in the other direction, but the answer comes from the pairs of slices";
        }
        answer
    }

    /// Whether sides took turns, so that blocks are counted and not runs.
    fn in_turn(&self) -> bool {
        self.effect.drift <= 0.0
    }

    /// The smallest probability that its blocks or runs can have.
    fn least_p(&self) -> f64 {
        let of_each = self.effect.blocks;
        if self.in_turn() {
            return least_p(of_each);
        }
        // Two of all the ways to choose one side's runs among those of both.
        let ways = (1..=of_each).map(|run| f64::from(of_each + run) / f64::from(run));
        2.0 / ways.product::<f64>()
    }

    fn sentence(
        &self,
        verdict: Answer,
        question: Criteria,
        needed: Option<u32>,
        metrics: usize,
    ) -> String {
        let (unit, blocks) = (if self.in_turn() { "block" } else { "run" }, self.effect.blocks);
        let Some(estimate) = self.effect.estimate else {
            return match self.pairs {
                0 => format!("unclear: no {unit} has enough samples"),
                _ => format!(
                    "unclear: only {blocks} of at least {} {unit}s have enough samples",
                    self.effect.fewest
                ),
            };
        };
        let margin = question.margin_percent;
        let apart = estimate.low > 0.0 || estimate.high < 0.0;
        match verdict {
            Answer::Better | Answer::Worse => {
                let word = if verdict == Answer::Better { "better" } else { "worse" };
                format!("{word}: {}", quantity::change(percent(estimate.value)))
            }
            Answer::Same => format!("same: within ±{margin} %"),
            Answer::Unclear if apart && !question.admitted => {
                let why = if can_be_detected(self.least_p(), metrics) {
                    format!("not after correcting for {metrics} metrics")
                } else {
                    format!("{blocks} {unit}s are too few to correct for {metrics} metrics")
                };
                format!("unclear: different on its own, but {why}")
            }
            Answer::Unclear => match needed {
                Some(runs) if !self.in_turn() => {
                    format!("unclear: about {runs} runs of each would decide it")
                }
                Some(needed) => format!(
                    "unclear: about {needed} blocks ({} pairs) would decide it",
                    u64::from(needed) * u64::from(self.pairs) / u64::from(blocks.max(1))
                ),
                None if self.effect.needs_smaller_steps(margin) => {
                    let part = if self.in_turn() { "slice" } else { "run" };
                    let step = quantity::change(percent(self.effect.step));
                    format!("unclear: one reply more or less in a {part} is {step}; use longer {part}s")
                }
                None if !self.in_turn() => {
                    "unclear: the machine may have changed as much in between; interleave the sides (zload compare A.toml B.toml)"
                        .to_owned()
                }
                None => "unclear: more blocks would not decide it soon".to_owned(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::metric_named;

    /// What is said of a metric besides the primary one, whose blocks differ by about `change` with some noise, among as
    /// many that differ by nothing.
    fn said(change: f64, blocks: u32, others: usize) -> MetricComparison {
        let found = |name: &str, change: f64, medians: [f64; 2]| {
            let noise = |block: u32| (f64::from(block % 5) - 2.0) * 0.002;
            let differences: Vec<f64> = (0..blocks).map(|block| change + noise(block)).collect();
            Found {
                metric: metric_named(name).unwrap(),
                a: Some(medians[0]),
                b: Some(medians[1]),
                effect: Effect::paired(&differences),
                pairs: blocks,
            }
        };
        let primary = found("first_reply.p50", 0.0, [1.0, 1.0]);
        let names = metrics::METRICS.iter().map(|metric| metric.name).rev();
        let others = names.take(others).map(|name| found(name, 0.0, [1.0, 1.0]));
        let one = found("service.p50", change, [2.0, 1.2]);
        let all: Vec<Found> = [primary, one].into_iter().chain(others).collect();
        let questions =
            Questions { primary: all[0].metric, gates: Vec::new(), margin_percent: None };
        answers(&all, &questions).swap_remove(1)
    }

    #[test]
    fn what_is_not_admitted_among_many_says_why() {
        let few = said(-1.4, 9, 14);
        assert_eq!((few.verdict, few.answered), (Answer::Unclear, false));
        assert!(few.ci_high_percent < Some(-70.0), "{few:?}");
        assert_eq!(
            few.sentence,
            "unclear: different on its own, but 9 blocks are too few to correct for 15 metrics"
        );
        let enough = said(-1.4, 12, 14);
        assert_eq!((enough.verdict, enough.answered), (Answer::Better, true), "{enough:?}");
    }

    #[test]
    fn an_interval_with_zero_in_it_does_not_differ_from_zero() {
        let mut wide = said(0.0, 12, 14);
        assert!(!wide.sentence.contains("different on its own"), "{wide:?}");
        // An estimate above the margin alone says nothing.
        let differences: Vec<f64> =
            (0..12).map(|block| if block % 3 == 0 { -0.5 } else { 0.3 }).collect();
        let found = Found {
            metric: metric_named("service.p50").unwrap(),
            a: Some(1.0),
            b: Some(1.0),
            effect: Effect::paired(&differences),
            pairs: 12,
        };
        let question =
            Criteria { better: found.metric.better, margin_percent: 3.0, admitted: false };
        wide = found.answered(question, false, 1.0, 15);
        assert!(wide.effect_percent.is_some_and(|effect| effect.abs() > 3.0), "{wide:?}");
        assert!(wide.ci_low_percent < Some(0.0) && wide.ci_high_percent > Some(0.0), "{wide:?}");
        assert!(!wide.sentence.contains("different on its own"), "{wide:?}");
    }

    #[test]
    fn medians_that_differ_the_other_way_than_the_pairs_are_said_to() {
        assert!(
            said(0.15, 12, 2).sentence.contains("the other direction"),
            "{:?}",
            said(0.15, 12, 2)
        );
        assert!(!said(-0.15, 12, 2).sentence.contains("the other direction"));
    }
}
