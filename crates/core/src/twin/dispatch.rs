//! Which worker serves a request, and from when on: the four policies.
//!
//! Invariant: a worker has one request at a time, and takes those assigned to it in the order in which they came.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use rand::Rng as _;

use super::{Policy, Pool};
use crate::plan::{DrawKey, Purpose};

/// Who serves a request, from when on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    pub(super) worker: u32,
    pub(super) started_ns: u64,
}

/// The workers, and what the policy must know of them.
pub(super) struct Dispatch {
    workers: u32,
    /// When each worker will have done all that was assigned to it.
    free_ns: Vec<u64>,
    state: State,
}

/// What a policy decides by.
enum State {
    RoundRobin {
        next: u32,
    },
    /// Every worker, the one that is free first on top.
    SharedQueue(BinaryHeap<Reverse<(u64, u32)>>),
    LeastLoaded {
        loads: Loads,
        /// Every worker by its load.
        ranks: BTreeSet<(u32, u32)>,
        next: u32,
    },
    PowerOfTwo(Loads),
}

/// How many requests each worker has, queued and running.
struct Loads {
    of: Vec<u32>,
    /// When which worker will be done with a request.
    leaving: BinaryHeap<Reverse<(u64, u32)>>,
}

impl Dispatch {
    pub(super) fn new(pool: Pool) -> Self {
        let workers = pool.workers;
        assert!(workers > 0, "validation asks for a worker");
        let state = match pool.policy {
            Policy::RoundRobin => State::RoundRobin { next: 0 },
            Policy::SharedQueue => {
                State::SharedQueue((0..workers).map(|worker| Reverse((0, worker))).collect())
            }
            Policy::LeastLoaded => State::LeastLoaded {
                loads: Loads::new(workers),
                ranks: (0..workers).map(|worker| (0, worker)).collect(),
                next: 0,
            },
            Policy::PowerOfTwo => State::PowerOfTwo(Loads::new(workers)),
        };
        Self { workers, free_ns: vec![0; workers as usize], state }
    }

    /// The worker of the request that arrives at `now_ns`. [`Self::occupy`] must be called with its duration before the
    /// next call; `now_ns` must never decrease.
    #[inline]
    pub(super) fn assign(&mut self, key: DrawKey, now_ns: u64) -> Turn {
        let workers = self.workers;
        let worker = match &mut self.state {
            State::RoundRobin { next } => in_turn(next, workers),
            State::SharedQueue(free) => {
                free.peek().map(|Reverse((_, worker))| *worker).expect("there is a worker")
            }
            State::LeastLoaded { loads, ranks, next } => {
                while let Some(worker) = loads.leave(now_ns) {
                    let load = loads.of[worker as usize];
                    ranks.remove(&(load + 1, worker));
                    ranks.insert((load, worker));
                }
                let least = ranks.first().map(|(load, _)| *load).expect("there is a worker");
                // Those of the least load from the next in turn on, then those before it.
                *next = ranks
                    .range((least, *next)..=(least, u32::MAX))
                    .chain(ranks.first())
                    .next()
                    .map(|(_, worker)| *worker)
                    .expect("there is a worker");
                let worker = in_turn(next, workers);
                ranks.remove(&(least, worker));
                ranks.insert((least + 1, worker));
                worker
            }
            State::PowerOfTwo(loads) => {
                while loads.leave(now_ns).is_some() {}
                let (first, second) = two_of(workers, key);
                if loads.of[second as usize] < loads.of[first as usize] { second } else { first }
            }
        };
        Turn { worker, started_ns: self.free_ns[worker as usize].max(now_ns) }
    }

    /// The worker assigned last is busy until `until_ns`.
    #[inline]
    pub(super) fn occupy(&mut self, worker: u32, until_ns: u64) {
        self.free_ns[worker as usize] = until_ns;
        match &mut self.state {
            State::RoundRobin { .. } => {}
            State::SharedQueue(free) => {
                free.peek_mut().expect("the worker assigned last is still on top").0.0 = until_ns;
            }
            State::LeastLoaded { loads, .. } | State::PowerOfTwo(loads) => {
                loads.enter(worker, until_ns);
            }
        }
    }
}

impl Loads {
    fn new(workers: u32) -> Self {
        Self { of: vec![0; workers as usize], leaving: BinaryHeap::new() }
    }

    /// A worker has one more request, until `until_ns`.
    #[inline]
    fn enter(&mut self, worker: u32, until_ns: u64) {
        self.of[worker as usize] += 1;
        self.leaving.push(Reverse((until_ns, worker)));
    }

    /// One of the workers that are done with a request by `now_ns`, and has it no more.
    #[inline]
    fn leave(&mut self, now_ns: u64) -> Option<u32> {
        let Reverse((done_ns, worker)) = *self.leaving.peek()?;
        if done_ns > now_ns {
            return None;
        }
        self.leaving.pop();
        self.of[worker as usize] -= 1;
        Some(worker)
    }
}

/// The next in turn; `next` moves on.
#[inline]
fn in_turn(next: &mut u32, workers: u32) -> u32 {
    let worker = *next;
    *next = if worker + 1 == workers { 0 } else { worker + 1 };
    worker
}

/// Two different workers, or the only one twice, drawn by the request's key.
#[inline]
fn two_of(workers: u32, key: DrawKey) -> (u32, u32) {
    if workers == 1 {
        return (0, 0);
    }
    let bits = key.generator(Purpose::Dispatch).next_u64();
    // Half of the bits each, scaled as a fraction: off from uniform by at most `workers` in 2^32.
    let first = below(workers, bits >> 32);
    let second = below(workers - 1, bits & 0xffff_ffff);
    (first, if second < first { second } else { second + 1 })
}

/// A number below `limit`, from 32 random bits.
fn below(limit: u32, bits: u64) -> u32 {
    u32::try_from((bits * u64::from(limit)) >> 32).expect("less than the limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The workers that requests get which arrive at these instants and take `work_ns` each.
    fn assigned(policy: Policy, workers: u32, instants: &[u64], work_ns: &[u64]) -> Vec<u32> {
        let mut dispatch = Dispatch::new(Pool { workers, policy });
        (0..)
            .zip(instants.iter().zip(work_ns))
            .map(|(request, (&now_ns, work_ns))| {
                let turn = dispatch.assign(DrawKey::new(1, 0, request), now_ns);
                dispatch.occupy(turn.worker, turn.started_ns + work_ns);
                turn.worker
            })
            .collect()
    }

    #[test]
    fn round_robin_takes_no_notice_of_who_is_busy() {
        let workers = assigned(Policy::RoundRobin, 3, &[0, 1, 2, 3, 4], &[100, 1, 1, 1, 1]);
        assert_eq!(workers, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn least_loaded_takes_turns_among_equals_and_avoids_the_busy() {
        let instants = [0, 1, 2, 3, 4, 5];
        assert_eq!(assigned(Policy::LeastLoaded, 3, &instants, &[0; 6]), [0, 1, 2, 0, 1, 2]);
        // Worker 0 is busy throughout, and one that becomes free at an instant counts as free at it.
        let workers = assigned(Policy::LeastLoaded, 3, &instants, &[100, 1, 1, 1, 3, 3]);
        assert_eq!(workers, [0, 1, 2, 1, 2, 1]);
        // All have one each, so the turn decides who gets a second.
        assert_eq!(assigned(Policy::LeastLoaded, 2, &[0; 4], &[9; 4]), [0, 1, 0, 1]);
    }

    #[test]
    fn the_shared_queue_gives_to_the_first_free_worker() {
        let workers = assigned(Policy::SharedQueue, 2, &[0, 0, 0, 0], &[10, 3, 3, 9]);
        assert_eq!(workers, [0, 1, 1, 1]);
    }

    #[test]
    fn power_of_two_draws_every_pair_alike_and_takes_the_less_loaded() {
        let mut pairs = [[0_u32; 4]; 4];
        for request in 0..12_000 {
            let (first, second) = two_of(4, DrawKey::new(3, 1, request));
            pairs[first as usize][second as usize] += 1;
        }
        for (first, row) in pairs.iter().enumerate() {
            for (second, count) in row.iter().enumerate() {
                let expected = if first == second { 0..1 } else { 900..1_100 };
                assert!(expected.contains(count), "{pairs:?}");
            }
        }
        assert_eq!(two_of(1, DrawKey::new(3, 1, 1)), (0, 0));
        // With two workers the two drawn are all there are: neither gets a third request while the other has one.
        let workers = assigned(Policy::PowerOfTwo, 2, &[0; 10], &[100; 10]);
        assert!((2..=10).step_by(2).all(|end| {
            workers[..end].iter().filter(|worker| **worker == 0).count() == end / 2
        }));
    }
}
