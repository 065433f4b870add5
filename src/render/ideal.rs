//! The report of `zload ideal`: what the plan would show, were proxy, network and scheduler free.

use super::plan::settings_of_the_plan;
use super::quantity::{count, duration, percent, rate, signed_duration};
use super::run::NOTHING;
use super::table::table;
use super::{Style, histogram, setting, wrapped};
use crate::result::{IdealFigures, IdealResult, LatencySummary};
use crate::twin::Policy;

/// A percentile, its name, and how it is found.
type Percentile = (&'static str, fn(&LatencySummary) -> Option<u64>);

/// One of the three response times of a policy.
type Part = fn(&IdealFigures) -> &LatencySummary;

/// The percentiles that a price may be given at, the one that most ask for first.
const PRICED: [Percentile; 4] = [
    ("p99", |latencies| latencies.p99_ns),
    ("p90", |latencies| latencies.p90_ns),
    ("p50", |latencies| latencies.p50_ns),
    ("the maximum", |latencies| latencies.max_ns),
];

/// What people see of an ideal.
pub fn ideal_report(result: &IdealResult, style: Style) -> String {
    let takes_time = |figures: &IdealFigures| figures.reply.max_ns.is_some_and(|ns| ns > 0);
    let beyond_the_figures = if result.policies.iter().any(takes_time) {
        [drawing(result, style), price(result)]
    } else {
        let sentence = "this plan has no work, so its ideal takes no time: whatever a run of it shows is what the \
                        real proxy, network and scheduler cost";
        [String::new(), format!("{}\n", wrapped(sentence, 0))]
    };
    [what_was_simulated(result, style), load(result, style), latency(result, style)]
        .into_iter()
        .chain(beyond_the_figures)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("\n")
}

fn what_was_simulated(result: &IdealResult, style: Style) -> String {
    let scenario = &result.scenario;
    let plan = format!(
        "{} (seed {}), simulated with a proxy, a network and a scheduler that cost nothing",
        result.plan_hash, result.seed
    );
    format!(
        "{}\n{}{}",
        style.heading(&format!("{}, the ideal", scenario.name)),
        settings_of_the_plan(scenario),
        setting("plan", &plan)
    )
}

fn load(result: &IdealResult, style: Style) -> String {
    let rows: Vec<Vec<String>> = result
        .policies
        .iter()
        .map(|figures| {
            vec![
                figures.policy.name().to_owned(),
                count(figures.requests),
                count(figures.silent),
                count(figures.replies),
                rate(figures.requests_per_s),
                rate(figures.replies_per_s),
                percent(figures.utilisation),
            ]
        })
        .collect();
    let header = ["", "requests", "silent", "replies", "sent", "received", "busy"];
    let heading = format!("Load over {}", duration(result.window_ns));
    let mut text = format!("{}\n{}", style.heading(&heading), table(&header, &rows));
    if let Some(figures) = result.policies.iter().find(|figures| figures.queue_grows) {
        let warning = format!(
            "the plan asks for {} of what the workers can do: the queue grows as long as the plan lasts, so the times \
             below are those of a plan of this length and of no other",
            percent(figures.utilisation)
        );
        text += &format!("  {}\n", style.alarm(&wrapped(&warning, 2)));
    }
    text
}

fn latency(result: &IdealResult, style: Style) -> String {
    let one_reply_each = result.policies.iter().all(|figures| {
        figures.first_reply == figures.last_reply && figures.first_reply == figures.reply
    });
    let mut parts: Vec<(&str, Part)> = vec![("first reply", |figures| &figures.first_reply)];
    if !one_reply_each {
        parts.push(("last reply", |figures| &figures.last_reply));
        parts.push(("every reply", |figures| &figures.reply));
    }
    let mut text = format!("{}\n", style.heading("Response time"));
    let mut too_small = false;
    for (name, part) in parts {
        let rows: Vec<Vec<String>> = result
            .policies
            .iter()
            .map(|figures| latency_row(figures.policy, part(figures)))
            .collect();
        too_small |= rows.iter().flatten().any(|cell| cell == NOTHING);
        text += &table(&[name, "mean", "p50", "p75", "p90", "p95", "p99", "p99.9", "max"], &rows);
    }
    if too_small {
        text += "  – the sample is too small to carry this figure\n";
    }
    text
}

fn latency_row(policy: Policy, latencies: &LatencySummary) -> Vec<String> {
    let mean = latencies.mean_ns.map_or_else(|| NOTHING.to_owned(), signed_duration);
    let figures = [
        latencies.p50_ns,
        latencies.p75_ns,
        latencies.p90_ns,
        latencies.p95_ns,
        latencies.p99_ns,
        latencies.p999_ns,
        latencies.max_ns,
    ];
    let figures = figures.map(|ns| ns.map_or_else(|| NOTHING.to_owned(), duration));
    [policy.name().to_owned(), mean].into_iter().chain(figures).collect()
}

/// The policy that real backends have, if it was simulated, or the only one that was.
fn drawing(result: &IdealResult, style: Style) -> String {
    let drawn = result
        .policies
        .first()
        .and_then(|figures| Some((figures.policy, histogram::draw(&figures.first_reply)?)));
    drawn.map_or_else(String::new, |(policy, bars)| {
        let heading =
            format!("First reply with {} (requests, and per cent up to there)", policy.name());
        format!("{}\n{bars}", style.heading(&heading))
    })
}

/// What it costs that requests are dealt in turn, in a sentence.
fn price(result: &IdealResult) -> String {
    let of = |policy| {
        result
            .policies
            .iter()
            .find(|figures| figures.policy == policy)
            .map(|figures| &figures.first_reply)
    };
    let (Some(turns), Some(queue)) = (of(Policy::RoundRobin), of(Policy::SharedQueue)) else {
        return String::new();
    };
    let priced = PRICED
        .into_iter()
        .find_map(|(name, of)| of(turns).zip(of(queue)).map(|(turns, queue)| (name, turns, queue)));
    let Some((at, turns_ns, queue_ns)) = priced else { return String::new() };
    let (turns, queue) = (duration(turns_ns), duration(queue_ns));
    let sentence = if turns == queue {
        format!("round-robin costs you nothing at {at} over shared-queue: {turns} both")
    } else if turns_ns > queue_ns {
        format!(
            "round-robin costs you {} at {at} over shared-queue: {turns} instead of {queue}",
            duration(turns_ns - queue_ns)
        )
    } else {
        format!(
            "round-robin is by chance of this plan {} better at {at} than shared-queue: {turns} instead of {queue}; it \
             is not so on average",
            duration(queue_ns - turns_ns)
        )
    };
    format!("{}\n", wrapped(&sentence, 0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::scenario::Scenario;
    use crate::twin::{Limits, Pool, ideal};

    /// The price in the report of a plan.
    fn price_of(text: &str) -> String {
        let scenario = Scenario::parse("test.toml", text, &[]).unwrap();
        let plan = Plan::new(&scenario);
        let workers = scenario.workers.count.0;
        let ideals = Policy::ALL.map(|policy| {
            (policy, ideal(&plan, Pool { workers, policy }, Limits::none()).unwrap())
        });
        price(&IdealResult::new(&scenario, &plan, &ideals))
    }

    #[test]
    fn the_price_is_at_the_highest_percentile_that_the_sample_carries() {
        // Few requests take far longer than the gap between two, and every other one behind it waits.
        let uneven = "clients = { count = 1 }\nworkers = { count = 2, delay = { choice = [[9, '1ms'], [1, '200ms']] } }\n";
        let few =
            price_of(&format!("{uneven}load = {{ rate = '10/s' }}\nrun = {{ duration = '1s' }}"));
        assert!(few.contains(" at the maximum "), "{few}");
        let many =
            price_of(&format!("{uneven}load = {{ rate = '50/s' }}\nrun = {{ duration = '100s' }}"));
        assert!(many.starts_with("round-robin costs you ") && many.contains(" at p99 "), "{many}");
        let even = price_of("load = { rate = '10/s' }\nworkers = { delay = '1ms' }");
        assert_eq!(even, "round-robin costs you nothing at p50 over shared-queue: 1.00 ms both\n");
    }
}
