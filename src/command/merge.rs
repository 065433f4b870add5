//! `zload merge`

use std::io::Write;
use std::sync::atomic::Ordering;

use super::{INTERRUPTED, Places, code_of, deliver, interruption};
use crate::Error;
use crate::cli::MergeArgs;
use crate::files::{Input, Inputs, input, load};
use crate::machine::threads;
use zload_core::text::short;
use zload_core::twin::Limits;
use zload_report::merge::Shards;
use zload_report::result::{
    SERVE_SCHEMA, SHARD_SCHEMA, STEPS_BESIDE_A_RUN, Saved, ShardResult, schema_of,
};

/// A shard keeps each of its seconds: one of a day takes some 100 MiB.
const LARGEST_SHARD: u64 = 256 << 20;

pub(super) fn merge(args: &MergeArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let places = Places::reserve(&args.output, &Inputs::of(&args.files))?;
    let interrupted = interruption()?;
    let mut shards = Shards::default();
    for path in &args.files {
        if interrupted.load(Ordering::Relaxed) {
            return Err(Error::Interrupted);
        }
        let read = Input::read(path, LARGEST_SHARD, "shard")?;
        add(&mut shards, &read)?;
    }
    let whole = shards.finish().map_err(Error::Failed)?;
    let (mut result, sampled) = whole.result();
    let limits = Limits { most_steps: STEPS_BESIDE_A_RUN, stop: &interrupted };
    result.add_ideal(&[whole.plan()], sampled, limits);
    result.add_other_seeds(limits, &threads::together);
    deliver(&result, &args.output, places, out)?;
    // A shard that was cut short is the verdict's affair; the merge itself is done.
    if interrupted.load(Ordering::Relaxed) { Ok(INTERRUPTED) } else { Ok(code_of(&result)) }
}

/// Adds what a file holds, which is gone before the next one is read.
fn add(shards: &mut Shards, read: &Input) -> Result<(), Error> {
    let name = input::name(&read.path);
    let refused =
        |reason: String| Error::Result { path: name.clone().into(), reason: short(&reason) };
    let text = std::str::from_utf8(&read.bytes)
        .map_err(|error| refused(format!("not a JSON object: {error}")))?;
    match schema_of(text).map_err(refused)?.as_deref() {
        Some(SHARD_SCHEMA) => {
            let shard = ShardResult::read(text).map_err(refused)?;
            shards.add(&name, &shard).map_err(Error::Failed)
        }
        Some(SERVE_SCHEMA) => match load::saved_of(read)? {
            Saved::Serve(served) => shards.add_server(&name, *served).map_err(Error::Failed),
            _ => Ok(()),
        },
        _ => Err(refused(not_a_shard(&load::saved_of(read)?).to_owned())),
    }
}

/// What a file is that is no shard, and which command takes it.
fn not_a_shard(saved: &Saved) -> &'static str {
    match saved {
        Saved::Run(result) if !result.shards.is_empty() => {
            "it is the result of a merge, and merges are not merged: give all shards to one zload merge"
        }
        Saved::Run(_) => {
            "it is the result of a whole run, and not of one of its shards (zload run --shard): zload show prints it"
        }
        _ => "it is not a shard of a run (zload run --shard): zload show prints it",
    }
}
