//! The report of a merged result's shards: which of them had what part in the whole, and in its slow requests.

use std::collections::BTreeSet;

use super::document::{Block, Depth, Row, Section, Span, Table, Words, words};
use super::value::{counted, per_second, share, time};
use crate::result::{RunResult, ShardFigures};
use zload_core::quantity;

/// Shards that are printed, those with most of the slowest requests first; the file has them all.
const MOST_SHOWN: usize = 32;

/// The shards of a merged result; `None` of others.
pub(super) fn shards(result: &RunResult) -> Option<Section> {
    const COLUMNS: [&str; 9] =
        ["shard", "host", "requests", "requests/s", "lost", "p50", "p99", "replies", "slowest 1 %"];
    let heading = format!("Shards: {}", in_a_line(result)?);
    let mut shown: Vec<(usize, &ShardFigures)> = result.shards.iter().enumerate().collect();
    let slowest = |shard: &ShardFigures| shard.share_of_slowest.unwrap_or(0.0);
    if shown.len() > MOST_SHOWN {
        shown.sort_by(|(_, a), (_, b)| slowest(b).total_cmp(&slowest(a)));
    }
    let left = shown.len().saturating_sub(MOST_SHOWN);
    shown.truncate(MOST_SHOWN);
    let mut blocks = vec![Block::Table(Table::of(COLUMNS).rows(shown.into_iter().map(row)))];
    if left > 0 {
        let more = quantity::counted(left as u64, "shard");
        blocks.push(Block::note(format!("and {more} more, with less of the slowest requests")));
    }
    blocks.push(Block::note("\"replies\" and \"slowest 1 %\" are each shard's share of all first replies and of the slowest of them"));
    Some(Section::new("shards", heading, Depth::Detail, blocks))
}

/// How many shards on how many hosts; `None` of a run that was not played in shards.
pub(super) fn in_a_line(result: &RunResult) -> Option<String> {
    let hosts: BTreeSet<&str> = result.shards.iter().map(|shard| &*shard.host).collect();
    let (shards, hosts) = (result.shards.len() as u64, hosts.len() as u64);
    (shards > 0)
        .then(|| format!("{} on {}", quantity::count(shards), quantity::counted(hosts, "host")))
}

fn row((place, shard): (usize, &ShardFigures)) -> Row {
    let field = |name: &str| format!("shards.{place}.{name}");
    let lost: Words = if shard.requests_lost == 0 {
        counted(field("requests_lost"), 0)
    } else {
        let lost = quantity::count(shard.requests_lost);
        Span::Alarm(field("requests_lost"), shard.requests_lost.to_string(), lost).into()
    };
    Row::of([
        shard.index.to_string().into(),
        words!(Span::name(&shard.host)),
        counted(field("requests_sent"), shard.requests_sent),
        per_second(field("requests_per_s"), shard.requests_per_s),
        lost,
        time(field("p50_ns"), shard.p50_ns),
        time(field("p99_ns"), shard.p99_ns),
        share(field("share_of_replies"), shard.share_of_replies),
        share(field("share_of_slowest"), shard.share_of_slowest),
    ])
}
