//! What the simulated twin says beforehand: how much could be sustained if nothing but the workers took time, and which
//! plans are typical. Pure.
//!
//! Short plans differ: one of 2 s asks for more or less than the scenario does in the long run, and the median of such plans for
//! less. So a search plays those of which the twin meets the goal just below the capacity of a long plan and misses it just
//! above. They are chosen before anything is measured, so that no outcome decides the choice.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Counted, Scale, Values};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::scenario::load::Override;
use crate::scenario::{Arrivals, Distribution, Model, Nanos, Scenario};
use crate::twin::{self, Limits, Pool};

/// Requests of the plan that stands for the long run: of an M/M/1 queue its capacity is some 0.5 % off.
const LONG_PLAN: f64 = 600_000.0;
/// The longest plan that a scenario may have is a day.
const LONGEST_NS: u64 = 20 * 3_600_000_000_000;
/// The shortest that stands for the long run.
const SHORTEST_NS: u64 = 5_000_000_000;
/// Steps of a bisection: to some 0.1 % of the first bracket.
const BISECTIONS: u32 = 11;
/// Doublings until there is a bracket.
const DOUBLINGS: u32 = 24;
/// Fewer typical plans than this are no choice.
const FEWEST: usize = 4;

/// A scenario of which single settings change.
#[derive(Debug, Clone)]
pub struct Template {
    name: String,
    text: String,
}

impl Template {
    /// Of this scenario.
    pub fn new(scenario: &Scenario) -> Self {
        // What a file could say is what a scenario is made of.
        let text = toml::to_string(scenario).unwrap_or_default();
        Self { name: scenario.name.clone(), text }
    }

    /// Its text, as a file could say it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The scenario with these `key=value` settings.
    pub fn with(&self, settings: &[String]) -> Result<Scenario, Problem> {
        let overrides: Vec<Override> = settings
            .iter()
            .filter_map(|setting| setting.split_once('='))
            .map(|(key, value)| Override::new(key, value))
            .collect();
        Scenario::parse(&self.name, &self.text, &overrides)
    }
}

/// The twin of a search.
pub struct Twin<'a> {
    /// The scenario at a value, as settings.
    pub at: &'a dyn Fn(f64) -> String,
    /// The scenario.
    pub template: &'a Template,
    /// The goal's limits that are counts.
    pub limits: &'a [Counted],
    /// The values of the key.
    pub scale: Scale,
    /// Warm-up and measured part of a trial.
    pub trial: (Nanos, Nanos),
    /// How much it may do.
    pub bounds: TwinLimits<'a>,
}

/// How much the twin of a search may do.
#[derive(Debug, Clone, Copy)]
pub struct TwinLimits<'a> {
    /// Requests and replies, over all plays.
    pub most_steps: u64,
    /// Ends it when it becomes true.
    pub stop: &'a AtomicBool,
}

/// What the twin reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ideal {
    /// The value at which the long plan just meets the goal.
    pub capacity: f64,
}

/// The plans of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct Plans {
    /// Their seeds.
    pub seeds: Vec<u64>,
    /// How many seeds were looked at.
    pub tried: u32,
    /// How they were chosen.
    pub typical: Typical,
}

/// How plans were chosen.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Typical {
    /// Those of which the twin has the capacity of the long run.
    OfTheLongRun,
    /// Any: all of them ask for the same.
    AllAlike,
    /// Any, though they differ: there is no twin, or too few of them are typical.
    Any,
}

/// Whether all plans of a scenario ask for the same, whatever their seed.
pub fn are_alike(scenario: &Scenario) -> bool {
    let is_even = scenario.load.model == Model::Closed
        || scenario.load.arrivals.unwrap_or(Arrivals::Periodic) == Arrivals::Periodic;
    let constant =
        |distribution: &Distribution<Nanos>| matches!(distribution, Distribution::Constant(_));
    is_even
        && constant(&scenario.workers.delay)
        && matches!(scenario.workers.replies, Distribution::Constant(_))
        && scenario.load.think.as_ref().is_none_or(constant)
}

impl Twin<'_> {
    /// The value at which a long plan just meets the goal, looked for from `start` on; `None` if there is no such value or it
    /// would take too long to find.
    pub fn capacity(&self, start: f64) -> Option<Ideal> {
        let mut steps = self.bounds.most_steps;
        let first = self.meets_in_the_long_run(start, &mut steps)?;
        let (mut here, mut doublings) = (start, 0);
        let (mut easier, mut harder) = loop {
            let there = self.scale.harder(here, if first { 2.0 } else { 0.5 });
            doublings += 1;
            // The end of what is to be tried is no bracket.
            if there.to_bits() == here.to_bits() || doublings > DOUBLINGS {
                return None;
            }
            if self.meets_in_the_long_run(there, &mut steps)? != first {
                break if first { (here, there) } else { (there, here) };
            }
            here = there;
        };
        for _ in 0..BISECTIONS {
            let ratio = self.scale.load(harder) / self.scale.load(easier);
            let middle = self.scale.harder(easier, ratio.sqrt());
            let is_end = |end: f64| middle.to_bits() == end.to_bits();
            if is_end(easier) || is_end(harder) {
                break;
            }
            if self.meets_in_the_long_run(middle, &mut steps)? {
                easier = middle;
            } else {
                harder = middle;
            }
        }
        Some(Ideal { capacity: easier })
    }

    /// Up to `most` seeds from `first` on whose plans are typical of a capacity.
    pub fn plans(&self, capacity: f64, width: f64, (first, most): (u64, u32)) -> Plans {
        let near = 1.0 + width / 8.0;
        let below =
            if self.scale.whole { capacity } else { self.scale.harder(capacity, 1.0 / near) };
        let above = self.scale.at_least(capacity, near);
        let mut steps = self.bounds.most_steps;
        let mut plans = Plans { seeds: Vec::new(), tried: 0, typical: Typical::OfTheLongRun };
        let (warmup, duration) = self.trial;
        while plans.seeds.len() < most as usize && plans.tried < 200 * most {
            let seed = first.wrapping_add(u64::from(plans.tried)) & (i64::MAX as u64);
            let met =
                |value: f64, steps: &mut u64| self.meets(value, seed, (warmup, duration), steps);
            let (Some(meets), Some(misses)) =
                (met(below, &mut steps), met(above, &mut steps).map(|met| !met))
            else {
                break;
            };
            plans.tried += 1;
            if meets && misses {
                plans.seeds.push(seed);
            }
        }
        if plans.seeds.len() < FEWEST {
            plans.seeds.clear();
            plans.typical = Typical::Any;
        }
        plans
    }

    fn meets_in_the_long_run(&self, value: f64, steps: &mut u64) -> Option<bool> {
        let short = self.scenario(value, None, self.trial)?;
        let per_s = Plan::new(&short).summary().most_requests_per_s();
        let lasts_ns = crate::quantity::rounded(LONG_PLAN / per_s.max(1e-6) * 1e9);
        let lasts = Nanos(lasts_ns.clamp(SHORTEST_NS, LONGEST_NS));
        self.meets(value, short.seed, (Nanos(lasts.0 / 100), lasts), steps)
    }

    fn scenario(
        &self,
        value: f64,
        seed: Option<u64>,
        (warmup, duration): (Nanos, Nanos),
    ) -> Option<Scenario> {
        let mut settings = vec![
            (self.at)(value),
            format!("run.warmup={warmup}"),
            format!("run.duration={duration}"),
        ];
        settings.extend(seed.map(|seed| format!("seed={seed}")));
        self.template.with(&settings).ok()
    }

    /// Whether the twin meets the goal at a value; `None` if it cannot be played.
    fn meets(&self, value: f64, seed: u64, times: (Nanos, Nanos), steps: &mut u64) -> Option<bool> {
        if self.bounds.stop.load(Ordering::Relaxed) {
            return None;
        }
        let scenario = self.scenario(value, Some(seed), times)?;
        let plan = Plan::new(&scenario);
        let (warmup_ns, end_ns) = (plan.warmup_ns(), plan.send_end_ns());
        let mut tallies: Vec<(u64, u64)> = vec![(0, 0); self.limits.len()];
        let (mut work_ns, mut taken) = (0_u128, 0);
        let limits = Limits { most_steps: *steps, stop: self.bounds.stop };
        let played = twin::play(&plan, Pool::of(&scenario), limits, |served| {
            taken += 1 + served.replies_ns.len() as u64;
            if served.intended_ns < warmup_ns {
                return;
            }
            work_ns += u128::from(served.ended_ns() - served.started_ns);
            for (limit, (slow, of)) in self.limits.iter().zip(&mut tallies) {
                let mut add = |at_ns: Option<u64>| {
                    let Some(at_ns) = at_ns else { return };
                    *of += 1;
                    *slow += u64::from(limit.is_slow(at_ns - served.intended_ns));
                };
                match limit.values {
                    Values::FirstReply | Values::Service => add(served.first_ns()),
                    Values::LastReply => add(served.last_ns()),
                    Values::Reply => served.replies_ns.iter().for_each(|at| add(Some(*at))),
                }
            }
        });
        played.ok()?;
        *steps = steps.saturating_sub(taken);
        let workers = u128::from(scenario.workers.count.0);
        let keeps_up = work_ns <= workers * u128::from(end_ns - warmup_ns);
        let within = |(limit, (slow, of)): (&Counted, &(u64, u64))| *slow <= limit.allowed(*of);
        // A short plan may ask for more than there is time for, and still keep its limits.
        let must_keep_up = self.limits.is_empty();
        Some((keeps_up || !must_keep_up) && self.limits.iter().zip(&tallies).all(within))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static NEVER: AtomicBool = AtomicBool::new(false);

    fn capacity_of(text: &str, key: &str, scale: Scale, limits: &[&str]) -> (Ideal, Plans) {
        let scenario = Scenario::parse("a.toml", text, &[]).unwrap();
        let template = Template::new(&scenario);
        let limits: Vec<Counted> =
            limits.iter().map(|limit| Counted::of(&limit.parse().unwrap()).unwrap()).collect();
        let at =
            |value: f64| format!("{key}={value}{}", if key.ends_with("rate") { "/s" } else { "" });
        let twin = Twin {
            at: &at,
            template: &template,
            limits: &limits,
            scale,
            trial: (Nanos(500_000_000), Nanos(2_000_000_000)),
            bounds: TwinLimits { most_steps: 200_000_000, stop: &NEVER },
        };
        let ideal = twin.capacity(scale.nearest(100.0)).unwrap();
        let plans = twin.plans(ideal.capacity, 0.1, (1, 8));
        (ideal, plans)
    }

    #[test]
    fn an_mm1_queue_has_the_capacity_of_its_closed_form_and_typical_plans() {
        let scale = Scale { more_is_easier: false, whole: false, least: 1.0, most: 1e6 };
        let text = "load = { rate = '1/s', arrivals = 'poisson' }\n\
                    workers = { count = 1, delay = { exponential = '1ms' } }";
        let (ideal, plans) = capacity_of(text, "load.rate", scale, &["first_reply.p99 < 20ms"]);
        let closed_form = 1000.0 - 100_f64.ln() / 0.02;
        assert!((ideal.capacity / closed_form - 1.0).abs() < 0.02, "{ideal:?}");
        assert_eq!((plans.seeds.len(), plans.typical), (8, Typical::OfTheLongRun));
        assert!(plans.tried > 8, "some are not typical: {plans:?}");
    }

    #[test]
    fn the_fewest_workers_follow_from_the_work() {
        let scale = Scale { more_is_easier: true, whole: true, least: 1.0, most: 500.0 };
        let text = "load = { rate = '1k/s' }\nworkers = { count = 9, delay = '5500us' }";
        let (ideal, _) = capacity_of(text, "workers.count", scale, &["first_reply.p99 < 50ms"]);
        assert!((ideal.capacity - 6.0).abs() < 1e-9, "5.5 ms at 1,000/s take 6: {ideal:?}");
    }
}
