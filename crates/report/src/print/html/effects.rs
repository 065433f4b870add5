//! Effects of a table, each with its interval and its margin as a small forest plot.
//!
//! Invariant: all rows of a table are on one scale, so that effects can be compared down the page.

use maud::{Markup, html};

use crate::print::plots::at;
use crate::report::document::{Effect, Table};
use crate::report::scale::{Scale, percent_label};
use zload_core::quantity::change;

/// The view box of a row's plot.
const WIDTH: f64 = 220.0;
/// Room for the half of a label at either end of the axis.
const MARGIN: f64 = 20.0;
const HEIGHT: f64 = 24.0;
/// Effects beyond this many per cent do not stretch the scale for all the others.
const WIDEST_PERCENT: f64 = 100.0;

/// The scale of all effects of a table; nothing if it has none.
pub(super) fn scale(table: &Table) -> Option<Scale> {
    let mut effects = table.effects().peekable();
    effects.peek()?;
    let ends =
        effects.flat_map(|of| of.ends.into_iter().flatten().chain(of.percent).chain([of.margin]));
    Some(Scale::about_zero(ends.map(|end| end.clamp(-WIDEST_PERCENT, WIDEST_PERCENT))))
}

pub(super) fn axis(scale: Scale) -> Markup {
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
    MARGIN + scale.share(percent) * (WIDTH - 2.0 * MARGIN)
}

/// Margin, interval and effect.
pub(super) fn drawn(of: &Effect, scale: Scale) -> Markup {
    let x = |percent: f64| place(scale, percent);
    let middle = HEIGHT / 2.0;
    let margin = of.margin;
    let said = match (of.percent, of.ends.map(|ends| ends.map(change))) {
        (Some(effect), Some([low, high])) => {
            format!("{}, interval {low} to {high}, margin {margin} %", change(effect))
        }
        (Some(effect), None) => format!("{}, no interval", change(effect)),
        (None, _) => "no effect is known".to_owned(),
    };
    html! {
        svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(said) {
            title { (said) }
            rect.area.margin x=(at(x(-margin))) y="2" width=(at(x(margin) - x(-margin))) height="20" {}
            path.zero d=(format!("M{:.1} 0V24", x(0.0))) {}
            @if let Some([low, high]) = of.ends {
                path.effect d=(format!("M{:.1} {middle}H{:.1}", x(low), x(high))) {}
                (end(scale, low, middle))
                (end(scale, high, middle))
            }
            @if let Some(effect) = of.percent { circle cx=(at(x(effect))) cy=(middle) r="3.5" {} }
        }
    }
}

/// The end of an interval: a bar, or an arrow where it is beyond the scale.
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
