//! The plot of the cost model: a column for each dimension, rates above, CPU per request below, both axes logarithmic.
//!
//! Invariant: all panels of a row share their vertical axis, so that dimensions can be held against each other.

use std::ops::Range as Span;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::Outcome;
use crate::sweep::{DIMENSIONS, FIGURES, Points, Range};

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Fallible<T> = Result<T, Box<dyn std::error::Error>>;

/// Colours that differ for the colour-blind, too (Okabe & Ito).
const COLOURS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// Draws the points into an SVG file.
pub(crate) fn draw(path: &Path, points: &Points) -> Outcome<()> {
    draw_all(path, points).map_err(|error| format!("{}: {error}", path.display()))
}

fn draw_all(path: &Path, points: &Points) -> Fallible<()> {
    let root = SVGBackend::new(path, (1_500, 640)).into_drawing_area();
    root.fill(&WHITE)?;
    let (legend, panels) = root.split_vertically(36);
    draw_legend(&legend)?;
    let panels = panels.split_evenly((2, DIMENSIONS.len()));
    let (above, below) = panels.split_at(DIMENSIONS.len());
    for (row, figures) in [(above, &[0_usize][..]), (below, &[1, 2])] {
        let of_row =
            points.values().flat_map(|ranges| figures.iter().map(|figure| ranges[*figure]));
        let span = span_of(of_row).ok_or("there are no points")?;
        for (index, panel) in row.iter().enumerate() {
            draw_panel(panel, points, index, figures, span.clone())?;
        }
    }
    root.present()?;
    Ok(())
}

/// From the power of ten below all ranges to the one above.
fn span_of(ranges: impl Iterator<Item = Range>) -> Option<Span<f64>> {
    let both = |span: (f64, f64), range: Range| (span.0.min(range.low), span.1.max(range.high));
    let (low, high) = ranges.fold((f64::INFINITY, 0.0), both);
    (low > 0.0 && low <= high)
        .then(|| 10_f64.powf(low.log10().floor())..10_f64.powf(high.log10().ceil()))
}

fn draw_legend(area: &Area) -> Fallible<()> {
    let mut x = 70;
    for ((_, name), colour) in FIGURES.iter().zip(COLOURS) {
        area.draw(&PathElement::new(vec![(x, 20), (x + 28, 20)], colour.stroke_width(2)))?;
        area.draw(&Text::new(*name, (x + 36, 12), ("sans-serif", 16)))?;
        x += 420;
    }
    Ok(())
}

fn draw_panel(
    area: &Area,
    points: &Points,
    index: usize,
    figures: &[usize],
    span: Span<f64>,
) -> Fallible<()> {
    let dimension = &DIMENSIONS[index];
    let (first, last) = (dimension.values.first(), dimension.values.last());
    let (Some(first), Some(last)) = (first, last) else { return Ok(()) };
    // A little room beside the outermost points.
    let across = f64::from(*first) / 1.3..f64::from(*last) * 1.3;
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(44)
        .y_label_area_size(56)
        .build_cartesian_2d(across.log_scale(), span.log_scale())?;
    chart
        .configure_mesh()
        .x_desc(dimension.name)
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|value| short(*value))
        .y_label_formatter(&|value| short(*value))
        .label_style(("sans-serif", 13))
        .axis_desc_style(("sans-serif", 15))
        .max_light_lines(1)
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for figure in figures {
        let colour = COLOURS[*figure];
        let of_dimension: Vec<(f64, Range)> = points
            .range((index, 0)..=(index, u32::MAX))
            .map(|(place, ranges)| (f64::from(place.1), ranges[*figure]))
            .collect();
        let medians = of_dimension.iter().map(|(x, range)| (*x, range.median));
        chart.draw_series(LineSeries::new(medians.clone(), colour.stroke_width(2)))?;
        chart.draw_series(medians.map(|at| Circle::new(at, 3, colour.filled())))?;
        chart.draw_series(of_dimension.iter().map(|(x, range)| {
            PathElement::new(vec![(*x, range.low), (*x, range.high)], colour.stroke_width(1))
        }))?;
    }
    Ok(())
}

/// A label's number: `20k` for 20,000.
fn short(value: f64) -> String {
    let (scaled, suffix) = match value {
        value if value >= 1e6 => (value / 1e6, "M"),
        value if value >= 1e3 => (value / 1e3, "k"),
        value => (value, ""),
    };
    let decimals = usize::from(scaled < 10.0 && scaled.fract() >= 0.05);
    if scaled < 1.0 { format!("{scaled:.2}") } else { format!("{scaled:.decimals$}{suffix}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short() {
        for (value, text) in
            [(0.5, "0.50"), (1.0, "1"), (2.5, "2.5"), (64.0, "64"), (20_000.0, "20k")]
        {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn an_axis_reaches_from_power_to_power_of_ten() {
        let range = Range { median: 30.0, low: 20.0, high: 400.0 };
        let span = span_of([range].into_iter()).expect("there is a range");
        assert!((span.start - 10.0).abs() < 1e-9 && (span.end - 1_000.0).abs() < 1e-9, "{span:?}");
        assert_eq!(span_of(std::iter::empty()), None);
    }
}
