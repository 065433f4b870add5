//! Whether to believe a run: checks, each a pure function of the evidence, and the verdict that follows from them.
//!
//! [`Evidence`] is plain data: a run fills in what it knows. A check that lacks its data is not
//! applicable and says why; it never passes. docs/verdict.md argues every limit. Invariant: no clock, no socket, no file.

mod backlog;
mod ceiling;
mod check;
mod effect;
mod evidence;
mod generator;
mod lag;
mod machine;
mod omission;
mod probes;
mod sample;
mod shards;
mod stages;
mod stall;
mod symptoms;
mod system;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use backlog::certain_growth;
pub use ceiling::{Ceiling, CeilingBy};
pub use check::{Check, CheckStatus};
pub use evidence::{
    Arrivals, Delays, EffectiveSize, Evidence, Flow, LoadChange, OfShard, OpenLoad, Percentiles,
    Probes, SampledRequest, SecondOfLoad, ServerCounts, Shards, StageOfLoad, TimeSeries, Twin,
};
pub(crate) use generator::HELD_BACK;
pub use omission::{Omission, as_a_waiting_client};
pub use stall::{Stall, stalls};

use shards::of_each;
pub use zload_core::scenario::Limits;

/// Whether a run can be used, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// The worst that a check found.
    pub status: Status,
    /// Every check.
    pub checks: Vec<Check>,
    /// What the throughput says about the system under test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ceiling: Option<Ceiling>,
}

/// Whether the figures of a run may be used.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// No check found a reason for doubt.
    Valid,
    /// They may be used with the doubts that the checks name.
    Suspect,
    /// They must not be used.
    Invalid,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Valid => "VALID",
            Self::Suspect => "SUSPECT",
            Self::Invalid => "INVALID",
        })
    }
}

/// Judges a run.
pub fn judge(evidence: &Evidence, limits: &Limits) -> Verdict {
    let checks = [
        ("ending", machine::ending(evidence)),
        ("complete", shards::complete(evidence)),
        ("aligned", shards::aligned(evidence)),
        ("alike", shards::alike(evidence)),
        ("build", of_each(evidence, machine::build)),
        ("conservation", system::conservation(evidence)),
        ("littles_law", system::littles_law(evidence, limits)),
        ("slip", generator::slip(evidence, limits)),
        ("late", generator::late(evidence, limits)),
        ("delivered_rate", generator::delivered_rate(evidence, limits)),
        ("delivered_each_second", generator::delivered_each_second(evidence, limits)),
        ("generator_saturated", of_each(evidence, |of| generator::saturated(of, limits))),
        ("generator_lag", lag::generator_lag(evidence)),
        ("probes", probes::probes(evidence)),
        ("cpu_wait", of_each(evidence, |of| generator::cpu_wait(of, limits))),
        ("steal", of_each(evidence, |of| machine::steal(of, limits))),
        ("other_load", of_each(evidence, |of| machine::other_load(of, limits))),
        ("throttled", of_each(evidence, |of| machine::throttled(of, limits))),
        ("machine_share", of_each(evidence, |of| effect::machine_share(of, limits))),
        ("clock", of_each(evidence, machine::clock)),
        ("backlog", stages::backlog(evidence, |of| backlog::backlog(of, limits))),
        ("lost", system::lost(evidence, limits)),
        ("errors", system::errors(evidence, limits)),
        ("unexpected", system::unexpected(evidence, limits)),
        ("matching", system::matching(evidence)),
        ("delay_overshoot", system::delay_overshoot(evidence, limits)),
        ("window", sample::window(evidence, limits)),
        ("warmup", stages::of_start(evidence, |of| sample::warmup(of, limits))),
        ("drift", stages::of_level(evidence, |of| sample::drift(of, limits))),
        ("level_shift", stages::of_level(evidence, |of| sample::level_shift(of, limits))),
        ("sample_size", stages::of_each(evidence, sample::sample_size)),
        ("clipped", sample::clipped(evidence)),
    ];
    let named = |(name, check): (&str, Check)| Check { name: name.to_owned(), ..check };
    let mut checks: Vec<Check> = checks.into_iter().map(named).collect();
    symptoms::join(&mut checks);
    let ceiling = ceiling::ceiling(evidence, limits, &checks);
    Verdict { status: status_of(&checks), checks, ceiling }
}

impl Verdict {
    /// The findings to show before the figures, the worst first: warnings, and notes. What another check
    /// explains is left out, as that one names it.
    pub fn findings(&self) -> Vec<&Check> {
        let is_finding = |check: &&Check| {
            let says = check.status >= CheckStatus::Warn || symptoms::is_named(check);
            says && check.symptom_of.is_none()
        };
        let mut findings: Vec<&Check> = self.checks.iter().filter(is_finding).collect();
        findings.sort_by_key(|check| std::cmp::Reverse(check.status));
        findings
    }

    /// One verdict on several runs of the same plan: of each check the worst, and the ceiling only if all runs agree.
    ///
    /// `None` of no runs.
    pub fn of_all(runs: &[Self]) -> Option<Self> {
        let (first, rest) = runs.split_first()?;
        let mut all = first.clone();
        for run in rest {
            for (worst, other) in all.checks.iter_mut().zip(&run.checks) {
                // Of equals, the one that another check explains in some run.
                let weight =
                    |check: &Check| (check.status, check.noted, check.symptom_of.is_some());
                if weight(other) > weight(worst) {
                    *worst = other.clone();
                }
            }
            let by = |verdict: &Self| verdict.ceiling.as_ref().map(|ceiling| ceiling.by);
            if by(&all) != by(run) {
                all.ceiling = None;
            }
        }
        all.status = status_of(&all.checks);
        Some(all)
    }
}

fn status_of(checks: &[Check]) -> Status {
    match checks.iter().map(|check| check.status).max() {
        Some(CheckStatus::Fail) => Status::Invalid,
        Some(CheckStatus::Warn) => Status::Suspect,
        _ => Status::Valid,
    }
}
