//! The command line, and nothing else. Defaults that concern a run live in the scenario.

mod compare;
mod meaning;
mod search;
mod shards;
mod sweep;
mod together;

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use compare::{CalibrateArgs, CompareArgs, DesignArgs, FailOn, ProfileArg, QuestionArgs};
pub use search::{RestartArg, SearchArgs, SearchFailOnArg};
pub use shards::{MergeArgs, ShardArgs};
pub use sweep::SweepArgs;
pub use together::{GatherAt, Instant, WhichShard};

use zload_core::plan::MOST_SHARES;
use zload_core::scenario::Nanos;
use zload_core::scenario::load::Override;
use zload_report::print::formats::{FORMATS, Format};

/// Load tester for ZeroMQ ROUTER/DEALER proxies.
#[derive(Debug, Parser)]
#[command(name = "zload", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 success · 1 a check failed · 2 usage, scenario or run failure · \
                        3 the measurement must not be used · 130 interrupted"
)]
pub struct Cli {
    /// When to use colours and bold text
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that supports them, unless `NO_COLOR` is set
    Auto,
    /// Always, as for CI logs that show them
    Always,
    /// Never
    Never,
}

/// The commands of zload.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: progress on stderr, the report on stdout
    Run(RunArgs),
    /// Write a scenario to start from, with a comment at every key
    Init(InitArgs),
    /// Run only the server side (proxy and workers), for clients elsewhere
    Serve(ServeArgs),
    /// Find the form of requests that a server answers, and print it as the request table of a scenario
    Probe(ProbeArgs),
    /// Validate scenarios and print the plan of each with its hash, without running it
    Check(CheckArgs),
    /// Simulate the lower bound: the plan with no cost for proxy, network and scheduler
    Ideal(IdealArgs),
    /// Check in half a minute that zload measures correctly on this machine
    Selftest(SelftestArgs),
    /// Add up what the shards of a run measured (zload run --shard): one result, as of one process
    Merge(MergeArgs),
    /// Print a saved result again, in any format
    Show(ShowArgs),
    /// Compare two scenarios, builds or saved results: better, worse, same or unclear
    Compare(CompareArgs),
    /// Search how much a system sustains: the highest rate, or any other key, at which a goal is met
    Search(SearchArgs),
    /// Compare a scenario with itself: the noise of this machine, and the minimum detectable effect
    Calibrate(CalibrateArgs),
    /// Run a scenario over a grid of values: the curve, its knee, and where the system is overloaded
    Sweep(SweepArgs),
    /// Run slices of a scenario on request from standard input; used by `zload compare`
    #[command(hide = true)]
    Slices(SlicesArgs),
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
    /// Start a server and end it with zload; used by zload itself
    #[command(hide = true)]
    Guard(GuardArgs),
    /// List every figure of a run with its unit and meaning, as thresholds and comparisons name it
    Metrics,
    /// Print the JSON Schema of scenarios or results
    Schema {
        /// The kind of file
        #[arg(value_enum, default_value_t = SchemaOf::Scenario)]
        of: SchemaOf,
    },
}

/// Settings that override the scenario's.
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

/// Settings of the clients that override the scenario's.
#[derive(Debug, Args)]
pub struct LoadOverrides {
    /// Short for --set load.rate=RATE
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// Short for --set load.stages=STAGES, as in `5s@500/s, 30s@500/s..2k/s`: a load that changes
    #[arg(long, value_name = "STAGES")]
    pub stages: Option<String>,
    /// Short for --set load.requests=N: end after N requests, in place of a time
    #[arg(long, value_name = "N")]
    pub requests: Option<String>,
    /// Short for --set clients.count=N
    #[arg(long, value_name = "N")]
    pub clients: Option<String>,
}

/// `zload init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The file to create
    #[arg(default_value = "zload.toml")]
    pub file: PathBuf,
}

/// `zload probe`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zload probe tcp://127.0.0.1:5555
  zload probe tcp://127.0.0.1:5555 --frame '{\"id\":\"{id}\",\"command\":\"stats\"}'

Exit codes: 0 a form was answered · 1 none was · 2 nothing can be connected there")]
pub struct ProbeArgs {
    /// Where the server listens
    pub endpoint: String,
    /// A frame of the requests to try, as in `request.frames`; repeatable. Default: a generated body
    #[arg(long = "frame", value_name = "TEXT")]
    pub frames: Vec<String>,
    /// How long to wait for replies to the requests of one form
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub timeout: Nanos,
}

/// `zload run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zload run scenario.toml -o result.json
  zload run tcp://127.0.0.1:5555 --rate 1k/s       a ROUTER that is listening
  zload run --rate 1k/s -- python3 echo.py {frontend}       a server that zload starts
  zload run a.toml --shard 2/8 --connect tcp://h0:5570 -o out/{shard}.json       one of 8 processes
  zload init                                       a scenario to start from")]
pub struct RunArgs {
    /// The scenario file, or the endpoint of a ROUTER that listens; - is standard input
    #[arg(required_unless_present = "server")]
    pub scenario: Option<PathBuf>,
    /// Overrides of the scenario
    #[command(flatten)]
    pub overrides: Overrides,
    /// Overrides of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// An external server that zload starts and stops; {frontend} is replaced by the endpoint to bind
    #[arg(last = true, value_name = "PROGRAM")]
    pub server: Vec<String>,
    /// A share of the plan
    #[command(flatten)]
    pub part: ShardArgs,
    /// Run the plan this many times and pool the figures
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// With --repeat: each run uses the next seed, and so has its own plan
    #[arg(long, requires = "repeat")]
    pub vary_seed: bool,
    /// Pin all threads to N CPUs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cpus: Option<u32>,
    /// A threshold besides the scenario's, as in `first_reply.p99 < 5ms`; a missed one is exit code 1; repeatable
    #[arg(long = "threshold", value_name = "LIMIT")]
    pub thresholds: Vec<String>,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
    /// Print each message to stderr; for small runs
    #[arg(long)]
    pub trace: bool,
    /// Save the traces of the sampled requests in the Chrome trace format, for Perfetto
    #[arg(long, value_name = "FILE")]
    pub trace_out: Option<PathBuf>,
}

/// `zload serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// The scenario file; - is standard input
    pub scenario: PathBuf,
    /// Override a key of the scenario by its dotted name; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
    /// Serve for this long; by default until Ctrl-C
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Nanos>,
    /// Short for --set workers.count=N
    #[arg(long, value_name = "N")]
    pub workers: Option<String>,
    /// Short for --set seed=N
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
    /// Print each message to stderr; for small runs
    #[arg(long)]
    pub trace: bool,
}

/// `zload guard`, used only by zload itself
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// How long the server may take to end after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub stop_timeout: Nanos,
    /// Become the server of the guard with this process id
    #[arg(long, value_name = "PID")]
    pub become_server_of: Option<i32>,
    /// Program and arguments
    #[arg(last = true, required = true)]
    pub command: Vec<std::ffi::OsString>,
}

/// `zload check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The scenario files; - is standard input
    #[arg(required = true)]
    pub scenarios: Vec<PathBuf>,
    /// Print the part of each shard, too, if this many processes play the plan together
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_SHARES)))]
    pub shards: Option<u32>,
    /// Overrides of the scenarios
    #[command(flatten)]
    pub overrides: Overrides,
    /// Overrides of the scenarios' load
    #[command(flatten)]
    pub load: LoadOverrides,
}

/// `zload ideal`
#[derive(Debug, Args)]
pub struct IdealArgs {
    /// The scenario file; - is standard input
    pub scenario: PathBuf,
    /// Overrides of the scenario
    #[command(flatten)]
    pub overrides: Overrides,
    /// Overrides of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// How requests are assigned to workers
    #[arg(long, value_enum, default_value_t = Policies::All)]
    pub policy: Policies,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The policies to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policies {
    /// The next worker in turn, busy or not: what a DEALER backend does
    RoundRobin,
    /// One queue, served by the first free worker: the optimum
    SharedQueue,
    /// The worker with the fewest requests queued and running
    LeastLoaded,
    /// The less loaded of two random workers
    PowerOfTwo,
    /// All of these
    All,
}

/// `zload selftest`
#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// What the clients speak with, as clients.engine
    #[arg(long, value_name = "ENGINE", value_parser = ["libzmq", "zmtp"], default_value = "libzmq")]
    pub engine: String,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `zload show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The saved result; - is standard input
    pub result: PathBuf,
    /// Save the report as a page to this file, with plots; it opens offline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The format
    #[arg(long, value_parser = format(), default_value = "text")]
    pub format: Format,
    /// The whole report: intervals, every check, where the time went, the ledger, the cost
    #[arg(short, long)]
    pub verbose: bool,
}

/// `zload slices`
#[derive(Debug, Args)]
pub struct SlicesArgs {
    /// The scenario file; - is standard input
    pub scenario: PathBuf,
    /// Override a key of the scenario by its dotted name; repeatable
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<Override>,
}

/// Output of a result.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Save the result as JSON to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Save the report as a page to this file, with plots; it opens offline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The format of what is printed
    #[arg(long, value_parser = format(), default_value = "text")]
    pub format: Format,
    /// No progress on stderr
    #[arg(short, long)]
    pub quiet: bool,
    /// The whole report: intervals, every check, where the time went, the ledger, the cost
    #[arg(short, long)]
    pub verbose: bool,
}

/// The kind of file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaOf {
    /// Scenario files
    Scenario,
    /// Result files of `zload run`
    Result,
    /// What `zload run --shard` writes
    Shard,
    /// Result files of `zload serve`
    Serve,
    /// What `zload ideal` writes
    Ideal,
    /// What `zload selftest` writes
    Selftest,
    /// What `zload compare` writes
    Comparison,
    /// What `zload calibrate` writes
    Calibration,
    /// What `zload search` writes
    Search,
    /// What `zload sweep` writes
    Sweep,
}

/// The formats, each with its use.
fn format() -> impl TypedValueParser<Value = Format> {
    let values = FORMATS.map(|(_, name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).map(|given| {
        let named = FORMATS.iter().find(|(_, name, _)| *name == given);
        named.expect("clap lets only these pass").0
    })
}
