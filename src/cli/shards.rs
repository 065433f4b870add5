//! The command line of runs that several processes play together.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;
use super::together::{GatherAt, Instant, WhichShard};
use zload_core::scenario::Nanos;

/// Which share of a plan a process plays, and where the server is that all use.
#[derive(Debug, Args)]
pub struct ShardArgs {
    /// Play the clients c with c mod N = I of a plan that N processes play together: I from 0, as in 2/8;
    /// auto takes both from Slurm, Open MPI, PMI, AWS Batch or Cloud Run
    #[arg(long, value_name = "I/N|auto")]
    pub shard: Option<WhichShard>,
    /// Connect to a server that runs at this endpoint, whatever the scenario says of proxy and workers
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Option<String>,
    /// Begin all shards at one instant, which shard 0 tells the others at this port of its host, as in `tcp://h1:5571`; auto is
    /// the first host of a Slurm step
    #[arg(long, value_name = "ENDPOINT|auto", requires = "shard", conflicts_with = "start_at")]
    pub gather: Option<GatherAt>,
    /// How long the other shards may take to come, and then to connect their clients
    #[arg(long, value_name = "TIME", requires = "gather", default_value = "60s")]
    pub gather_timeout: Nanos,
    /// Begin the shard at this instant of the wall clock, as in 2026-11-25T21:30:00Z or @1795642200
    #[arg(long, value_name = "INSTANT", requires = "shard")]
    pub start_at: Option<Instant>,
}

/// `zload merge`
#[derive(Debug, Args)]
#[command(after_help = "Example:
  zload merge out/*.json serve.json -o whole.json

Exit codes: 0 merged · 1 a threshold was missed · 2 the files are not parts of one run · \
3 the measurement must not be used, as with a shard missing · 130 interrupted")]
pub struct MergeArgs {
    /// The files of the shards, in any order, and what `zload serve -o FILE` wrote, if it served them
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Output of the result
    #[command(flatten)]
    pub output: OutputArgs,
}
