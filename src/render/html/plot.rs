//! The frame of a plot: a figure with its words, axes with their labels, and lines between points.
//!
//! Invariant: all SVG is in user units of a fixed view box, so a plot scales with the page and prints at any size.

use maud::{Markup, PreEscaped, html};

use super::scale::Scale;

/// Width of every plot's view box.
pub(super) const WIDTH: f64 = 680.0;
/// Room for the labels of the vertical axis.
const LEFT: f64 = 62.0;
/// Room for half of the last label of the horizontal axis.
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
/// Room for the labels of the horizontal axis.
const BOTTOM: f64 = 28.0;

/// What stands around a plot.
pub(super) struct Caption<'a> {
    /// Name of the plot's element.
    pub(super) id: &'a str,
    /// What is drawn, in a few words.
    pub(super) title: &'a str,
    /// How to read it, a sentence or two.
    pub(super) words: &'a str,
    /// For those who do not see it: what it shows, with the figures that matter.
    pub(super) description: &'a str,
}

/// A class of lines or areas, and what it stands for.
pub(super) type Key<'a> = (&'a str, &'a str);

/// Two axes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plot {
    pub(super) height: f64,
    pub(super) x: Scale,
    pub(super) y: Scale,
}

/// A plot with its words; `keys` are those of its legend.
pub(super) fn figure(caption: &Caption, keys: &[Key], height: f64, drawing: &Markup) -> Markup {
    let Caption { id, title, words, description } = caption;
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
                (drawing)
            }
        }
    }
}

fn legend(keys: &[Key]) -> Markup {
    html! {
        ul.legend {
            @for (class, name) in keys {
                li {
                    svg viewBox="0 0 28 10" aria-hidden="true" {
                        @if class.starts_with("area") {
                            rect class=(class) width="28" height="10" {}
                        } @else {
                            (mark(class, 14.0, 5.0))
                            @if !class.starts_with("dot") { path class=(class) d="M0 5H28" {} }
                        }
                    }
                    (name)
                }
            }
        }
    }
}

/// A mark at a point: a circle or, for the second of two, a square, so that colour is not all that tells them apart.
pub(super) fn mark(class: &str, x: f64, y: f64) -> Markup {
    html! {
        @if class == "dot b" {
            rect class=(class) x=(at(x - 3.5)) y=(at(y - 3.5)) width="7" height="7" {}
        } @else if class.starts_with("dot") {
            circle class=(class) cx=(at(x)) cy=(at(y)) r="4" {}
        }
    }
}

impl Plot {
    /// The horizontal place of a value.
    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    /// The vertical place of a value.
    pub(super) fn y(&self, value: f64) -> f64 {
        let bottom = self.height - BOTTOM;
        bottom - self.y.share(value) * (bottom - TOP)
    }

    /// Grid and labels of both axes.
    pub(super) fn axes(
        &self,
        x_label: impl Fn(f64) -> String,
        y_label: impl Fn(f64) -> String,
    ) -> Markup {
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let bottom = self.height - BOTTOM;
        html! {
            @for (value, minor) in self.y.ticks() {
                @let y = self.y(value);
                path.grid d=(format!("M{left} {y:.1}H{right}")) {}
                text class=(class_of("y", minor)) x=(left - 8.0) y=(at(y + 4.0)) { (y_label(value)) }
            }
            @for (value, minor) in self.x.ticks() {
                @let x = self.x(value);
                path.tick d=(format!("M{x:.1} {bottom}v5")) {}
                text class=(class_of("x", minor)) x=(at(x)) y=(at(bottom + 20.0)) { (x_label(value)) }
            }
            path.axis d=(format!("M{left} {bottom}H{right}")) {}
        }
    }

    /// A line through points.
    pub(super) fn line(&self, class: &str, points: &[(f64, f64)]) -> Markup {
        html! { path class=(class) d=(self.path(points)) {} }
    }

    /// The area between two lines.
    pub(super) fn band(&self, class: &str, lower: &[(f64, f64)], upper: &[(f64, f64)]) -> Markup {
        let outline: Vec<(f64, f64)> = lower.iter().chain(upper.iter().rev()).copied().collect();
        html! { @if !outline.is_empty() { path class=(class) d=(self.path(&outline) + "Z") {} } }
    }

    /// The area below a line.
    pub(super) fn area(&self, class: &str, points: &[(f64, f64)]) -> Markup {
        let ends = [points.first(), points.last()].into_iter().flatten();
        let floor: Vec<(f64, f64)> = ends.map(|(x, _)| (*x, 0.0)).collect();
        self.band(class, &floor, points)
    }

    /// A rectangle between two corners in values.
    pub(super) fn rectangle(&self, (x, y): (f64, f64), (to_x, to_y): (f64, f64)) -> String {
        let (left, top) = (self.x(x), self.y(to_y));
        let (width, height) = (self.x(to_x) - left, self.y(y) - top);
        format!("M{left:.1} {top:.1}h{width:.1}v{height:.1}h{:.1}Z", -width)
    }

    /// A vertical line between two values.
    pub(super) fn bar(&self, class: &str, x: f64, [low, high]: [f64; 2]) -> Markup {
        let (x, low, high) = (self.x(x), self.y(low), self.y(high));
        let ends =
            format!("M{0:.1} {low:.1}h6M{1:.1} {low:.1}V{high:.1}M{0:.1} {high:.1}h6", x - 3.0, x);
        html! { path class=(class) d=(ends) {} }
    }

    fn path(&self, points: &[(f64, f64)]) -> String {
        let mut path = String::new();
        let mut last = None;
        for (x, y) in points {
            let place = format!("{:.1} {:.1}", self.x(*x), self.y(*y));
            if last.as_ref() == Some(&place) {
                continue;
            }
            path += if path.is_empty() { "M" } else { "L" };
            path += &place;
            last = Some(place);
        }
        path
    }
}

/// A coordinate, to a tenth of a unit.
pub(super) fn at(place: f64) -> PreEscaped<String> {
    PreEscaped(format!("{place:.1}"))
}

fn class_of(axis: &str, minor: bool) -> String {
    if minor { format!("label {axis} minor") } else { format!("label {axis}") }
}
