//! Where in the distribution two sides differ: the effect at each quantile, with its interval as a band.

use super::document::{Block, Column, Depth, Effect, Kind, Row, Section, Span, Table, Words};
use super::plot::{Axes, Drawing, Ink, Layer, Plot, Point};
use super::scale::{Scale, percent_label, quantile_label};
use super::value::{bare, change, time};
use crate::result::{ComparisonResult, QuantileComparison};
use zload_core::quantity;

/// Height of the plot.
const HEIGHT: f64 = 260.0;
/// The axis has no more nines than this, however near to 1 a quantile is.
const MOST_VALUES: f64 = 1e6;

/// The table and, of the first pair, the plot; nothing if no quantile was compared.
pub(super) fn quantiles(id: &str, path: &str, result: &ComparisonResult) -> Option<Section> {
    let last = result.quantiles.iter().map(|of| of.quantile).max_by(f64::total_cmp)?;
    let plot = path.is_empty().then(|| Block::Plot(plot(result, last)));
    let blocks = plot.into_iter().chain([Block::Table(table(path, result))]).collect();
    let heading = "Response time to the first reply by percentile";
    Some(Section::new(id, heading, Depth::Detail, blocks))
}

fn plot(result: &ComparisonResult, last: f64) -> Plot {
    let quantiles = &result.quantiles;
    let ends = quantiles.iter().flat_map(|of| {
        [Some(of.effect_percent), of.ci_low_percent, of.ci_high_percent].into_iter().flatten()
    });
    let nines = -(1.0 - last).max(1.0 / MOST_VALUES).log10().min(-1.0);
    let axes = Axes {
        height: HEIGHT,
        x: (Scale::Percentile { nines }, quantile_label),
        y: (Scale::with_zero(ends), percent_label),
    };
    let of = |part: fn(&QuantileComparison) -> Option<f64>| -> Vec<Point> {
        quantiles.iter().filter_map(|of| Some((of.quantile, part(of)?))).collect()
    };
    let (lower, upper) = (of(|of| of.ci_low_percent), of(|of| of.ci_high_percent));
    let line = of(|of| Some(of.effect_percent));
    let said: Vec<String> = line
        .iter()
        .map(|(at, percent)| format!("{} {}", quantile_label(*at), quantity::change(*percent)))
        .collect();
    let mut layers = vec![
        Layer::Band(Ink("area band"), lower, upper),
        Layer::Grid,
        Layer::Line(Ink("zero"), vec![(0.0, 0.0), (1.0, 0.0)]),
        Layer::Line(Ink("first"), line.clone()),
    ];
    layers.extend(line.into_iter().map(|point| Layer::Dot(Ink("dot"), point, None)));
    Plot {
        id: "quantiles",
        title: "Difference by percentile".to_owned(),
        words: format!(
            "How much longer {} takes than {}, at each percentile; the band is the {} % interval of each percentile \
             alone.",
            result.b.name, result.a.name, result.method.confidence_percent
        ),
        description: said.join(", "),
        keys: Vec::new(),
        drawing: Drawing::Axes(axes, layers),
    }
}

fn table(path: &str, result: &ComparisonResult) -> Table {
    let rows = result.quantiles.iter().enumerate().map(|(number, of)| {
        let field = |name: &str| format!("{path}quantiles.{number}.{name}");
        let ends = of.ci_low_percent.zip(of.ci_high_percent).map(Into::into);
        let percent = Some(of.effect_percent);
        Row::of([
            percentile(of.quantile).into(),
            time(field("a_ns"), Some(of.a_ns)),
            time(field("b_ns"), Some(of.b_ns)),
            change(field("effect_percent"), percent),
            interval(ends),
            Span::Effect(Effect { percent, ends, margin: 0.0 }).into(),
        ])
    });
    let (a, b) = (Span::side("a", &result.a.name).into(), Span::side("b", &result.b.name).into());
    let table = Table::of::<Words>(["".into(), a, b, "change".into(), "interval".into()]);
    let mut table = table.rows(rows);
    table.columns.push(Column { kind: Kind::Effect, ..Column::default() });
    table
}

/// Both ends of an interval in per cent, if there is one.
pub(super) fn interval(ends: Option<[f64; 2]>) -> Words {
    ends.map_or_else(Words::default, |ends| ends.map(bare).join(" … ").into())
}

/// `p50`, `p99.9`.
fn percentile(quantile: f64) -> String {
    let percent = format!("{:.2}", quantile * 100.0);
    format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
}
