//! Throughput and replies owed over time: what left, what came back, and what was still in the air.

use maud::{Markup, html};

use super::plot::{Caption, Plot, figure};
use super::scale::{Scale, count_label, rate_label, time_label};
use crate::quantity::{counted, rate};
use crate::render::run::whole_seconds;
use crate::result::{RunResult, SeriesEntry};

/// Height of the plot of the rates, and of the one below it.
const HEIGHTS: [f64; 2] = [190.0, 140.0];
/// A line has at most this many points; each then stands for several seconds.
const MOST_POINTS: usize = 300;

/// Some seconds, as they are drawn.
struct Point {
    from: f64,
    to: f64,
    requests: f64,
    replies: f64,
    in_flight: f64,
}

/// Both plots; nothing of a run that has not two whole seconds.
pub(super) fn timeline(result: &RunResult) -> Markup {
    let seconds: Vec<&SeriesEntry> = whole_seconds(result).collect();
    if seconds.len() < 2 {
        return html! {};
    }
    let group = seconds.len().div_ceil(MOST_POINTS);
    let points: Vec<Point> = seconds.chunks(group).map(point).collect();
    let each = if group == 1 {
        String::new()
    } else {
        format!(
            " Each point is {}: the mean of rates, the most in flight.",
            counted(group as u64, "second")
        )
    };
    html! {
        (throughput(result, &points, &each))
        (in_flight(result, &points))
    }
}

fn point(seconds: &[&SeriesEntry]) -> Point {
    let mean = |part: fn(&SeriesEntry) -> u64| {
        seconds.iter().map(|entry| part(entry) as f64).sum::<f64>() / seconds.len() as f64
    };
    let last = seconds.last().map_or(0, |entry| entry.offset_ns);
    Point {
        from: seconds[0].offset_ns as f64,
        to: last as f64 + 1e9,
        requests: mean(|entry| entry.requests),
        replies: mean(|entry| entry.replies),
        in_flight: seconds.iter().map(|entry| entry.in_flight).max().unwrap_or(0) as f64,
    }
}

/// A figure as steps: it holds for all of its seconds.
fn steps(points: &[Point], part: fn(&Point) -> f64) -> Vec<(f64, f64)> {
    points.iter().flat_map(|point| [point.from, point.to].map(|at| (at, part(point)))).collect()
}

fn throughput(result: &RunResult, points: &[Point], each: &str) -> Markup {
    let plot = Plot {
        height: HEIGHTS[0],
        x: Scale::exact(0.0, result.throughput.window_ns as f64),
        y: Scale::from_zero(points.iter().map(|point| point.requests.max(point.replies))),
    };
    let drawing = html! {
        (plot.axes(time_label, rate_label))
        (plot.line("second", &steps(points, |point| point.replies)))
        (plot.line("first", &steps(points, |point| point.requests)))
    };
    let description = format!(
        "{} requests and {} replies on average",
        rate(result.throughput.requests_per_s),
        rate(result.throughput.replies_per_s)
    );
    let caption = Caption {
        id: "throughput-over-time",
        title: "Throughput over time",
        words: &format!("Requests sent and replies received in each whole second.{each}"),
        description: &description,
    };
    figure(&caption, &[("first", "requests"), ("second", "replies")], HEIGHTS[0], &drawing)
}

fn in_flight(result: &RunResult, points: &[Point]) -> Markup {
    let plot = Plot {
        height: HEIGHTS[1],
        x: Scale::exact(0.0, result.throughput.window_ns as f64),
        y: Scale::from_zero(points.iter().map(|point| point.in_flight)),
    };
    let line: Vec<(f64, f64)> = points.iter().map(|point| (point.to, point.in_flight)).collect();
    let most = points.iter().map(|point| point.in_flight).fold(0.0, f64::max);
    let drawing = html! {
        (plot.axes(time_label, count_label))
        (plot.area("area third", &line))
        (plot.line("third", &line))
    };
    let caption = Caption {
        id: "in-flight-over-time",
        title: "In flight over time",
        words: "Replies owed at the end of each second. A queue that grows shows as a slope.",
        description: &format!("at most {most} replies in flight"),
    };
    figure(&caption, &[], HEIGHTS[1], &drawing)
}
