//! The curve of a sweep: response time over offered rate with the lower bound beside it, what was served, and what it cost.
//!
//! Invariant: no response time of an overloaded or void point is drawn, nor a percentile for which its runs are too short.

use super::plot::{Axes, Drawing, Ink, Label, Layer, Panel, Plot, Point};
use super::scale::{Scale, count_label, rate_label, time_label};
use crate::result::{FieldUnit, Outcome, PointFigure, SweepPoint, SweepResult, figures};
use crate::sweep::{Series, series};
use zload_core::quantity::{bytes, rate, rounded};
use zload_core::scenario::over::{self, Measure};

/// Heights of the panels: response times, what was served, CPU.
const HEIGHTS: [f64; 3] = [330.0, 150.0, 150.0];
/// The colours of lines.
const INKS: [&str; 6] = ["first", "third", "fourth", "second", "fifth", "sixth"];
/// The percentiles of a single series: what is measured, its lower bound, its name.
const PERCENTILES: [(&str, &str, &str); 3] = [
    ("latency.first_reply.p50", "ideal.first_reply.p50", "p50"),
    ("latency.first_reply.p90", "ideal.first_reply.p90", "p90"),
    ("latency.first_reply.p99", "ideal.first_reply.p99", "p99"),
];
/// CPU of the proxy and of the generator.
const CPU: [(&str, &str); 3] = [
    ("proxy.busy_ratio", "proxy"),
    ("server.busy_ratio", "external server"),
    ("generator.driver_busy_ratio", "busiest driver"),
];
/// Values further apart than this lie by their ratios.
const FAR: f64 = 50.0;
const LOST: &str = "ledger.lost_ratio";
const SENT: &str = "throughput.requests_per_s";

/// The key along which the plot goes: a rate, else the first.
pub(super) fn axis(result: &SweepResult) -> usize {
    result.over.iter().position(|of| over::is_rate(&of.key)).unwrap_or(0)
}

/// The figure that is shown where there is room for one: the last that was asked for, of those that points have.
pub(super) fn main_figure(result: &SweepResult) -> Option<&String> {
    let has = |name: &&String| result.points.iter().any(|point| ok(point, name).is_some());
    result.y.iter().rev().find(has)
}

/// A line of the plot.
struct Line<'a> {
    ink: &'static str,
    name: String,
    figure: &'a str,
    ideal: Option<&'a str>,
    series: &'a Series<'a>,
}

/// What the plot is drawn on.
struct Canvas<'a> {
    result: &'a SweepResult,
    key: usize,
    x: (Scale, Label),
}

/// The plot; nothing if the values are no numbers, if two keys are swept of which none is a rate, or if there is nothing to draw.
pub(super) fn plot(result: &SweepResult) -> Option<Plot> {
    let key = axis(result);
    let swept = result.over.get(key)?;
    if !over::is_rate(&swept.key) && result.over.len() > 1 {
        return None;
    }
    let numbers: Vec<(Measure, f64)> =
        swept.values.iter().map(|value| over::number(value)).collect::<Option<_>>()?;
    let all = series(result, key);
    let lines = lines(result, &all);
    let x = x_axis(&swept.key, &numbers);
    let canvas = Canvas { result, key, x };
    let main = canvas.main(&lines, &all)?;
    let mut panels = vec![main];
    panels.extend(canvas.served(&all));
    panels.extend(canvas.cpu(&all));
    let mut keys: Vec<(Ink, String)> =
        lines.iter().map(|line| (Ink(line.ink), line.name.clone())).collect();
    let has = |state| result.points.iter().any(|point| point.state == Some(state));
    if lines.iter().any(|line| line.ideal.is_some_and(|name| canvas.has(name))) {
        keys.push((Ink("first thin rare"), "lower bound of each".to_owned()));
    }
    if has(Outcome::Overload) {
        keys.push((Ink("dot over"), "overloaded, at what was served".to_owned()));
    }
    if !result.knees.is_empty() {
        keys.push((Ink("knee"), "knee".to_owned()));
    }
    if canvas.bounds().next().is_some() {
        keys.push((Ink("bound"), "workers busy all the time".to_owned()));
    }
    Some(Plot {
        id: "sweep",
        title: format!("{} over {}", what(&lines), swept.key),
        words: "Points are medians over the passes, bars their range or interval; open ones are observed, not estimated. A gap with a tick: its runs say nothing of the \
                system. Point at a value to see it."
            .to_owned(),
        description: description(result),
        keys,
        drawing: Drawing::Panels(panels),
    })
}

fn what(lines: &[Line]) -> &'static str {
    let times = lines.iter().all(|line| line.figure.starts_with("latency."));
    if times { "Response time" } else { "Figures" }
}

fn description(result: &SweepResult) -> String {
    super::sweep_answer::answer(result).0
}

/// Of one series its percentiles, of several the last figure that was asked for.
fn lines<'a>(result: &'a SweepResult, all: &'a [Series<'a>]) -> Vec<Line<'a>> {
    match all {
        [one] if result.y.iter().all(|name| name.starts_with("latency.first_reply.")) => {
            PERCENTILES
                .iter()
                .zip(INKS)
                .map(|((figure, ideal, name), ink)| Line {
                    ink,
                    name: (*name).to_owned(),
                    figure,
                    ideal: Some(ideal),
                    series: one,
                })
                .collect()
        }
        several => several
            .iter()
            .zip(INKS)
            .filter_map(|(series, ink)| {
                let figure = main_figure(result)?;
                let name = if series.others.is_empty() { figure.clone() } else { series.name() };
                let ideal = PERCENTILES.iter().find(|of| of.0 == figure).map(|of| of.1);
                Some(Line { ink, name, figure, ideal, series })
            })
            .collect(),
    }
}

/// How values lie from left to right: evenly, unless they are far apart.
fn x_axis(key: &str, numbers: &[(Measure, f64)]) -> (Scale, Label) {
    let values = || numbers.iter().map(|of| of.1);
    let (least, most) = values()
        .fold((f64::INFINITY, 0.0_f64), |ends, value| (ends.0.min(value), ends.1.max(value)));
    let label: Label = match numbers.first().map(|of| of.0) {
        Some(Measure::Rate) => rate_label,
        Some(Measure::Time) => time_label,
        Some(Measure::Size) => bytes,
        _ if over::is_rate(key) => rate_label,
        _ => count_label,
    };
    let scale = if least >= 1.0 && most / least > FAR {
        Scale::log(least, most)
    } else {
        Scale::from_zero([most])
    };
    (scale, label)
}

impl Canvas<'_> {
    fn has(&self, figure: &str) -> bool {
        self.result.points.iter().any(|point| point.figures.contains_key(figure))
    }

    /// Where a point is from left to right: what is offered.
    fn across(&self, point: &SweepPoint) -> Option<f64> {
        over::number(point.values.get(self.key)?).map(|of| of.1)
    }

    /// Rates at which all workers are busy, each once, within the axis.
    fn bounds(&self) -> impl Iterator<Item = f64> {
        let is_whole = self.result.over.get(self.key).is_some_and(|of| of.key == "load.rate");
        let points = self.result.points.iter().filter(move |_| is_whole);
        let mut bounds: Vec<f64> = points.filter_map(|point| point.bound_per_s).collect();
        bounds.sort_by(f64::total_cmp);
        bounds.dedup();
        bounds.into_iter().filter(|bound| self.x.0.holds(*bound)).take(INKS.len())
    }

    fn main(&self, lines: &[Line], all: &[Series]) -> Option<Panel> {
        let figures = lines.iter().flat_map(|line| {
            line.series.points.iter().flat_map(move |point| {
                let own = ok(point, line.figure)
                    .into_iter()
                    .flat_map(|of| [Some(of.value), of.from, of.to].into_iter().flatten());
                let ideal = line.ideal.and_then(|name| ok(point, name)).map(|of| of.value);
                own.chain(ideal)
            })
        });
        let values: Vec<f64> = figures.filter(|value| *value > 0.0).collect();
        let (least, most) = values
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |ends, value| (ends.0.min(*value), ends.1.max(*value)));
        if values.is_empty() {
            return None;
        }
        let unit = lines.first().and_then(|line| figures::named(line.figure)).map(|of| of.unit);
        let (scale, label): (Scale, Label) = match unit {
            Some(FieldUnit::Ns) => (Scale::log(least, most), time_label),
            Some(FieldUnit::PerS) => (Scale::from_zero([most]), rate_label),
            _ => (Scale::from_zero([most]), number_label),
        };
        let axes = Axes { height: HEIGHTS[0], x: self.x, y: (scale, label) };
        let mut layers = vec![Layer::Grid];
        let whole = |x: f64| vec![(x, scale.value(0.0)), (x, scale.value(1.0))];
        layers.extend(self.bounds().map(|bound| Layer::Line(Ink("bound"), whole(bound))));
        if over::is_rate(&self.result.over[self.key].key) {
            let knees = self.result.knees.iter().filter_map(|knee| {
                let points = all.iter().find(|of| of.others == knee.series)?.points.iter();
                let at = points.into_iter().find(|of| of.offered_per_s == Some(knee.rate_per_s))?;
                self.across(at)
            });
            layers.extend(knees.map(|x| Layer::Line(Ink("knee"), whole(x))));
        }
        for line in lines {
            layers.extend(self.line(line));
        }
        layers.extend(self.states(scale));
        let label = match unit {
            // Its percentiles are named by the lines.
            Some(FieldUnit::Ns) if all.len() == 1 => "response time to the first reply",
            _ => lines.first().map_or("", |line| line.figure),
        };
        let label = label.strip_prefix("latency.").unwrap_or(label);
        Some(Panel { label: label.to_owned(), mark: Ink(""), axes, layers })
    }

    /// A line through the points that say it, with gaps where one does not.
    fn line(&self, line: &Line) -> Vec<Layer> {
        let unit = figures::named(line.figure).map_or(FieldUnit::Number, |of| of.unit);
        let mut layers = Vec::new();
        if let Some(ideal) = line.ideal {
            let dashed = thin(line.ink);
            layers.extend(
                self.parts(line.series, ideal).into_iter().map(|part| Layer::Rare(dashed, part)),
            );
        }
        let parts = self.parts(line.series, line.figure);
        layers.extend(parts.into_iter().map(|part| Layer::Line(Ink(line.ink), part)));
        for point in &line.series.points {
            let Some((x, of)) = self.across(point).zip(ok(point, line.figure)) else { continue };
            if let Some((from, to)) = of.from.zip(of.to) {
                layers.push(Layer::Whisker(Ink(line.ink), x, [from, to]));
            }
            let value = format!("{} {}", line.name, unit.show(of.value));
            let mark = if of.uncertain { " (observed, not estimated)" } else { "" };
            let offered = point.values.join(", ");
            let all = format!("{offered}: {value}{mark}");
            layers.push(Layer::Dot(dot(line.ink, of.uncertain), (x, of.value), None));
            layers.push(Layer::Value(Ink(line.ink), (x, of.value), [value, all]));
        }
        layers
    }

    /// The unbroken parts of a series.
    fn parts(&self, series: &Series, figure: &str) -> Vec<Vec<Point>> {
        let mut parts: Vec<Vec<Point>> = vec![Vec::new()];
        for point in &series.points {
            match self.across(point).zip(ok(point, figure)) {
                Some((x, of)) => parts.last_mut().expect("there is one").push((x, of.value)),
                None => parts.push(Vec::new()),
            }
        }
        parts.retain(|part| part.len() > 1);
        parts
    }

    /// Overloaded points as rings at what was served, void ones as ticks.
    fn states(&self, y: Scale) -> Vec<Layer> {
        let layer = |point: &SweepPoint| {
            let offered = self.across(point)?;
            let name = point.values.join(", ");
            match point.state? {
                Outcome::Ok => None,
                Outcome::Overload => {
                    let is_whole =
                        self.result.over.get(self.key).is_some_and(|of| of.key == "load.rate");
                    let served = point.achieved_per_s.filter(|_| is_whole).unwrap_or(offered);
                    let what = format!(
                        "{name}: overloaded, {} served",
                        rate(point.achieved_per_s.unwrap_or(0.0))
                    );
                    Some(Layer::Dot(Ink("dot over"), (served, y.value(0.93)), Some(what)))
                }
                Outcome::Void => {
                    let tick = vec![(offered, y.value(0.0)), (offered, y.value(0.05))];
                    Some(Layer::Line(Ink("void"), tick))
                }
            }
        };
        self.result.points.iter().filter_map(layer).collect()
    }

    /// What was served of what was sent, and what was lost.
    fn served(&self, all: &[Series]) -> Option<Panel> {
        let axes = Axes { height: HEIGHTS[1], x: self.x, y: (Scale::exact(0.0, 1.0), share_label) };
        let mut layers = vec![Layer::Grid];
        for (series, ink) in all.iter().zip(INKS) {
            let of = |value: &dyn Fn(&SweepPoint) -> Option<f64>| -> Vec<Point> {
                let points = series.points.iter();
                points.filter_map(|point| Some((self.across(point)?, value(point)?))).collect()
            };
            // Of what was sent: what is offered is a mean, which no single plan has.
            let served = of(&|point| {
                Some(
                    (point.achieved_per_s?
                        / point.figures.get(SENT).filter(|of| of.value > 0.0)?.value)
                        .min(1.0),
                )
            });
            let lost = of(&|point| Some(point.figures.get(LOST)?.value).filter(|lost| *lost > 0.0));
            layers.extend(served.iter().map(|at| {
                let what = format!("{:.1} % served", at.1 * 100.0);
                Layer::Dot(dot(ink, false), *at, Some(what))
            }));
            layers.push(Layer::Line(Ink(ink), served));
            layers.extend(lost.into_iter().map(|at| {
                let what = format!("{:.1} % lost", at.1 * 100.0);
                Layer::Dot(Ink("dot over"), at, Some(what))
            }));
        }
        let has = self
            .result
            .points
            .iter()
            .any(|of| of.offered_per_s.is_some() && of.achieved_per_s.is_some());
        let label = "served of what was sent, and rings: lost".to_owned();
        has.then_some(Panel { label, mark: Ink(""), axes, layers })
    }

    /// Shares of a CPU.
    fn cpu(&self, all: &[Series]) -> Option<Panel> {
        let there: Vec<(&str, &str)> = CPU.into_iter().filter(|of| self.has(of.0)).collect();
        // Of several series the first of these only: a colour is a series.
        let drawn = if all.len() > 1 { &there[..there.len().min(1)] } else { &there[..] };
        let mut layers = vec![Layer::Grid];
        let mut most = 1.0_f64;
        for (place, series) in all.iter().enumerate().take(INKS.len()) {
            for (number, (figure, name)) in drawn.iter().enumerate() {
                let ink = INKS[(place + number) % INKS.len()];
                let points: Vec<Point> = series
                    .points
                    .iter()
                    .filter_map(|point| {
                        Some((self.across(point)?, point.figures.get(*figure)?.value))
                    })
                    .collect();
                most = points.iter().fold(most, |most, at| most.max(at.1));
                layers.extend(points.iter().map(|at| {
                    let what = format!("{name}: {:.0} %", at.1 * 100.0);
                    Layer::Dot(dot(ink, false), *at, Some(what))
                }));
                layers.push(Layer::Line(Ink(ink), points));
            }
        }
        let y = if most > 1.0 { Scale::from_zero([most]) } else { Scale::exact(0.0, 1.0) };
        let axes = Axes { height: HEIGHTS[2], x: self.x, y: (y, share_label) };
        let colours = ["blue", "violet", "green"];
        let names: Vec<String> = drawn
            .iter()
            .zip(colours)
            .map(
                |((_, name), colour)| {
                    if all.len() > 1 { (*name).to_owned() } else { format!("{name} ({colour})") }
                },
            )
            .collect();
        let label = format!("share of a CPU: {}", names.join(", "));
        (!drawn.is_empty()).then_some(Panel { label, mark: Ink(""), axes, layers })
    }
}

/// A figure of a point that kept up.
fn ok<'a>(point: &'a SweepPoint, figure: &str) -> Option<&'a PointFigure> {
    point.figures.get(figure).filter(|_| point.state == Some(Outcome::Ok))
}

/// The ink of a lower bound.
fn thin(ink: &str) -> Ink {
    Ink(match ink {
        "first" => "first thin",
        "third" => "third thin",
        "fourth" => "fourth thin",
        "second" => "second thin",
        "fifth" => "fifth thin",
        _ => "sixth thin",
    })
}

/// The ink of a mark: filled, or open where it is no estimate.
fn dot(ink: &str, open: bool) -> Ink {
    Ink(match (ink, open) {
        ("first", false) => "dot full first",
        ("third", false) => "dot full third",
        ("fourth", false) => "dot full fourth",
        ("second", false) => "dot full second",
        ("fifth", false) => "dot full fifth",
        (_, false) => "dot full sixth",
        ("first", true) => "dot first",
        ("third", true) => "dot third",
        ("fourth", true) => "dot fourth",
        ("second", true) => "dot second",
        ("fifth", true) => "dot fifth",
        (_, true) => "dot sixth",
    })
}

fn share_label(share: f64) -> String {
    format!("{} %", rounded(share * 100.0))
}

fn number_label(number: f64) -> String {
    format!("{}", (number * 1e6).round() / 1e6)
}
