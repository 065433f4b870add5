//! Checks of the sample: long enough, steady, and worth as much as its size says.

use super::check::Lines;
use super::{Check, Evidence, Limits, TimeSeries};
use crate::quantity::{self, duration, percent};
use crate::stats;

/// Response times are compared over time in at most this many blocks, of at least this many values each.
const BLOCKS: usize = 60;
const LEAST_IN_BLOCK: usize = 5;
/// Fewer blocks show neither drift nor shift.
const LEAST_BLOCKS: usize = 20;
/// A shift is stronger than this, in standard errors: the best of 60 splits of noise seldom is.
const STRONG: f64 = 5.0;
/// Changes over the window above this share are named, whether or not they doubt the run.
const NAMED: f64 = 0.1;
/// A histogram that clips more than this has a wrong p99.
const CLIPPED_FAILS: f64 = 0.01;

/// Whether the window is long enough for its seconds to be compared.
pub(super) fn window(evidence: &Evidence, limits: &Limits) -> Check {
    let short_by = limits.min_window.0.saturating_sub(evidence.window_ns);
    let mut check = Check::at_most(
        "window",
        (short_by as f64, "ns"),
        Lines::warn(0.0),
        format!("the window is {} long", duration(evidence.window_ns)),
        "too short to see drift, waves or a backlog, which often take seconds; set run.duration higher",
    );
    // Readers want to see the window and not what it lacks.
    check.value = Some(evidence.window_ns as f64);
    check.limit = Some(limits.min_window.0 as f64);
    check
}

/// Whether the begin of the window is still warm-up: slower than the rest. What gets slower later is none.
pub(super) fn warmup(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "warmup";
    let values = beyond_the_plan(evidence);
    let Some(truncation) = stats::mser5(&values) else {
        return Check::not_applicable(NAME, "there are too few replies");
    };
    let (begin, rest) = values.split_at(truncation.values);
    let correlation = stats::autocorrelation_time(rest);
    let median = |part: &[f64]| stats::percentile(part, 0.5, part.len() as f64 / correlation);
    let level = stats::median(&evidence.responses.values[truncation.values..]).unwrap_or(0.0);
    let slower = match median(begin).zip(median(rest)) {
        // Only what is certain to differ.
        Some((begin, rest)) if begin.low > rest.high && level > 0.0 => {
            (begin.value - rest.value) / level
        }
        _ => 0.0,
    };
    let until_ns = share_of(evidence.window_ns, truncation.values as f64 / values.len() as f64);
    let fact = if slower > NAMED.min(limits.max_drift) {
        let end = if truncation.settled { "" } else { " or more" };
        format!(
            "response times were {} higher in the first {}{end}",
            percent(slower),
            duration(until_ns)
        )
    } else {
        "the begin of the window is no slower than the rest".to_owned()
    };
    let advice = format!(
        "the system was still warming up; set run.warmup to {} more than it is",
        duration(until_ns)
    );
    Check::at_most(NAME, (slower, "ratio"), Lines::warn(limits.max_drift), fact, &advice)
        .noted_above(NAMED)
}

/// Whether response times went up or down over the window.
pub(super) fn drift(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "drift";
    let (measured, blocks) = blocks(evidence);
    let trend = stats::slope(&blocks).zip(stats::median(&measured));
    let Some((slope, median)) =
        trend.filter(|(_, median)| blocks.len() >= LEAST_BLOCKS && *median > 0.0)
    else {
        return Check::not_applicable(NAME, "there are too few replies");
    };
    // Only what is certain to have a direction: noise has none.
    let certain = slope.low > 0.0 || slope.high < 0.0;
    let over_all = if certain { slope.value * blocks.len() as f64 } else { 0.0 };
    let relative = change(over_all, stats::median(&measured[..LEAST_IN_BLOCK]), median);
    let fact = if relative.abs() > NAMED.min(limits.max_drift) {
        format!("response times {} over the window", rose_or_fell(relative))
    } else {
        "response times have no trend".to_owned()
    };
    let advice = "there is no one value to report; look at the series, warm up longer, or look for what fills up or heats up";
    Check::at_most(NAME, (relative.abs(), "ratio"), Lines::warn(limits.max_drift), fact, advice)
        .noted_above(NAMED)
}

/// Whether response times jumped from one level to another.
pub(super) fn level_shift(evidence: &Evidence, limits: &Limits) -> Check {
    const NAME: &str = "level_shift";
    let (measured, blocks) = blocks(evidence);
    let found = stats::level_shift(&blocks).filter(|_| blocks.len() >= LEAST_BLOCKS);
    let Some((shift, median)) =
        found.zip(stats::median(&measured)).filter(|(_, median)| *median > 0.0)
    else {
        return Check::not_applicable(NAME, "there are too few replies");
    };
    let jump = if shift.strength > STRONG { shift.after - shift.before } else { 0.0 };
    let relative = change(jump, stats::median(&measured[..shift.at]), median);
    let at_ns = share_of(evidence.window_ns, shift.at as f64 / blocks.len() as f64);
    let fact = if relative.abs() > NAMED.min(limits.max_shift) {
        format!("response times {} after {}", rose_or_fell(relative), duration(at_ns))
    } else {
        "response times kept one level".to_owned()
    };
    let advice = "the run measured two states of the system or the machine; look at the series for what changed then";
    Check::at_most(NAME, (relative.abs(), "ratio"), Lines::warn(limits.max_shift), fact, advice)
        .noted_above(NAMED)
}

/// A change as a share of the level it began at, if that is known and the larger one: nothing falls by more than all of it.
fn change(by: f64, before: Option<f64>, median: f64) -> f64 {
    let level = before.unwrap_or(median).max(if by < 0.0 { median } else { 0.0 });
    if level > 0.0 { (by / level).max(-1.0) } else { by / median }
}

fn rose_or_fell(relative: f64) -> String {
    let direction = if relative > 0.0 { "rose" } else { "fell" };
    format!("{direction} by {}", percent(relative.abs()))
}

/// The response times, less those of the twin where it was played: what the plan's own queues do is no change of the system.
fn beyond_the_plan(evidence: &Evidence) -> Vec<f64> {
    let values = &evidence.responses.values;
    let Some(twin) = evidence.twin_of_responses() else { return values.clone() };
    values.iter().zip(twin).map(|(measured, ideal)| measured - ideal).collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a size is a positive number"
)]
fn whole(size: f64) -> u64 {
    size as u64
}

/// The response times in blocks of time, as their medians: as measured, and beyond the plan.
fn blocks(evidence: &Evidence) -> (Vec<f64>, Vec<f64>) {
    let medians =
        |values: &[f64]| stats::block_medians(values, BLOCKS.min(values.len() / LEAST_IN_BLOCK));
    (medians(&evidence.responses.values), medians(&beyond_the_plan(evidence)))
}

/// Whether the printed percentiles rest on enough independent values.
pub(super) fn sample_size(evidence: &Evidence) -> Check {
    const NAME: &str = "sample_size";
    let count = evidence.response.count as f64;
    if evidence.responses.values.is_empty() {
        return Check::not_applicable(NAME, "response times were not sampled in order of time");
    }
    let printed: Vec<Worth> = QUANTILES
        .iter()
        .filter(|(quantile, _)| stats::carries(count, *quantile))
        .map(|&(quantile, name)| Worth { quantile, name, size: effective_size(evidence, quantile) })
        .collect();
    // The lowest that is printed and not carried decides, up to p99; what is not printed claims nothing.
    let judged = || printed.iter().filter(|worth| worth.quantile <= JUDGED);
    let decisive = judged().find(|worth| !worth.is_carried()).or(judged().next_back());
    let (size, needed) = decisive.map_or_else(
        || (effective_size(evidence, 0.5), stats::size_for(0.5)),
        |worth| (worth.size, stats::size_for(worth.quantile)),
    );
    let names: Vec<&str> =
        printed.iter().filter(|worth| worth.is_carried()).map(|worth| worth.name).collect();
    let carries = match names.as_slice() {
        [] => "no percentile".to_owned(),
        names => names.join(", "),
    };
    let fact = format!(
        "{} replies are worth {} independent ones, which carry {carries}",
        quantity::count(evidence.response.count),
        quantity::count(whole(size))
    );
    // It doubts figures, and not the run: they bear the mark.
    let mut check = Check::note_above(NAME, (needed - size, "count"), 0.0, fact);
    if check.noted {
        check.sentence += ": higher percentiles are seen and not estimated, as slow replies come in bursts; set run.duration higher";
    }
    check.value = Some(size.floor());
    check.limit = Some(needed.ceil());
    check
}

const QUANTILES: [(f64, &str); 5] =
    [(0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];

/// Higher percentiles than this are named where they are not carried, and make no run suspect: slow replies nearly always
/// come in bursts.
const JUDGED: f64 = 0.99;

/// What the sample is worth for a percentile.
struct Worth {
    quantile: f64,
    name: &'static str,
    /// Independent values.
    size: f64,
}

impl Worth {
    fn is_carried(&self) -> bool {
        stats::carries(self.size, self.quantile)
    }
}

/// How many independent values the response times are worth for this percentile.
///
/// The error of a percentile is that of the share of values above it, so it is the autocorrelation of "above or not"
/// that counts (Heidelberger and Lewis, "Quantile estimation in dependent sequences", 1984). Above the highest
/// percentile that the ordered sample carries, that one stands in. If values were left out, the correlation r over `every` values
/// is taken for the power of that of neighbours, as in a first-order autoregressive series, and is never taken for less
/// than its own noise 1/√n: what was left out is not assumed to be independent without evidence.
pub fn effective_size(evidence: &Evidence, quantile: f64) -> f64 {
    let TimeSeries { values, every } = &evidence.responses;
    let size = values.len() as f64;
    let seen = QUANTILES
        .iter()
        .map(|(seen, _)| *seen)
        .rfind(|seen| *seen <= quantile && stats::carries(size, *seen))
        .unwrap_or(0.5);
    let Some(level) = stats::percentile(values, seen, size) else { return size };
    let above: Vec<f64> =
        values.iter().map(|value| f64::from(u8::from(*value > level.value))).collect();
    let time = stats::autocorrelation_time(&above);
    let every = (*every).max(1) as f64;
    let all = (evidence.response.count as f64).max(size);
    if every <= 1.0 {
        return all / time;
    }
    let over_every = ((time - 1.0) / (time + 1.0)).max(1.0 / size.sqrt());
    let neighbours = over_every.powf(1.0 / every);
    all * (1.0 - neighbours) / (1.0 + neighbours)
}

/// Whether times were too long for the histograms.
pub(super) fn clipped(evidence: &Evidence) -> Check {
    let share = evidence.clipped as f64 / evidence.response.count.max(1) as f64;
    Check::at_most(
        "clipped",
        (share, "ratio"),
        Lines::warn(0.0).or_fail(CLIPPED_FAILS),
        format!("{} times were above the histogram's range", evidence.clipped),
        "they stand as its largest value, so high percentiles are too low",
    )
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share from 0 to 1 of a time that fits"
)]
fn share_of(ns: u64, share: f64) -> u64 {
    (ns as f64 * share) as u64
}
