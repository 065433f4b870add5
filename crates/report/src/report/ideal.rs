//! The report of `zload ideal`: what the plan would show, were proxy, network and scheduler free.

use super::Reported;
use super::buckets;
use super::document::{Block, Depth, Document, Heading, Row, Section, Span, Table, words};
use super::latency;
use super::plan::settings_of_the_plan;
use super::stages;
use crate::result::{IdealFigures, IdealResult, LatencySummary};
use zload_core::quantity::{count, duration, percent, rate};
use zload_core::twin::Policy;

/// A percentile, its name, and how it is found.
type Percentile = (&'static str, fn(&LatencySummary) -> Option<u64>);

/// The percentiles that a price may be given at, the one that most ask for first.
const PRICED: [Percentile; 4] = [
    ("p99", |latencies| latencies.p99_ns),
    ("p90", |latencies| latencies.p90_ns),
    ("p50", |latencies| latencies.p50_ns),
    ("the maximum", |latencies| latencies.max_ns),
];

/// One of the three response times of a policy: its name, its field, and where it is kept.
type Part = (&'static str, &'static str, fn(&IdealFigures) -> &LatencySummary);

impl Reported for IdealResult {
    fn report(&self) -> Document {
        let takes_time = |figures: &IdealFigures| figures.reply.max_ns.is_some_and(|ns| ns > 0);
        let mut sections = vec![what_was_simulated(self), load(self), response_times(self)];
        if self.policies.iter().any(takes_time) {
            sections.extend(drawing(self).filter(|_| !self.scenario.load.is_unlike()));
            let price = price(self).map(|price| vec![Block::sentence(price)]);
            sections.extend(price.map(|price| Section::bare("price", Depth::Answer, price)));
        } else {
            let sentence = "this plan has no work, so its lower bound is zero: all of a measured response time is proxy, \
                            network and scheduler";
            let sentence = vec![Block::sentence(sentence)];
            sections.push(Section::bare("price", Depth::Answer, sentence));
        }
        let title = words!(Span::name(&self.scenario.name), ", lower bound");
        Document::new(title, "", sections)
    }
}

fn what_was_simulated(result: &IdealResult) -> Section {
    let how =
        format!(" (seed {}), simulated with no cost for proxy, network and scheduler", result.seed);
    let plan = words!(Span::code(&result.plan_hash), how);
    let mut rows = settings_of_the_plan(&result.scenario);
    rows.push(("plan".into(), plan));
    let blocks = vec![Block::Settings(rows)];
    let heading = Heading::Title("What was simulated");
    Section { heading, ..Section::bare("what-was-simulated", Depth::Answer, blocks) }
}

fn load(result: &IdealResult) -> Section {
    let rows = result.policies.iter().map(|figures| {
        Row::of([
            figures.policy.name().to_owned(),
            count(figures.requests),
            count(figures.silent),
            count(figures.replies),
            rate(figures.requests_per_s),
            rate(figures.replies_per_s),
            percent(figures.utilisation),
        ])
    });
    let headings = ["", "requests", "silent", "replies", "sent", "received", "busy"];
    let table = Table::of(headings).rows(rows);
    let grows = result.policies.iter().find(|figures| figures.queue_grows).map(|figures| {
        Block::alarm(format!(
            "the load is {} of the workers' capacity: the queue grows for as long as the plan lasts, so the times \
             below hold for a plan of this length only",
            percent(figures.utilisation)
        ))
    });
    let window = duration(result.window_ns);
    let heading = match result.scenario.load.requests {
        None => format!("Load over {window}"),
        Some(_) => format!("Load up to the last reply, at most {window}"),
    };
    let of_stages = result.policies.iter().filter_map(|figures| {
        let table = stages::of_ideal(figures)?;
        Some([Block::Subheading(format!("Stages with {}", figures.policy.name()).into()), table])
    });
    let blocks =
        std::iter::once(Block::Table(table)).chain(grows).chain(of_stages.flatten()).collect();
    Section::new("load", heading, Depth::Answer, blocks)
}

fn response_times(result: &IdealResult) -> Section {
    const PARTS: [Part; 3] = [
        ("first reply", "first_reply", |figures| &figures.first_reply),
        ("last reply", "last_reply", |figures| &figures.last_reply),
        ("every reply", "reply", |figures| &figures.reply),
    ];
    let one_reply_each = result.policies.iter().all(|figures| {
        figures.first_reply == figures.last_reply && figures.first_reply == figures.reply
    });
    let parts = if one_reply_each { &PARTS[..1] } else { &PARTS[..] };
    let mut blocks = Vec::new();
    let mut missing = Vec::new();
    for (name, field, part) in parts {
        let numbered = result.policies.iter().enumerate();
        let named: Vec<latency::Named> = numbered
            .map(|(number, of)| {
                (of.policy.name().into(), format!("policies.{number}.{field}"), part(of))
            })
            .collect();
        missing.extend(latency::missing(&named));
        let mut table = latency::table("", &named);
        table.columns[0].heading = (*name).into();
        blocks.push(Block::Table(table));
    }
    blocks.extend(if result.scenario.load.is_unlike() {
        Some(Block::note("no percentiles: the stages are different loads; each has its own above"))
    } else {
        latency::too_few(missing)
    });
    Section::new("response-time", "Response time", Depth::Answer, blocks)
}

/// The policy that real backends have, if it was simulated, or the only one that was.
fn drawing(result: &IdealResult) -> Option<Section> {
    let figures = result.policies.first()?;
    let bars = buckets::bars(&figures.first_reply)?;
    let policy = figures.policy.name();
    let heading = format!("First reply with {policy} (requests, cumulative per cent)");
    Some(Section::new("buckets", heading, Depth::Answer, vec![Block::Bars(bars)]))
}

/// What round-robin dispatch costs, in a sentence.
fn price(result: &IdealResult) -> Option<String> {
    let of = |policy| {
        result
            .policies
            .iter()
            .find(|figures| figures.policy == policy)
            .map(|figures| &figures.first_reply)
    };
    let (turns, queue) = (of(Policy::RoundRobin)?, of(Policy::SharedQueue)?);
    let (at, turns_ns, queue_ns) = PRICED.into_iter().find_map(|(name, of)| {
        of(turns).zip(of(queue)).map(|(turns, queue)| (name, turns, queue))
    })?;
    let (turns, queue) = (duration(turns_ns), duration(queue_ns));
    Some(if turns == queue {
        format!("round-robin costs nothing over shared-queue at {at}: both {turns}")
    } else if turns_ns > queue_ns {
        format!(
            "round-robin costs {} over shared-queue at {at}: {turns} instead of {queue}",
            duration(turns_ns - queue_ns)
        )
    } else {
        format!(
            "with this seed round-robin happens to be {} better at {at} than shared-queue ({turns} instead of {queue}); on average it is not",
            duration(queue_ns - turns_ns)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use zload_core::plan::Plan;
    use zload_core::scenario::Scenario;
    use zload_core::twin::{Limits, Pool, ideal};

    /// The price in the report of a plan.
    fn price_of(text: &str) -> String {
        let scenario = Scenario::parse("test.toml", text, &[]).unwrap();
        let plan = Plan::new(&scenario);
        let workers = scenario.workers.count.0;
        let ideals = Policy::ALL.map(|policy| {
            (policy, ideal(&plan, Pool { workers, policy }, Limits::none()).unwrap())
        });
        price(&IdealResult::new(&scenario, &plan, &ideals)).expect("a price")
    }

    #[test]
    fn the_price_is_at_the_highest_percentile_with_enough_samples() {
        // Few requests take far longer than the time between two, and every other one behind it waits.
        let uneven = "clients = { count = 1 }\nworkers = { count = 2, delay = { choice = [[9, '1ms'], [1, '200ms']] } }\n";
        let few =
            price_of(&format!("{uneven}load = {{ rate = '10/s' }}\nrun = {{ duration = '1s' }}"));
        assert!(few.contains(" at the maximum"), "{few}");
        let many =
            price_of(&format!("{uneven}load = {{ rate = '50/s' }}\nrun = {{ duration = '100s' }}"));
        assert!(many.starts_with("round-robin costs ") && many.contains(" at p99"), "{many}");
        let even = price_of("load = { rate = '10/s' }\nworkers = { delay = '1ms' }");
        assert_eq!(even, "round-robin costs nothing over shared-queue at p50: both 1.00 ms");
    }
}
