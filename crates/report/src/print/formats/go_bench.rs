//! Go benchmark text, which benchstat reads (<https://go.dev/design/14313-benchmark-format>).
//!
//! Every run of `--repeat` is a line, and so is each block of each side of a comparison: benchstat works out the spread
//! itself. Invariant: the first figure of a line is `ns/op`, where there is one: some readers know no other.

use std::collections::BTreeSet;

use super::metrics::{Metric, of_run, unit};
use crate::result::{ComparisonResult, Direction, MetricComparison, RunResult, SideFigures, Slice};
use crate::verdict::Status;
use zload_core::stats;
use zload_core::text::shown;

/// What `ns/op` means here: the median response time to the first reply.
const PER_OPERATION: &str = "latency.first_reply.p50";

pub(super) fn run(result: &RunResult) -> String {
    let name = benchmark(&result.scenario.name, "", result.environment.cores);
    let runs: Vec<(u64, Vec<Metric>)> = if result.runs.is_empty() {
        vec![(result.ledger.requests_sent, of_run(result))]
    } else {
        result.runs.iter().map(|run| (run.ledger.requests_sent, of_run(run))).collect()
    };
    let mut text = format!("cpu: {}\n", shown(&result.environment.cpu_model));
    let known = runs.iter().flat_map(|(_, metrics)| metrics);
    text += &units(known.map(|metric| (go_unit(&metric.name, metric.unit), metric.better)));
    for (requests, metrics) in runs {
        let values = metrics.iter().map(|metric| (metric.name.as_str(), metric.unit, metric.value));
        text += &line(&name, requests, values);
    }
    text
}

/// `benchstat -col /side` puts the sides beside each other.
pub(super) fn comparison(result: &ComparisonResult) -> String {
    let mut text = format!("cpu: {}\n", shown(&result.a.environment.cpu_model));
    text += &units(
        result
            .metrics
            .iter()
            .map(|metric| (go_unit(&metric.name, unit(metric.unit)), metric.better)),
    );
    // The sides' names are in no line: `a` and `b` of the same work have to have the same name.
    let sides = std::iter::once(&result.a)
        .chain(std::iter::once(&result.b))
        .chain(result.others.iter().map(|other| &other.b));
    let sides: Vec<(String, &SideFigures)> = ('a'..='z').map(String::from).zip(sides).collect();
    let blocks: BTreeSet<u32> = result.slices.iter().map(|slice| slice.block).collect();
    for block in blocks {
        for (side, figures) in &sides {
            let slices: Vec<&Slice> = result
                .slices
                .iter()
                .filter(|slice| slice.block == block && slice.side == *side)
                .filter(|slice| slice.status != Status::Invalid)
                .collect();
            let cores = figures.environment.cores;
            let name = benchmark(&result.a.name, &format!("/side={side}"), cores);
            let values = result.metrics.iter().filter_map(|metric| {
                let value = stats::median(&values(&slices, metric))?;
                Some((metric.name.as_str(), unit(metric.unit), value))
            });
            text += &line(&name, slices.len() as u64, values);
        }
    }
    text
}

fn values(slices: &[&Slice], metric: &MetricComparison) -> Vec<f64> {
    slices.iter().filter_map(|slice| slice.values.get(&metric.name).copied()).collect()
}

/// A name without the signs that part it: blanks, `/`, `=`; and with the number of CPUs, which a reader would
/// otherwise take a number at its end for.
fn benchmark(scenario: &str, side: &str, cores: usize) -> String {
    let scenario: String = shown(scenario)
        .chars()
        .map(|sign| if sign.is_whitespace() || "/=".contains(sign) { '_' } else { sign })
        .collect();
    format!("BenchmarkZload/scenario={scenario}{side}-{cores}")
}

/// A figure's unit, which is all that names it: `first_reply.p99-ns`, `requests/s`, `proxy.cpu-ns/message`.
fn go_unit(name: &str, unit: &str) -> String {
    if name == PER_OPERATION {
        return "ns/op".to_owned();
    }
    let name = &shown(name).replace(char::is_whitespace, "_");
    let short = ["latency.", "throughput."].iter().find_map(|part| name.strip_prefix(part));
    let short = short.unwrap_or(name);
    match short.strip_suffix("_per_s") {
        Some(things) => format!("{things}/s"),
        None if short.contains("_ns_per_") => short.replace("_ns_per_", "-ns/"),
        None if unit == "ns" => format!("{short}-ns"),
        // `B` alone has its own scale in benchstat.
        None => short.strip_suffix("_bytes").map_or(short.to_owned(), |what| format!("{what}-B")),
    }
}

/// A line for each unit that says which way is better.
fn units(units: impl Iterator<Item = (String, Direction)>) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut text = String::new();
    for (unit, better) in units {
        let way = match better {
            Direction::Higher => "higher",
            Direction::Lower => "lower",
        };
        if !said.contains(&unit) {
            text += &format!("Unit {unit} better={way}\n");
            said.push(unit);
        }
    }
    text
}

/// One line; none without figures, which no reader takes.
fn line<'a>(
    name: &str,
    operations: u64,
    values: impl Iterator<Item = (&'a str, &'a str, f64)>,
) -> String {
    let mut values: Vec<(&str, &str, f64)> = values.collect();
    if values.is_empty() {
        return String::new();
    }
    values.sort_by_key(|(name, _, _)| *name != PER_OPERATION);
    let figures: String = values
        .iter()
        .map(|(name, unit, value)| format!(" {value} {}", go_unit(name, unit)))
        .collect();
    format!("{name} {operations}{figures}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_names_its_figure() {
        for (name, unit, expected) in [
            ("latency.first_reply.p50", "ns", "ns/op"),
            ("latency.first_reply.p99", "ns", "first_reply.p99-ns"),
            ("throughput.requests_per_s", "1/s", "requests/s"),
            ("proxy.cpu_ns_per_message", "ns", "proxy.cpu-ns/message"),
            ("process.resident_bytes", "B", "process.resident-B"),
            ("ledger.requests_lost", "requests", "ledger.requests_lost"),
        ] {
            assert_eq!(go_unit(name, unit), expected);
        }
    }

    #[test]
    fn a_name_keeps_its_number_and_loses_what_would_part_it() {
        assert_eq!(
            benchmark("10 k/s of=64-2", "/side=a", 8),
            "BenchmarkZload/scenario=10_k_s_of_64-2/side=a-8"
        );
    }
}
