//! Checks of the sample: long enough, steady, and large enough for its percentiles.

use super::check::Lines;
use super::{Check, EffectiveSize, Evidence, Limits};
use zload_core::quantity::{self, duration, percent};
use zload_core::stats;

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
        (short_by as f64, "ns"),
        Lines::warn(0.0),
        format!("the window is {} long", duration(evidence.window_ns)),
        &format!(
            "too short for drift, waves or a backlog to show, which often take seconds; raise {}",
            evidence.length_key()
        ),
    );
    // Readers look for the window and not for what it lacks.
    check.value = Some(evidence.window_ns as f64);
    check.limit = Some(limits.min_window.0 as f64);
    check
}

/// Whether the start of the window is still warm-up: slower than the rest. Slower later is no warm-up.
pub(super) fn warmup(evidence: &Evidence, limits: &Limits) -> Check {
    let values = beyond_the_plan(evidence);
    let Some(truncation) = stats::mser5(&values) else {
        return Check::not_applicable("there are too few replies");
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
        "the start of the window is not slower than the rest".to_owned()
    };
    let advice =
        format!("the system was still warming up; raise run.warmup by {}", duration(until_ns));
    Check::at_most((slower, "ratio"), Lines::warn(limits.max_drift), fact, &advice)
        .noted_above(NAMED)
}

/// Whether response times went up or down over the window.
pub(super) fn drift(evidence: &Evidence, limits: &Limits) -> Check {
    let (measured, blocks) = blocks(evidence);
    let trend = stats::slope(&blocks).zip(stats::median(&measured));
    let Some((slope, median)) =
        trend.filter(|(_, median)| blocks.len() >= LEAST_BLOCKS && *median > 0.0)
    else {
        return Check::not_applicable("there are too few replies");
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
    let advice = "no single value describes the run; look at the series, warm up longer, or find what fills up or heats up";
    Check::at_most((relative.abs(), "ratio"), Lines::warn(limits.max_drift), fact, advice)
        .noted_above(NAMED)
}

/// Whether response times jumped from one level to another.
pub(super) fn level_shift(evidence: &Evidence, limits: &Limits) -> Check {
    let (measured, blocks) = blocks(evidence);
    let found = stats::level_shift(&blocks).filter(|_| blocks.len() >= LEAST_BLOCKS);
    let Some((shift, median)) =
        found.zip(stats::median(&measured)).filter(|(_, median)| *median > 0.0)
    else {
        return Check::not_applicable("there are too few replies");
    };
    let jump = if shift.strength > STRONG { shift.after - shift.before } else { 0.0 };
    let relative = change(jump, stats::median(&measured[..shift.at]), median);
    let at_ns = share_of(evidence.window_ns, shift.at as f64 / blocks.len() as f64);
    let fact = if relative.abs() > NAMED.min(limits.max_shift) {
        format!("response times {} after {}", rose_or_fell(relative), duration(at_ns))
    } else {
        "response times stayed at one level".to_owned()
    };
    let advice = "the system or the machine changed during the run; look at the series";
    Check::at_most((relative.abs(), "ratio"), Lines::warn(limits.max_shift), fact, advice)
        .noted_above(NAMED)
}

/// A change as a share of the level before it, if that is known and the larger one: nothing falls by more than 100 %.
fn change(by: f64, before: Option<f64>, median: f64) -> f64 {
    let level = before.unwrap_or(median).max(if by < 0.0 { median } else { 0.0 });
    if level > 0.0 { (by / level).max(-1.0) } else { by / median }
}

fn rose_or_fell(relative: f64) -> String {
    let direction = if relative > 0.0 { "rose" } else { "fell" };
    format!("{direction} by {}", percent(relative.abs()))
}

/// The response times, less the lower bound where there is one: what the plan's own queues do is no change of the system.
fn beyond_the_plan(evidence: &Evidence) -> Vec<f64> {
    let values = &evidence.responses.values;
    let Some(twin) = evidence.twin_of_responses() else { return values.clone() };
    values.iter().zip(twin).map(|(measured, ideal)| measured - ideal).collect()
}

/// The response times in blocks of time, as their medians: as measured, and beyond the plan.
fn blocks(evidence: &Evidence) -> (Vec<f64>, Vec<f64>) {
    let medians =
        |values: &[f64]| stats::block_medians(values, BLOCKS.min(values.len() / LEAST_IN_BLOCK));
    (medians(&evidence.responses.values), medians(&beyond_the_plan(evidence)))
}

/// Whether the printed percentiles rest on enough independent values.
///
/// It is a doubt about figures, which are marked, and not about the run.
pub(super) fn sample_size(evidence: &Evidence) -> Check {
    let sizes = &evidence.effective_sizes;
    let enough =
        |one: &&EffectiveSize| one.size.is_some_and(|size| stats::suffices(size, one.quantile));
    // The lowest that is printed and whose sample is too small decides, up to p99; what is not printed claims nothing.
    let judged = || sizes.iter().filter(|one| one.quantile <= JUDGED);
    let Some(decisive) = judged().find(|one| !enough(one)).or(judged().next_back()) else {
        return Check::not_applicable("there are too few replies for any percentile");
    };
    let names: Vec<&str> = sizes.iter().filter(enough).map(|one| one.name).collect();
    let estimated = match names.as_slice() {
        [] => "too few for any percentile".to_owned(),
        [name] => format!("enough for {name}"),
        names => format!("enough for {}", names.join(", ")),
    };
    let replies = quantity::count(evidence.response.count);
    let needed = stats::size_for(decisive.quantile).ceil();
    let found = match decisive.size {
        Some(size) => {
            format!(
                "the effective sample size for {} is {size:.0} (of {replies} replies, autocorrelated)",
                decisive.name
            )
        }
        None => format!(
            "the effective sample size for {} is unknown ({replies} replies, strongly autocorrelated)",
            decisive.name
        ),
    };
    let lacking = decisive.size.map_or(f64::INFINITY, |size| needed - size);
    let mut check = Check::note_above((lacking, "count"), 0.0, format!("{found}; {estimated}"));
    if check.noted {
        check.sentence = format!(
            "{found}, and {needed:.0} is needed: {estimated}; uncertain percentiles are observed, not estimated. Raise {}",
            evidence.length_key()
        );
    }
    check.value = decisive.size.map(f64::floor);
    check.limit = Some(needed);
    check
}

/// Higher percentiles than this are marked where the sample is too small, and not looked at here: slow replies nearly always
/// come in bursts.
const JUDGED: f64 = 0.99;

/// Whether times were too long for the histograms.
pub(super) fn clipped(evidence: &Evidence) -> Check {
    let share = evidence.clipped as f64 / evidence.response.count.max(1) as f64;
    Check::at_most(
        (share, "ratio"),
        Lines::warn(0.0).or_fail(CLIPPED_FAILS),
        format!("{} times were above the histogram's range", evidence.clipped),
        "they count as its largest value, so high percentiles are too low",
    )
}

fn share_of(ns: u64, share: f64) -> u64 {
    quantity::saturating(ns as f64 * share)
}
