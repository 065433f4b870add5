//! The memory watch: finds a peer that makes this process hold ever more, and cuts it off.
//!
//! ZeroMQ bounds the size of a frame and the number of whole messages in a pipe, but not the frames of a message that has
//! no end: those it keeps until the last one comes. So resident memory is compared with what the plan can explain: what
//! there was at the beginning, what each connection and thread may need, and the messages that are under way. Above
//! that, the peer that sent most is cut off, whereupon libzmq drops what it had sent of its message.

use super::setup::mark;
use crate::machine::host::resident_bytes;
use crate::wire::peers::{Connection, connections, give_back, greediest};
use zload_core::scenario::{Bytes, Scenario};
use zload_core::{facts::ServerTotals, quantity::saturating};

/// What may come beside all that is counted: recorders, the sample, an allocator that keeps what it was given back.
const ALLOWANCE: u64 = 256 << 20;
/// Buffers and first chunks of queues that libzmq has for a connection, on both sides and rounded up.
const PER_CONNECTION: u64 = 256 << 10;
/// What a message that waits may cost besides its body: libzmq receives into buffers of 8 KiB, with as much again for
/// their administration, and keeps one as long as a message in it waits.
const PER_MESSAGE: u64 = 20 << 10;
/// The same for a request that only waits for its reply.
const PER_EXCHANGE: u64 = 512;
/// Bodies that one driver holds while it handles them.
const BODIES_PER_DRIVER: u64 = 10;
/// Beyond this multiple of the mean, a body is too rare to count on.
const RARE: f64 = 64.0;
/// A peer that sent less than this is not what fills the memory, in bytes.
const LEAST_SENT: u64 = 1 << 10;
/// How long the kernel's counts are compared over before a peer is blamed, in nanoseconds.
const COMPARED_NS: u64 = 90_000_000;
/// How long libzmq may take to let go of what a peer had sent, in nanoseconds; less if memory grows on by `GROWS_ON`.
const LET_GO_NS: u64 = 500_000_000;
const GROWS_ON: u64 = 64 << 20;
/// How long memory may stay above what is explained, in nanoseconds.
const PATIENCE_NS: u64 = 5_000_000_000;
/// The excess over what is explained at which the run ends where no peer could be cut off, as over ipc.
const HOPELESS: u64 = 512 << 20;

pub(super) struct Memory {
    /// What is explained without a message under way, in bytes; nothing is watched if the kernel does not say what there
    /// was at the beginning.
    at_rest: Option<u64>,
    /// What a message under way explains, in bytes.
    each: u64,
    above: Option<Above>,
    cut_off: u64,
}

/// Since when memory is above what is explained, and what was known then.
struct Above {
    since_ns: u64,
    compared_since_ns: u64,
    before: Vec<Connection>,
    /// When the last peer was cut off, and what was resident then.
    cut: Option<(u64, u64)>,
}

impl Memory {
    /// For a run, whose clients start to connect.
    pub(super) fn of_run(scenario: &Scenario, clients: u32, drivers: usize) -> Self {
        let body = usual_body(scenario);
        let clients = u64::from(clients);
        let own = scenario.has_workers();
        let workers = if own { u64::from(scenario.workers.count.0) } else { 0 };
        let bodies = BODIES_PER_DRIVER * drivers as u64 + workers + 2 * clients;
        // On its way to zload's own workers a body is in two places.
        let each = if own { 2 * body + PER_MESSAGE } else { body + PER_EXCHANGE };
        Self::new((clients + workers) * PER_CONNECTION + bodies.saturating_mul(body), each)
    }

    /// For a server that listens.
    pub(super) fn of_server(scenario: &Scenario) -> Self {
        let body = usual_body(scenario);
        let workers = u64::from(scenario.workers.count.0);
        Self::new(workers.saturating_mul(body + PER_CONNECTION), body + PER_MESSAGE)
    }

    fn new(parts: u64, each: u64) -> Self {
        let at_rest =
            resident_bytes().map(|now| now.saturating_add(ALLOWANCE).saturating_add(parts));
        Self { at_rest, each, above: None, cut_off: 0 }
    }

    pub(super) fn cut_off(&self) -> u64 {
        self.cut_off
    }

    /// Looks once, while `queued` messages are under way; cuts a peer off if need be. Why the end has come, if nothing
    /// helps.
    pub(super) fn look(&mut self, now_ns: u64, queued: impl FnOnce() -> u64) -> Option<String> {
        let (at_rest, resident) = self.at_rest.zip(resident_bytes())?;
        if resident <= at_rest {
            self.above = None;
            return None;
        }
        let explained = at_rest.saturating_add(queued().saturating_mul(self.each));
        if resident > explained {
            // What is free by now may still count as resident: of peers that are gone, or cut off.
            give_back();
        }
        let resident = resident_bytes()?;
        if resident <= explained {
            self.above = None;
            return None;
        }
        self.act(now_ns, resident, explained)
    }

    #[cold]
    fn act(&mut self, now_ns: u64, resident: u64, explained: u64) -> Option<String> {
        let now = connections();
        let above = self.above.get_or_insert_with(|| Above {
            since_ns: now_ns,
            compared_since_ns: now_ns,
            before: now.clone(),
            cut: None,
        });
        let hopeless = above.cut.is_none()
            && now_ns - above.since_ns > LET_GO_NS
            && resident > explained.saturating_add(HOPELESS);
        if hopeless || now_ns - above.since_ns >= PATIENCE_NS {
            return Some(in_words(resident, explained, self.cut_off));
        }
        let lets_go = above.cut.is_some_and(|(at_ns, was)| {
            now_ns - at_ns < LET_GO_NS && resident < was.saturating_add(GROWS_ON)
        });
        if lets_go || now_ns - above.compared_since_ns < COMPARED_NS {
            return None;
        }
        for peer in greediest(&above.before, &now, LEAST_SENT) {
            if peer.cut_off() {
                self.cut_off += 1;
                above.cut = Some((now_ns, resident));
            }
        }
        if above.cut.is_some_and(|(at_ns, _)| at_ns == now_ns) {
            above.compared_since_ns = now_ns;
            above.before = now;
        }
        None
    }
}

/// Messages that may honestly wait in a built-in server with this many connections. High-water marks bound them where
/// there are any; a mark of 0 is a queue without limit by choice, so there all is explained that passed
/// the proxy and did not pass a worker, and all replies.
pub(super) fn queued_in_server(scenario: &Scenario, totals: &ServerTotals) -> u64 {
    let (send, receive) = (mark(scenario.sockets.sndhwm), mark(scenario.sockets.rcvhwm));
    let connections = connections().len() as u64;
    let at_workers = match totals.messages_in {
        _ if send > 0 && receive > 0 => u64::from(scenario.workers.count.0) * (send + receive),
        Some(passed) => passed.saturating_sub(totals.requests + totals.replies),
        None => return u64::MAX,
    };
    let to_clients = if send > 0 { connections * send } else { totals.replies };
    let from_clients = connections * if receive > 0 { receive } else { mark(None) };
    at_workers.saturating_add(to_clients).saturating_add(from_clients)
}

/// What a body of the plan may be taken for where many of them wait, in bytes.
fn usual_body(scenario: &Scenario) -> u64 {
    let mean = RARE * scenario.load.payload.mean();
    let largest = scenario.largest_payload();
    if mean < largest.0 as f64 { saturating(mean) } else { largest.0 }
}

fn in_words(resident: u64, explained: u64, cut_off: u64) -> String {
    let mebibytes = |bytes: u64| Bytes(bytes >> 20 << 20);
    let helped = match cut_off {
        0 => "no single peer could be identified and cut off".to_owned(),
        _ => format!("cutting off {cut_off} connections did not help"),
    };
    format!(
        "memory has grown to {}, and the plan explains {} of it: a peer sends an endless message, or messages far larger than planned, and {helped}",
        mebibytes(resident),
        mebibytes(explained)
    )
}
