//! The report of a shard: that it is a part, and what it holds.

use super::document::{Block, Depth, Document, Heading, Section, Span, words};
use super::plan::settings;
use super::{Reported, machine, origin};
use crate::result::ShardResult;
use zload_core::quantity::{count, counted, duration};
use zload_core::record::decoded;

impl Reported for ShardResult {
    fn report(&self) -> Document {
        let share = self.share();
        let title = words!(Span::name(&self.scenario.name), format!(": {share}"));
        let ledger = &self.measured.ledger;
        let lost = match ledger.requests_lost {
            0 => String::new(),
            lost => format!(", {} lost", count(lost)),
        };
        let own = u64::from(share.number_of(self.scenario.clients.count.0));
        let clients = count(self.scenario.clients.count.0.into());
        let mut rows = settings(&self.scenario);
        rows.push(("of these".into(), format!("{own} of {clients} clients").into()));
        rows.push(("plan".into(), words!(Span::code(&self.plan_hash))));
        let machine = format!("{}: {}", self.host, machine(&self.environment));
        rows.push(("machine".into(), machine.into()));
        let requests = format!("{} sent{lost}", counted(ledger.requests_sent, "request"));
        rows.push(("measured".into(), requests.into()));
        let latencies = decoded(self.measured.first_reply.as_ref());
        rows.extend(latencies.and_then(|latencies| {
            let p50_ns = latencies.percentile(0.5)?;
            let p99 = latencies.percentile(0.99).map(|ns| format!(", p99 {}", duration(ns)));
            let text = format!("p50 {}{}", duration(p50_ns), p99.unwrap_or_default());
            Some(("latency".into(), format!("{text} to the first reply").into()))
        }));
        let ended = match (&self.measured.failure, self.measured.interrupted) {
            (Some(failure), _) => Some(format!("It failed: {failure}")),
            (None, true) => Some("It was interrupted".to_owned()),
            (None, false) => None,
        };
        let part = format!(
            "A part of a run: it says nothing of the whole. zload merge adds up the {}",
            counted(share.count().into(), "shard")
        );
        let blocks = [Some(Block::sentence(part)), ended.map(Block::alarm)];
        let sections = [
            Section::bare("part", Depth::Answer, blocks.into_iter().flatten().collect()),
            Section {
                heading: Heading::Title("What was measured"),
                ..Section::bare("measured", Depth::Answer, vec![Block::Settings(rows)])
            },
        ];
        Document {
            origin: origin(&self.environment),
            command: self.environment.command.clone().unwrap_or_default(),
            ..Document::new(title, &self.environment.zload, sections)
        }
    }
}
