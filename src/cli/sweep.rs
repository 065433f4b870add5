//! The command line of sweeps.

use std::path::PathBuf;

use clap::Args;

use super::{LoadOverrides, OutputArgs, Overrides};
use zload_core::scenario::Nanos;
use zload_core::scenario::over::Over;

/// `zload sweep`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zload sweep configs/poisson.toml                          rates up to what the workers can do
  zload sweep a.toml --over load.rate=100..900/9 --over workers.count=1,2,4
  zload sweep a.toml --over 'load.rate=100..100k/s/7 log' --time 5m -o sweep.json --html sweep.html
  zload sweep a.toml --over load.rate=1k,2k --require load.rate=1k/s       exit code 1 if 1k/s misses a threshold

Exit codes: 0 played · 1 a threshold was missed where --require says · 2 usage, scenario or run failure · \\
3 over half of the runs say nothing · 130 interrupted")]
pub struct SweepArgs {
    /// The scenario file; - is standard input
    pub scenario: PathBuf,
    /// A key and its values: a list, or FROM..TO/COUNT with equal steps, or with equal ratios if ` log` is behind it; repeat it for every
    /// combination. Default: what the scenario says, else the rate of an open load, from 10 % to 105 % of what the workers can do
    #[arg(long, value_name = "KEY=VALUES")]
    pub over: Vec<Over>,
    /// How often the whole grid is played, each time in another random order
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub passes: u32,
    /// How long all of it takes about: sets the length of a run. Default: 2 min, but at least 1 s a run, and no run longer than the
    /// scenario's
    #[arg(long, value_name = "TIME", conflicts_with = "duration")]
    pub time: Option<Nanos>,
    /// The figures that matter, as in `first_reply.p99,throughput.replies_per_s`: they are in the table, and the first one decides
    /// drift and effects. Default: p50 and p99 of the first reply, of a closed load the replies per second
    #[arg(long, value_name = "FIGURES", value_delimiter = ',')]
    pub y: Vec<String>,
    /// Exit with 1 if the scenario's thresholds are missed at the points with this value, as in `load.rate=500/s,workers.count=2`; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub require: Vec<String>,
    /// Go on with the sweep in the file of -o: what is there is not played again. With more --passes, it grows
    #[arg(long, requires = "output")]
    pub resume: bool,
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
