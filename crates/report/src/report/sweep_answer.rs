//! What a sweep found, in a sentence, and what may be doubted of it.

use super::document::Tone;
use crate::result::{Knee, Outcome, SweepPoint, SweepResult, SweepRun, figures};
use crate::sweep::{Series, is_void, left, played_and_void, series};
use zload_core::quantity::{change, counted, percent, rate};
use zload_core::scenario::over;

/// At most this number of series is named in the first sentence.
const MOST_NAMED: usize = 4;
/// A system that serves less of what is sent does not keep up; what is in flight at the edges of a window, and chance, are less.
const SERVED: f64 = 0.95;

/// The answer, and how good it is.
pub(super) fn answer(result: &SweepResult) -> (String, Tone) {
    let (played, void) = played_and_void(result);
    let all = played + left(result);
    let name = &result.scenario.name;
    if let Some(failure) = &result.failure {
        let so_far = format!("{name}: failed after {played} of {}", counted(all as u64, "run"));
        return (format!("{so_far}: {failure}"), Tone::Alarm);
    }
    if is_void(result) {
        let runs = counted(played as u64, "run");
        let why = often(result).map_or_else(String::new, |why| format!(": {why}"));
        let said = format!("{name}: INVALID, as {void} of {runs} say nothing of the system{why}");
        return (said, Tone::Alarm);
    }
    let said = match rates(result) {
        Some(said) => said,
        None => values(result),
    };
    if result.interrupted {
        let so_far = format!("interrupted after {played} of {}", counted(all as u64, "run"));
        return (format!("{name} ({so_far}) {said}"), Tone::Doubt);
    }
    let missed = result.required.iter().any(|of| !of.missed.is_empty());
    let tone = if missed { Tone::Alarm } else { Tone::Plain };
    (format!("{name} {said}"), tone)
}

/// What is wrong with most of the void runs.
fn often(result: &SweepResult) -> Option<&str> {
    let void = || {
        let runs = result.points.iter().flat_map(|point| &point.runs);
        runs.filter(|run: &&SweepRun| run.outcome == Outcome::Void)
    };
    let same =
        |run: &&SweepRun| void().filter(|other| other.checks_failed == run.checks_failed).count();
    void().max_by_key(same)?.why.as_deref()
}

/// What holds along a rate; `None` if none was swept.
fn rates(result: &SweepResult) -> Option<String> {
    let key = result.over.iter().position(|of| over::is_rate(&of.key))?;
    let all = series(result, key);
    let said = |series: &Series| {
        let knee = result.knees.iter().find(|knee| knee.series == series.others);
        format!("{}{}", keeps_up(series), knee.map_or_else(String::new, said_of_knee))
    };
    if let [one] = all.as_slice() {
        return Some(said(one));
    }
    if let [first, rest @ ..] = all.as_slice()
        && rest.iter().all(|series| keeps_up(series) == keeps_up(first))
    {
        return Some(format!("{}, whatever the other keys are", keeps_up(first)));
    }
    let named: Vec<String> = all
        .iter()
        .take(MOST_NAMED)
        .map(|series| format!("with {} {}", series.name(), keeps_up(series)))
        .collect();
    let rest = all.len().saturating_sub(MOST_NAMED);
    let rest = if rest > 0 { format!("; {rest} more below") } else { String::new() };
    Some(format!("{}{rest}", named.join("; ")))
}

/// Up to which rate a series keeps up, and from which on it does not.
fn keeps_up(series: &Series) -> String {
    let points = || series.points.iter().copied();
    let is = |outcome| move |point: &&SweepPoint| point.state == Some(outcome);
    let offered = |point: &SweepPoint| point.offered_per_s;
    let served = |point: &SweepPoint| {
        let sent = point.figures.get("throughput.requests_per_s")?.value;
        point.achieved_per_s.filter(|_| sent > 0.0).map(|achieved| achieved / sent)
    };
    let is_behind = |point: &&SweepPoint| served(point).is_some_and(|share| share < SERVED);
    let ok = || points().filter(is(Outcome::Ok));
    let most = ok().filter(|point| !is_behind(point)).filter_map(offered).reduce(f64::max);
    let overloaded = points().filter(is(Outcome::Overload)).filter_map(offered).reduce(f64::min);
    let behind = ok().filter(is_behind).find_map(|point| {
        let share = percent(served(point)?);
        Some(format!("at {} it serves {share} of what is sent", rate(offered(point)?)))
    });
    match (most, overloaded, behind) {
        (Some(most), Some(least), _) if most < least => {
            format!("keeps up with {} and is overloaded at {}", rate(most), rate(least))
        }
        (Some(most), Some(least), _) => {
            format!("is overloaded at {}, although it keeps up with {}", rate(least), rate(most))
        }
        (Some(most), None, Some(behind)) => format!("keeps up with {}; {behind}", rate(most)),
        (Some(most), None, None) => format!("keeps up with every rate, up to {}", rate(most)),
        (None, Some(least), _) => format!("is overloaded at every rate, from {} on", rate(least)),
        (None, None, Some(behind)) => format!("keeps up with no rate; {behind}"),
        (None, None, None) => "has no point that says anything yet".to_owned(),
    }
}

fn said_of_knee(knee: &Knee) -> String {
    let at = rate(knee.rate_per_s);
    match (knee.from_per_s, knee.to_per_s) {
        (Some(from), Some(to)) => {
            format!("; its knee is at {at} (between {} and {})", rate(from), rate(to))
        }
        (Some(_), None) => format!("; its knee is at {at} or above"),
        (None, _) => format!("; its knee is at {at} or below"),
    }
}

/// The best and the worst point of a figure, where no rate was swept.
fn values(result: &SweepResult) -> String {
    let ok = result.points.iter().filter(|point| point.state == Some(Outcome::Ok));
    let figure = result.y.first().and_then(|name| figures::named(name));
    let Some(figure) = figure else { return "has no figure to show".to_owned() };
    let mut of: Vec<(&SweepPoint, f64)> =
        ok.filter_map(|point| Some((point, point.figures.get(figure.name)?.value))).collect();
    of.sort_by(|one, other| one.1.total_cmp(&other.1));
    let short = figure.name.strip_prefix("latency.").unwrap_or(figure.name);
    let said = match of.as_slice() {
        [] => return format!("has no point with a value of {short} yet"),
        [(only, value)] => {
            format!("has a {short} of {} with {}", figure.unit.show(*value), name_of(result, only))
        }
        [(least, low), .., (most, high)] => format!(
            "has its lowest {short} with {} ({}) and its highest with {} ({})",
            name_of(result, least),
            figure.unit.show(*low),
            name_of(result, most),
            figure.unit.show(*high)
        ),
    };
    let overloaded = result.points.iter().filter(|of| of.state == Some(Outcome::Overload)).count();
    if overloaded == 0 {
        said
    } else {
        format!("{said}; overloaded at {}", counted(overloaded as u64, "point"))
    }
}

/// What a point sets, as people read it.
pub(super) fn name_of(result: &SweepResult, point: &SweepPoint) -> String {
    let keys = result.over.iter().zip(&point.values);
    keys.map(|(of, value)| format!("{}={value}", of.key)).collect::<Vec<_>>().join(", ")
}

/// What may be doubted, a sentence each.
pub(super) fn doubts(result: &SweepResult) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(drift) = result.drift.filter(|drift| drift.drifted) {
        let figure = result.y.first().map_or("", String::as_str);
        let figure = figure.strip_prefix("latency.").unwrap_or(figure);
        doubts.push(format!(
            "the machine or the system drifted: {figure} changed by {} in the second half of the time, whatever the point. The random order keeps that from being an effect of a key, but the figures are less certain",
            change(drift.change_percent)
        ));
    }
    let (played, void) = played_and_void(result);
    if void > 0 {
        let why = often(result).unwrap_or("see below");
        doubts.push(format!(
            "{void} of {} say nothing of the system (void), most often as {why}",
            counted(played as u64, "run")
        ));
    }
    doubts
}
