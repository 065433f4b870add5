//! The watch: notices a topology that has stopped moving.
//!
//! Silence alone proves nothing (an idle load is silent, a long delay is too): stuck is when no message moves although
//! work is there and no worker is busy with it. Invariant: pure; instants come in from outside.

/// How long nothing may move before that is a failure.
const PATIENCE_NS: u64 = 3_000_000_000;

/// What the watch looks at.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sample {
    /// Messages moved so far by proxy, workers and clients together: any change is life.
    pub(super) moved: u64,
    /// Requests that clients sent so far and no worker has taken.
    pub(super) untaken: u64,
    /// Workers in a planned delay.
    pub(super) delaying: u32,
    /// Workers that wait for ZeroMQ to take a reply.
    pub(super) sending: u32,
    /// All workers.
    pub(super) workers: u32,
}

/// Remembers when something last moved.
#[derive(Debug, Default)]
pub(super) struct Watch {
    moved: u64,
    since_ns: u64,
}

impl Watch {
    /// Why the run is stuck, if it is.
    pub(super) fn look(&mut self, now_ns: u64, sample: &Sample) -> Option<String> {
        let has_work = sample.untaken > 0 || sample.sending > 0;
        if sample.moved != self.moved || sample.delaying > 0 || !has_work {
            self.moved = sample.moved;
            self.since_ns = now_ns;
            return None;
        }
        (now_ns.saturating_sub(self.since_ns) >= PATIENCE_NS).then(|| sample.in_words())
    }
}

impl Sample {
    fn in_words(&self) -> String {
        let Self { untaken, sending, workers, .. } = self;
        format!(
            "the topology has stopped moving: for {} s no message moved, while {untaken} requests wait for a worker \
             and {sending} of {workers} workers wait for room to send a reply. With finite high-water marks a proxy \
             that blocks in a send waits for its workers while they wait for it: set sockets.sndhwm = 0 and \
             sockets.rcvhwm = 0, or use proxy.engine = \"batch\"",
            PATIENCE_NS / 1_000_000_000
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn verdicts(sample: Sample) -> Vec<bool> {
        let mut watch = Watch::default();
        (0..6).map(|second| watch.look(second * S, &sample).is_some()).collect()
    }

    #[test]
    fn stuck_is_work_that_nobody_moves() {
        let stuck = Sample { moved: 7, untaken: 12, sending: 2, workers: 2, ..Sample::default() };
        assert_eq!(verdicts(stuck), [false, false, false, true, true, true]);
    }

    #[test]
    fn idle_and_busy_are_not_stuck() {
        assert!(!verdicts(Sample { moved: 7, workers: 2, ..Sample::default() }).contains(&true));
        let delaying =
            Sample { moved: 7, untaken: 12, delaying: 1, workers: 2, ..Sample::default() };
        assert!(!verdicts(delaying).contains(&true));
    }

    #[test]
    fn any_movement_starts_the_wait_again() {
        let mut watch = Watch::default();
        let stuck = |moved| Sample { moved, untaken: 1, workers: 1, ..Sample::default() };
        assert_eq!(watch.look(0, &stuck(1)), None);
        assert_eq!(watch.look(2 * S, &stuck(2)), None);
        assert_eq!(watch.look(4 * S, &stuck(2)), None);
        assert!(watch.look(5 * S, &stuck(2)).unwrap().contains("1 requests wait"));
    }
}
