//! Where in the distribution two sides differ: the effect at each quantile, with its interval as a band.

use maud::{Markup, html};

use super::plot::{Caption, Plot, figure, mark};
use super::scale::{Scale, percent_label, quantile_label};
use super::scrolled;
use super::value::{effect, signed, time};
use crate::result::ComparisonResult;

/// Height of the plot.
const HEIGHT: f64 = 260.0;
/// The axis has no more nines than this, however near to 1 a quantile is.
const MOST_VALUES: f64 = 1e6;

/// The plot and its table; nothing if no quantile was compared.
pub(super) fn quantiles(result: &ComparisonResult) -> Markup {
    let quantiles = &result.quantiles;
    let Some(last) = quantiles.iter().map(|of| of.quantile).max_by(f64::total_cmp) else {
        return html! {};
    };
    let ends = quantiles.iter().flat_map(|of| {
        [Some(of.effect_percent), of.ci_low_percent, of.ci_high_percent].into_iter().flatten()
    });
    let plot = Plot {
        height: HEIGHT,
        x: Scale::Percentile { nines: -(1.0 - last).max(1.0 / MOST_VALUES).log10().min(-1.0) },
        y: Scale::with_zero(ends),
    };
    let banded = || {
        quantiles
            .iter()
            .filter_map(|of| Some((of.quantile, of.ci_low_percent?, of.ci_high_percent?)))
    };
    let lower: Vec<(f64, f64)> = banded().map(|(at, low, _)| (at, low)).collect();
    let upper: Vec<(f64, f64)> = banded().map(|(at, _, high)| (at, high)).collect();
    let line: Vec<(f64, f64)> =
        quantiles.iter().map(|of| (of.quantile, of.effect_percent)).collect();
    let drawing = html! {
        (plot.band("area band", &lower, &upper))
        (plot.axes(quantile_label, percent_label))
        (plot.line("zero", &[(0.0, 0.0), (1.0, 0.0)]))
        (plot.line("first", &line))
        @for (quantile, percent) in &line { (mark("dot", plot.x(*quantile), plot.y(*percent))) }
    };
    let said: Vec<String> = line
        .iter()
        .map(|(at, percent)| format!("{} {}", quantile_label(*at), signed(*percent)))
        .collect();
    let caption = Caption {
        id: "quantiles",
        title: "Difference by percentile",
        words: &format!(
            "By how much the response time of {} is above that of {}, at each percentile; the band is the {} % interval \
             of each alone.",
            result.b.name, result.a.name, result.method.confidence_percent
        ),
        description: &said.join(", "),
    };
    html! { (figure(&caption, &[], HEIGHT, &drawing)) (table(result)) }
}

fn table(result: &ComparisonResult) -> Markup {
    scrolled(&html! {
        table {
            thead { tr { th { "percentile" } th { (result.a.name) } th { (result.b.name) } th { "effect" } th { "interval" } } }
            tbody { @for (number, of) in result.quantiles.iter().enumerate() {
                @let field = |name: &str| format!("quantiles.{number}.{name}");
                tr {
                    th scope="row" { (quantile_label(of.quantile)) }
                    td { (time(&field("a_ns"), Some(of.a_ns))) }
                    td { (time(&field("b_ns"), Some(of.b_ns))) }
                    td { (effect(&field("effect_percent"), Some(of.effect_percent))) }
                    td {
                        (effect(&field("ci_low_percent"), of.ci_low_percent))
                        @if of.ci_low_percent.is_some() { " to " (effect(&field("ci_high_percent"), of.ci_high_percent)) }
                    }
                }
            } }
        }
    })
}
