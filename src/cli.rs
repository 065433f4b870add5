//! The command line: its words and nothing else. Defaults that concern a run live in the scenario.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::experiment::{DesignOverrides, Profile};
use zload_core::print::formats::{FORMATS, Format};
use zload_core::scenario::load::Override;
use zload_core::scenario::{Nanos, Percent, Vary};
use zload_core::twin::Policy;

/// Load tester for ZeroMQ ROUTER/DEALER proxies.
#[derive(Debug, Parser)]
#[command(name = "zload", version, about, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 done and fine · 1 the answer is no · 2 usage, scenario or run failure · \
                        3 the measurement must not be used · 130 interrupted"
)]
pub struct Cli {
    /// Colours and bold letters
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// When a report has colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal that knows them, unless `NO_COLOR` is set
    Auto,
    /// Always, as for a CI log that shows them
    Always,
    /// Never
    Never,
}

/// What zload can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a scenario: progress on stderr, the report on stdout
    Run(RunArgs),
    /// Write a scenario with a comment at every key, to begin with
    Init(InitArgs),
    /// Run the server side alone (proxy and workers), for clients elsewhere
    Serve(ServeArgs),
    /// Validate scenarios and print the plan of each with its hash; starts nothing
    Check(CheckArgs),
    /// Simulate the plan with a proxy, a network and a scheduler that cost nothing; starts nothing
    Ideal(IdealArgs),
    /// Prove on this machine, in half a minute, that what is measured is true
    Selftest(SelftestArgs),
    /// Print a saved result again, in any form that there is of it
    Show(ShowArgs),
    /// Hold two scenarios, builds or saved results against each other: better, worse, same or unclear
    Compare(CompareArgs),
    /// Compare a scenario with itself: the noise of this machine, and the smallest change that can be found
    Calibrate(CalibrateArgs),
    /// Play slices of a scenario, as told on standard input; for `zload compare`
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
    /// Start a server and end it with zload; for zload itself
    #[command(hide = true)]
    Guard(GuardArgs),
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

/// `zload init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The file, which is not there yet
    #[arg(default_value = "zload.toml")]
    pub file: PathBuf,
}

/// `zload run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  zload run scenario.toml -o result.json
  zload run tcp://127.0.0.1:5555 --rate 1k/s       a ROUTER that is listening
  zload run --rate 1k/s -- python3 echo.py {frontend}       a server that zload starts
  zload init                                       a scenario to begin with")]
pub struct RunArgs {
    /// The scenario file, or the endpoint of a ROUTER that listens; - is standard input
    #[arg(required_unless_present = "server")]
    pub scenario: Option<PathBuf>,
    /// What to put in place of the scenario's settings
    #[command(flatten)]
    pub overrides: Overrides,
    /// What to put in place of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// Your own server: zload starts it, waits until it answers, and stops it; {frontend} becomes the endpoint to bind
    #[arg(last = true, value_name = "PROGRAM")]
    pub server: Vec<String>,
    /// Run the plan this many times and pool the figures
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub repeat: u32,
    /// With --repeat: each run plays a plan of its own, of the next seed, so that all requests are different ones
    #[arg(long, requires = "repeat")]
    pub vary_seed: bool,
    /// Keep everything on so many processors
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cpus: Option<u32>,
    /// What must hold for exit code 0, as in `first_reply.p99 < 5ms`, beside the scenario's thresholds; repeatable
    #[arg(long = "threshold", value_name = "LIMIT")]
    pub thresholds: Vec<String>,
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
    /// Show each message as it passes, on stderr; for small runs
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
    /// Serve this long; until Ctrl-C if absent
    #[arg(long, value_name = "TIME")]
    pub duration: Option<Nanos>,
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

/// `zload guard`, which only zload calls
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// How long the server may take to end after SIGTERM
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub stop_timeout: Nanos,
    /// Become the server of the guard with this process number
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
    /// The scenario file; - is standard input
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
    /// The saved result; - is standard input
    pub result: PathBuf,
    /// Save the report as a page to this file, with plots; it opens offline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// In which form
    #[arg(long, value_parser = format(), default_value = "text")]
    pub format: Format,
    /// The whole report: intervals, every check, where the time went, the ledger, the cost
    #[arg(short, long)]
    pub verbose: bool,
}

/// `zload compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Two scenario files, or two results that `zload run --repeat N -o FILE` saved; more are held against the first
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Compare builds: a zload that plays the scenario; give it twice or more, and one scenario
    #[arg(long, value_name = "ZLOAD")]
    pub exe: Vec<PathBuf>,
    /// Compare values of one key in place of files: as in `workers.count=2,8`, of one scenario
    #[arg(long, value_name = "KEY=V1,V2", conflicts_with = "exe")]
    pub vary: Option<Vary>,
    /// What to put in place of every scenario's settings
    #[command(flatten)]
    pub overrides: Overrides,
    /// What to put in place of every scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// What is asked
    #[command(flatten)]
    pub questions: QuestionArgs,
    /// How it is found out
    #[command(flatten)]
    pub design: DesignArgs,
    /// Compare saved results although their plans differ
    #[arg(long)]
    pub allow_different_load: bool,
    /// What `zload calibrate -o FILE` saved: chooses the blocks, and says how far saved results may have drifted
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Exit with 1 if the whole is this bad
    #[arg(long, value_enum, value_name = "ANSWER")]
    pub fail_on: Option<FailOn>,
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `zload calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The scenario file; - is standard input
    pub scenario: PathBuf,
    /// What to put in place of the scenario's settings
    #[command(flatten)]
    pub overrides: Overrides,
    /// What to put in place of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// What is asked
    #[command(flatten)]
    pub questions: QuestionArgs,
    /// How it is found out
    #[command(flatten)]
    pub design: DesignArgs,
    /// Where the result goes
    #[command(flatten)]
    pub output: OutputArgs,
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

/// What is asked of a comparison.
#[derive(Debug, Args)]
pub struct QuestionArgs {
    /// The metric that matters most, as in `first_reply.p50`; default: throughput (closed load), median (open load)
    #[arg(long, value_name = "METRIC")]
    pub primary: Option<String>,
    /// Another metric whose answer counts for that of the whole; repeatable
    #[arg(long, value_name = "METRIC")]
    pub gate: Vec<String>,
    /// A smaller difference of the primary metric counts as none; default: 3%, 5% for a p75, p90 or p95, 10% for a p99
    #[arg(long, value_name = "PERCENT")]
    pub margin: Option<Percent>,
}

/// How long, how often, how many.
#[derive(Debug, Args)]
pub struct DesignArgs {
    /// How thorough; quick if absent
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArg>,
    /// Blocks, each a fresh start of all sides; 9 are the fewest that show anything
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(9..=1000))]
    pub blocks: Option<u32>,
    /// Slices of each side in a block
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub slices: Option<u32>,
    /// The measured part of a slice
    #[arg(long, value_name = "TIME")]
    pub slice: Option<Nanos>,
    /// Keep everything on so many processors: with 1 the noise of a small machine is about half, and what is compared is
    /// work and no longer how it spreads over cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cpus: Option<u32>,
}

/// How thorough a comparison is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProfileArg {
    /// 12 blocks, about a minute unless the scenario is slow
    Quick,
    /// 20 blocks, about five minutes
    Thorough,
}

/// Which answer of a comparison is exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Shown to be worse
    Worse,
    /// Not shown to be the same or better
    Unclear,
}

/// Where a result goes.
#[derive(Debug, Args)]
pub struct OutputArgs {
    /// Save the result as JSON to this file
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Save the report as a page to this file, with plots; it opens offline
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// The form of what is printed
    #[arg(long, value_parser = format(), default_value = "text")]
    pub format: Format,
    /// No progress on stderr
    #[arg(short, long)]
    pub quiet: bool,
    /// The whole report: intervals, every check, where the time went, the ledger, the cost
    #[arg(short, long)]
    pub verbose: bool,
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
    /// What `zload calibrate` writes
    Calibration,
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

impl RunArgs {
    /// All overrides in the order in which they take effect: thresholds are added to what the others leave.
    pub fn overrides(&self) -> Vec<Override> {
        let mut all = self.overrides.with(&self.load);
        if !self.server.is_empty() {
            // A list of JSON strings is one of TOML, too.
            all.push(Override::new(
                "server.command",
                &serde_json::Value::from(&self.server[..]).to_string(),
            ));
        }
        all.extend(self.thresholds.iter().map(|text| Override::threshold(text)));
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

impl DesignArgs {
    /// The profile and what is wanted otherwise.
    pub fn overrides(&self) -> (Profile, DesignOverrides) {
        let profile = match self.profile {
            None | Some(ProfileArg::Quick) => Profile::Quick,
            Some(ProfileArg::Thorough) => Profile::Thorough,
        };
        let overrides = DesignOverrides {
            blocks: self.blocks,
            slices: self.slices,
            slice: self.slice,
            cpus: self.cpus,
        };
        (profile, overrides)
    }
}

fn short_forms(given: &[(&str, &Option<String>)]) -> Vec<Override> {
    given.iter().filter_map(|(key, value)| Some(Override::new(key, value.as_ref()?))).collect()
}

/// The formats, each with what it is for.
fn format() -> impl TypedValueParser<Value = Format> {
    let values = FORMATS.map(|(_, name, help)| PossibleValue::new(name).help(help));
    PossibleValuesParser::new(values).map(|given| {
        let named = FORMATS.iter().find(|(_, name, _)| *name == given);
        named.expect("clap lets only these pass").0
    })
}
