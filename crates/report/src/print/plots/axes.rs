//! What is drawn on two axes: the grid with its labels, lines, areas and marks.

use maud::{Markup, html};

use super::{WIDTH, at, mark};
use crate::report::plot::{Axes, Ink, Layer, Panel, Point};

/// Room for the labels of the vertical axis.
const LEFT: f64 = 62.0;
/// Room for half of the last label of the horizontal axis.
const RIGHT: f64 = 24.0;
const TOP: f64 = 10.0;
/// Room for the labels of the horizontal axis.
const BOTTOM: f64 = 28.0;
/// Room for the line above a panel.
const ABOVE: f64 = 26.0;
/// How far around a point the pointer finds it.
const NEAR: f64 = 9.0;
/// Room that the value of a point takes beside it.
const BESIDE: f64 = 130.0;

pub(super) fn drawn(axes: &Axes, layers: &[Layer]) -> Markup {
    html! { @for layer in layers { (of_layer(axes, layer)) } }
}

/// Panels one above the other, and their height.
pub(super) fn panels(panels: &[Panel]) -> (f64, Markup) {
    let mut top = 0.0;
    let placed: Vec<(f64, &Panel)> = panels
        .iter()
        .map(|panel| {
            let from = top + ABOVE;
            top = from + panel.axes.height;
            (from, panel)
        })
        .collect();
    let markup = html! {
        @for (top, Panel { label, mark: Ink(ink), axes, layers }) in placed {
            (mark(ink, 6.0, top - 12.0))
            text.label.row x="18" y=(at(top - 8.0)) { (label) }
            g transform=(format!("translate(0 {top:.1})")) { (drawn(axes, layers)) }
        }
    };
    (top, markup)
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
        Layer::Value(Ink(ink), (x, y), words) => {
            value_at(ink, across(axes, *x), up(axes, *y), words)
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

/// A point that nobody sees until the pointer is near it; its value is at the side that has room.
fn value_at(ink: &str, x: f64, y: f64, [value, what]: &[String; 2]) -> Markup {
    let is_left = x + BESIDE > WIDTH;
    let beside = if is_left { x - 8.0 } else { x + 8.0 };
    html! {
        g.value {
            title { (what) }
            circle.near cx=(at(x)) cy=(at(y)) r=(NEAR) {}
            circle class=(format!("point {ink}")) cx=(at(x)) cy=(at(y)) r="3.5" {}
            text.label.left[is_left] x=(at(beside)) y=(at((y - 7.0).max(TOP))) { (value) }
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
            @let label = y_label(value);
            path.grid d=(format!("M{left} {y:.1}H{right}")) {}
            @if !label.is_empty() {
                text class=(class_of("y", minor)) x=(left - 8.0) y=(at(y + 4.0)) { (label) }
            }
        }
        @for (value, minor) in x.ticks() {
            @let x = across(axes, value);
            @let label = x_label(value);
            path.tick d=(format!("M{x:.1} {bottom}v5")) {}
            @if !label.is_empty() {
                text class=(class_of("x", minor)) x=(at(x)) y=(at(bottom + 20.0)) { (label) }
            }
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
