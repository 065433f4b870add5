//! Checks of a whole that was merged of shards: that all are here, that they ran together, and that they are alike.
//!
//! What is a matter of each machine is judged shard by shard, and the worst is named.

use std::collections::BTreeSet;

use super::check::Lines;
use super::{Check, CheckStatus, Evidence};
use zload_core::facts::Start;
use zload_core::quantity::{count, counted, duration};

/// Starts may be spread over this share of the window, and over no more than the warm-up.
const SPREAD: f64 = 0.01;
/// With a larger share of the window in which some shards did not run, the figures are of another load.
const SPREAD_FAILS: f64 = 0.1;
/// Shards that are named one by one.
const MOST_NAMED: usize = 10;

const NO_SHARDS: &str = "the run was not played in shards";

/// A check of the machine: of a run's, or of each shard's.
pub(super) fn of_each(evidence: &Evidence, check: impl Fn(&Evidence) -> Check) -> Check {
    let Some(shards) = &evidence.shards else { return check(evidence) };
    let checks = shards.each.iter().map(|shard| {
        let found = check(&shard.evidence);
        Check { sentence: format!("{}: {}", shard.name, found.sentence), ..found }
    });
    let weight = |check: &Check| (check.status, check.noted);
    let worse = |one: Check, other: Check| {
        let further = weight(&other) == weight(&one) && other.value > one.value;
        if weight(&other) > weight(&one) || further { other } else { one }
    };
    checks.reduce(worse).unwrap_or_else(|| Check::not_applicable("there is no shard"))
}

/// Whether every shard is here.
pub(super) fn complete(evidence: &Evidence) -> Check {
    let Some(shards) = &evidence.shards else { return Check::not_applicable(NO_SHARDS) };
    let missing = &shards.missing;
    let fact = if missing.is_empty() {
        format!("all {} are here", counted(shards.count.into(), "shard"))
    } else {
        let (clients, of) = shards.missing_clients;
        let requests = shards.missing_requests.map_or_else(String::new, |(requests, of)| {
            format!(", {} of {} planned requests", count(requests), count(of))
        });
        format!(
            "{} of {} {} missing: {} of {}{requests} are not accounted for",
            named(missing),
            shards.count,
            if missing.len() == 1 { "is" } else { "are" },
            count(clients),
            counted(of, "client"),
        )
    };
    let lines = Lines::warn(0.0).or_fail(0.0);
    let advice =
        "the rest is not the planned load. Find the missing files, or run all shards again";
    Check::at_most((missing.len() as f64, "count"), lines, fact, advice)
}

/// Shards by their indices, in words.
fn named(indices: &[u32]) -> String {
    let shown: Vec<String> = indices.iter().take(MOST_NAMED).map(u32::to_string).collect();
    match (shown.as_slice(), indices.len().saturating_sub(MOST_NAMED)) {
        ([one], _) => format!("shard {one}"),
        ([before @ .., last], 0) => format!("shards {} and {last}", before.join(", ")),
        (shown, more) => format!("shards {} and {more} more", shown.join(", ")),
    }
}

/// Whether the shards ran at the same time.
pub(super) fn aligned(evidence: &Evidence) -> Check {
    let Some(shards) = &evidence.shards else { return Check::not_applicable(NO_SHARDS) };
    let starts: Vec<Start> = shards.each.iter().filter_map(|shard| shard.start).collect();
    let instants = || starts.iter().map(|start| start.unix_ns);
    let (Some(first_ns), Some(last_ns), 2..) = (instants().min(), instants().max(), shards.count)
    else {
        return Check::not_applicable("no two shards started");
    };
    let spread_ns = last_ns - first_ns;
    let hosts: BTreeSet<&str> = shards.each.iter().map(|shard| &*shard.host).collect();
    let bounds: Option<Vec<u64>> = starts.iter().map(|start| start.bound_ns).collect();
    // Shards of one host have one clock.
    let known_ns =
        bounds.map(|bounds| twice_the_largest(&bounds)).or((hosts.len() == 1).then_some(0));
    let window_ns = shards.window_ns as f64;
    let warmup_ns = if shards.warmup_ns > 0 { shards.warmup_ns as f64 } else { f64::INFINITY };
    let lines = Lines::warn((SPREAD * window_ns).min(warmup_ns)).or_fail(SPREAD_FAILS * window_ns);
    let mut fact = format!("the starts are spread over {}", duration(spread_ns));
    if let Some(known_ns) = known_ns.filter(|ns| *ns > 0) {
        fact += &format!(", known to within {}", duration(known_ns));
    }
    let latest_ns = spread_ns.saturating_add(known_ns.unwrap_or(0));
    let advice = "the load was less than planned while some shards had not started or had ended. Start them together (--gather), or warm up longer";
    if known_ns.is_some() {
        return Check::at_most((latest_ns as f64, "ns"), lines, fact, advice);
    }
    // What nobody compared is no proof, in either direction.
    let fact = format!("{fact} by clocks that nobody compared");
    let advice = "start the shards together (--gather), which compares the clocks";
    let checked = Check::at_most((latest_ns as f64, "ns"), lines, fact.clone(), advice);
    let sentence = format!("{fact}: {advice}");
    Check { status: CheckStatus::Warn, sentence, ..checked }
}

/// How far two instants may be off from each other, each of which is known to within its bound.
fn twice_the_largest(bounds_ns: &[u64]) -> u64 {
    bounds_ns.iter().max().map_or(0, |ns| ns.saturating_mul(2))
}

/// Whether the shards were played by the same programs.
pub(super) fn alike(evidence: &Evidence) -> Check {
    let Some(shards) = &evidence.shards else { return Check::not_applicable(NO_SHARDS) };
    let Some(first) = shards.each.first() else {
        return Check::not_applicable("there is no shard");
    };
    let other = shards.each.iter().find(|shard| shard.build != first.build);
    let fact = match other {
        None => format!("all shards are played by {}", first.build),
        Some(other) => format!(
            "{} is played by {}, and {} by {}",
            first.name, first.build, other.name, other.build
        ),
    };
    let others = f64::from(u8::from(other.is_some()));
    let advice = "their latencies may differ for that alone; use one version everywhere";
    Check::at_most((others, "count"), Lines::warn(0.0), fact, advice)
}
