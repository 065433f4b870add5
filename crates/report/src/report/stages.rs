//! What a report says of the stages of a load that changes.

use super::document::{Block, Depth, NOTHING, Row, Section, Span, Table, Words, words};
use super::value::{UNCERTAIN, counted, per_second, percentile, share, time};
use crate::result::{IdealFigures, PERCENTILES, RunResult, StageFigures};
use zload_core::quantity::{count, duration, percent, rate};

/// Percentiles of a stage that are shown.
const SHOWN: [&str; 2] = ["p50", "p99"];

/// The section, if the load has stages.
pub(super) fn stages(result: &RunResult) -> Option<Section> {
    if result.stages.is_empty() {
        return None;
    }
    let mut blocks = of_stages(result, true);
    blocks.push(Block::note(
        "a request belongs to the stage of its intended send time, whenever its reply came; in flight: replies outstanding when the stage \
         ended; caught up: how long after its end no more were in flight than before it; ideal: the same stage with no cost for proxy, \
         network and scheduler",
    ));
    blocks.extend(ramps(result));
    Some(Section::new("stages", "Stages", Depth::Answer, blocks))
}

/// The table of stages, with what its marks mean; the short one has no more than fits on a line of a terminal.
pub(super) fn of_stages(result: &RunResult, long: bool) -> Vec<Block> {
    let kinds = || PERCENTILES.iter().filter(|kind| SHOWN.contains(&kind.name));
    let row = |(place, stage): (usize, &StageFigures)| {
        let path = |name: &str| format!("stages.{place}.{name}");
        let first = &stage.latency.first_reply;
        let at = path("latency.first_reply");
        let mut cells: Vec<Words> = vec![
            Span::name(&stage.name).into(),
            format!("{} for {}", stage.rate, duration(stage.to_ns - stage.from_ns)).into(),
        ];
        cells.extend(kinds().map(|kind| percentile(&at, first, kind)));
        cells.push(time(format!("{at}.max_ns"), first.max_ns));
        cells.push(counted(path("in_flight_at_end"), stage.in_flight_at_end));
        cells.push(time(path("caught_up_after_ns"), stage.caught_up_after_ns));
        if long {
            let ideal = stage.ideal.as_ref();
            let p99_ns = ideal.and_then(|ideal| ideal.first_reply.p99_ns);
            let max_ns = ideal.and_then(|ideal| ideal.first_reply.max_ns);
            cells.push(counted(path("requests"), stage.requests));
            cells.push(alarm(path("lost"), stage.lost));
            cells.push(alarm(path("unsent"), stage.unsent));
            cells.push(time(path("ideal.first_reply.p99_ns"), p99_ns));
            cells.push(time(path("ideal.first_reply.max_ns"), max_ns));
            cells.push(share(path("ideal.utilisation"), ideal.map(|ideal| ideal.utilisation)));
        }
        Row::of(cells)
    };
    let mut headings = vec!["stage", "offered"];
    headings.extend(SHOWN);
    headings.extend(["max", "in flight", "caught up"]);
    if long {
        headings.extend(["requests", "lost", "unsent", "ideal p99", "ideal max", "busy"]);
    }
    let mut table = Table::of(headings).rows(result.stages.iter().enumerate().map(row));
    table.columns[1].kind = super::document::Kind::Words;
    for column in [1, 3, 4] {
        table.columns[column].is_main = true;
    }
    let marked = table.is_marked();
    let mut blocks = vec![Block::Table(table)];
    let none = result.stages.iter().any(|stage| stage.latency.first_reply.p99_ns.is_none());
    if none {
        blocks.push(Block::note(format!(
            "{NOTHING} a percentile needs a stage that holds a rate, and enough replies in it; the whole run has none, as its stages are \
             different loads"
        )));
    }
    if marked {
        blocks.push(Block::note(UNCERTAIN));
    }
    blocks
}

fn alarm(path: String, number: u64) -> Words {
    if number == 0 {
        return counted(path, number);
    }
    Span::Alarm(path, number.to_string(), count(number)).into()
}

/// The tenths of each ramp.
fn ramps(result: &RunResult) -> Vec<Block> {
    let mut blocks = Vec::new();
    let ramps = result.stages.iter().enumerate().filter(|(_, stage)| !stage.deciles.is_empty());
    for (place, stage) in ramps {
        let row = |(part, decile): (usize, &crate::result::RampDecile)| {
            let path = |name: &str| format!("stages.{place}.deciles.{part}.{name}");
            Row::of([
                per_second(path("offered_per_s"), decile.offered_per_s),
                counted(path("sampled"), decile.sampled),
                time(path("p50_ns"), decile.p50_ns),
                time(path("max_ns"), decile.max_ns),
            ])
        };
        let table = Table::of(["rate", "sampled", "p50", "max"])
            .rows(stage.deciles.iter().enumerate().map(row));
        let about = words!(
            Span::name(&stage.name),
            " by its rate, of the sampled requests: a queue from lower rates goes along, so no rate on a ramp stands for itself"
        );
        blocks.push(Block::Folded(about, vec![Block::Table(table)]));
    }
    blocks
}

/// The stages of a simulation; nothing if the load has none.
pub(super) fn of_ideal(figures: &IdealFigures) -> Option<Block> {
    let row = |stage: &crate::result::IdealStage| {
        let some = |ns: Option<u64>| ns.map_or_else(|| NOTHING.to_owned(), duration);
        let first = &stage.first_reply;
        Row::of([
            Span::name(&stage.name).into(),
            Words::from(count(stage.requests)),
            percent(stage.utilisation).into(),
            some(first.p50_ns).into(),
            some(first.p99_ns).into(),
            some(first.max_ns).into(),
            count(stage.in_flight_at_end).into(),
            some(stage.caught_up_after_ns).into(),
        ])
    };
    let headings = ["stage", "requests", "busy", "p50", "p99", "max", "in flight", "caught up"];
    let table = Table::of(headings).rows(figures.stages.iter().map(row));
    (!figures.stages.is_empty()).then_some(Block::Table(table))
}

/// What `zload check` says of each stage, and of a replay.
pub(super) fn planned(plan: &zload_core::plan::Plan) -> Vec<(Words, Words)> {
    let utilised = |per_s: f64| {
        let summary = plan.summary();
        let (all, mean) = (summary.utilisation?, summary.requests_per_s?);
        (all > 0.0 && mean > 0.0)
            .then(|| format!(", {} of the workers' capacity", percent(per_s / mean * all)))
    };
    let counts = plan.requests_of_stages();
    let stages = plan.stages().iter().zip(counts);
    let mut rows: Vec<(Words, Words)> = stages
        .map(|(stage, requests)| {
            let length = duration(stage.to_ns - stage.from_ns);
            let requests = requests.map_or_else(
                || "too many requests to count".to_owned(),
                |requests| format!("{requests} requests"),
            );
            let utilised = utilised(stage.offered_per_s).unwrap_or_default();
            let said = format!(": {} for {length}, {requests}{utilised}", stage.rate);
            ("".into(), words!(Span::name(&stage.name), said))
        })
        .collect();
    if let Some((heading, _)) = rows.first_mut() {
        *heading = "stages".into();
    }
    if let Some(seconds) = plan.replayed_per_second() {
        let most = seconds.iter().max().copied().unwrap_or(0);
        let mean = seconds.iter().sum::<u64>() as f64 / seconds.len().max(1) as f64;
        let squares: f64 = seconds.iter().map(|of| (*of as f64 - mean).powi(2)).sum();
        let dispersion = squares / seconds.len().max(1) as f64 / mean.max(f64::MIN_POSITIVE);
        let said = format!(
            "{} on average, {most} in its busiest second; index of dispersion of its seconds {dispersion:.2} (1 is that of a Poisson load)",
            rate(mean)
        );
        rows.push(("replay".into(), said.into()));
    }
    rows
}
