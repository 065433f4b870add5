//! The page of a comparison: the answer, what speaks for it, and both sides next to each other.

use maud::{Markup, html};

use super::forest::{metrics, word};
use super::hops::side_by_side;
use super::percentiles::{Carried, Curve, percentiles};
use super::quantiles::quantiles;
use super::slices::slices;
use super::tables::{self, Row, facts, or_nothing};
use super::value::{counted, per_second};
use super::{alarms, notes, page, scenario_text, scrolled};
use crate::quantity::{self, duration};
use crate::render::{machine, without_answer};
use crate::result::{Answer, ComparisonResult, Fitness, SideFigures};

/// The report of a comparison as a page.
pub fn comparison_page(result: &ComparisonResult) -> String {
    let title = format!("{} against {}", result.b.name, result.a.name);
    let interrupted = "only the blocks that were whole by then are in the figures";
    let body = html! {
        header {
            h1 { (result.b.name) " against " (result.a.name) }
        }
        (alarms(result.failure.as_deref(), result.interrupted.then_some(interrupted)))
        (answer(result))
        (notes(&result.notes))
        section id="metrics" {
            h2 { "Metrics" }
            p.note {
                "An effect is by how much " strong { (result.b.name) } " is above " strong { (result.a.name) } ". The bar is "
                "its " (result.method.confidence_percent) " % interval; within the shaded margin a difference counts as none."
            }
            (metrics("metrics-table", "", result))
        }
        @for (number, other) in result.others.iter().enumerate() { (other_side(number, other)) }
        (latency(result))
        (side_by_side(&result.a, &result.b))
        @let plots = slices(result);
        @if !plots.0.is_empty() { section id="slices" { h2 { "Block by block" } (plots) } }
        (ledgers(result))
        (differences(result))
        (method(result))
        section id="scenario" {
            h2 { "Scenarios" }
            div.pair { @for (letter, side) in sides(result) {
                div { h3 { (name(letter, side)) } (scenario_text(&side.scenario)) }
            } }
        }
    };
    page(&title, &result.b.environment.zload, &body)
}

fn sides(result: &ComparisonResult) -> [(&'static str, &SideFigures); 2] {
    [("a", &result.a), ("b", &result.b)]
}

fn name(letter: &str, side: &SideFigures) -> Markup {
    html! { span.name.(letter) { (side.name) } }
}

/// The answer in a word, and in the words of the metric that matters.
fn answer(result: &ComparisonResult) -> Markup {
    let primary = result.metrics.iter().find(|metric| metric.name == result.primary);
    let class = if result.valid { word(result.verdict) } else { "invalid" };
    html! {
        section.verdict.(class) id="verdict" {
            p.status { strong { (class.to_uppercase()) } " " (headline(result)) }
            @if let Some(primary) = primary {
                p { strong { (primary.name) } ": " (primary.sentence) }
                @if let Some(smallest) = primary.smallest_visible_percent {
                    p.note {
                        "With " (quantity::counted(u64::from(primary.blocks), "block")) " a change of "
                        (format!("{smallest:.1}")) " % would have been found four times of five."
                    }
                }
            }
            @for (_, side) in sides(result) { @if side.invalid > 0 {
                p {
                    (quantity::counted(u64::from(side.invalid), "run")) " of " (side.name) " could not be used: "
                    (side.invalid_because.join("; "))
                }
            } }
        }
    }
}

fn headline(result: &ComparisonResult) -> String {
    if !result.valid {
        return "too many runs were INVALID: do not use these figures".to_owned();
    }
    if let Some(unanswered) = without_answer(result) {
        return unanswered;
    }
    let (a, b) = (&result.a.name, &result.b.name);
    match result.verdict {
        Answer::Better => format!("{b} is shown to be better than {a}"),
        Answer::Same => format!("{b} is shown to differ from {a} by less than the margins"),
        Answer::Unclear => "neither a difference nor its absence is shown".to_owned(),
        Answer::Worse => format!("{b} is shown to be worse than {a}"),
    }
}

/// A third side, or a later one: its metrics against the same first.
fn other_side(number: usize, other: &ComparisonResult) -> Markup {
    html! {
        section id=(format!("other-{number}")) {
            h2 { (other.b.name) " against " (other.a.name) }
            p { strong { (word(other.verdict).to_uppercase()) } " " (headline(other)) "." }
            (notes(&other.notes))
            (metrics(&format!("metrics-table-{number}"), &format!("others.{number}."), other))
        }
    }
}

fn latency(result: &ComparisonResult) -> Markup {
    html! {
        section id="latency" {
            h2 { "Latency" }
            (percentiles("percentiles", &curves(result)))
            @let rows = rows(result);
            (tables::latencies("latencies", &rows))
            (quantiles(result))
        }
    }
}

fn curves(result: &ComparisonResult) -> Vec<Curve<'_>> {
    let ComparisonResult { a, b, .. } = result;
    let of = |class, name, latencies, carried| Curve {
        class,
        name,
        latencies,
        intervals: false,
        carried,
    };
    let mut curves = vec![
        of("first", a.name.as_str(), &a.latency.first_reply, Carried::ByCount),
        of("b", b.name.as_str(), &b.latency.first_reply, Carried::ByCount),
    ];
    match (&a.ideal, &b.ideal) {
        (Some(ideal), other) if other.as_ref() == Some(ideal) => {
            curves.push(of("third thin", "ideal of both", ideal, Carried::Throughout));
        }
        (ideal_a, ideal_b) => {
            curves.extend(
                ideal_a.iter().map(|ideal| {
                    of("third thin", "ideal of the first", ideal, Carried::Throughout)
                }),
            );
            curves.extend(
                ideal_b.iter().map(|ideal| {
                    of("fourth thin", "ideal of the second", ideal, Carried::Throughout)
                }),
            );
        }
    }
    curves
}

fn rows(result: &ComparisonResult) -> Vec<Row<'_>> {
    let mut rows: Vec<Row> = sides(result)
        .into_iter()
        .map(|(letter, side)| {
            (side.name.as_str(), format!("{letter}.latency.first_reply"), &side.latency.first_reply)
        })
        .collect();
    let ideals = sides(result).into_iter().filter_map(|(letter, side)| {
        Some(("ideal", format!("{letter}.ideal"), side.ideal.as_ref()?))
    });
    rows.extend(ideals.take(if result.a.ideal == result.b.ideal { 1 } else { 2 }));
    rows
}

fn ledgers(result: &ComparisonResult) -> Markup {
    html! {
        section id="ledger" {
            h2 { "Ledgers" }
            p { "Every message of the runs that entered, in exactly one place." }
            @for (letter, side) in sides(result) {
                h3 { (name(letter, side)) }
                p.note {
                    (quantity::counted(u64::from(side.runs), "run")) ", "
                    (per_second(&format!("{letter}.throughput.requests_per_s"), side.throughput.requests_per_s)) " requests, "
                    (per_second(&format!("{letter}.throughput.replies_per_s"), side.throughput.replies_per_s)) " replies, over "
                    (duration(side.throughput.window_ns)) "."
                }
                (tables::ledger(&format!("{letter}.ledger"), &side.ledger))
            }
        }
    }
}

fn differences(result: &ComparisonResult) -> Markup {
    html! {
        section id="differences" {
            h2 { "What differs" }
            @if result.differences.is_empty() {
                p { "No key of the scenario." }
            } @else {
                (scrolled(&html! {
                    table {
                        thead { tr { th { "key" } th { (result.a.name) } th { (result.b.name) } } }
                        tbody { @for difference in &result.differences {
                            tr {
                                th scope="row" { code { (difference.key) } }
                                td { (or_nothing(difference.a.as_deref())) }
                                td { (or_nothing(difference.b.as_deref())) }
                            }
                        } }
                    }
                }))
            }
        }
    }
}

fn method(result: &ComparisonResult) -> Markup {
    let method = &result.method;
    let order = if method.interleaved {
        "slices of both sides took turns at random"
    } else {
        "one after the other: what changed on the machine between the two stands in the difference"
    };
    let slices = html! {
        (counted("method.blocks", u64::from(method.blocks))) " blocks of "
        (counted("method.slices_per_block", u64::from(method.slices_per_block))) " slices of each side, "
        (duration(method.slice_ns)) " each after " (duration(method.slice_warmup_ns)) " of warm-up"
    };
    let cpus = match method.cpus {
        Some(cpus) => format!("everything was kept on {cpus}"),
        None => "all".to_owned(),
    };
    let mut rows = vec![
        ("order", html! { (order) ", seed " (method.seed) }),
        ("slices", slices),
        ("processors", html! { (cpus) }),
    ];
    if let Some(fitness) = &result.machine {
        rows.push(("machine", fit(fitness)));
    }
    for (_, side) in sides(result) {
        let from = html! {
            (side.source) ", plan " code { (side.plan_hash) }
            @if let Some(exe) = &side.exe { ", by " (exe) }
            "; " (machine(&side.environment))
        };
        rows.push((side.name.as_str(), from));
    }
    html! {
        section id="method" {
            h2 { "How it was found out" }
            (facts(&rows))
        }
    }
}

fn fit(fitness: &Fitness) -> Markup {
    let word = if fitness.fit { "fit" } else { "not fit to compare anything" };
    html! {
        (word) ": of equal pieces of work the slowest tenth took at least " (format!("{:.2}", fitness.p90_ratio))
        " times as long as the fastest, the slowest hundredth " (format!("{:.2}", fitness.p99_ratio)) " times"
    }
}
