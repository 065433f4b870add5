//! The command line of `zload compare` and `zload calibrate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{LoadOverrides, OutputArgs, Overrides};
use zload_core::scenario::{Nanos, Percent, Vary};

/// `zload compare`
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Two scenario files, or two results of `zload run --repeat N -o FILE`; further ones are compared with the first
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Compare builds: a zload that runs the scenario; give it twice or more, and one scenario
    #[arg(long, value_name = "ZLOAD")]
    pub exe: Vec<PathBuf>,
    /// Compare values of one key in place of files: as in `workers.count=2,8`, of one scenario
    #[arg(long, value_name = "KEY=V1,V2", conflicts_with = "exe")]
    pub vary: Option<Vary>,
    /// Overrides of every scenario
    #[command(flatten)]
    pub overrides: Overrides,
    /// Overrides of every scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// The questions
    #[command(flatten)]
    pub questions: QuestionArgs,
    /// The method
    #[command(flatten)]
    pub design: DesignArgs,
    /// Compare saved results even if their plans differ
    #[arg(long)]
    pub allow_different_load: bool,
    /// A result of `zload calibrate -o FILE`: sets the number of blocks, and how far saved results may have drifted
    #[arg(long, value_name = "FILE")]
    pub calibration: Option<PathBuf>,
    /// Exit with 1 if the overall answer is this bad
    #[arg(long, value_enum, value_name = "ANSWER")]
    pub fail_on: Option<FailOn>,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `zload calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// The scenario file; - is standard input
    pub scenario: PathBuf,
    /// Overrides of the scenario
    #[command(flatten)]
    pub overrides: Overrides,
    /// Overrides of the scenario's load
    #[command(flatten)]
    pub load: LoadOverrides,
    /// The questions
    #[command(flatten)]
    pub questions: QuestionArgs,
    /// The method
    #[command(flatten)]
    pub design: DesignArgs,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
}

/// The questions of a comparison.
#[derive(Debug, Args)]
pub struct QuestionArgs {
    /// The metric that decides, as in `first_reply.p50`; default: throughput (closed load), median (open load)
    #[arg(long, value_name = "METRIC")]
    pub primary: Option<String>,
    /// Another metric that counts for the overall answer; repeatable
    #[arg(long, value_name = "METRIC")]
    pub gate: Vec<String>,
    /// The smallest difference of the primary metric that counts as one; default: 3%, 5% for p75, p90 and p95, 10% for p99
    #[arg(long, value_name = "PERCENT")]
    pub margin: Option<Percent>,
}

/// The method of a comparison.
#[derive(Debug, Args)]
pub struct DesignArgs {
    /// How thorough to be; default: quick
    #[arg(long, value_enum)]
    pub profile: Option<ProfileArg>,
    /// Blocks, each a fresh start of all sides; at least 9
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(9..=1000))]
    pub blocks: Option<u32>,
    /// Slices of each side in a block
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub slices: Option<u32>,
    /// The measured part of a slice
    #[arg(long, value_name = "TIME")]
    pub slice: Option<Nanos>,
    /// Pin all threads to N CPUs: with 1 a small machine has about half the noise, and the comparison is of the work itself,
    /// not of how it scales over cores
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
