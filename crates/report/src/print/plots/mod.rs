//! The frame of a plot: a figure with its words and its legend, and what is drawn as SVG.
//!
//! Invariant: all SVG is in user units of a fixed view box, so a plot scales with the page and prints at any size.

mod axes;
mod bars;

use maud::{Markup, PreEscaped, html};

use crate::report::plot::{Drawing, Ink, Plot};

/// Width of every plot's view box.
const WIDTH: f64 = 680.0;

/// A plot with its words.
pub(super) fn figure(plot: &Plot) -> Markup {
    let Plot { id, title, words, description, keys, drawing } = plot;
    let (height, drawn) = match drawing {
        Drawing::Axes(axes, layers) => (axes.height, axes::drawn(axes, layers)),
        Drawing::Panels(panels) => axes::panels(panels),
        Drawing::Bars(bars) => (bars::height(bars), bars::drawn(bars, keys)),
    };
    html! {
        figure id=(id) {
            figcaption {
                strong { (title) } " "
                span { (words) }
            }
            @if !keys.is_empty() { (legend(keys)) }
            svg viewBox=(format!("0 0 {WIDTH} {height}")) role="img"
                aria-labelledby=(format!("{id}-title {id}-description")) {
                title id=(format!("{id}-title")) { (title) }
                desc id=(format!("{id}-description")) { (description) }
                (drawn)
            }
        }
    }
}

fn legend(keys: &[(Ink, String)]) -> Markup {
    html! {
        ul.legend {
            @for (Ink(ink), name) in keys {
                @let class = class_of(ink);
                li {
                    svg viewBox="0 0 28 10" aria-hidden="true" {
                        @if class.starts_with("area") {
                            rect class=(class) width="28" height="10" {}
                        } @else {
                            (mark(&class, 14.0, 5.0))
                            @if !class.starts_with("dot") { path class=(class) d="M0 5H28" {} }
                        }
                    }
                    (name)
                }
            }
        }
    }
}

/// The class of an ink in the style: legs are areas.
fn class_of(ink: &str) -> String {
    let is_leg = zload_core::record::Leg::ALL.iter().any(|leg| leg.name() == ink);
    if is_leg { format!("area {ink}") } else { ink.to_owned() }
}

/// A mark at a point: a circle or, for the second of two, a square, so that colour is not all that tells them apart.
fn mark(class: &str, x: f64, y: f64) -> Markup {
    html! {
        @if class == "dot b" {
            rect class=(class) x=(at(x - 3.5)) y=(at(y - 3.5)) width="7" height="7" {}
        } @else if class.starts_with("dot full") {
            circle class=(class) cx=(at(x)) cy=(at(y)) r="2.5" {}
        } @else if class.starts_with("dot") {
            circle class=(class) cx=(at(x)) cy=(at(y)) r="4" {}
            // What is overloaded is beyond the axis.
            @if class == "dot over" { path.arrow d=(format!("M{x:.1} {:.1}v-9m-3 3l3 -3l3 3", y - 4.0)) {} }
        }
    }
}

/// A coordinate, to a tenth of a unit.
pub(super) fn at(place: f64) -> PreEscaped<String> {
    PreEscaped(format!("{place:.1}"))
}
