//! What the throughput says about the system under test: its ceiling, or only that it is not lower.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backlog::is_served;
use super::generator::{busiest, generator_share};
use super::machine::THROTTLED_FAILS;
use super::{Check, CheckStatus, Evidence, Limits};
use zload_core::facts::{HostUse, QuotaUse, Role};
use zload_core::quantity::{cpus, percent, rate};

/// A proxy, an I/O thread or the workers that are busy for a larger share of the time are a limit.
const BUSY: f64 = 0.9;
/// A machine whose CPUs are busy for a larger share of the time is a limit itself.
const MACHINE_BUSY: f64 = 0.95;

/// What kept the throughput from being higher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ceiling {
    /// The limit.
    pub by: CeilingBy,
    /// In a sentence.
    pub sentence: String,
}

/// What kept the throughput from being higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CeilingBy {
    /// The system under test: the throughput is its maximum.
    System,
    /// The generator: the throughput is a lower bound.
    Generator,
    /// Nothing: the system handled the offered load. A lower bound.
    OfferedLoad,
    /// The CPU quota of the container: both sides had to stop, so it is the limit of neither.
    Quota,
    /// It is unknown. A lower bound.
    Unknown,
}

/// `None` if nothing was sent, or if the load changed: no throughput of such a run is its highest.
pub(super) fn ceiling(evidence: &Evidence, limits: &Limits, checks: &[Check]) -> Option<Ceiling> {
    if evidence.ledger.requests_sent == 0 || evidence.change.is_some() {
        return None;
    }
    let replies = format!("{} replies", rate(replies_per_s(evidence)));
    let reached = if evidence.ledger.replies_expected > 0 {
        replies
    } else {
        format!("{} requests", rate(evidence.requests_per_s))
    };
    let (by, sentence) = if handled(evidence, checks) {
        (
            CeilingBy::OfferedLoad,
            format!(
                "the system handled the offered load of {}; its maximum throughput is higher",
                rate(evidence.requests_per_s)
            ),
        )
    } else if let Some(quota) = quota_used_up(evidence) {
        let cpus = cpus(quota.cpus);
        (CeilingBy::Quota, format!("the CPU quota ({cpus}) was the limit at {reached}"))
    } else {
        let system = busy_part(evidence);
        let generator = evidence.host.as_ref().and_then(generator_share);
        match (system, generator) {
            (Some(part), Some(share)) if share <= limits.max_generator_cpu => (
                CeilingBy::System,
                format!("the system under test was the limit at {reached}: {part}"),
            ),
            (None, Some(share)) if share > limits.max_generator_cpu => {
                (CeilingBy::Generator, format!("at least {reached}; the generator was the limit"))
            }
            (Some(part), _) => (
                CeilingBy::Unknown,
                format!("at least {reached}; {part}, but the generator may have been a limit too"),
            ),
            (None, _) => {
                (CeilingBy::Unknown, format!("at least {reached}; {}", unknown_limit(evidence)))
            }
        }
    };
    Some(Ceiling { by, sentence })
}

/// The quota that stopped everything in most of the periods, if one did.
fn quota_used_up(evidence: &Evidence) -> Option<QuotaUse> {
    let quota = evidence.host.as_ref().and_then(|host| host.quota);
    quota.filter(|quota| quota.throttled_share() > THROTTLED_FAILS)
}

/// Replies that came per second, but no more than the workers can give: the window's edges may hold a round too many.
fn replies_per_s(evidence: &Evidence) -> f64 {
    evidence.replies_per_s.min(evidence.capacity_per_s.unwrap_or(f64::INFINITY))
}

/// Whether an open load was sent, answered as fast as it came, and left no queue.
fn handled(evidence: &Evidence, checks: &[Check]) -> bool {
    let no_worse = |name: &str, worst: CheckStatus| {
        checks.iter().filter(|check| check.name == name).all(|check| check.status <= worst)
    };
    evidence.open.is_some()
        && no_worse("delivered_rate", CheckStatus::NotApplicable)
        && no_worse("backlog", CheckStatus::NotApplicable)
        && no_worse("lost", CheckStatus::Warn)
        && no_worse("slip", CheckStatus::Warn)
        && is_served(evidence)
}

/// The busiest part of the system under test, in words.
fn busy_part(evidence: &Evidence) -> Option<String> {
    let host = evidence.host.as_ref();
    let of_role = |role| host.map_or(0.0, |host| busiest(host, role));
    let workers =
        evidence.worker_busy_share.or_else(|| host.and_then(mean_of_workers)).unwrap_or(0.0);
    // Several workers share the work: the one that is busiest says little about the others.
    [
        ("the proxy was on a CPU", of_role(Role::Proxy)),
        ("an I/O thread of the server was on a CPU", of_role(Role::ServerIo)),
        ("the workers were busy", workers),
    ]
    .into_iter()
    .filter(|(_, share)| *share > BUSY)
    .max_by(|(_, one), (_, other)| one.total_cmp(other))
    .map(|(what, share)| format!("{what} {} of the time", percent(share.min(1.0))))
}

fn mean_of_workers(host: &HostUse) -> Option<f64> {
    let workers = host.of(Role::Worker).count();
    let cpu_ns: u64 = host.of(Role::Worker).map(|thread| thread.cpu_ns).sum();
    (workers > 0).then(|| host.share(cpu_ns) / workers as f64)
}

fn unknown_limit(evidence: &Evidence) -> &'static str {
    let machine_busy = evidence
        .host
        .as_ref()
        .and_then(|host| host.machine)
        .is_some_and(|machine| machine.busy_share + machine.steal_share > MACHINE_BUSY);
    match (machine_busy, evidence.open.is_some()) {
        (true, _) => "all CPUs of the machine were busy",
        (false, false) => {
            "nothing was busy all the time; try more requests in flight (load.in_flight)"
        }
        (false, true) => "the limit is unknown",
    }
}
