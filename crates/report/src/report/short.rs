//! The short reports of a run and of a comparison: the answer and the main figures, in the 24 lines of a terminal.
//!
//! Invariant: everything in it is in the long report, too; one cause of doubt is printed in full, the others are named.

use std::cmp::Reverse;

use super::answer::{self, difference, how};
use super::buckets;
use super::document::{Block, Depth, Mark, Row, Section, Span, Spark, Status, Table, Words, words};
use super::latency::{missing, too_few};
use super::legs;
use super::plan;
use super::shards;
use super::stages::of_stages;
use super::value::{UNCERTAIN, counted, per_second, percentile, time};
use super::verdict::{ended, item, outcomes};
use crate::compare::short;
use crate::result::{
    Answer, ComparisonResult, LatencySummary, Ledger, MetricComparison, OperationFigures,
    PERCENTILES, RunResult, SideFigures,
};
use zload_core::quantity::{self, count};

/// The longest sentence about what is in doubt, in characters: three lines.
const LONGEST: usize = 200;
/// Thresholds that are printed, the missed ones first.
const MOST_THRESHOLDS: usize = 3;
/// The percentiles that fit, and that service level objectives are made of.
const SHOWN: [&str; 4] = ["p50", "p90", "p95", "p99"];
/// Keys in which the scenarios differ that are printed.
const MOST_DIFFERENCES: usize = 3;
/// Operations of a mix that have a line of their own.
const MOST_OPERATIONS: usize = 4;
/// Metrics of one answer that are named.
const MOST_NAMED: usize = 4;
const MORE_OF_COMPARISONS: &str =
    "-v shows the rest: every metric with its interval, both sides, the method";
/// Where the rest is.
pub(super) const MORE: &str =
    "-v shows the rest: intervals, checks, where the time went, ledger, cost";

/// What fits on a screen of a run.
pub(super) fn run(result: &RunResult) -> Vec<Section> {
    let blocks = [answer(result), response_time(result), totals(result)];
    blocks.map(|blocks| Section::bare("", Depth::Answer, blocks)).into()
}

/// What was run, and the doubts about it.
fn answer(result: &RunResult) -> Vec<Block> {
    let mut blocks = vec![Block::note(plan::in_a_line(&result.scenario))];
    blocks.extend(ended(result));
    let mut findings = result.verdict.findings();
    // How a run ended is printed above; causes come before effects.
    findings.retain(|check| check.name != "ending");
    findings.sort_by_key(|check| {
        (Reverse(check.status), ["build", "window", "sample_size"].contains(&check.name.as_str()))
    });
    let mut told = findings.into_iter();
    let Some(first) = told.next() else { return blocks };
    let (mark, _) = item(first);
    let mut list =
        vec![(mark, words!(Span::strong(first.name.as_str()), ": ", cut(&first.sentence)))];
    let names: Vec<&str> = told.map(|check| check.name.as_str()).collect();
    if !names.is_empty() {
        list.push((Mark::Dot, format!("also: {}", names.join(", ")).into()));
    }
    blocks.push(Block::List(list));
    blocks
}

/// A sentence, or as many words of it as there is room for.
fn cut(sentence: &str) -> String {
    if sentence.chars().count() <= LONGEST {
        return sentence.to_owned();
    }
    let mut shown = String::new();
    for word in sentence.split_inclusive(' ') {
        if shown.chars().count() + word.chars().count() > LONGEST {
            break;
        }
        shown += word;
    }
    format!("{} …", shown.trim_end_matches([' ', ',', ';', ':']))
}

/// The percentiles of the response time to the first reply, beside what a proxy without any cost would have had.
fn response_time(result: &RunResult) -> Vec<Block> {
    if result.scenario.load.is_unlike() {
        return of_stages(result, false);
    }
    let first = &result.latency.first_reply;
    let mut rows = vec![("measured", "latency.first_reply", first)];
    if let Some(ideal) = &result.ideal {
        rows.push(("lower bound", "ideal.first_reply", &ideal.figures.first_reply));
        rows.push(("overhead", "ideal.excess.first_reply", &ideal.excess.first_reply));
    }
    let operations = result.request.iter().flat_map(|request| &request.operations);
    let operations: Vec<(String, &OperationFigures)> = (0..)
        .zip(operations)
        .map(|(place, of): (usize, _)| (format!("request.operations.{place}.first_reply"), of))
        .take(MOST_OPERATIONS)
        .collect();
    rows.extend(operations.iter().map(|(path, of)| (&*of.name, &**path, &of.first_reply)));
    let kinds = || PERCENTILES.iter().filter(|kind| SHOWN.contains(&kind.name));
    let row = |(name, path, of): &(&str, &str, &LatencySummary)| {
        let largest = time(format!("{path}.max_ns"), of.max_ns);
        let figures = kinds().map(|kind| percentile(path, of, kind));
        Row::of(std::iter::once((*name).into()).chain(figures).chain([largest]))
    };
    let headings = std::iter::once("Response time").chain(SHOWN);
    let table = Table::of(headings.chain(["max"])).rows(rows.iter().map(row));
    let marked = table.is_marked().then(|| Block::note(UNCERTAIN));
    let named: Vec<_> =
        rows.iter().map(|(name, path, of)| ((*name).into(), (*path).to_owned(), *of)).collect();
    let absent = missing(&named).into_iter().filter(|name| SHOWN.contains(name));
    let absent = too_few(absent.collect());
    let slowest = result.hops.as_ref().and_then(legs::slowest).map(Block::note);
    std::iter::once(Block::Table(table))
        .chain(spread(first))
        .chain(slowest)
        .chain(absent)
        .chain(marked)
        .collect()
}

/// The distribution in a line.
fn spread(first: &LatencySummary) -> Option<Block> {
    let bars = buckets::bars(first)?;
    let (least, most) = (&bars.first()?.ends[0], &bars.last()?.ends[1]);
    let range = format!("{least} to {most}, log scale");
    let values = bars.iter().map(|bar| bar.share).collect();
    (bars.len() > 1)
        .then(|| Block::Sparks(vec![Spark { name: "spread".to_owned(), values, range }]))
}

/// Rates, where every message went, and the thresholds.
fn totals(result: &RunResult) -> Vec<Block> {
    let throughput = &result.throughput;
    let rate = |name: &str, value| per_second(format!("throughput.{name}"), value);
    let rates = words!(
        rate("requests_per_s", throughput.requests_per_s),
        " requests · ",
        rate("replies_per_s", throughput.replies_per_s),
        " replies · ",
        rate("proxy_messages_per_s", throughput.proxy_messages_per_s),
        " proxy messages"
    );
    let mut rows: Vec<(Words, Words)> =
        vec![("rate".into(), rates), ("requests".into(), requests(&result.ledger))];
    rows.extend(shards::in_a_line(result).map(|line| ("shards".into(), line.into())));
    rows.extend(
        result.verdict.ceiling.iter().map(|of| ("limit".into(), of.sentence.as_str().into())),
    );
    let mut blocks = vec![Block::Settings(rows)];
    let all = outcomes(result);
    let left = all.len().saturating_sub(MOST_THRESHOLDS);
    if !all.is_empty() {
        blocks.push(Block::List(all.into_iter().take(MOST_THRESHOLDS).collect()));
    }
    if left > 0 {
        blocks
            .push(Block::note(format!("and {} more", quantity::counted(left as u64, "threshold"))));
    }
    blocks.push(Block::note(MORE));
    blocks
}

/// What became of the requests: what should not be there only where it is.
fn requests(ledger: &Ledger) -> Words {
    let field = |name: &str| format!("ledger.{name}");
    let words = words!(
        counted(field("requests_sent"), ledger.requests_sent),
        " sent · ",
        counted(field("requests_answered"), ledger.requests_answered),
        " answered"
    );
    let lost = ("requests_lost", ledger.requests_lost, "lost");
    let others = [
        ("requests_failed", ledger.requests_failed, "errors"),
        ("requests_silent", ledger.requests_silent, "without a planned reply"),
        ("requests_unsent", ledger.requests_unsent, "unsent"),
        ("replies_lost", ledger.replies_lost, "replies lost"),
        ("replies_late", ledger.replies_late, "replies late"),
        ("replies_duplicate", ledger.replies_duplicate, "duplicates"),
        ("replies_unexpected", ledger.replies_unexpected, "unexpected replies"),
    ];
    let others = others.into_iter().filter(|(_, number, _)| *number > 0);
    std::iter::once(lost).chain(others).fold(words, |words, (name, number, what)| {
        let value = if number == 0 || name == "requests_silent" {
            counted(field(name), number)
        } else {
            Span::Alarm(field(name), number.to_string(), count(number)).into()
        };
        words!(words, " · ", value, " ", what)
    })
}

/// What fits on a screen of a comparison.
pub(super) fn comparison(result: &ComparisonResult) -> Vec<Section> {
    let pairs = || std::iter::once(result).chain(&result.others);
    let mut sections: Vec<Vec<Block>> = Vec::new();
    for (number, pair) in pairs().enumerate() {
        let path = if number == 0 { String::new() } else { format!("others.{}.", number - 1) };
        sections.push(if number == 0 { found(&path, pair) } else { other(pair) });
    }
    let mut rows: Vec<(Words, Words)> =
        result.differences.iter().take(MOST_DIFFERENCES).map(difference).collect();
    let left = result.differences.len().saturating_sub(MOST_DIFFERENCES);
    if left > 0 {
        rows.push((
            "".into(),
            format!("and {} more", quantity::counted(left as u64, "key")).into(),
        ));
    }
    rows.push(("method".into(), how(result).into()));
    sections.push(vec![Block::Settings(rows), Block::note(MORE_OF_COMPARISONS)]);
    sections.into_iter().map(|blocks| Section::bare("", Depth::Answer, blocks)).collect()
}

/// The answer about one pair of sides: the metric that decides, and what else changed.
fn found(path: &str, result: &ComparisonResult) -> Vec<Block> {
    let mut blocks = vec![Block::sentence(answer::status(result).meaning)];
    if !result.valid {
        let sides = [("a", &result.a), ("b", &result.b)].into_iter();
        let reason = |(letter, side): (&str, &SideFigures)| {
            let why = side.invalid_because.first()?;
            Some((Mark::Fail, cut(&format!("{letter}: {why}")).into()))
        };
        blocks.push(Block::List(sides.filter_map(reason).collect()));
    }
    blocks.extend(Block::remarks(Mark::Warn, &result.notes[..result.notes.len().min(3)]));
    if result.valid {
        blocks.push(Block::Table(answer::decisive(path, result)));
    }
    let rows = [
        (Answer::Worse, "worse"),
        (Answer::Better, "better"),
        (Answer::Unclear, "unclear"),
        (Answer::Same, "same"),
    ];
    let rows = rows.into_iter().filter_map(|(answer, word)| {
        let others =
            result.metrics.iter().filter(|of| of.verdict == answer && of.name != result.primary);
        let mut names: Vec<String> = others.map(changed).collect();
        let left = names.len().saturating_sub(MOST_NAMED);
        if left > 1 {
            names.truncate(MOST_NAMED);
            names.push(format!("{left} others"));
        }
        (!names.is_empty()).then(|| (word.into(), names.join(" · ").into()))
    });
    blocks.push(Block::Settings(rows.collect()));
    blocks
}

/// The answer about another pair of sides.
fn other(result: &ComparisonResult) -> Vec<Block> {
    let (word, tone) = answer::word(result);
    let status = Status { word, tone, ..answer::status(result) };
    vec![Block::Status(status)]
}

/// A metric, with its change where it differs from zero.
fn changed(metric: &MetricComparison) -> String {
    let name = short(&metric.name);
    match (metric.verdict, metric.effect_percent) {
        (Answer::Better | Answer::Worse, Some(effect)) => {
            format!("{name} {}", quantity::change(effect))
        }
        _ => name.to_owned(),
    }
}
