//! How long requests took: the curve, the percentiles of each response time with their ranges, and how to read them.

use super::curve::{self, Curve, Support};
use super::document::{Block, Depth, NOTHING, Range, Row, Section, Table, Words};
use super::plot::Ink;
use super::value::{UNCERTAIN, percentile, signed_time, time};
use crate::result::{
    ExcessFigures, Intervals, Kind, Latency, LatencySummary, PERCENTILES, RunResult,
};
use zload_core::quantity::{count, counted, duration, percent};

/// A distribution: what it is called, where it is in the result, and its figures.
pub(super) type Named<'a> = (Words, String, &'a LatencySummary);

/// The section; `elsewhere` says whether percentiles are marked in others, too.
pub(super) fn latency(result: &RunResult, elsewhere: bool) -> Section {
    let LatencySummary { count, intervals, next_run, other_seeds, .. } =
        &result.latency.first_reply;
    let named = distributions(result);
    let shown = shown(&named);
    let mut table = table("latencies", &named);
    let beneath = [
        (Some(intervals), ["from", "to"], ""),
        (next_run.as_ref(), ["next from", "     to"], "next "),
        (other_seeds.as_ref(), ["seeds", "   to"], "seeds "),
    ];
    table.rows[0].ranges = beneath
        .into_iter()
        .filter_map(|(ends, names, short)| range(ends?, &shown, names, short))
        .collect();
    let ideal = result.ideal.as_ref();
    let sentences = [
        Some(legend(&named)),
        ideal.map(|_| {
            "ideal: simulated lower bound, the same requests with no cost for proxy, network and scheduler; excess: \
             measured minus ideal, request by request"
                .to_owned()
        }),
        ideal.and_then(|ideal| sooner(&ideal.excess)),
        intervals.any().then(|| format!("from, to: {}", meaning_of_intervals(result))),
        next_run.map(|_| {
            "next from, to: 95 % prediction interval for another run".to_owned()
        }),
        ideal.and_then(|ideal| ideal.other_seeds).map(|seeds| {
            format!(
                "seeds, to: 95 % of other seeds have their percentiles in this range, by simulation of {seeds}: the luck of this plan, on any machine"
            )
        }),
        waiting_client(result),
        (elsewhere || table.is_marked()).then(|| UNCERTAIN.to_owned()),
    ];
    let unlike = result.scenario.load.is_unlike();
    let curve = if unlike { None } else { curve::plot("percentiles", &curves(result)) };
    let mut blocks: Vec<Block> = curve.map(Block::Plot).into_iter().collect();
    blocks.push(Block::Table(table));
    blocks.extend(sentences.into_iter().flatten().map(Block::note));
    blocks.extend(if unlike {
        Some(Block::note("no percentiles: the stages are different loads; each has its own above"))
    } else {
        too_few(missing(&named))
    });
    let heading = format!("Latency of {}", counted(*count, "request"));
    Section::new("latency", heading, Depth::Answer, blocks)
}

/// Whether every request got one reply, so that first, last and every reply are the same.
fn one_reply_each(latency: &Latency) -> bool {
    latency.first_reply == latency.last_reply && latency.first_reply == latency.reply
}

fn distributions(result: &RunResult) -> Vec<Named<'_>> {
    let latency = &result.latency;
    let row = |name: &str, path: &str, latencies| (name.into(), path.to_owned(), latencies);
    let mut rows = if one_reply_each(latency) {
        vec![row("reply", "latency.first_reply", &latency.first_reply)]
    } else {
        vec![
            row("first", "latency.first_reply", &latency.first_reply),
            row("last", "latency.last_reply", &latency.last_reply),
            row("every", "latency.reply", &latency.reply),
        ]
    };
    if let Some(ideal) = &result.ideal {
        rows.push(row("ideal", "ideal.first_reply", &ideal.figures.first_reply));
        rows.push(row("excess", "ideal.excess.first_reply", &ideal.excess.first_reply));
    }
    rows.push(row("service", "latency.service", &latency.service));
    rows.push(row("slip", "latency.slip", &latency.slip));
    rows
}

/// The percentiles that some of the distributions do not have.
pub(super) fn missing(named: &[Named]) -> Vec<&'static str> {
    let too_small =
        |kind: &&Kind| named.iter().any(|(.., latencies)| latencies.percentile(kind).is_none());
    PERCENTILES.iter().filter(too_small).map(|kind| kind.name).collect()
}

/// Why some of the figures are missing, if some are.
pub(super) fn too_few(mut missing: Vec<&'static str>) -> Option<Block> {
    missing.sort_unstable();
    missing.dedup();
    (!missing.is_empty())
        .then(|| Block::note(format!("{NOTHING} too few samples for {}", missing.join(", "))))
}

/// Distributions, one beneath the other, without the percentiles that none has.
pub(super) fn table(id: &'static str, named: &[Named]) -> Table {
    let shown = shown(named);
    let headings = ["", "mean"].into_iter().chain(shown.iter().map(|(_, kind)| kind.name));
    let row = |(name, path, latencies): &Named| {
        let mean = signed_time(format!("{path}.mean_ns"), latencies.mean_ns);
        let percentiles = shown.iter().map(|(_, kind)| percentile(path, latencies, kind));
        let largest = time(format!("{path}.max_ns"), latencies.max_ns);
        Row::of([name.clone(), mean].into_iter().chain(percentiles).chain([largest]))
    };
    let mut table = Table { id, ..Table::of(headings.chain(["max"])).rows(named.iter().map(row)) };
    // The name, the mean, then the percentiles.
    let tail = shown.iter().rposition(|(_, kind)| kind.quantile() <= Kind::P99.quantile());
    let first = shown.first().map(|_| 2);
    let main = [first, tail.map(|place| place + 2), Some(table.columns.len() - 1)];
    main.into_iter().flatten().for_each(|place| table.columns[place].is_main = true);
    table
}

/// The percentiles that any of the distributions has, with their places among all.
fn shown(named: &[Named]) -> Vec<(usize, Kind)> {
    let has =
        |kind: &Kind| named.iter().any(|(.., latencies)| latencies.percentile(kind).is_some());
    PERCENTILES.into_iter().enumerate().filter(|(_, kind)| has(kind)).collect()
}

/// The ends of the intervals beneath the percentiles, if there are any.
fn range(
    intervals: &Intervals,
    shown: &[(usize, Kind)],
    names: [&'static str; 2],
    short: &'static str,
) -> Option<Range> {
    let all = intervals.ends();
    let ends = shown.iter().map(|(place, _)| all[*place].map(|ends| ends.map(duration)));
    // Neither the name, nor the mean, nor the largest has a range.
    let ends: Vec<_> = [None, None].into_iter().chain(ends).chain([None]).collect();
    ends.iter().any(Option::is_some).then_some(Range { names, short, ends })
}

/// What counts from where, and which distributions have another number of values.
fn legend(named: &[Named]) -> String {
    let (_, _, first) = &named[0];
    let others = named.iter().filter(|(_, _, other)| other.count != first.count);
    let others =
        others.map(|(name, _, other)| format!("; {}: {} values", name.plain(), count(other.count)));
    format!(
        "response times are from the intended send time, service from the actual one; slip is the send delay between{}",
        others.collect::<String>()
    )
}

/// What the ends of the intervals say.
fn meaning_of_intervals(result: &RunResult) -> &'static str {
    if result.repeat > 1 {
        "95 % confidence interval of the mean over runs of each percentile"
    } else {
        "95 % confidence interval, from chance within this run; other runs may differ by more"
    }
}

/// What the overhead makes of the requests that were faster than in the simulation, if there were any.
fn sooner(excess: &ExcessFigures) -> Option<String> {
    let ExcessFigures { first_reply, faster_first_replies: faster, .. } = excess;
    (*faster > 0).then(|| {
        format!(
            "{} of the requests were faster than in the simulation: they lower the mean of the excess and count as 0 in its percentiles",
            percent(*faster as f64 / first_reply.count.max(1) as f64)
        )
    })
}

/// What a client that waits for its replies would have said, where that differs by a tenth and more.
fn waiting_client(result: &RunResult) -> Option<String> {
    let seen = result.waiting_client.as_ref()?;
    let (seen_ns, p99_ns) = seen.p99_ns.zip(result.latency.first_reply.p99_ns)?;
    (seen_ns.abs_diff(p99_ns) * 10 > p99_ns).then(|| {
        format!(
            "with coordinated omission (clients that wait for each reply), p99 would have read {} ({}, and {} never sent)",
            duration(seen_ns),
            counted(seen.counted, "request"),
            count(seen.left_out)
        )
    })
}

fn curves(result: &RunResult) -> Vec<Curve<'_>> {
    let latency = &result.latency;
    let one_each = one_reply_each(latency);
    let curve = |ink, name: &str, latencies| Curve {
        ink: Ink(ink),
        name: name.to_owned(),
        latencies,
        intervals: false,
        support: Support::ByIntervals,
    };
    let name = if one_each { "reply" } else { "first reply" };
    let mut curves = vec![Curve { intervals: true, ..curve("first", name, &latency.first_reply) }];
    if let Some(ideal) = &result.ideal {
        let latencies = &ideal.figures.first_reply;
        curves.push(Curve { support: Support::Throughout, ..curve("ideal", "ideal", latencies) });
    }
    if !one_each {
        curves.push(curve("third", "last reply", &latency.last_reply));
    }
    curves.push(curve("fourth", "service", &latency.service));
    curves
}
