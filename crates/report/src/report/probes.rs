//! What a report says of the probe clients: their times beside those of the others, and their ledger.

use super::document::{Block, Depth, Section};
use super::latency::{self, Named};
use super::ledger::ledger;
use crate::result::RunResult;
use zload_core::quantity::{counted, rate};

/// The section; nothing without probes.
pub(super) fn probes(result: &RunResult) -> Option<Section> {
    let probes = result.probes.as_ref()?;
    let row = |name: &str, path: &str, latencies| (name.into(), path.to_owned(), latencies);
    let named: Vec<Named> = vec![
        row("service", "latency.service", &result.latency.service),
        row("probes", "probes.service", &probes.service),
        row("from intended", "probes.first_reply", &probes.first_reply),
    ];
    let blocks = [
        Some(Block::Table(latency::table("probes", &named))),
        Some(Block::note(
            "service: from the sending to the first reply, of the load's own clients; probes: the same of probe clients, which have a driver of \
             their own and are in no other figure; from intended: their response time. Where the load's own are longer than those of probes at the same \
             time, the check probes says so: that is the generator's own queue",
        )),
        latency::too_few(latency::missing(&named)),
        Some(ledger("probes.ledger", &probes.ledger)),
    ];
    let heading = format!(
        "{}, {} in all",
        counted(probes.clients.into(), "probe client"),
        rate(probes.offered_per_s)
    );
    let blocks = blocks.into_iter().flatten().collect();
    Some(Section::new("probes", heading, Depth::Detail, blocks))
}
