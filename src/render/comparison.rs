//! The report of a comparison: the answer first, then what speaks for it, then where the two differ.

use super::table::table;
use super::{Style, quantity, setting, wrapped};
use crate::compare::short;
use crate::result::{
    Answer, ComparisonResult, MetricComparison, MetricUnit, QuantileComparison, SideFigures,
};

/// Half of the picture of the quantiles, in characters.
const HALF: usize = 12;

/// The report of a comparison, and of those with the other sides.
pub fn comparison_report(result: &ComparisonResult, style: Style) -> String {
    let mut text = one(result, style);
    for other in &result.others {
        text += "\n";
        text += &one(other, style);
    }
    text
}

fn one(result: &ComparisonResult, style: Style) -> String {
    let (a, b) = (&result.a, &result.b);
    let mut text = headline(result, style);
    for note in &result.notes {
        text += &format!("! {}\n", wrapped(note, 2));
    }
    text += "\n";
    text += &side("a", a);
    text += &side("b", b);
    text += &setting("method", &method(result));
    for difference in &result.differences {
        let value = |side: &Option<String>| side.clone().unwrap_or_else(|| "–".to_owned());
        text += &setting(
            "differs",
            &format!("{}: {} → {}", difference.key, value(&difference.a), value(&difference.b)),
        );
    }
    text += &format!("\n{}", metrics(result, style));
    if !result.quantiles.is_empty() {
        text += &style.heading("\nresponse time to the first reply, quantile by quantile\n");
        text += &quantiles(&result.quantiles);
    }
    text
}

/// The answer in one sentence.
fn headline(result: &ComparisonResult, style: Style) -> String {
    let word = match result.verdict {
        _ if !result.valid => "INVALID",
        Answer::Better => "BETTER",
        Answer::Worse => "WORSE",
        Answer::Same => "SAME",
        Answer::Unclear => "UNCLEAR",
    };
    let unanswered = without_answer(result);
    let word = unanswered.as_deref().unwrap_or(word);
    let ending = if result.interrupted { ", interrupted" } else { "" };
    let heading = format!("{} against {}: {word}{ending}", result.b.name, result.a.name);
    let heading = match result.verdict {
        Answer::Worse => style.alarm(&heading),
        _ if !result.valid || unanswered.is_some() => style.alarm(&heading),
        _ => style.heading(&heading),
    };
    let primary = result.metrics.iter().find(|metric| metric.name == result.primary);
    let said = if result.valid {
        primary.map_or_else(String::new, |metric| answer(metric, result.method.confidence_percent))
    } else {
        "too many runs must not be used, so no figure below may be: see a and b for the reasons"
            .to_owned()
    };
    format!("{heading}\n  {}\n", wrapped(&said, 2))
}

/// `NO ANSWER for first_reply.p99`, if what counts could not be told at all and nothing else decides.
pub(super) fn without_answer(result: &ComparisonResult) -> Option<String> {
    let metrics = result.unanswered();
    if !result.valid || metrics.is_empty() || result.verdict == Answer::Worse {
        return None;
    }
    let names: Vec<&str> = metrics.into_iter().map(|metric| short(&metric.name)).collect();
    Some(format!("NO ANSWER for {}", names.join(", ")))
}

/// What is found of the primary metric, in words.
fn answer(metric: &MetricComparison, confidence_percent: f64) -> String {
    let name = short(&metric.name);
    let (Some(effect), Some(low), Some(high)) =
        (metric.effect_percent, metric.ci_low_percent, metric.ci_high_percent)
    else {
        return format!("{name} is {}.", metric.sentence);
    };
    let direction = if effect < 0.0 { "lower" } else { "higher" };
    let size = quantity::change(effect.abs());
    let interval = format!(
        "{confidence_percent} % interval {} to {}",
        quantity::change(low),
        quantity::change(high)
    );
    let margin = metric.margin_percent;
    let size = size.trim_start_matches('+');
    match metric.verdict {
        Answer::Better | Answer::Worse => {
            let word = if metric.verdict == Answer::Better { "better" } else { "worse" };
            format!("{name} is {size} {direction}, which is {word} ({interval}).")
        }
        Answer::Same => {
            format!("{name} is the same within ±{margin} %: {size} {direction} ({interval}).")
        }
        Answer::Unclear => format!(
            "{name} is not shown to differ, nor to be the same within ±{margin} %: {size} {direction} ({interval}). {}",
            capital(metric.sentence.trim_start_matches("unclear: "))
        ),
    }
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", rest.as_str())
}

fn side(name: &str, side: &SideFigures) -> String {
    let mut parts = vec![side.name.clone()];
    if side.source != side.name {
        parts.push(side.source.clone());
    }
    parts.push(format!("plan {}", side.plan_hash));
    parts.push(quantity::counted(u64::from(side.runs), "run"));
    if side.invalid > 0 {
        let why = side.invalid_because.first().map_or("", String::as_str);
        let runs = quantity::counted(u64::from(side.invalid), "run");
        parts.push(format!("besides {runs} INVALID ({why})"));
    }
    let ledger = &side.ledger;
    if ledger.replies_lost > 0 {
        parts.push(format!("{} replies lost", quantity::count(ledger.replies_lost)));
    }
    setting(name, &parts.join(", "))
}

fn method(result: &ComparisonResult) -> String {
    let method = &result.method;
    let blocks = quantity::counted(u64::from(method.blocks), "block");
    let sees = result
        .metrics
        .iter()
        .find(|metric| metric.name == result.primary)
        .and_then(|metric| metric.smallest_visible_percent)
        .map_or_else(String::new, |percent| {
            format!(
                "; a change of {} is found four times of five",
                quantity::change(percent).trim_start_matches('+')
            )
        });
    if method.interleaved {
        let plan = if result.a.plan_hash == result.b.plan_hash {
            "the same plan"
        } else {
            "the same seeds"
        };
        format!(
            "{blocks} of {} of {}, in turn by the toss of a coin, {plan} on both sides{sees}",
            quantity::counted(u64::from(method.slices_per_block), "pair"),
            quantity::duration(method.slice_ns),
        )
    } else {
        format!("{} of each, not in turn{sees}", quantity::counted(u64::from(method.blocks), "run"))
    }
}

/// All metrics, those that differ first.
fn metrics(result: &ComparisonResult, style: Style) -> String {
    let groups = [
        (Answer::Worse, "worse"),
        (Answer::Better, "better"),
        (Answer::Unclear, "unclear"),
        (Answer::Same, "same, within the margin of each"),
    ];
    let mut headings = Vec::new();
    let mut rows = Vec::new();
    for (answer, heading) in groups {
        let of: Vec<&MetricComparison> =
            result.metrics.iter().filter(|metric| metric.verdict == answer).collect();
        if !of.is_empty() {
            headings.push((rows.len(), heading));
        }
        rows.extend(of.into_iter().map(row));
    }
    let lines = table(&["", "a", "b", "change", "interval", "sees"], &rows);
    let mut lines = lines.lines();
    let mut text = format!("{}\n", lines.next().unwrap_or_default());
    for (position, line) in lines.enumerate() {
        if let Some((_, heading)) = headings.iter().find(|(first, _)| *first == position) {
            text += &format!("{}\n", style.heading(heading));
        }
        text += &format!("{line}\n");
    }
    for metric in result.metrics.iter().filter(|metric| needs_words(metric)) {
        text += &format!(
            "  {}\n",
            wrapped(&format!("{}: {}", short(&metric.name), metric.sentence), 2)
        );
    }
    text
}

/// Whether a reader of its row alone would take it for something else: an interval without zero that is unclear, a gate
/// without an answer, sides that differ the other way than the change.
fn needs_words(metric: &MetricComparison) -> bool {
    let apart = metric.ci_low_percent.is_some_and(|low| low > 0.0)
        || metric.ci_high_percent.is_some_and(|high| high < 0.0);
    metric.verdict == Answer::Unclear && (apart || metric.gated && !metric.answered)
        || metric.medians_differ_the_other_way()
}

fn row(metric: &MetricComparison) -> Vec<String> {
    let interval = match (metric.ci_low_percent, metric.ci_high_percent) {
        (Some(low), Some(high)) => format!("{} … {}", bare(low), bare(high)),
        _ => String::new(),
    };
    let value = |value: Option<f64>| {
        value.map_or_else(|| "–".to_owned(), |value| shown(metric.unit, value))
    };
    vec![
        short(&metric.name).to_owned(),
        value(metric.a),
        value(metric.b),
        metric.effect_percent.map_or_else(|| "–".to_owned(), quantity::change),
        interval,
        metric.smallest_visible_percent.map_or_else(String::new, |percent| {
            format!("{} %", bare(percent).trim_start_matches('+'))
        }),
    ]
}

/// A change without its unit.
fn bare(percent: f64) -> String {
    quantity::change(percent).trim_end_matches(" %").to_owned()
}

/// A metric's value with its unit.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "metrics are above zero and far below 2^63"
)]
pub(super) fn shown(unit: MetricUnit, value: f64) -> String {
    match unit {
        MetricUnit::Ns if value < 1000.0 && value.fract() != 0.0 => format!("{value:.1} ns"),
        MetricUnit::Ns => quantity::duration(value.round() as u64),
        MetricUnit::PerS => quantity::rate(value),
        MetricUnit::Bytes => quantity::bytes(value),
    }
}

/// A line for each quantile, with a bar to the side on which `b` is.
fn quantiles(quantiles: &[QuantileComparison]) -> String {
    let largest =
        quantiles.iter().map(|quantile| quantile.effect_percent.abs()).fold(3.0, f64::max);
    let rows: Vec<Vec<String>> = quantiles
        .iter()
        .map(|quantile| {
            let interval = match (quantile.ci_low_percent, quantile.ci_high_percent) {
                (Some(low), Some(high)) => format!("{} … {}", bare(low), bare(high)),
                _ => String::new(),
            };
            vec![
                percentile(quantile.quantile),
                quantity::duration(quantile.a_ns),
                quantity::duration(quantile.b_ns),
                quantity::change(quantile.effect_percent),
                interval,
                bar(quantile.effect_percent / largest),
            ]
        })
        .collect();
    table(&["", "a", "b", "change", "interval", ""], &rows)
}

/// `p50`, `p99.9`.
pub(super) fn percentile(quantile: f64) -> String {
    let percent = format!("{:.2}", quantile * 100.0);
    format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// A bar from the middle to the left (b is lower) or the right (b is higher).
fn bar(share: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a share of a dozen characters"
    )]
    let length = ((share.abs() * HALF as f64).round() as usize).min(HALF);
    let (blank, full) = (" ".repeat(HALF - length), "█".repeat(length));
    if share < 0.0 {
        format!("{blank}{full}│{}", " ".repeat(HALF))
    } else {
        format!("{}│{full}{blank}", " ".repeat(HALF))
    }
}
