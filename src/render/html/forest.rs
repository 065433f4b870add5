//! The metrics of a comparison in a table, each with its effect, its interval and its margin as a small forest plot.
//!
//! Invariant: all rows of a table are on one scale, so that effects can be compared down the page.

use maud::{Markup, html};

use super::plot::at;
use super::scale::{Scale, percent_label};
use super::scrolled;
use super::value::{effect, metric, signed};
use crate::result::{Answer, ComparisonResult, MetricComparison};

/// The view box of a row's plot.
const WIDTH: f64 = 220.0;
const HEIGHT: f64 = 24.0;
/// Effects beyond this many per cent do not stretch the scale for all the others.
const WIDEST_PERCENT: f64 = 100.0;

/// The table; `path` is where the comparison stands in the result, with a dot at its end.
pub(super) fn metrics(id: &str, path: &str, result: &ComparisonResult) -> Markup {
    let scale = Scale::about_zero(
        result.metrics.iter().flat_map(ends).map(|end| end.clamp(-WIDEST_PERCENT, WIDEST_PERCENT)),
    );
    let rows = result.metrics.iter().enumerate();
    scrolled(&html! {
        table.forest id=(id) {
            thead { tr {
                th { "metric" } th { (result.a.name) } th { (result.b.name) } th { "effect" }
                th { (axis(scale)) } th { "answer" }
            } }
            tbody { @for (number, of) in rows {
                @let primary = of.name == result.primary;
                (row(&format!("{path}metrics.{number}"), of, scale, [&result.a.name, &result.b.name], primary))
            } }
        }
    })
}

fn ends(metric: &MetricComparison) -> impl Iterator<Item = f64> + use<> {
    [
        metric.effect_percent,
        metric.ci_low_percent,
        metric.ci_high_percent,
        Some(metric.margin_percent),
    ]
    .into_iter()
    .flatten()
}

fn axis(scale: Scale) -> Markup {
    let ticks = scale.ticks();
    let ends = [ticks.first(), ticks.last()].map(|end| end.map_or(0.0, |(value, _)| *value));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) aria-hidden="true" {
            @for percent in [ends[0], 0.0, ends[1]] {
                text.label.x x=(at(place(scale, percent))) y="18" { (percent_label(percent)) }
            }
        }
    }
}

fn place(scale: Scale, percent: f64) -> f64 {
    // Room at both ends for the mark of an end.
    6.0 + scale.share(percent) * (WIDTH - 12.0)
}

fn row(
    path: &str,
    of: &MetricComparison,
    scale: Scale,
    [a, b]: [&str; 2],
    primary: bool,
) -> Markup {
    let class = if primary { "primary" } else { "secondary" };
    html! {
        tr class=(class) {
            th scope="row" { (of.name) }
            td data-name=(a) { (metric(&format!("{path}.a"), of.a, of.unit)) }
            td data-name=(b) { (metric(&format!("{path}.b"), of.b, of.unit)) }
            td data-name="effect" {
                (effect(&format!("{path}.effect_percent"), of.effect_percent))
                @if let Some((low, high)) = of.ci_low_percent.zip(of.ci_high_percent) {
                    small { (signed(low)) " to " (signed(high)) }
                }
            }
            td.drawn { (plot(path, of, scale)) }
            td class=(format!("answer {}", word(of.verdict))) { (word(of.verdict)) }
        }
        tr class=(format!("said {class}")) {
            td.words colspan="6" {
                (of.sentence)
                @if primary { " · the primary metric" } @else if !of.gated { " · does not count for the answer" }
            }
        }
    }
}

/// Margin, interval and effect of one metric.
fn plot(path: &str, of: &MetricComparison, scale: Scale) -> Markup {
    let x = |percent: f64| place(scale, percent);
    let middle = HEIGHT / 2.0;
    let margin = of.margin_percent.abs();
    let said = match (of.effect_percent, of.ci_low_percent.zip(of.ci_high_percent)) {
        (Some(effect), Some((low, high))) => {
            format!(
                "{}, interval {} to {}, margin {margin} %",
                signed(effect),
                signed(low),
                signed(high)
            )
        }
        (Some(effect), None) => format!("{}, no interval", signed(effect)),
        (None, _) => "no effect can be told".to_owned(),
    };
    let title = format!("{}-title", path.replace('.', "-"));
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby=(title) {
            title id=(title) { (of.name) ": " (said) }
            rect.area.margin x=(at(x(-margin))) y="2" width=(at(x(margin) - x(-margin))) height="20" {}
            path.zero d=(format!("M{:.1} 0V24", x(0.0))) {}
            @if let Some((low, high)) = of.ci_low_percent.zip(of.ci_high_percent) {
                path.effect d=(format!("M{:.1} {middle}H{:.1}", x(low), x(high))) {}
                (end(scale, low, middle))
                (end(scale, high, middle))
            }
            @if let Some(effect) = of.effect_percent { circle cx=(at(x(effect))) cy=(middle) r="3.5" {} }
        }
    }
}

/// The end of an interval: a bar, or an arrow where it lies beyond the scale.
fn end(scale: Scale, percent: f64, middle: f64) -> Markup {
    let x = place(scale, percent);
    let beyond = matches!(scale, Scale::Linear { low, high } if percent < low || percent > high);
    let (top, bottom) = (middle - 5.0, middle + 5.0);
    let path = match (beyond, percent < 0.0) {
        (false, _) => format!("M{x:.1} {top}V{bottom}"),
        (true, true) => format!("M{0:.1} {top}L{x:.1} {middle}L{0:.1} {bottom}", x + 5.0),
        (true, false) => format!("M{0:.1} {top}L{x:.1} {middle}L{0:.1} {bottom}", x - 5.0),
    };
    html! { path.effect d=(path) {} }
}

/// An answer in a word.
pub(super) fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Better => "better",
        Answer::Same => "same",
        Answer::Unclear => "unclear",
        Answer::Worse => "worse",
    }
}
