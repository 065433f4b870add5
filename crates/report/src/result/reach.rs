//! Thresholds that no run of a plan can meet, since there are too few replies for their percentile: known before it starts.
//! Pure.

use super::threshold;
use zload_core::plan::{Offered, Plan};
use zload_core::quantity::saturating;
use zload_core::scenario::{Arrivals, Nanos, Operation, Scenario, Threshold};
use zload_core::stats;

/// A sentence for each threshold on a percentile for which this many runs of the plan, pooled, have too few replies, however
/// well they go.
pub fn out_of_reach(scenario: &Scenario, plan: &Plan, runs: u32) -> Vec<String> {
    let limits = &scenario.thresholds.limits;
    let sentence = |limit: &Threshold| {
        let figure = threshold::figure_of(limit)?;
        let (group, percentile) = figure.name.rsplit_once('.')?;
        let needed = stats::size_for(stats::quantile_named(percentile)?).ceil();
        let each_second = figure.of_each_second().is_some();
        let per_s = most_per_s(plan, group) * share_of(scenario, limit);
        let pooled = if each_second { 1.0 } else { f64::from(runs) };
        let of_each = per_s / plan.summary().most_requests_per_s();
        let in_all = match (each_second, plan.fixed_requests(), scenario.duration()) {
            (false, Some(requests), _) => requests as f64 * of_each,
            (false, None, Some(duration)) => per_s * duration.as_secs_f64(),
            (true, ..) | (false, None, None) => per_s,
        };
        let most = (at_most(plan, in_all) * pooled).floor();
        (most < needed).then(|| {
            let place = if each_second { "each second has" } else { "the plan has" };
            let so = if per_s <= 0.0 || each_second {
                String::new()
            } else if plan.fixed_requests().is_some() {
                // Some more, so that chance does not take it away.
                format!(
                    "; load.requests = {:.0} is enough",
                    (needed / pooled / of_each * 1.1).ceil()
                )
            } else {
                format!("; run.duration = \"{}\" is enough", whole_seconds(needed / pooled / per_s))
            };
            format!("{percentile} needs {needed} samples, and {place} at most {most} replies{so}")
        })
    };
    limits
        .iter()
        .filter_map(|limit| Some(format!("{limit} cannot be met: {}", sentence(limit)?)))
        .collect()
}

/// The share of the requests that a limit is about: all, or those of an operation, by its weight.
fn share_of(scenario: &Scenario, limit: &Threshold) -> f64 {
    let (Some((name, _)), Some(request)) = (limit.operation(), &scenario.request) else {
        return 1.0;
    };
    let weight = |of: &Operation| if of.name == name { of.weight() } else { 0.0 };
    let all: f64 = request.mix.iter().map(Operation::weight).sum();
    request.mix.iter().map(weight).sum::<f64>() / all
}

/// The most replies per second that the figures of this group can be made of.
fn most_per_s(plan: &Plan, group: &str) -> f64 {
    let summary = plan.summary();
    let replies = summary.replies_mean;
    let of_each = match group.rsplit('.').next() {
        Some("reply") => replies,
        // What was sent late says so with or without a reply.
        Some("slip") => 1.0,
        _ => replies.min(1.0),
    };
    summary.most_requests_per_s() * of_each
}

/// The most there hardly ever are, of an expected number.
fn at_most(plan: &Plan, expected: f64) -> f64 {
    match plan.offered() {
        Offered::Open { arrivals: Arrivals::Periodic, .. } => expected.ceil(),
        Offered::Open { .. } | Offered::Closed { .. } => expected + 4.0 * expected.sqrt() + 1.0,
    }
}

/// Some more, so that chance does not take it away.
fn whole_seconds(seconds: f64) -> Nanos {
    Nanos(saturating((seconds * 1.1).ceil()).saturating_mul(1_000_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, limit: &str, runs: u32) -> Option<String> {
        let text = format!("{text}\n[thresholds]\nlimits = [\"{limit}\"]");
        let scenario = Scenario::parse("test", &text, &[]).unwrap();
        out_of_reach(&scenario, &Plan::new(&scenario), runs).pop()
    }

    #[test]
    fn a_percentile_with_too_few_replies_in_the_plan_is_named() {
        let short = "load.rate = '100/s'\nrun.duration = '3s'";
        let said_of = |limit: &str| said(short, limit, 1);
        let p99 = said_of("first_reply.p99 < 5ms").unwrap();
        assert!(
            p99.contains("p99 needs 726 samples, and the plan has at most 300 replies"),
            "{p99}"
        );
        assert!(p99.ends_with("run.duration = \"8s\" is enough"), "{p99}");
        for limit in [
            "slip.p99 < 1s",
            "hops.in_proxy.p99 < 1s",
            "ideal.first_reply.p99 < 1s",
            "series.p99 < 1s",
        ] {
            assert!(said_of(limit).is_some(), "{limit}");
        }
        for limit in ["first_reply.p95 < 5ms", "first_reply.max < 5ms", "ledger.requests_lost == 0"]
        {
            assert_eq!(said_of(limit), None, "{limit}");
        }
        assert_eq!(said(short, "first_reply.p99 < 5ms", 3), None, "runs are pooled");
        let replies = "load.rate = '100/s'\nrun.duration = '3s'\nworkers.replies = 4";
        assert_eq!(said(replies, "reply.p99 < 5ms", 1), None);
        assert!(said(replies, "first_reply.p99 < 5ms", 1).is_some());
        let mix = "load.rate = '1k/s'\nrun.duration = '3s'\n\
                   request.mix = [{ name = 'a', weight = 9, frames = ['{body}'] }, { name = 'b', frames = ['{body}'] }]";
        assert_eq!(said(mix, "request.operations.a.first_reply.p99 < 5ms", 1), None);
        assert!(said(mix, "request.operations.b.first_reply.p99 < 5ms", 1).is_some());
        let so_many = "load = { rate = '100/s', requests = 300 }";
        let p99 = said(so_many, "first_reply.p99 < 5ms", 1).unwrap();
        assert!(p99.contains("the plan has at most 300 replies"), "{p99}");
        assert!(p99.ends_with("load.requests = 799 is enough"), "{p99}");
        let silent = "load.rate = '100/s'\nworkers.replies = 0";
        assert!(said(silent, "first_reply.p50 < 5ms", 1).unwrap().ends_with("at most 0 replies"));
        assert_eq!(said("load.model = 'closed'", "first_reply.p99 < 5ms", 1), None);
    }
}
