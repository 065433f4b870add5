//! What it takes to answer what is asked, known before anything runs: a gate that can never fire is refused and not
//! passed. Pure.

use super::effect::{CONFIDENCE, FAMILY};
use super::metrics::{self, Metric};
use super::{Questions, short};
use zload_core::plan::Plan;
use zload_core::scenario::{Model, Scenario};
use zload_core::stats;

/// A percentile that is asked for, and what it takes to estimate it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// The metric, as reports call it.
    pub name: &'static str,
    /// Replies that a slice, or a whole block, should hold on average.
    pub replies: f64,
    /// Whether a whole block may hold them, since all of its slices can be taken together.
    pub of_block: bool,
}

impl Questions {
    /// The metrics whose answers count: the primary one first.
    fn asked(&self) -> impl Iterator<Item = &'static Metric> {
        std::iter::once(self.primary).chain(self.gates.iter().copied())
    }

    /// The percentiles among them.
    pub fn samples(&self) -> Vec<Sample> {
        let sample = |metric: &'static Metric| {
            let size = stats::size_for(metric.quantile()?);
            Some(Sample {
                name: short(metric.name),
                // Arrivals may be random: with three standard deviations more, hardly any slice has too few.
                replies: (size + 3.0 * size.sqrt()).ceil(),
                of_block: metric.of_first_reply().is_some(),
            })
        };
        self.asked().filter_map(sample).collect()
    }

    /// What is asked for and can have no figure in this scenario, in a sentence.
    pub fn unanswerable(&self, scenario: &Scenario) -> Option<String> {
        self.asked().find_map(|metric| {
            let why = metric.hidden(scenario)?;
            Some(format!("{} cannot be measured in {}: {why}", short(metric.name), scenario.name))
        })
    }

    /// Fewer blocks than this cannot answer, whatever they say: each gate besides the primary metric is corrected for the
    /// number of metrics.
    pub fn fewest_blocks(&self, scenario: &Scenario) -> u32 {
        let fewest = stats::fewest_for(CONFIDENCE);
        if self.gates.iter().all(|gate| *gate == self.primary) {
            return fewest;
        }
        let shown = metrics::of(scenario, self).filter(|metric| metric.hidden(scenario).is_none());
        let others = shown.count().saturating_sub(1);
        (fewest..64).find(|blocks| can_be_detected(least_p(*blocks), others)).unwrap_or(64)
    }
}

/// The smallest probability that this many blocks can have if there is no difference: all differ the same way.
pub(super) fn least_p(blocks: u32) -> f64 {
    2.0 * 0.5_f64.powf(f64::from(blocks))
}

/// Whether a probability is still small enough when it is corrected for this many metrics.
pub(super) fn can_be_detected(least_p: f64, metrics: usize) -> bool {
    least_p * metrics as f64 <= FAMILY
}

/// Whether a leg ends at something of zload's own.
fn is_seen(leg: &str, scenario: &Scenario) -> bool {
    let at_worker = leg.starts_with("to_worker") || leg.starts_with("in_worker");
    scenario.has_proxy()
        || leg.starts_with("to_client")
        || (at_worker && scenario.follows_requests())
}

impl Metric {
    /// Which percentile it is, if it is one.
    pub(super) fn quantile(&self) -> Option<f64> {
        stats::quantile_named(self.name.rsplit('.').next()?)
    }

    /// Why no run of this scenario has a figure for it, if none has.
    fn hidden(&self, scenario: &Scenario) -> Option<&'static str> {
        let load = &scenario.load;
        let no_work = Plan::new(scenario).summary().work_ns_mean == 0.0;
        match self.name.split_once('.')? {
            ("server", _) if scenario.server.is_none() => {
                Some("only a server that zload starts has it, and the scenario has no [server]")
            }
            ("proxy", _) if !scenario.has_proxy() => Some("not measured for an external server"),
            ("hops", leg) if !is_seen(leg, scenario) => {
                Some("this leg is not measured for an external server")
            }
            ("ideal", _) if !scenario.has_workers() => {
                Some("an external server has no lower bound")
            }
            ("ideal", _) if load.model == Model::Closed && no_work && load.think.is_none() => {
                Some("a closed load without work has no lower bound")
            }
            _ => None,
        }
    }
}
