//! The command line: its words and nothing else. Defaults that concern a run live in the scenario.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::scenario::load::Override;
use crate::twin::Policy;

/// Load tester for ZeroMQ ROUTER/DEALER proxies.
#[derive(Debug, Parser)]
#[command(name = "zload", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done and fine · 1 the answer is no · 2 usage, scenario or run failure · \
                        3 the measurement must not be used · 130 interrupted"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What zload can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: progress on stderr, the report on stdout
    Run(RunArgs),
    /// Run the server side alone (proxy and workers), for clients elsewhere
    Serve(ServeArgs),
    /// Validate scenarios and print the plan of each with its hash; starts nothing
    Check(CheckArgs),
    /// Simulate the plan with a proxy, a network and a scheduler that cost nothing; starts nothing
    Ideal(IdealArgs),
    /// Prove on this machine, in half a minute, that what is measured is true
    Selftest(SelftestArgs),
    /// Print the report of a saved result again
    Show(ShowArgs),
    /// Print a shell's completion script
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the man page of zload, or of one of its commands
    Man {
        /// The command
        command: Option<String>,
    },
    /// Print the JSON Schema of scenarios or results
    Schema {
        /// Whose schema
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
}

/// Settings that take the place of the scenario's.
#[derive(Debug, Args)]
pub struct Overrides {
    /// Override a key of the scenario by its dotted name, as in `clients.count=100`; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Short for --set seed=N
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Short for --set run.duration=TIME
    #[arg(long, value_name = "TIME")]
    pub duration: Option<String>,
    /// Short for --set workers.count=N
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
}

/// Settings of the clients' side.
#[derive(Debug, Args)]
pub struct LoadOverrides {
    /// Short for --set load.rate=RATE
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// Short for --set clients.count=N
    #[arg(long, value_name = "N")]
    pub clients: Option<String>,
}

/// `zload run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The scenario file
    pub scenario: PathBuf,
    /// What to put in place of the scenario's settings
    #[command(flatten)]
    pub overrides: Overrides,
    /// What to put in place of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// Run the plan this many times and pool the figures
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
    /// Save the report as a page to this file, with plots; it opens offline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Show each message as it passes, on stderr; for small runs
    #[arg(long)]
    pub trace: bool,
    /// Save the ways of the sampled requests in the Chrome trace format, for Perfetto
    #[arg(long, value_name = "FILE")]
    pub trace_out: Option<PathBuf>,
}

/// `zload serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The scenario file
    pub scenario: PathBuf,
    /// Override a key of the scenario by its dotted name; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Serve this long; until Ctrl-C if absent
    #[arg(long, value_name = "TIME")]
    pub duration: Option<crate::scenario::Nanos>,
    /// Short for --set workers.count=N
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// Short for --set seed=N
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
    /// Show each message as it passes, on stderr; for small runs
    #[arg(long)]
    pub trace: bool,
}

/// `zload check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The scenario files
    #[arg(required = true)]
    pub scenarios: Vec<PathBuf>,
    /// What to put in place of the scenarios' settings
    #[command(flatten)]
    pub overrides: Overrides,
    /// What to put in place of the scenarios' load
    #[command(flatten)]
    pub load: LoadOverrides,
}

/// `zload ideal`
#[derive(Debug, Args)]
pub struct IdealArgs {
    /// The scenario file
    pub scenario: PathBuf,
    /// What to put in place of the scenario's settings
    #[command(flatten)]
    pub overrides: Overrides,
    /// What to put in place of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// How requests find a worker
    #[arg(long, value_enum, default_value_t = Policies::All)]
    pub policy: Policies,
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
}

/// Which policies are simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policies {
    /// The next worker in turn, whatever it has to do: what a DEALER backend does
    RoundRobin,
    /// One queue, served by the first worker that is free: the best there can be
    SharedQueue,
    /// The worker with the fewest requests queued and running
    LeastLoaded,
    /// The less loaded of two workers drawn at random
    PowerOfTwo,
    /// Each of them
    All,
}

/// `zload selftest`
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `zload show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The saved result
    pub result: PathBuf,
    /// Save the report as a page to this file, with plots; of results of `zload run` and `zload compare`
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
}

/// Where a result goes.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Save the result as JSON to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The form of what is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub format: Format,
    /// No progress on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

/// The form of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Text,
    /// The result object
    Json,
}

/// Whose schema is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files
    Scenario,
    /// Result files of `zload run`
    Result,
    /// Result files of `zload serve`
    Serve,
    /// What `zload ideal` writes
    Ideal,
    /// What `zload selftest` writes
    Selftest,
    /// What `zload compare` writes
    Comparison,
}

impl Policies {
    /// Those that are meant.
    pub fn chosen(self) -> Vec<Policy> {
        match self {
            Self::RoundRobin => vec![Policy::RoundRobin],
            Self::SharedQueue => vec![Policy::SharedQueue],
            Self::LeastLoaded => vec![Policy::LeastLoaded],
            Self::PowerOfTwo => vec![Policy::PowerOfTwo],
            Self::All => Policy::ALL.to_vec(),
        }
    }
}

impl Overrides {
    /// All overrides in the order in which they take effect: the short forms last.
    pub fn with(&self, load: &LoadOverrides) -> Vec<Override> {
        let short = [
            ("seed", &self.seed),
            ("run.duration", &self.duration),
            ("load.rate", &load.rate),
            ("clients.count", &load.clients),
            ("workers.count", &self.workers),
        ];
        let mut all = self.set.clone();
        all.extend(short_forms(&short));
        all
    }
}

impl ServeArgs {
    /// All overrides in the order in which they take effect: the short forms last.
    pub fn overrides(&self) -> Vec<Override> {
        let mut all = self.set.clone();
        all.extend(short_forms(&[("workers.count", &self.workers), ("seed", &self.seed)]));
        all
    }
}

fn short_forms(given: &[(&str, &Option<String>)]) -> Vec<Override> {
    given.iter().filter_map(|(key, value)| Some(Override::new(key, value.as_ref()?))).collect()
}
