//! What is drawn on two axes: the grid with its labels, lines, areas and marks.

use maud::{Markup, html};

use super::{WIDTH, at, mark};
use crate::report::plot::{Axes, Ink, Layer, Point};

/// Room for the labels of the vertical axis.
const LEFT: f64 = 62.0;
/// Room for half of the last label of the horizontal axis.
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
/// Room for the labels of the horizontal axis.
const BOTTOM: f64 = 28.0;

pub(super) fn drawn(axes: &Axes, layers: &[Layer]) -> Markup {
    html! { @for layer in layers { (of_layer(axes, layer)) } }
}

fn of_layer(axes: &Axes, layer: &Layer) -> Markup {
    match layer {
        Layer::Grid => grid(axes),
        Layer::Line(Ink(ink), points) => html! { path class=(ink) d=(path(axes, points)) {} },
        Layer::Rare(Ink(ink), points) => {
            html! { path class=(format!("{ink} rare")) d=(path(axes, points)) {} }
        }
        Layer::Band(Ink(ink), lower, upper) => {
            let outline: Vec<Point> = lower.iter().chain(upper.iter().rev()).copied().collect();
            html! { @if !outline.is_empty() { path class=(ink) d=(path(axes, &outline) + "Z") {} } }
        }
        Layer::Whisker(Ink(ink), x, [low, high]) => {
            let (x, low, high) = (across(axes, *x), up(axes, *low), up(axes, *high));
            let ends =
                format!("M{0:.1} {low:.1}h6M{x:.1} {low:.1}V{high:.1}M{0:.1} {high:.1}h6", x - 3.0);
            html! { path class=(format!("whisker {ink}")) d=(ends) {} }
        }
        Layer::Dot(Ink(ink), (x, y), what) => {
            let mark = mark(ink, across(axes, *x), up(axes, *y));
            html! { @if let Some(what) = what { g { title { (what) } (mark) } } @else { (mark) } }
        }
        // As one path, so that a page stays small whatever the run.
        Layer::Cells(shade, cells) => {
            let cells: String = cells.iter().map(|corners| rectangle(axes, corners)).collect();
            html! { path class=(format!("heat h{shade}")) d=(cells) {} }
        }
        Layer::Tip(ends, what) => {
            let [left, right] = ends.map(|x| across(axes, x));
            let height = axes.height - TOP - BOTTOM;
            html! {
                rect.tip x=(at(left)) y=(TOP) width=(at(right - left)) height=(at(height)) {
                    title { (what) }
                }
            }
        }
    }
}

/// The horizontal place of a value.
fn across(axes: &Axes, value: f64) -> f64 {
    LEFT + axes.x.0.share(value) * (WIDTH - LEFT - RIGHT)
}

/// The vertical place of a value.
fn up(axes: &Axes, value: f64) -> f64 {
    let bottom = axes.height - BOTTOM;
    bottom - axes.y.0.share(value) * (bottom - TOP)
}

/// Grid and labels of both axes.
fn grid(axes: &Axes) -> Markup {
    let (left, right) = (LEFT, WIDTH - RIGHT);
    let bottom = axes.height - BOTTOM;
    let ((x, x_label), (y, y_label)) = (axes.x, axes.y);
    html! {
        @for (value, minor) in y.ticks() {
            @let y = up(axes, value);
            path.grid d=(format!("M{left} {y:.1}H{right}")) {}
            text class=(class_of("y", minor)) x=(left - 8.0) y=(at(y + 4.0)) { (y_label(value)) }
        }
        @for (value, minor) in x.ticks() {
            @let x = across(axes, value);
            path.tick d=(format!("M{x:.1} {bottom}v5")) {}
            text class=(class_of("x", minor)) x=(at(x)) y=(at(bottom + 20.0)) { (x_label(value)) }
        }
        path.axis d=(format!("M{left} {bottom}H{right}")) {}
    }
}

fn class_of(axis: &str, minor: bool) -> String {
    if minor { format!("label {axis} minor") } else { format!("label {axis}") }
}

/// A rectangle between two corners.
fn rectangle(axes: &Axes, [(x, y), (to_x, to_y)]: &[Point; 2]) -> String {
    let (left, top) = (across(axes, *x), up(axes, *to_y));
    let (width, height) = (across(axes, *to_x) - left, up(axes, *y) - top);
    format!("M{left:.1} {top:.1}h{width:.1}v{height:.1}h{:.1}Z", -width)
}

/// A line through points.
fn path(axes: &Axes, points: &[Point]) -> String {
    let mut path = String::new();
    let mut last = None;
    for (x, y) in points {
        let place = format!("{:.1} {:.1}", across(axes, *x), up(axes, *y));
        if last.as_ref() == Some(&place) {
            continue;
        }
        path += if path.is_empty() { "M" } else { "L" };
        path += &place;
        last = Some(place);
    }
    path
}
