//! The answer of a comparison: in a word, in a sentence, and as a row for each metric.

use super::document::{Column, Effect, Kind, Row, Span, Status, Table, Tone, Words, words};
use super::quantiles::interval;
use super::value::{change, metric, size};
use crate::compare::short;
use crate::result::{Answer, ComparisonResult, Difference, MetricComparison, SideFigures};
use zload_core::quantity::{self, counted, duration};

pub(super) fn title(result: &ComparisonResult) -> Words {
    words!(Span::name(&result.b.name), " against ", Span::name(&result.a.name))
}

pub(super) fn sides(result: &ComparisonResult) -> [(&'static str, &SideFigures); 2] {
    [("a", &result.a), ("b", &result.b)]
}

/// The answer in a word, and how good it is.
pub(super) fn word(result: &ComparisonResult) -> (String, Tone) {
    let (word, tone) = match result.verdict {
        _ if result.failure.is_some() => ("FAILED", Tone::Alarm),
        _ if !result.valid => ("INVALID", Tone::Alarm),
        Answer::Better => ("BETTER", Tone::Good),
        Answer::Worse => ("WORSE", Tone::Alarm),
        Answer::Same => ("SAME", Tone::Plain),
        Answer::Unclear => ("UNCLEAR", Tone::Doubt),
    };
    match without_answer(result) {
        Some(without) => (without, Tone::Alarm),
        None => (word.to_owned(), tone),
    }
}

/// `NO ANSWER for first_reply.p99`, if the primary metric or a gate has no answer and nothing else decides.
fn without_answer(result: &ComparisonResult) -> Option<String> {
    let metrics = result.unanswered();
    if !result.valid || metrics.is_empty() || result.verdict == Answer::Worse {
        return None;
    }
    let names: Vec<&str> = metrics.into_iter().map(|metric| short(&metric.name)).collect();
    Some(format!("NO ANSWER for {}", names.join(", ")))
}

/// The answer in a word, and in the words of the metric that matters.
pub(super) fn status(result: &ComparisonResult) -> Status {
    let (mut word, tone) = word(result);
    if result.interrupted {
        word += ", interrupted";
    }
    let primary = result.metrics.iter().find(|metric| metric.name == result.primary);
    let meaning = match (&result.failure, primary) {
        (Some(failure), _) => failure.clone(),
        _ if !result.valid => {
            "too many runs were INVALID: do not use these figures; a and b below say why".to_owned()
        }
        (None, Some(metric)) => answer(metric, result.method.confidence_percent),
        (None, None) => String::new(),
    };
    Status { of: Some(title(result)), word, meaning: meaning.into(), tone }
}

/// What is found of the primary metric, in words.
pub(super) fn answer(metric: &MetricComparison, confidence_percent: f64) -> String {
    let name = short(&metric.name);
    let (Some(effect), Some(low), Some(high)) =
        (metric.effect_percent, metric.ci_low_percent, metric.ci_high_percent)
    else {
        return format!("{name} is {}.", metric.sentence);
    };
    let direction = if effect < 0.0 { "lower" } else { "higher" };
    let size = size(effect);
    let interval = format!(
        "{confidence_percent} % interval {} to {}",
        quantity::change(low),
        quantity::change(high)
    );
    let margin = metric.margin_percent;
    match metric.verdict {
        Answer::Better | Answer::Worse => {
            let word = if metric.verdict == Answer::Better { "better" } else { "worse" };
            format!("{name} is {size} {direction}, which is {word} ({interval}).")
        }
        Answer::Same => {
            format!("{name} is the same within ±{margin} %: {size} {direction} ({interval}).")
        }
        Answer::Unclear => format!(
            "{name}: neither a difference nor equality within ±{margin} % is shown: {size} {direction} ({interval}). {}",
            capital(metric.sentence.trim_start_matches("unclear: "))
        ),
    }
}

fn capital(sentence: &str) -> String {
    let mut rest = sentence.chars();
    let first = rest.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", rest.as_str())
}

/// A key in which the scenarios differ.
pub(super) fn difference(difference: &Difference) -> (Words, Words) {
    let value = |side: &Option<String>| side.as_deref().map_or(Span::Nothing, Span::code);
    let key = Span::code(&difference.key);
    ("differs".into(), words!(key, ": ", value(&difference.a), " → ", value(&difference.b)))
}

pub(super) fn how(result: &ComparisonResult) -> String {
    let method = &result.method;
    let blocks = counted(u64::from(method.blocks), "block");
    let detectable = result
        .metrics
        .iter()
        .find(|metric| metric.name == result.primary)
        .and_then(|metric| metric.smallest_visible_percent)
        .map_or_else(String::new, |percent| {
            format!("; minimum detectable effect {} (80 % power)", size(percent))
        });
    if method.interleaved {
        let plan = if result.a.plan_hash == result.b.plan_hash {
            "the same plan"
        } else {
            "the same seeds"
        };
        format!(
            "{blocks} of {} of {}, in random order, {plan} on both sides{detectable}",
            counted(u64::from(method.slices_per_block), "pair"),
            duration(method.slice_ns),
        )
    } else {
        format!(
            "{} of each, one after the other{detectable}",
            counted(u64::from(method.blocks), "run")
        )
    }
}

/// The metric that decides, as its own row.
pub(super) fn decisive(path: &str, result: &ComparisonResult) -> Table {
    let mut table = metrics("", path, result);
    table.rows.retain(|row| row.is_primary);
    for row in &mut table.rows {
        (row.group, row.said) = ("", None);
    }
    table
}

/// All metrics, those that differ first.
pub(super) fn metrics(id: &'static str, path: &str, result: &ComparisonResult) -> Table {
    const GROUPS: [(Answer, &str, &str, Tone); 4] = [
        (Answer::Worse, "worse", "worse", Tone::Alarm),
        (Answer::Better, "better", "better", Tone::Good),
        (Answer::Unclear, "unclear", "unclear", Tone::Doubt),
        (Answer::Same, "same", "same, within the margin of each", Tone::Note),
    ];
    let numbered = || result.metrics.iter().enumerate();
    let rows = GROUPS.into_iter().flat_map(|(answer, word, group, tone)| {
        let answer = move |of: &MetricComparison| of.verdict == answer;
        numbered().filter(move |(_, of)| answer(of)).map(move |(number, of)| {
            let field = |name: &str| format!("{path}metrics.{number}.{name}");
            let ends = of.ci_low_percent.zip(of.ci_high_percent).map(Into::into);
            let margin = of.margin_percent.abs();
            let row = Row::of([
                short(&of.name).into(),
                metric(field("a"), of.a, of.unit),
                metric(field("b"), of.b, of.unit),
                change(field("effect_percent"), of.effect_percent),
                interval(ends),
                Span::Toned(tone, word.to_owned()).into(),
                of.smallest_visible_percent.map(size).unwrap_or_default().into(),
                Span::Effect(Effect { percent: of.effect_percent, ends, margin }).into(),
            ]);
            let said = Some((of.sentence.as_str().into(), needs_words(of)));
            Row { is_primary: of.name == result.primary, group, said, ..row }
        })
    });
    let [a, b] = sides(result).map(|(letter, side)| Span::side(letter, &side.name).into());
    let columns = [
        ("".into(), Kind::Words),
        (a, Kind::Figures),
        (b, Kind::Figures),
        ("change".into(), Kind::Figures),
        ("interval".into(), Kind::Beneath),
        ("answer".into(), Kind::Group),
        ("MDE".into(), Kind::Beneath),
        ("".into(), Kind::Effect),
    ];
    let columns = columns.map(|(heading, kind)| Column { heading, kind, ..Column::default() });
    Table { id, columns: columns.into(), rows: rows.collect() }
}

/// Whether a reader of its row alone would take it for something else: an interval without zero that is unclear, a gate
/// without an answer, sides that differ the other way than the change.
fn needs_words(metric: &MetricComparison) -> bool {
    let apart = metric.ci_low_percent.is_some_and(|low| low > 0.0)
        || metric.ci_high_percent.is_some_and(|high| high < 0.0);
    metric.verdict == Answer::Unclear && (apart || metric.gated && !metric.answered)
        || metric.medians_differ_the_other_way()
}
