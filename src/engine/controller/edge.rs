//! An edge of the measured window: everything that only grows, as it was then.

use super::{Controller, Playing};
use crate::client::DriverCounters;
use crate::machine::ThreadId;
use crate::machine::host::Reading;
use crate::process::ServerProcess;
use crate::server::Server;
use zload_core::facts::{DriverFigures, ServerTotals};

/// Everything that only grows, at an edge of the window.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) at_ns: u64,
    pub(super) host: Reading,
    pub(super) server: Option<ServerTotals>,
    pub(super) drivers: DriverFigures,
    /// Of the driver of the probes; of nobody without any.
    pub(super) probes: DriverFigures,
}

impl Controller<'_> {
    pub(super) fn edge(&self, at_ns: u64, playing: &Playing) -> Edge {
        let server_cpu_ns = self.process.and_then(ServerProcess::cpu_ns);
        let (threads, clients) = (&playing.threads, &self.clients);
        Edge {
            at_ns,
            host: Reading::take(&playing.all_threads, server_cpu_ns),
            server: self.server.map(Server::totals),
            drivers: figures(&threads.drivers, clients.counters.iter().map(|of| &**of)),
            probes: figures(threads.probes.as_slice(), clients.probes.iter().map(|of| &**of)),
        }
    }
}

fn figures<'a>(
    threads: &[ThreadId],
    counters: impl Iterator<Item = &'a DriverCounters>,
) -> DriverFigures {
    let cpu_ns = threads.iter().map(|thread| thread.cpu_ns()).collect();
    counters.fold(DriverFigures { cpu_ns, ..DriverFigures::default() }, |sum, of| DriverFigures {
        requests: sum.requests + of.requests.get(),
        replies: sum.replies + of.replies.get(),
        bytes: sum.bytes + of.bytes.get(),
        wakes: sum.wakes + of.wakes.get(),
        ..sum
    })
}
