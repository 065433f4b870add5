//! The command line of `zload search`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{LoadOverrides, OutputArgs, Overrides};
use zload_core::scenario::{Nanos, Percent};

/// `zload search`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zload search scenario.toml --goal 'first_reply.p99 < 20ms'
  zload search scenario.toml --goal 'first_reply.p99 < 5ms' --at-least 50k/s       a gate for CI
  zload search scenario.toml --goal 'first_reply.p99 < 20ms' --over workers.count       the fewest workers

Exit codes: 0 answered · 1 a gate is not shown · 2 usage, scenario or trial failure · \
3 the answer must not be used, or zload cannot offer the gate's load · 130 interrupted")]
pub struct SearchArgs {
    /// The scenario file, or the endpoint of a ROUTER that listens; - is standard input
    pub scenario: PathBuf,
    /// A limit that a trial must keep, as in `first_reply.p99 < 20ms`; repeatable, and all must hold. Default: the scenario's
    /// search.goals, else its thresholds, else that the system keeps up
    #[arg(long = "goal", value_name = "LIMIT")]
    pub goals: Vec<String>,
    /// A further goal with its own answer from the same trials, as in `strict=first_reply.p99 < 5ms`; repeatable, and limits of
    /// one name must all hold
    #[arg(long, value_name = "NAME=LIMIT")]
    pub also: Vec<String>,
    /// The key to search over: any that has a number. Default: load.rate, or clients.count of a closed load
    #[arg(long, value_name = "KEY")]
    pub over: Option<String>,
    /// The least value to try
    #[arg(long, value_name = "VALUE")]
    pub from: Option<String>,
    /// The largest value to try
    #[arg(long, value_name = "VALUE")]
    pub to: Option<String>,
    /// How far apart both ends of the answer may be, from 2% to 50%
    #[arg(long, value_name = "PERCENT", default_value = "10%")]
    pub width: Percent,
    /// How sure the answer must be, from 50% to 99.9%
    #[arg(long, value_name = "PERCENT", default_value = "90%")]
    pub confidence: Percent,
    /// How long the search may take
    #[arg(long, value_name = "TIME", default_value = "1m")]
    pub time: Nanos,
    /// The measured part of a trial, whose capacity is searched. Default: as long as --time allows for some 22 trials, and as the
    /// goal needs
    #[arg(long, value_name = "TIME")]
    pub trial: Option<Nanos>,
    /// Ask for this value alone: exit code 1 unless it is shown to be sustained
    #[arg(long, value_name = "VALUE", conflicts_with_all = ["from", "to"])]
    pub at_least: Option<String>,
    /// Exit with 1 if nothing is shown (the default with --at-least), or only if the goal is shown to be missed
    #[arg(long, value_enum, value_name = "ANSWER")]
    pub fail_on: Option<SearchFailOnArg>,
    /// When to start the external server again that zload started
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = RestartArg::Stuck)]
    pub restart: RestartArg,
    /// Pin all threads to N CPUs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cpus: Option<u32>,
    /// Overrides of the scenario
    #[command(flatten)]
    pub overrides: Overrides,
    /// Overrides of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which answer of a search is exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SearchFailOnArg {
    /// Not shown to be sustained
    Undecided,
    /// Shown not to be
    Missed,
}

/// When an external server is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RestartArg {
    /// When it does not recover from overload within 5 s; one that zload did not start ends the search then
    Stuck,
    /// Before each trial
    Each,
    /// Never, and trials go on whether or not it recovered
    Never,
}
