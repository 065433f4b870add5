//! The command line of runs that several processes play together.

use std::path::PathBuf;

use clap::Args;

use super::OutputArgs;
use zload_core::plan::Share;

/// Which share of a plan a process plays, and where the server is that all use.
#[derive(Debug, Args)]
pub struct ShardArgs {
    /// Play the clients c with c mod N = I of a plan that N processes play together: I from 0, as in 2/8
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Share>,
    /// Connect to a server that runs at this endpoint, whatever the scenario says of proxy and workers
    #[arg(long, value_name = "ENDPOINT")]
    pub connect: Option<String>,
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
