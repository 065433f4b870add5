//! Markdown, as pull requests show it: the answer in the first line, then a table, then what folds away.
//!
//! Invariant: no text of a scenario can leave its cell.

use crate::quantity::{bytes, counted, duration, rate};
use crate::render::mark::{MARK, UNCERTAIN, marked};
use crate::render::{machine, without_answer};
use crate::result::{
    Answer, ComparisonResult, LatencySummary, MetricComparison, MetricUnit, PERCENTILES, RunResult,
};
use crate::text::shown;
use crate::verdict::{Check, Status, Verdict};

/// Stands where a figure is null.
const NOTHING: &str = "–";

pub(super) fn run(result: &RunResult) -> String {
    let mut text = headline(result) + "\n" + &doubts(&result.verdict);
    text += &thresholds(result);
    text += &figures(result);
    let mut notes = result.notes.clone();
    notes.push(format!("plan {} (seed {})", result.plan_hash, result.seed));
    notes.push(machine(&result.environment));
    text + "\n" + &folded("Notes, plan and machine", &list(&notes))
}

fn headline(result: &RunResult) -> String {
    let meaning = match result.verdict.status {
        Status::Valid => "VALID: nothing speaks against these figures",
        Status::Suspect => "SUSPECT: read these figures with the doubts below",
        Status::Invalid => "INVALID: do not use these figures",
    };
    let mut text = format!("**{}** · {meaning}\n", code(&result.scenario.name));
    if let Some(failure) = &result.failure {
        text += &format!("\nFAILED: {}\n", safe(failure));
    }
    if result.interrupted {
        text += "\nINTERRUPTED: the figures cover the time until then\n";
    }
    text
}

/// What did not pass, the worst first.
fn doubts(verdict: &Verdict) -> String {
    let sentence = |check: &&Check| format!("{}: {}", check.name, check.sentence);
    let sentences: Vec<String> = verdict.findings().iter().map(sentence).collect();
    if sentences.is_empty() { String::new() } else { list(&sentences) + "\n" }
}

/// Each threshold with its mark, unless there is none.
fn thresholds(result: &RunResult) -> String {
    let mark = |met: bool| match (met, result.verdict.status) {
        (_, Status::Invalid) => "·",
        (true, _) => "✓",
        (false, _) => "✗",
    };
    let rows: String = result
        .thresholds
        .iter()
        .map(|outcome| row([mark(outcome.met), &outcome.limit, &outcome.sentence]))
        .collect();
    if rows.is_empty() { rows } else { format!("| | threshold | found |\n|---|---|---|\n{rows}\n") }
}

fn figures(result: &RunResult) -> String {
    let throughput = &result.throughput;
    let mut rows = vec![
        row(["requests", &rate(throughput.requests_per_s), ""]),
        row(["replies", &rate(throughput.replies_per_s), ""]),
    ];
    rows.extend(percentiles("first reply", &result.latency.first_reply));
    if result.latency.last_reply != result.latency.first_reply {
        rows.extend(percentiles("last reply", &result.latency.last_reply));
    }
    if let Some(ideal) = &result.ideal {
        rows.extend(percentiles("excess over the ideal", &ideal.excess.first_reply));
    }
    let cpu = |ns: Option<f64>| ns.map_or_else(|| NOTHING.to_owned(), nanos);
    rows.push(row(["requests lost", &result.ledger.requests_lost.to_string(), ""]));
    rows.push(row(["proxy CPU per message", &cpu(result.proxy.cpu_ns_per_message), ""]));
    rows.push(row(["whole process CPU per message", &cpu(result.process.cpu_ns_per_message), ""]));
    let table = rows.concat();
    // No unit and no name begins with the mark.
    let legend =
        if table.contains(MARK) { format!("\n{}\n", safe(UNCERTAIN)) } else { String::new() };
    format!("| figure | value | 95 % interval |\n|---|--:|--:|\n{table}{legend}")
}

/// Those percentiles that the sample carries.
fn percentiles(name: &str, latency: &LatencySummary) -> Vec<String> {
    PERCENTILES
        .iter()
        .zip(latency.percentiles())
        .zip(latency.intervals.ends())
        .filter_map(|((kind, ns), interval)| {
            let ends =
                interval.map(|[low, high]| format!("{} to {}", duration(low), duration(high)));
            let figure = marked(latency, kind, duration(ns?));
            Some(row([&format!("{name} {}", kind.name), &figure, &ends.unwrap_or_default()]))
        })
        .collect()
}

pub(super) fn comparison(result: &ComparisonResult) -> String {
    let pairs: Vec<String> = std::iter::once(result).chain(&result.others).map(pair).collect();
    pairs.join("\n---\n\n")
}

fn pair(result: &ComparisonResult) -> String {
    let (gated, others): (Vec<_>, Vec<_>) =
        result.metrics.iter().partition(|metric| metric.gated || metric.name == result.primary);
    let mut text = answer(result) + "\n" + &metrics(&gated, result.method.confidence_percent);
    if !result.notes.is_empty() {
        text += &format!("\n{}", list(&result.notes));
    }
    if !result.differences.is_empty() {
        let rows = result.differences.iter().map(|difference| {
            let side = |value: &Option<String>| value.clone().unwrap_or_else(|| NOTHING.to_owned());
            row([&difference.key, &side(&difference.a), &side(&difference.b)])
        });
        text += &format!("\n| key | a | b |\n|---|---|---|\n{}", rows.collect::<String>());
    }
    if !others.is_empty() {
        let table = metrics(&others, result.method.confidence_percent);
        text += &format!("\n{}", folded("Other metrics, which decide nothing", &table));
    }
    text
}

/// The answer, and by which sentence.
fn answer(result: &ComparisonResult) -> String {
    let (a, b) = (code(&result.a.name), code(&result.b.name));
    let mut text = match (&result.failure, result.valid) {
        (Some(failure), _) => format!("**FAILED** · {b} against {a}: {}\n", safe(failure)),
        (None, false) => format!("**INVALID** · {b} against {a}: do not use these figures\n"),
        (None, true) => {
            let blocks = counted(u64::from(result.method.blocks), "block");
            let how = if result.method.interleaved { "interleaved" } else { "one after the other" };
            format!(
                "**{}** · {b} against {a} ({blocks}, {how})\n",
                without_answer(result).as_deref().unwrap_or(word(result.verdict))
            )
        }
    };
    if result.interrupted {
        text += "\nINTERRUPTED: only whole blocks are in the figures\n";
    }
    let decisive =
        result.metrics.iter().filter(|metric| metric.gated && metric.verdict == result.verdict);
    let sentences: Vec<String> = decisive.map(|metric| metric.sentence.clone()).collect();
    if sentences.is_empty() { text } else { format!("{text}\n{}", list(&sentences)) }
}

fn metrics(metrics: &[&MetricComparison], confidence_percent: f64) -> String {
    let rows = metrics.iter().map(|metric| {
        let ends = metric.ci_low_percent.zip(metric.ci_high_percent);
        row([
            &metric.name,
            &value(metric.a, metric.unit),
            &value(metric.b, metric.unit),
            &metric.effect_percent.map_or_else(|| NOTHING.to_owned(), change),
            &ends.map_or_else(
                || NOTHING.to_owned(),
                |(low, high)| format!("{} to {}", change(low), change(high)),
            ),
            word(metric.verdict),
        ])
    });
    format!(
        "| metric | a | b | change | {confidence_percent} % interval | answer |\n|---|--:|--:|--:|--:|---|\n{}",
        rows.collect::<String>()
    )
}

fn word(answer: Answer) -> &'static str {
    match answer {
        Answer::Better => "better",
        Answer::Same => "same",
        Answer::Unclear => "unclear",
        Answer::Worse => "worse",
    }
}

fn value(value: Option<f64>, unit: MetricUnit) -> String {
    let Some(value) = value else { return NOTHING.to_owned() };
    match unit {
        MetricUnit::Ns => nanos(value),
        MetricUnit::PerS => rate(value),
        MetricUnit::Bytes => bytes(value),
    }
}

/// A difference in percent of what it is held against.
fn change(percent: f64) -> String {
    format!("{percent:+.1} %")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "times are positive, and a cast of what is too large saturates"
)]
fn nanos(ns: f64) -> String {
    duration(ns.round() as u64)
}

fn row<const N: usize>(cells: [&str; N]) -> String {
    format!("| {} |\n", cells.map(safe).join(" | "))
}

fn list(items: &[String]) -> String {
    items.iter().map(|item| format!("- {}\n", begin(&safe(item)))).collect()
}

/// The blank lines make what is folded Markdown again.
fn folded(summary: &str, text: &str) -> String {
    format!("<details><summary>{summary}</summary>\n\n{text}\n</details>\n")
}

/// Text that means nothing but itself, on one line. A word of which a reader of Markdown may make a link or call somebody
/// stands as code: those readers look at what is left when all escapes are gone.
fn safe(text: &str) -> String {
    let words: Vec<String> = text.split(' ').map(alone).collect();
    words.join(" ")
}

fn alone(word: &str) -> String {
    const LINKS: [&str; 7] = ["@", "#", "://", "www.", "mailto:", "xmpp:", "$"];
    let lower = word.to_lowercase();
    let issue = lower.trim_start_matches(|c: char| !c.is_alphanumeric()).starts_with("gh-");
    if issue || LINKS.iter().any(|link| lower.contains(link)) {
        return code(word);
    }
    let edge = word.starts_with('_') || word.ends_with('_');
    let mut safe = String::new();
    for sign in shown(word).chars() {
        if r"\|<`*[&~".contains(sign) || edge && sign == '_' {
            safe.push('\\');
        }
        safe.push(sign);
    }
    safe
}

/// The begin of a paragraph, which is no heading, quotation or list.
fn begin(safe: &str) -> String {
    let text = safe.trim_start();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match text[digits..].chars().next() {
        Some('>' | '-' | '+' | '=') if digits == 0 => format!("\\{text}"),
        Some('.' | ')') if digits > 0 => format!("{}\\{}", &text[..digits], &text[digits..]),
        _ => text.to_owned(),
    }
}

/// A name as code, in which nothing is a link, a mention or anything else than itself.
fn code(name: &str) -> String {
    let name = shown(name);
    if name.is_empty() {
        return NOTHING.to_owned();
    }
    if !name.contains(['`', '|', '\\']) {
        return format!("`{name}`");
    }
    // In a cell of a table these have no escape in a span of code.
    let escaped = |sign: char| match sign {
        sign if sign.is_ascii_punctuation() => format!("&#{};", u32::from(sign)),
        sign => sign.to_string(),
    };
    format!("<code>{}</code>", name.chars().map(escaped).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_could_be_a_link_or_call_somebody_is_code() {
        for (text, shown) in [
            ("ask @octocat in #1", "ask `@octocat` in `#1`"),
            ("http://a.b www.a.b GH-1 (gh-2)", "`http://a.b` `www.a.b` `GH-1` `(gh-2)`"),
            ("high-water <b> *x* _x_ a_b", r"high-water \<b> \*x\* \_x\_ a_b"),
            ("a`@b", "<code>a&#96;&#64;b</code>"),
            ("a\u{202e}\nb", r"a\\u{202e}\\u{a}b"),
        ] {
            assert_eq!(safe(text), shown);
        }
        assert_eq!(["> a", "- a", "12. a", "a"].map(begin), [r"\> a", r"\- a", r"12\. a", "a"]);
        assert_eq!(["a", "", "a|b"].map(code), ["`a`", "–", "<code>a&#124;b</code>"]);
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_cell(text in ".*\\|.*|.*\n.*|.*") {
            let row = row([&text, "x"]);
            prop_assert_eq!(row.lines().count(), 1);
            // Every second backslash of a run escapes the first, so an odd number before a bar escapes the bar.
            let mut bars = 0;
            let mut escaped = false;
            for sign in row.chars() {
                bars += u32::from(sign == '|' && !escaped);
                escaped = sign == '\\' && !escaped;
            }
            prop_assert_eq!(bars, 3);
        }
    }
}
