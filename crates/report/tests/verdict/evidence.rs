//! Evidence of runs with nothing wrong, for tests of the verdict: what they change in it is what is wrong.

use rand::{RngExt as _, SeedableRng as _};
use rand_distr::{Distribution as _, StandardNormal};
use rand_xoshiro::SplitMix64;
use zload_core::facts::{HostUse, MachineUse, QuotaUse, Role, Thread, ThreadCost};
use zload_core::quantity::saturating;
use zload_core::record::Ledger;
use zload_report::verdict::{
    Arrivals, Check, CheckStatus, Delays, EffectiveSize, Evidence, Flow, Limits, OpenLoad,
    Percentiles, SecondOfLoad, ServerCounts, Status, TimeSeries, Verdict, judge,
};

/// A millisecond in nanoseconds.
pub(crate) const MS: u64 = 1_000_000;

/// Noise around 0 with variance 1, in waves.
pub(crate) fn waves(random: &mut SplitMix64, count: u64, phi: f64) -> Vec<f64> {
    let mut value: f64 = StandardNormal.sample(random);
    let step = |_| {
        let noise: f64 = StandardNormal.sample(random);
        value = phi * value + (1.0 - phi * phi).sqrt() * noise;
        value
    };
    (0..count).map(step).collect()
}

/// What a histogram would say of these times.
pub(crate) fn percentiles(values: &[f64], count: u64) -> Percentiles {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |percent: usize| sorted.get(sorted.len() * percent / 100).map(|ns| saturating(*ns));
    Percentiles { count, p50_ns: at(50), p99_ns: at(99) }
}

/// A thread that was on a CPU, and waited for one, for these shares of the time.
pub(crate) fn thread(
    role: Role,
    cpu_share: f64,
    wait_share: f64,
    span_ns: u64,
) -> (Thread, ThreadCost) {
    let part = |share: f64| saturating(share * span_ns as f64);
    let cost = ThreadCost {
        cpu_ns: part(cpu_share),
        wait_ns: part(wait_share),
        voluntary: Some(1_000),
        involuntary: Some(100),
    };
    (Thread { id: 1, name: format!("{role:?}"), role }, cost)
}

/// A run of an open load in which all that happened is what happens to any run on a machine shared with others.
pub(crate) fn clean(seed: u64) -> Evidence {
    let random = &mut SplitMix64::seed_from_u64(seed);
    let seconds = random.random_range(4..30_u64);
    let planned = saturating(10_f64.powf(random.random_range(2.5..4.0)));
    let (rate, sent) = (planned as f64, planned * seconds);
    let every = sent.div_ceil(2_000);
    let (service, slip) = times(random, sent / every);
    let responses: Vec<f64> =
        service.iter().zip(&slip).map(|(service, slip)| service + slip).collect();
    let mean_ns = responses.iter().sum::<f64>() / responses.len() as f64;
    let in_flight = rate * mean_ns / 1e9;
    let around = |noise: f64| (in_flight + noise * in_flight.sqrt()).max(0.0).round();
    let off_by_one =
        |_| SecondOfLoad { planned, sent: planned + random.random_range(0..3_u64) - 1 };
    let open = OpenLoad {
        slip: percentiles(&slip, sent),
        late: Some(1 + sent / 500),
        seconds: (0..seconds).map(off_by_one).collect(),
        ..OpenLoad::default()
    };
    let part = |share: f64| -> Vec<f64> { service.iter().map(|ns| ns * share).collect() };
    let arrivals = Arrivals {
        service: percentiles(&service, sent / every),
        without_queue: percentiles(&part(0.99), sent / every),
        in_generator: percentiles(&part(0.02), sent / every),
    };
    let overshoot = Percentiles { count: sent, p50_ns: Some(40_000), p99_ns: Some(300_000) };
    let noise = waves(random, seconds * 10, 0.3);
    Evidence {
        window_ns: seconds * 1_000 * MS,
        ledger: all_answered(sent),
        requests_per_s: rate,
        replies_per_s: rate,
        error_ratio: Some(0.0),
        overlapping: Some(0),
        open: Some(open),
        response: percentiles(&responses, sent),
        service: percentiles(&service, sent),
        in_flight: TimeSeries { values: noise.into_iter().map(around).collect(), every: 1 },
        flow: Some(Flow {
            mean_in_flight: in_flight * random.random_range(0.99..1.01),
            rate_per_s: rate,
            mean_ns,
        }),
        responses: TimeSeries { values: responses, every },
        effective_sizes: [("p50", 0.5), ("p90", 0.9), ("p99", 0.99)]
            .map(|(name, quantile)| EffectiveSize { name, quantile, size: Some(sent as f64) })
            .to_vec(),
        server: Some(ServerCounts {
            requests_taken: sent,
            replies_sent: sent,
            requests_sent: sent,
            replies_received: sent,
            ..ServerCounts::default()
        }),
        delays: Some(Delays { asleep: true, planned_mean_ns: MS, overshoot }),
        arrivals: Some(arrivals),
        host: Some(host(random, seconds * 1_000 * MS)),
        clock_resolution_ns: Some(20),
        ..Evidence::default()
    }
}

/// Service times in waves, and the send delay of one request in ten.
fn times(random: &mut SplitMix64, count: u64) -> (Vec<f64>, Vec<f64>) {
    let median_ns = 10_f64.powf(random.random_range(5.0..7.0));
    let spread = random.random_range(0.1..0.5);
    let phi = random.random_range(0.0..0.5);
    let service = waves(random, count, phi).into_iter();
    let slip = waves(random, count, 0.0).into_iter();
    (
        service.map(|noise| median_ns * (noise * spread).exp()).collect(),
        slip.map(|noise| (30_000.0 * (noise - 1.3)).max(0.0)).collect(),
    )
}

/// A ledger of requests that were all answered, with one reply each.
pub(crate) fn all_answered(requests: u64) -> Ledger {
    Ledger {
        requests_planned: requests,
        requests_sent: requests,
        requests_answered: requests,
        replies_expected: requests,
        replies_received: requests,
        ..Ledger::default()
    }
}

fn host(random: &mut SplitMix64, span_ns: u64) -> HostUse {
    let mut share = |most: f64| random.random_range(0.0..most);
    let other_share = share(0.08);
    HostUse {
        span_ns,
        threads: vec![
            thread(Role::Driver, share(0.7), share(0.08), span_ns),
            thread(Role::ClientIo, share(0.5), share(0.08), span_ns),
            thread(Role::ServerIo, share(0.5), share(0.3), span_ns),
            thread(Role::Proxy, share(0.7), share(0.3), span_ns),
            thread(Role::Worker, share(0.5), share(0.3), span_ns),
        ],
        machine: Some(MachineUse {
            steal_share: share(0.015),
            other_share,
            busy_share: other_share + 0.4 + share(0.4),
        }),
        quota: Some(QuotaUse {
            cpus: 4.0,
            periods: span_ns / (100 * MS),
            throttled: 0,
            throttled_ns: 0,
        }),
        process_cpu_ns: 0,
        server_cpu_ns: None,
        realtime_step_ns: 20_000,
        suspended_ns: 0,
    }
}

/// The verdict by the limits of a scenario that says nothing.
pub(crate) fn judged(evidence: &Evidence) -> Verdict {
    judge(evidence, &Limits::default())
}

/// The names of the checks that did not pass, though they had data.
pub(crate) fn named(verdict: &Verdict) -> Vec<&str> {
    let doubts = verdict.checks.iter().filter(|check| check.status >= CheckStatus::Warn);
    doubts.map(|check| check.name.as_str()).collect()
}

/// What the check with this name says.
pub(crate) fn check<'a>(verdict: &'a Verdict, name: &str) -> &'a Check {
    verdict.checks.iter().find(|check| check.name == name).expect(name)
}

/// What the check with this name found.
pub(crate) fn status_of(verdict: &Verdict, name: &str) -> CheckStatus {
    check(verdict, name).status
}

/// Whether the check with this name passed with a note.
pub(crate) fn is_noted(verdict: &Verdict, name: &str) -> bool {
    check(verdict, name).noted
}

/// The verdict on a clean run that was changed, and the names of the checks that did not pass.
pub(crate) fn after(seed: u64, change: fn(&mut Evidence)) -> (Status, String) {
    let mut evidence = clean(seed);
    change(&mut evidence);
    let verdict = judged(&evidence);
    (verdict.status, named(&verdict).join(" "))
}

/// The verdict on a clean run whose response times are multiplied by a factor of where they are in the window, from 0 to 1.
pub(crate) fn rewritten(factor: fn(f64) -> f64) -> Verdict {
    let mut evidence = clean(5);
    let count = evidence.responses.values.len() as f64;
    for (at, value) in evidence.responses.values.iter_mut().enumerate() {
        *value *= factor(at as f64 / count);
    }
    judged(&evidence)
}

/// Loses this many of the expected replies, each of another request.
pub(crate) fn lose(ledger: &mut Ledger, lost: u64) {
    ledger.replies_lost = lost;
    ledger.replies_received -= lost;
    ledger.requests_lost = lost;
    ledger.requests_answered -= lost;
}
