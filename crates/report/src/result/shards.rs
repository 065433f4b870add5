//! What a merged result says of each of its shards, and what the verdict looks at in them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::throughput::rate;
use crate::verdict::{Evidence, OfShard, OpenLoad, Percentiles, Shards, TimeSeries};
use zload_core::facts::{Measured, Shard, Start};
use zload_core::plan::{Offered, Plan, Share};
use zload_core::quantity::{duration, percent};
use zload_core::record::LatencyHistogram;
use zload_core::record::decoded;
use zload_core::scenario::Arrivals;

/// The slowest requests are those above this quantile.
const SLOWEST: f64 = 0.99;
/// The tail has an owner if one shard has this many times the slowest requests that its part of all would have, and at
/// least this many.
const OWNS: f64 = 1.5;
const FEWEST: u64 = 20;

/// One shard of a merged result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShardFigures {
    /// Which one, from 0.
    pub index: u32,
    /// The name of its host.
    pub host: String,
    /// When it started; null if it did not come to that.
    pub start: Option<Start>,
    /// Its end was asked for before the plan was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interrupted: bool,
    /// Why it failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Versions of zload and libzmq, and the build.
    pub build: String,
    /// Length of its measured window.
    pub window_ns: u64,
    /// Requests that it sent in its window.
    pub requests_sent: u64,
    /// Requests of these that were lost.
    pub requests_lost: u64,
    /// Requests sent per second of its window.
    pub requests_per_s: f64,
    /// Median response time to the first reply; null if the sample is too small.
    pub p50_ns: Option<u64>,
    /// 99th percentile of the same.
    pub p99_ns: Option<u64>,
    /// Largest of the same.
    pub max_ns: Option<u64>,
    /// Its share of all first replies.
    pub share_of_replies: Option<f64>,
    /// Its share of the slowest 1 % of all first replies: above the one before, the tail is more its than others'. Null if
    /// there are too few.
    pub share_of_slowest: Option<f64>,
}

/// The figures of each shard.
pub(super) fn figures(run: &Measured) -> Vec<ShardFigures> {
    let all = &run.recorded.first_reply;
    let slow_ns = all.percentile(SLOWEST);
    let slow = slow_ns.map_or(0, |ns| at_least(all, ns));
    let figures = |shard: &Shard| {
        // It was decoded when it was added.
        let own = decoded(shard.first_reply.as_ref()).unwrap_or_default();
        let of = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        ShardFigures {
            index: shard.share.index(),
            host: shard.host.clone(),
            start: shard.start,
            interrupted: shard.interrupted,
            failure: shard.failure.clone(),
            build: shard.build.clone(),
            window_ns: shard.window_ns,
            requests_sent: shard.ledger.requests_sent,
            requests_lost: shard.ledger.requests_lost,
            requests_per_s: rate(shard.completed.requests, shard.window_ns),
            p50_ns: own.percentile(0.5),
            p99_ns: own.percentile(0.99),
            max_ns: own.max(),
            share_of_replies: of(own.histogram().len(), all.histogram().len()),
            share_of_slowest: slow_ns.and_then(|ns| of(at_least(&own, ns), slow)),
        }
    };
    run.shards.iter().map(figures).collect()
}

/// How many values are as long as this one or longer, as the histogram tells them apart.
fn at_least(latencies: &LatencyHistogram, ns: u64) -> u64 {
    let histogram = latencies.histogram();
    let below = histogram.lowest_equivalent(ns).saturating_sub(1);
    histogram.len() - if below == 0 { 0 } else { histogram.count_between(0, below) }
}

/// What is to be said of the shards beside their figures.
pub(super) fn notes(plan: &Plan, run: &Measured, figures: &[ShardFigures]) -> Vec<String> {
    let own = |shard: &&ShardFigures| shard.share_of_slowest.unwrap_or(0.0);
    let owner = figures.iter().max_by(|a, b| own(a).total_cmp(&own(b)));
    let owner = owner.filter(|_| figures.len() > 1).and_then(|shard| {
        let (slowest, all) = shard.share_of_slowest.zip(shard.share_of_replies)?;
        let slow = run.recorded.first_reply.histogram().len() as f64 * (1.0 - SLOWEST) * slowest;
        (slowest > OWNS * all && slow >= FEWEST as f64).then(|| {
            format!(
                "{} of the slowest 1 % of the first replies are those of shard {} ({}), which has {} of all",
                percent(slowest),
                shard.index,
                shard.host,
                percent(all)
            )
        })
    });
    owner.into_iter().chain(unevenly_spaced(plan, run)).collect()
}

/// Of a periodic load: that requests of different shards are not evenly spaced.
fn unevenly_spaced(plan: &Plan, run: &Measured) -> Option<String> {
    let Offered::Open { arrivals: Arrivals::Periodic, .. } = plan.offered() else { return None };
    let starts = || run.shards.iter().filter_map(|shard| Some(shard.start?.unix_ns));
    let spread_ns = starts().max()? - starts().min()?;
    let gap_ns = plan.mean_gap_ns() / u64::from(plan.clients()).max(1);
    (spread_ns > gap_ns).then(|| {
        format!(
            "the starts are spread over {}, and one request is planned every {}: each shard's requests are evenly spaced, and those of all together are not",
            duration(spread_ns),
            duration(gap_ns)
        )
    })
}

/// What the verdict looks at; `None` of a run that was not played in shards.
pub(super) fn evidence(plan: &Plan, run: &Measured) -> Option<Shards> {
    let count = run.shards.first()?.share.count();
    let here = |index: &u32| run.shards.iter().any(|shard| shard.share.index() == *index);
    let missing: Vec<u32> = (0..count).filter(|index| !here(index)).collect();
    let shares = || missing.iter().filter_map(|index| Share::new(*index, count).ok());
    let clients = shares().map(|share| u64::from(share.number_of(plan.clients()))).sum();
    let requests = || -> Option<(u64, u64)> {
        Some((shares().map(|share| share.requests(plan)).sum::<Option<u64>>()?, plan.requests()?))
    };
    Some(Shards {
        count,
        each: run.shards.iter().map(|shard| of_shard(plan, shard)).collect(),
        missing_clients: (clients, plan.clients().into()),
        missing_requests: if missing.is_empty() { None } else { requests() },
        missing,
        warmup_ns: plan.warmup_ns(),
        window_ns: plan.send_end_ns() - plan.warmup_ns(),
    })
}

/// What is known of a shard's machine.
fn of_shard(plan: &Plan, shard: &Shard) -> OfShard {
    let first_reply = decoded(shard.first_reply.as_ref()).unwrap_or_default();
    let mean = first_reply.mean().map(|ns| ns as f64);
    OfShard {
        name: shard.name(),
        host: shard.host.clone(),
        build: shard.build.clone(),
        start: shard.start,
        evidence: Evidence {
            debug_build: shard.debug_build,
            slow_libzmq: shard.slow_libzmq,
            requests_per_s: rate(shard.completed.requests, shard.window_ns),
            open: matches!(plan.offered(), Offered::Open { .. }).then(OpenLoad::default),
            response: Percentiles {
                count: first_reply.histogram().len(),
                p50_ns: first_reply.percentile(0.5),
                p99_ns: first_reply.percentile(0.99),
            },
            responses: TimeSeries { values: mean.into_iter().collect(), every: 1 },
            host: shard.host_use.clone(),
            clock_resolution_ns: shard.clock_resolution_ns,
            ..Evidence::default()
        },
    }
}
