//! What is said of each kind of result, as a value that printers give a form.
//!
//! Invariant: no decision, no clock, no file: the same result gives the same report.

mod answer;
mod buckets;
mod calibration;
mod comparison;
mod curve;
mod densities;
pub(crate) mod document;
mod ideal;
mod latency;
mod ledger;
mod legs;
mod metrics;
mod plan;
mod probes;
pub(crate) mod plot;
mod quantiles;
mod run;
pub(crate) mod scale;
mod requests;
mod search;
mod search_answer;
mod search_plot;
mod selftest;
mod serve;
mod shard;
mod shards;
mod short;
mod slices;
mod stages;
mod sweep;
mod sweep_answer;
mod sweep_curve;
mod time;
mod value;
mod verdict;

pub use document::Document;
pub use metrics::metrics;
pub use plan::{PlanPart, plan};
pub use serve::warning_beyond_loopback;

use crate::result::{Environment, Saved, SearchAnswer, SearchResult, to_json};
use zload_core::quantity;
use zload_core::scenario::Scenario;

/// A result of which there is a report.
pub trait Reported {
    /// What is said of it.
    fn report(&self) -> Document;
}

impl Reported for Saved {
    fn report(&self) -> Document {
        match self {
            Self::Run(result) => result.report(),
            Self::Comparison(result) => result.report(),
            Self::Calibration(result) => result.report(),
            Self::Search(result) => result.report(),
            Self::Shard(result) => result.report(),
            Self::Serve(result) => result.report(),
            Self::Ideal(result) => result.report(),
            Self::Selftest(result) => result.report(),
            Self::Sweep(result) => result.report(),
        }
    }
}

/// What is said of a result.
pub fn of(result: &impl Reported) -> Document {
    result.report()
}

/// The answer of a search for a goal, in a sentence.
pub fn search_sentence(result: &SearchResult, answer: &SearchAnswer) -> String {
    search_answer::of_goal(result, answer).0
}

/// When, with which version and where: what a reader of a page that was sent must know first.
fn origin(environment: &Environment) -> String {
    let Environment { zload, build, kernel, cpu_model, cores, time, .. } = environment;
    let build = if build == "release" { String::new() } else { format!(" ({build} build)") };
    let cores = quantity::counted(*cores as u64, "core");
    format!("{} · zload {zload}{build} · {cores} of {cpu_model}, {kernel}", day_and_time(time))
}

/// An instant as people read it, `2026-11-26 18:25 UTC`, or as it is if it is not of zload's form.
fn day_and_time(time: &str) -> String {
    let parts = time.split_once('T').zip(time.get(11..16)).filter(|_| time.ends_with('Z'));
    parts.map_or_else(|| time.to_owned(), |((day, _), minute)| format!("{day} {minute} UTC"))
}

fn machine(environment: &Environment) -> String {
    let Environment {
        zload,
        build,
        libzmq,
        libzmq_eventfd: _, // the check `build` says it
        kernel,
        cpu_model,
        cores,
        cpu_quota,
        load_average,
        time,
        command: _, // for pages, which say it below their title
    } = environment;
    let build = if build == "release" { String::new() } else { format!(" ({build} build)") };
    let cores = quantity::counted(*cores as u64, "core");
    let quota =
        cpu_quota.map_or_else(String::new, |quota| format!(", quota {}", quantity::cpus(quota)));
    format!(
        "{cores} of {cpu_model}{quota}, {kernel}, load average {load_average:.2}, zload {zload}{build}, libzmq {libzmq}, {time}"
    )
}

/// A scenario as the file that it could have come from.
fn scenario_text(scenario: &Scenario) -> String {
    toml::to_string(scenario).unwrap_or_else(|_| to_json(scenario))
}
