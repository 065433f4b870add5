//! The side of every shard but 0: calls until it is welcome, then until it knows when to begin.
//!
//! What was not answered is said again, so nothing need come once or in order. Invariant: pure; it begins only when this
//! run's host has said so, after it has compared clocks.

use super::message::{Message, PROTOCOL, Said, Shard, Unread};
use super::pings::{Offset, Pings};

/// How often what was not answered is said again, in nanoseconds.
const AGAIN_NS: u64 = 200_000_000;
/// The same when only the start is awaited, which is near.
const START_AGAIN_NS: u64 = 60_000_000;
/// How long the host may be out of reach once it has answered, in nanoseconds: a connection that ended is made again in less.
const GONE_NS: u64 = 5_000_000_000;
/// What the host may take longer than the timeout that it has, too, so that its sentence comes first, in nanoseconds.
const PATIENCE_NS: u64 = 10_000_000_000;
/// A start that is further away is no start, in nanoseconds.
const FARTHEST_NS: u64 = 600_000_000_000;

/// When to begin.
#[expect(clippy::struct_field_names, reason = "suffixes give units")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agreed {
    /// The instant on one's own clock.
    pub(super) at_ns: u64,
    /// What the host's wall clock shows then.
    pub(super) unix_ns: u64,
    /// How far the instant may be off, in nanoseconds.
    pub(super) bound_ns: u64,
}

/// How far this shard is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not all shards have come, as far as this one knows.
    Calling,
    /// All have, and the run has an id.
    Met,
    /// This shard's clients are connected.
    Ready,
    /// Clocks are compared.
    Syncing,
    /// They have been, and the start is awaited.
    Synced(Offset),
    Agreed(Agreed),
    /// There will be no run.
    Failed(String),
}

#[derive(Debug)]
pub(super) struct Member {
    nonce: u64,
    me: Shard,
    endpoint: String,
    stage: Stage,
    /// The process that answered first.
    host: Option<u64>,
    run: u64,
    pings: Pings,
    again_at_ns: u64,
    timeout_ns: u64,
    deadline_ns: u64,
    unreachable_since: Option<u64>,
}

impl Member {
    /// A shard that calls the host at `endpoint`, which should answer within `timeout_ns`.
    pub(super) fn new(me: &Shard, nonce: u64, endpoint: &str, timeout_ns: u64) -> Self {
        Self {
            nonce,
            me: me.tidied(),
            endpoint: endpoint.to_owned(),
            stage: Stage::Calling,
            host: None,
            run: 0,
            pings: Pings::default(),
            again_at_ns: 0,
            timeout_ns,
            deadline_ns: timeout_ns,
            unreachable_since: None,
        }
    }

    pub(super) fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The id of the run, once this shard has met the others.
    pub(super) fn run(&self) -> u64 {
        self.run
    }

    /// Takes what has come.
    pub(super) fn heard(&mut self, now_ns: u64, bytes: &[u8]) {
        if matches!(self.stage, Stage::Agreed(_) | Stage::Failed(_)) {
            return;
        }
        let message = match Message::read(bytes) {
            Ok(message) => message,
            Err(Unread::Stranger) => return,
            Err(Unread::Protocol(other)) => {
                self.fail(format!(
                    "{} speaks version {other} of zload's gather, and this one {PROTOCOL}: use one version of zload everywhere",
                    self.endpoint
                ));
                return;
            }
        };
        if *self.host.get_or_insert_with(|| {
            self.deadline_ns = now_ns.saturating_add(self.timeout_ns).saturating_add(PATIENCE_NS);
            message.from
        }) != message.from
        {
            self.fail(format!("another process answers at {} than before", self.endpoint));
            return;
        }
        match (message.said, &self.stage) {
            (Said::Refused { why }, _) => self.fail(why),
            (Said::Welcome { run }, Stage::Calling) => {
                self.run = run;
                self.deadline_ns = u64::MAX;
                self.stage = Stage::Met;
            }
            (Said::Sync, Stage::Ready) => {
                self.stage = Stage::Syncing;
                self.again_at_ns = now_ns;
            }
            (Said::Pong { number, host_ns }, Stage::Syncing) => {
                self.pings.answered(now_ns, number, host_ns);
                if let Some((offset, _)) = self.pings.done() {
                    self.stage = Stage::Synced(offset);
                    self.again_at_ns = now_ns;
                }
            }
            (Said::Start { run, at_ns, unix_ns }, Stage::Synced(offset)) if run == self.run => {
                let own_ns = offset.own_ns(at_ns);
                if own_ns < now_ns.saturating_add(FARTHEST_NS) {
                    let bound_ns = offset.bound_at(own_ns);
                    self.stage = Stage::Agreed(Agreed { at_ns: own_ns, unix_ns, bound_ns });
                }
            }
            _ => {}
        }
    }

    /// Whether the host's connection is there at this time.
    pub(super) fn reachable(&mut self, now_ns: u64, there: bool) {
        if there {
            self.unreachable_since = None;
        } else {
            self.unreachable_since.get_or_insert(now_ns);
        }
    }

    /// This shard's clients are connected.
    pub(super) fn ready(&mut self, now_ns: u64) {
        if self.stage == Stage::Met {
            self.stage = Stage::Ready;
            // The host has its own timeout, and may itself take as long to be ready.
            let patience_ns = self.timeout_ns.saturating_mul(2).saturating_add(PATIENCE_NS);
            self.deadline_ns = now_ns.saturating_add(patience_ns);
            self.again_at_ns = now_ns;
        }
    }

    /// What is to be said now, and what has taken too long.
    pub(super) fn tick(&mut self, now_ns: u64, out: &mut Vec<Message>) {
        let said = match &self.stage {
            Stage::Agreed(_) | Stage::Failed(_) => return,
            Stage::Syncing => self.pings.due(now_ns).map(|number| Said::Ping { number }),
            _ if now_ns < self.again_at_ns => None,
            Stage::Calling => Some(Said::Hello(self.me.clone())),
            Stage::Met => None,
            Stage::Ready => Some(Said::Ready),
            Stage::Synced(_) => {
                let worst_ns = self.pings.done().map_or(0, |(_, worst_ns)| worst_ns);
                Some(Said::Synced { worst_ns })
            }
        };
        if let Some(said) = said {
            let near = matches!(self.stage, Stage::Synced(_));
            self.again_at_ns = now_ns + if near { START_AGAIN_NS } else { AGAIN_NS };
            out.push(Message { from: self.nonce, said });
        }
        let gone = self.unreachable_since.is_some_and(|since_ns| now_ns >= since_ns + GONE_NS);
        if self.host.is_some() && gone {
            self.fail(format!(
                "shard 0 of {} answered at {} and cannot be reached any more",
                self.me.count, self.endpoint
            ));
        } else if now_ns >= self.deadline_ns {
            self.fail(self.too_late());
        }
    }

    /// What is said when this shard gives up, or has heard of a refusal.
    pub(super) fn leave(&self) -> Option<Message> {
        let agreed = matches!(self.stage, Stage::Agreed(_));
        (!agreed).then_some(Message { from: self.nonce, said: Said::Left })
    }

    fn too_late(&self) -> String {
        let seconds = self.timeout_ns.div_ceil(1_000_000_000);
        let (count, endpoint) = (self.me.count, &self.endpoint);
        match (self.host, &self.stage) {
            (None, _) => format!(
                "shard 0 of {count} did not answer at {endpoint} within {seconds} s (--gather-timeout): is that its host, and may this one connect there?"
            ),
            (_, Stage::Calling) => {
                format!("shard 0 of {count} at {endpoint} did not say that all have come")
            }
            _ => format!("shard 0 of {count} at {endpoint} did not say when to begin"),
        }
    }

    fn fail(&mut self, why: String) {
        self.stage = Stage::Failed(why);
    }
}
