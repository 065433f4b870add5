//! All runs of one side together.

use super::observed::Run;
use crate::result::{
    Environment, Ledger, PooledHops, PooledLatencies, PooledLatency, SideFigures, Throughput,
};
use zload_core::scenario::Scenario;

/// What is compared: who it is, before anything ran.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// The scenario's name, or what tells it from the other sides.
    pub name: String,
    /// The file it came from.
    pub source: String,
    /// The program that runs it, if it is another than this one.
    pub exe: Option<String>,
    /// The resolved scenario.
    pub scenario: Scenario,
    /// Hash of everything that decides the offered work.
    pub plan_hash: String,
    /// Where and with what it is measured.
    pub environment: Environment,
}

/// What the runs of a side add up to.
#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    runs: u32,
    invalid: u32,
    invalid_because: Vec<String>,
    ledger: Ledger,
    throughput: Throughput,
    latency: PooledLatencies,
    hops: PooledHops,
    ideal: Option<PooledLatency>,
}

impl Pool {
    /// A run that must not be used.
    pub(super) fn leave_out(&mut self, run: &Run) {
        self.invalid += 1;
        for sentence in &run.failed {
            // The figures in the sentences differ from run to run; their first words are the check's name.
            let check = sentence.split(':').next();
            if !self.invalid_because.iter().any(|known| known.split(':').next() == check) {
                self.invalid_because.push(sentence.clone());
            }
        }
    }

    pub(super) fn add(&mut self, run: &Run) {
        self.runs += 1;
        self.ledger.merge(&run.ledger);
        self.throughput = both(self.throughput, run.throughput);
        self.latency.add(&run.latency);
        if let Some(hops) = &run.hops {
            self.hops.add(hops);
        }
        if let Some(ideal) = &run.ideal {
            self.ideal.get_or_insert_default().add(ideal);
        }
    }

    pub(super) fn figures(&self, side: &Side) -> SideFigures {
        SideFigures {
            name: side.name.clone(),
            source: side.source.clone(),
            exe: side.exe.clone(),
            plan_hash: side.plan_hash.clone(),
            environment: side.environment.clone(),
            scenario: side.scenario.clone(),
            runs: self.runs,
            invalid: self.invalid,
            invalid_because: self.invalid_because.clone(),
            ledger: self.ledger,
            throughput: self.throughput,
            latency: self.latency.summary(),
            hops: self.hops.summary(),
            ideal: self.ideal.as_ref().map(PooledLatency::summary),
        }
    }
}

/// The rates over two windows together.
fn both(one: Throughput, other: Throughput) -> Throughput {
    let (one_ns, other_ns) = (one.window_ns as f64, other.window_ns as f64);
    let mean = |one: f64, other: f64| {
        if one_ns + other_ns > 0.0 {
            (one * one_ns + other * other_ns) / (one_ns + other_ns)
        } else {
            0.0
        }
    };
    Throughput {
        window_ns: one.window_ns.saturating_add(other.window_ns),
        requests_per_s: mean(one.requests_per_s, other.requests_per_s),
        replies_per_s: mean(one.replies_per_s, other.replies_per_s),
        proxy_messages_per_s: mean(one.proxy_messages_per_s, other.proxy_messages_per_s),
        proxy_bytes_per_s: mean(one.proxy_bytes_per_s, other.proxy_bytes_per_s),
    }
}
