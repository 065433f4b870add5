//! Where a search begins, and how long its trials are: by the simulated lower bound or, where there is none, by what a closed
//! load reaches.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::Error;
use crate::experiment::{Recovery, TRIAL_OVERHEAD_NS, Trials};
use zload_core::plan::Plan;
use zload_core::quantity;
use zload_core::scenario::{Nanos, Scenario, Threshold};
use zload_core::search::{
    Counted, Key, Plans, Scale, Template, Twin, TwinLimits, Typical, are_alike,
};
use zload_core::twin::Pool;
use zload_report::result::{SearchIdeal, SearchProbe};

/// Requests and replies that the twin plays to find where to begin, and again to choose plans: some seconds.
const TWIN_STEPS: u64 = 60_000_000;
/// Of a bound, or of what a closed load reaches, this much is a start.
const SHARE: f64 = 0.7;
/// About this many trials a search takes, and a gate.
const TRIALS: u64 = 22;
const TRIALS_OF_GATE: u64 = 12;
/// The shortest trial that is chosen, and the one that is chosen if the goal asks for no more; in seconds.
const SHORTEST_S: f64 = 0.1;
const USUAL_S: f64 = 1.0;
/// Slow requests that a trial should allow, so that one more or less decides little.
const SLOW: f64 = 20.0;
/// Requests of a trial whose goal is on no share of them.
const REQUESTS: f64 = 100.0;
/// A trial should last this many times as long as the work of a request.
const WORKS: f64 = 10.0;
/// The shortest warm-up, in nanoseconds; else a quarter of the trial.
const LEAST_WARMUP_NS: u64 = 200_000_000;
/// Requests in flight of the closed load, over all clients.
const IN_FLIGHT: u32 = 32;
/// How far from the start values are tried, if nothing else is said.
const FAR: f64 = 1_000.0;
const FAR_IF_EASIER: f64 = 32.0;
/// The least drain, in nanoseconds.
const LEAST_DRAIN_NS: u64 = 500_000_000;

/// What is asked for, as far as the command line says it.
pub(super) struct Wanted<'a> {
    pub(super) key: &'a Key,
    /// The value that the scenario has.
    pub(super) current: Option<f64>,
    pub(super) ends: [Option<f64>; 2],
    pub(super) gate: Option<f64>,
    pub(super) time: Nanos,
    pub(super) trial: Option<Nanos>,
    pub(super) width: f64,
    pub(super) scenario: &'a Scenario,
    pub(super) template: &'a Template,
    pub(super) goals: &'a [Vec<Threshold>],
}

/// Where a search begins.
pub(super) struct Start {
    pub(super) value: f64,
    pub(super) step: f64,
    pub(super) scale: Scale,
    pub(super) warmup: Nanos,
    pub(super) trial: Nanos,
    pub(super) plans: Plans,
    pub(super) ideal: Option<SearchIdeal>,
    pub(super) probe: Option<SearchProbe>,
    pub(super) idle_ns: Option<u64>,
    pub(super) notes: Vec<String>,
}

impl Wanted<'_> {
    /// Finds it; what an external server does is measured.
    pub(super) fn start(
        &self,
        trials: &mut Trials<'_>,
        interrupted: &AtomicBool,
    ) -> Result<Start, Error> {
        let bound = self.bound_per_s();
        let has_twin = bound.is_some();
        let is_external = !self.scenario.has_proxy();
        let idle_ns = if is_external { self.idle_ns(trials, interrupted)? } else { None };
        let usual = (Nanos::from_secs(1), Nanos::from_secs(2));
        let wide = self.scale(None);
        let guess = self.current.or_else(|| bound.map(|bound| self.of_rate(bound) * SHARE));
        let capacity = guess.filter(|_| has_twin).and_then(|guess| {
            self.with_twin(wide, usual, interrupted, |twin| twin.capacity(wide.nearest(guess)))
        });
        let mut probe = None;
        let value = match (self.gate, capacity) {
            (Some(gate), _) => gate,
            (None, Some(ideal)) => ideal.capacity,
            // The closed load would be the first overload: it is left out where it is not needed.
            (None, None) if self.is_rate() && self.middle().is_none() => {
                probe = self.probe(trials, interrupted)?;
                match probe {
                    Some(SearchProbe { requests_per_s, .. }) if requests_per_s > 0.0 => {
                        self.of_rate(requests_per_s) * SHARE
                    }
                    _ => self.current.unwrap_or(1.0),
                }
            }
            (None, None) => self.middle().or(self.current).ok_or_else(|| {
                Error::Failed(format!(
                    "the scenario does not say where to begin: give --from and --to for {}",
                    self.key.name
                ))
            })?,
        };
        let scale = self.scale(Some(value));
        let value = if self.gate.is_some() { value } else { scale.nearest(value) };
        let (warmup, trial) = self.lengths(value, probe.map(|probe| probe.requests_per_s))?;
        let plans = self.plans(scale, (warmup, trial), capacity.map(|of| of.capacity), interrupted);
        let mut notes = Vec::new();
        notes.extend(self.few_requests(value, trial));
        Ok(Start {
            value,
            step: if capacity.is_some() { self.width.min(0.1) } else { 0.25 },
            scale,
            warmup,
            trial,
            plans,
            ideal: has_twin.then(|| SearchIdeal {
                bound_per_s: bound.filter(|_| self.key.name == "load.rate"),
                carried: capacity.map(|of| of.capacity),
                policy: Pool::of(self.scenario).policy,
            }),
            probe,
            idle_ns,
            notes,
        })
    }

    /// Requests per second at which zload's own workers are busy all the time; `None` without such, or without work.
    fn bound_per_s(&self) -> Option<f64> {
        self.scenario.workers_per_s().filter(|_| self.scenario.has_proxy())
    }

    fn is_rate(&self) -> bool {
        self.key.name.starts_with("load.rate")
    }

    /// A rate over all clients as a value of the key.
    fn of_rate(&self, per_s: f64) -> f64 {
        match self.key.name.as_str() {
            "load.rate_per_client" => per_s / f64::from(self.scenario.clients.count.0),
            _ => per_s,
        }
    }

    /// Half way between the ends, if both are given.
    fn middle(&self) -> Option<f64> {
        let [from, to] = self.ends;
        from.zip(to).map(|(from, to)| (from * to).sqrt())
    }

    /// The values to try: those that were given and, around the start, what the scenario allows.
    fn scale(&self, start: Option<f64>) -> Scale {
        let [from, to] = self.ends;
        let easier = self.key.more_is_easier();
        let far = if easier { FAR_IF_EASIER } else { FAR };
        let mut least = from.unwrap_or_else(|| start.map_or(1e-3, |start| start / FAR));
        let mut most = to.unwrap_or_else(|| start.map_or(1e8, |start| start * far));
        if self.key.whole {
            least = least.ceil().max(1.0);
            most = most.floor().max(least);
        }
        // What the scenario does not allow is not tried.
        while to.is_none()
            && most > least * 2.0
            && self.template.with(&[self.key.setting(most)]).is_err()
        {
            most /= 2.0;
            if self.key.whole {
                most = most.floor();
            }
        }
        if let Some(gate) = self.gate {
            (least, most) = (least.min(gate), most.max(gate));
        }
        Scale { more_is_easier: easier, whole: self.key.whole, least, most }
    }

    fn with_twin<T>(
        &self,
        scale: Scale,
        trial: (Nanos, Nanos),
        stop: &AtomicBool,
        of: impl FnOnce(&Twin<'_>) -> T,
    ) -> T {
        let limits: Vec<Counted> =
            self.goals.first().into_iter().flatten().filter_map(Counted::of).collect();
        let at = |value: f64| self.key.setting(value);
        of(&Twin {
            at: &at,
            template: self.template,
            limits: &limits,
            scale,
            trial,
            bounds: TwinLimits { most_steps: TWIN_STEPS, stop },
        })
    }

    /// Seeds for as many trials as there may be.
    fn plans(
        &self,
        scale: Scale,
        trial: (Nanos, Nanos),
        capacity: Option<f64>,
        stop: &AtomicBool,
    ) -> Plans {
        let each_ns = trial.0.0 + trial.1.0 + TRIAL_OVERHEAD_NS;
        let most = u32::try_from(self.time.0 / each_ns.max(1)).unwrap_or(u32::MAX).clamp(12, 400);
        let first = self.scenario.seed;
        let any = |typical| {
            let seed = |further: u64| first.wrapping_add(further) & (i64::MAX as u64);
            Plans { seeds: (0..u64::from(most)).map(seed).collect(), tried: 0, typical }
        };
        if are_alike(self.scenario) {
            return any(Typical::AllAlike);
        }
        let Some(capacity) = capacity else { return any(Typical::Any) };
        let plans = self
            .with_twin(scale, trial, stop, |twin| twin.plans(capacity, self.width, (first, most)));
        if plans.typical == Typical::Any {
            return Plans { tried: plans.tried, ..any(Typical::Any) };
        }
        plans
    }

    /// The measured part of a trial: as long as the goal needs, if the time allows.
    fn usual_trial(&self, value: f64, probed: Option<f64>) -> Nanos {
        let trials = if self.gate.is_some() { TRIALS_OF_GATE } else { TRIALS };
        let overhead_s = TRIAL_OVERHEAD_NS as f64 / 1e9;
        let room_s = (self.time.as_secs_f64() / trials as f64 - overhead_s) / 1.25;
        let ratios = self.goals.iter().flatten().filter_map(Counted::of);
        let ratio = ratios.map(|limit| limit.allowed_ratio).filter(|ratio| *ratio > 0.0);
        let needed = ratio.reduce(f64::min).map_or(REQUESTS, |ratio| SLOW / ratio);
        let work_s = self.scenario.work_ns_mean() / 1e9;
        let wanted_s = USUAL_S.max(needed / self.per_s(value, probed)).max(WORKS * work_s);
        let seconds = wanted_s.min(room_s).max(SHORTEST_S);
        Nanos(quantity::rounded(seconds * 100.0) * 10_000_000)
    }

    /// Warm-up and measured part of a trial.
    fn lengths(&self, value: f64, probed: Option<f64>) -> Result<(Nanos, Nanos), Error> {
        let time_s = self.time.as_secs_f64();
        let overhead_s = TRIAL_OVERHEAD_NS as f64 / 1e9;
        let trial = self.trial.unwrap_or_else(|| self.usual_trial(value, probed));
        let warmup = Nanos((trial.0 / 4).max(LEAST_WARMUP_NS));
        let each_s = (trial.0 + warmup.0) as f64 / 1e9 + overhead_s;
        if each_s * 6.0 > time_s {
            return Err(Error::Failed(format!(
                "--time {} has room for {} of {trial}, and 6 are the fewest that show anything: use --time {}s or a shorter --trial",
                self.time,
                quantity::counted(quantity::saturating((time_s / each_s).floor()), "trial"),
                quantity::saturating((each_s * TRIALS as f64).ceil())
            )));
        }
        Ok((warmup, trial))
    }

    /// Requests per second at a value, over all clients.
    fn per_s(&self, value: f64, probed: Option<f64>) -> f64 {
        let scenario = self.template.with(&[self.key.setting(value)]);
        let planned = scenario.ok().and_then(|of| Plan::new(&of).summary().requests_per_s);
        let bound = self.bound_per_s().unwrap_or(1_000.0);
        planned.or(probed).unwrap_or(bound).max(1e-3)
    }

    /// A percentile of so few requests that none may be slow.
    fn few_requests(&self, value: f64, trial: Nanos) -> Option<String> {
        let planned = self.template.with(&[self.key.setting(value)]).ok()?;
        let requests = Plan::new(&planned).summary().requests_per_s? * trial.as_secs_f64();
        let limits = self.goals.iter().flatten();
        let mut strict = limits.filter(|limit| {
            Counted::of(limit)
                .is_some_and(|of| of.allowed_ratio > 0.0 && of.allowed_ratio * requests < 1.0)
        });
        let limit = strict.next()?;
        Some(format!(
            "a trial of {trial} has about {requests:.0} requests, so that none of them may miss {limit}: a longer --trial allows some"
        ))
    }

    /// The round trip of an idle server: the shorter of two looks.
    fn idle_ns(
        &self,
        trials: &mut Trials<'_>,
        interrupted: &AtomicBool,
    ) -> Result<Option<u64>, Error> {
        let recovery = Recovery::new(self.template, None);
        let first = recovery.round_trip(trials)?;
        if interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        Ok(first.into_iter().chain(recovery.round_trip(trials)?).min())
    }

    /// What a closed load reaches; `None` if the end was asked for.
    fn probe(
        &self,
        trials: &mut Trials<'_>,
        interrupted: &AtomicBool,
    ) -> Result<Option<SearchProbe>, Error> {
        if interrupted.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let in_flight = IN_FLIGHT.div_ceil(self.scenario.clients.count.0.max(1));
        let settings = [
            "load.model=closed".to_owned(),
            format!("load.in_flight={in_flight}"),
            "run.warmup=200ms".to_owned(),
            "run.duration=1s".to_owned(),
            "run.drain=1s".to_owned(),
        ];
        let played = self.template.with(&settings)?;
        let run = trials.play(&settings, &played)?;
        Ok(run.map(|run| SearchProbe {
            requests_per_s: run.throughput.requests_per_s,
            replies_per_s: run.throughput.replies_per_s,
        }))
    }

    /// How long a trial waits for replies: no longer than decides, where all goals are on response times.
    pub(super) fn drain(&self) -> Nanos {
        let own = self.scenario.run.drain;
        let limits = || self.goals.iter().flatten();
        let counted: Vec<Counted> = limits().filter_map(Counted::of).collect();
        let all = counted.len() == limits().count() && self.goals.iter().all(|of| !of.is_empty());
        let longest = counted.iter().map(|limit| limit.limit_ns).max().filter(|_| all);
        longest.map_or(own, |ns| own.min(Nanos(ns.saturating_mul(2).max(LEAST_DRAIN_NS))))
    }
}
