//! The page of a run: whether to believe it, the figures that matter, pictures, and everything else beneath.

use maud::{Markup, html};

use super::heat::heat_map;
use super::hops::hops;
use super::percentiles::{Carried, Curve, percentiles};
use super::tables::{self, Row, facts};
use super::timeline::timeline;
use super::value::{counted, mean_time, per_second, percentile, time};
use super::{alarms, notes, page, scenario_text, scrolled};
use crate::quantity::{self, bytes, bytes_per_second, duration};
use crate::render::machine;
use crate::render::mark::{MARK, UNCERTAIN};
use crate::render::plan::parts;
use crate::render::run::{
    generator_line, meaning_of_intervals, meaning_of_other_seeds, proxy_line, server_line, sooner,
    waiting_client,
};
use crate::render::verdict::{headline, tally};
use crate::result::{Kind, Latency, RunResult, ThresholdOutcome};
use crate::verdict::{Check, CheckStatus, Status, Verdict};

/// The report of a run as a page.
pub fn run_page(result: &RunResult) -> String {
    let interrupted = "the figures cover the time until then";
    let body = html! {
        header {
            h1 { (result.scenario.name) }
            @if !result.scenario.description.is_empty() { p.lead { (result.scenario.description) } }
        }
        (alarms(result.failure.as_deref(), result.interrupted.then_some(interrupted)))
        (verdict(&result.verdict))
        (thresholds(result))
        (key_figures(result))
        (notes(&result.notes))
        (what_was_run(result))
        (latency(result))
        (over_time(result))
        (hops(result))
        section id="ledger" {
            h2 { "Ledger" }
            p { "Every message of the measured part, in exactly one place." }
            (tables::ledger("ledger", &result.ledger))
        }
        (cost(result))
        (runs(result))
        section id="machine" { h2 { "Machine" } p { (machine(&result.environment)) "." } }
        section id="scenario" {
            h2 { "Scenario" }
            p { "With every default filled in: this file alone makes the run again." }
            (scenario_text(&result.scenario))
        }
    };
    let (word, _) = headline(result.verdict.status);
    page(&format!("{} · {word}", result.scenario.name), &result.environment.zload, &body)
}

fn class_of(check: &Check) -> &'static str {
    match check.status {
        CheckStatus::Pass => "pass",
        CheckStatus::NotApplicable => "without-data",
        CheckStatus::Warn => "warn",
        CheckStatus::Fail => "fail",
    }
}

fn verdict(verdict: &Verdict) -> Markup {
    let (word, meaning) = headline(verdict.status);
    let findings = verdict.findings();
    let others = || {
        verdict.checks.iter().filter(|check| findings.iter().all(|found| found.name != check.name))
    };
    html! {
        section.verdict.(word.to_lowercase()) id="verdict" {
            p.status { strong { (word) } " " (meaning) }
            @if !findings.is_empty() {
                ul.checks { @for check in &findings {
                    li.(class_of(check)) {
                        strong { (check.name.replace('_', " ")) } " " (check.sentence)
                    }
                } }
            }
            @if let Some(ceiling) = &verdict.ceiling { p.sentence { (ceiling.sentence) "." } }
            details {
                summary { (tally(verdict)) }
                ul.checks { @for check in others() {
                    li.(class_of(check)) {
                        strong { (check.name.replace('_', " ")) } " " (check.sentence)
                    }
                } }
            }
        }
    }
}

/// Each threshold with its mark; nothing if there are none.
fn thresholds(result: &RunResult) -> Markup {
    let invalid = result.verdict.status == Status::Invalid;
    let kind = |outcome: &ThresholdOutcome| match outcome.met {
        _ if invalid => ("without-data", "·"),
        true => ("pass", "✓"),
        false => ("fail", "✗"),
    };
    html! {
        @if !result.thresholds.is_empty() {
            section id="thresholds" {
                h2 { "Thresholds" }
                @if invalid { p { "None is met or missed: these figures must not be used." } }
                ul.checks { @for outcome in &result.thresholds {
                    @let (class, mark) = kind(outcome);
                    li.(class) { strong { (mark) " " (outcome.limit) } " " (outcome.sentence) }
                } }
            }
        }
    }
}

fn key_figures(result: &RunResult) -> Markup {
    let RunResult { throughput, latency, ledger, .. } = result;
    let first = &latency.first_reply;
    html! {
        section id="figures" {
            h2.hidden { "Key figures" }
            dl.figures {
                div { dt { "requests" } dd { (per_second("throughput.requests_per_s", throughput.requests_per_s)) } }
                div { dt { "replies" } dd { (per_second("throughput.replies_per_s", throughput.replies_per_s)) } }
                div { dt { "p50" } dd { (percentile("latency.first_reply", first, &Kind::P50)) } }
                div { dt { "p99" } dd { (percentile("latency.first_reply", first, &Kind::P99)) } }
                div {
                    dt { "p99, ideal" }
                    dd { (time("ideal.first_reply.p99_ns", result.ideal.as_ref().and_then(|ideal| ideal.figures.first_reply.p99_ns))) }
                }
                div { dt { "max" } dd { (time("latency.first_reply.max_ns", first.max_ns)) } }
                div.(if ledger.requests_lost > 0 { "alarm" } else { "fine" }) {
                    dt { "lost" } dd { (counted("ledger.requests_lost", ledger.requests_lost)) }
                }
                div {
                    dt { "CPU per message" }
                    dd { (mean_time("process.cpu_ns_per_message", result.process.cpu_ns_per_message)) }
                }
            }
            p.note {
                "Response times are to the first reply, from the instant at which the plan wanted the request to leave; CPU \
                 is that of the whole process."
            }
        }
    }
}

fn what_was_run(result: &RunResult) -> Markup {
    let parts = parts(&result.scenario);
    let mut rows: Vec<(&str, Markup)> =
        parts.iter().map(|(name, text)| (*name, html! { (text) })).collect();
    let plan = html! { code { (result.plan_hash) } ", seed " (result.seed) };
    rows.push(("plan", plan));
    html! { section id="what-was-run" { h2 { "What was run" } (facts(&rows)) } }
}

fn latency(result: &RunResult) -> Markup {
    let latency = &result.latency;
    let rows = rows(result);
    // The mark stands in other tables, too.
    let marked = rows.iter().any(|(.., row)| !row.uncertain.is_empty())
        || [hops(result), runs(result)].iter().any(|part| part.0.contains(MARK));
    html! {
        section id="latency" {
            h2 { "Latency" }
            (percentiles("percentiles", &curves(result)))
            (tables::latencies("latencies", &rows))
            p.note {
                "Replies count from the intended instant, service from sent; slip is between."
                @if result.ideal.is_some() {
                    " Ideal is the first reply if proxy, network and scheduler cost nothing; excess is measured minus ideal, \
                     request by request."
                }
                @if let Some(sentence) = result.ideal.as_ref().and_then(|ideal| sooner(&ideal.excess)) {
                    " " (sentence) "."
                }
                @if latency.first_reply.intervals.any() {
                    " Beneath a percentile stands " (meaning_of_intervals(result)) "."
                }
                @if let Some(meaning) = meaning_of_other_seeds(result) {
                    " Beneath it, after “seeds”, stands " (meaning) "."
                }
                @if marked { " " (UNCERTAIN) "." }
            }
            @if let Some(sentence) = waiting_client(result) { p.sentence id="waiting-client" { (sentence) "." } }
        }
    }
}

/// Whether every request got one reply, so that first, last and every reply are the same.
fn one_reply_each(latency: &Latency) -> bool {
    latency.first_reply == latency.last_reply && latency.first_reply == latency.reply
}

fn curves(result: &RunResult) -> Vec<Curve<'_>> {
    let latency = &result.latency;
    let one_each = one_reply_each(latency);
    let curve = |class, name, latencies| Curve {
        class,
        name,
        latencies,
        intervals: false,
        carried: Carried::ByIntervals,
    };
    let name = if one_each { "reply" } else { "first reply" };
    let mut curves = vec![Curve { intervals: true, ..curve("first", name, &latency.first_reply) }];
    if let Some(ideal) = &result.ideal {
        let latencies = &ideal.figures.first_reply;
        curves.push(Curve { carried: Carried::Throughout, ..curve("ideal", "ideal", latencies) });
    }
    if !one_each {
        curves.push(curve("third", "last reply", &latency.last_reply));
    }
    curves.push(curve("fourth", "service", &latency.service));
    curves
}

fn rows(result: &RunResult) -> Vec<Row<'_>> {
    let latency = &result.latency;
    let row = |name, path: &str, latencies| (name, path.to_owned(), latencies);
    let mut rows = if one_reply_each(latency) {
        vec![row("reply", "latency.first_reply", &latency.first_reply)]
    } else {
        vec![
            row("first reply", "latency.first_reply", &latency.first_reply),
            row("last reply", "latency.last_reply", &latency.last_reply),
            row("every reply", "latency.reply", &latency.reply),
        ]
    };
    if let Some(ideal) = &result.ideal {
        rows.push(row("ideal", "ideal.first_reply", &ideal.figures.first_reply));
        rows.push(row("excess", "ideal.excess.first_reply", &ideal.excess.first_reply));
    }
    rows.push(row("service", "latency.service", &latency.service));
    rows.push(row("slip", "latency.slip", &latency.slip));
    rows
}

fn over_time(result: &RunResult) -> Markup {
    let plots = html! { (heat_map(result)) (timeline(result)) };
    html! { @if !plots.0.is_empty() { section id="over-time" { h2 { "Over time" } (plots) } } }
}

fn cost(result: &RunResult) -> Markup {
    let RunResult { throughput, proxy, generator, process, .. } = result;
    let server = result.server.as_ref().map(|server| ("server", html! { (server_line(server)) }));
    let mut rows = vec![
        (
            "carried",
            html! {
                (per_second("throughput.proxy_messages_per_s", throughput.proxy_messages_per_s)) " messages, "
                (bytes_per_second(throughput.proxy_bytes_per_s)) ", over " (duration(throughput.window_ns))
            },
        ),
        ("proxy", html! { (proxy_line(proxy)) }),
        ("generator", html! { (generator_line(generator)) }),
        (
            "process",
            html! {
                (mean_time("process.cpu_ns_per_message", process.cpu_ns_per_message)) " CPU per message"
                @if let Some(resident) = process.resident_bytes { ", " (bytes(resident as f64)) " resident" }
            },
        ),
    ];
    rows.extend(server);
    html! { section id="cost" { h2 { "Cost" } (facts(&rows)) } }
}

fn runs(result: &RunResult) -> Markup {
    html! {
        @if !result.runs.is_empty() {
            section id="runs" {
                h2 { (quantity::counted(u64::from(result.repeat), "run")) ", pooled above" }
                (scrolled(&html! {
                    table {
                        thead { tr {
                            th { "run" } th { "verdict" } th { "requests" } th { "replies" } th { "p50" } th { "p99" }
                            th { "lost" }
                        } }
                        tbody { @for (number, run) in result.runs.iter().enumerate() {
                            @let field = |name: &str| format!("runs.{number}.{name}");
                            tr {
                                th scope="row" { (number + 1) }
                                td { (headline(run.verdict.status).0) }
                                td { (per_second(&field("throughput.requests_per_s"), run.throughput.requests_per_s)) }
                                td { (per_second(&field("throughput.replies_per_s"), run.throughput.replies_per_s)) }
                                @let first = &run.latency.first_reply;
                                @for kind in [Kind::P50, Kind::P99] {
                                    td { (percentile(&field("latency.first_reply"), first, &kind)) }
                                }
                                td { (counted(&field("ledger.requests_lost"), run.ledger.requests_lost)) }
                            }
                        } }
                    }
                }))
            }
        }
    }
}
