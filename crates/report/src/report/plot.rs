//! Pictures as values: what is drawn on which axes, and the words around it.
//!
//! Invariant: all of it is data of the report; where a line is drawn is the printer's decision.

use super::scale::Scale;

/// A picture with its words.
#[derive(Debug, Clone)]
pub(crate) struct Plot {
    /// Its name in a page.
    pub(crate) id: &'static str,
    /// What is drawn, in a few words.
    pub(crate) title: String,
    /// How to read it, a sentence or two.
    pub(crate) words: String,
    /// For those who do not see it: what it shows, with the figures that matter.
    pub(crate) description: String,
    /// What each of these is.
    pub(crate) keys: Vec<(Ink, String)>,
    /// What is drawn.
    pub(crate) drawing: Drawing,
}

/// What is drawn.
#[derive(Debug, Clone)]
pub(crate) enum Drawing {
    /// Something on two axes, from back to front.
    Axes(Axes, Vec<Layer>),
    /// Several of these, one above the other.
    Panels(Vec<Panel>),
    /// Bars of parts that add up.
    Bars(Vec<PartedBar>),
}

/// One of several pictures, with what is above it.
#[derive(Debug, Clone)]
pub(crate) struct Panel {
    /// What it shows.
    pub(crate) label: String,
    /// The mark before that.
    pub(crate) mark: Ink,
    pub(crate) axes: Axes,
    pub(crate) layers: Vec<Layer>,
}

/// Two axes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axes {
    /// How high the picture is, of a width of 680.
    pub(crate) height: f64,
    /// How values lie from left to right, and how they are written.
    pub(crate) x: (Scale, Label),
    /// The same from the bottom up.
    pub(crate) y: (Scale, Label),
}

/// How a value of an axis is written.
pub(crate) type Label = fn(f64) -> String;

/// A point in values of the axes.
pub(crate) type Point = (f64, f64);

/// One thing that is drawn.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    /// The axes with their grid: what is before it is behind them.
    Grid,
    /// A line through points.
    Line(Ink, Vec<Point>),
    /// The same for what is too rare to be an estimate.
    Rare(Ink, Vec<Point>),
    /// The area between two lines.
    Band(Ink, Vec<Point>, Vec<Point>),
    /// A vertical line between two values, with ends.
    Whisker(Ink, f64, [f64; 2]),
    /// A mark at a point, and what it is.
    Dot(Ink, Point, Option<String>),
    /// A point whose value shows at the pointer: in few words beside it, and with what it is of.
    Value(Ink, Point, [String; 2]),
    /// Rectangles of one shade, from 1, each between two corners.
    Cells(usize, Vec<[Point; 2]>),
    /// The tooltip between two places from left to right.
    Tip([f64; 2], String),
}

/// What something is drawn with; a printer chooses the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink(pub(crate) &'static str);

/// A bar of parts that add up to its length.
#[derive(Debug, Clone)]
pub(crate) struct PartedBar {
    /// What it stands for.
    pub(crate) label: String,
    /// The parts: with what each is drawn, its share of the whole width, and its figure.
    pub(crate) parts: Vec<(Ink, f64, String)>,
}
