//! Starting as many threads as will be needed before libzmq does, which ends the whole process if it cannot start one.
//!
//! All of them live at once for a moment. Invariant: when this returns they are gone to the last, as far as /proc tells,
//! so that those who follow have all the room that was found.

use std::io;
use std::sync::mpsc::channel;
use std::sync::{Arc, RwLock};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::{clock::Clock, stop::Stop, threads::STACK};
use crate::Error;

/// Threads that are needed: of libzmq's, which take the system's usual stack, and our own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threads {
    /// Those of libzmq.
    pub of_libzmq: u32,
    /// Those of zload.
    pub own: u32,
}

/// What a thread takes of the address space at most besides its stack: the allocator makes it its own heap of 64 MiB,
/// which it cuts out of twice as much.
const HEAP: u64 = 136 << 20;
/// The longest that a thread may take to start.
const LIVES_WITHIN: Duration = Duration::from_secs(1);
/// The longest that threads that have ended may take to be gone, in nanoseconds.
const GONE_WITHIN_NS: u64 = 1_000_000_000;

/// Starts this many threads and ends them. Where address space is limited, also makes sure that `memory` bytes are left.
pub fn rehearse(threads: Threads, memory: u64) -> Result<(), Error> {
    let before = living();
    // The stack of a thread whose starter asks for none in particular (`pthread_create(3)`).
    let usual = getrlimit(Resource::Stack).current.unwrap_or(2 << 20);
    let stacks =
        (0..threads.of_libzmq).map(|_| usual).chain((0..threads.own).map(|_| STACK as u64));
    let scarce = [Resource::As, Resource::Data].iter().any(|of| getrlimit(*of).current.is_some());
    // Threads wait as long as this is held.
    let gate = Arc::new(RwLock::new(()));
    let held = gate.write();
    let mut started: Vec<JoinHandle<()>> = Vec::new();
    let (tell, lives) = channel();
    let mut result = Ok(());
    for stack in stacks {
        if scarce && let Err(error) = room_for(memory.saturating_add(stack).saturating_add(HEAP)) {
            result = Err(error);
            break;
        }
        let (gate, tell) = (Arc::clone(&gate), tell.clone());
        let size = usize::try_from(stack).unwrap_or(usize::MAX);
        let started_one = Builder::new().stack_size(size).spawn(move || {
            let _heard = tell.send(());
            drop(gate.read());
        });
        match started_one {
            Ok(thread) => started.push(thread),
            Err(source) => {
                result = Err(shortage(threads, started.len(), &source));
                break;
            }
        }
        if scarce {
            // Only when it has its heap is it known what is left. It tells first of all.
            let _told = lives.recv_timeout(LIVES_WITHIN);
        }
    }
    drop(held);
    for thread in started {
        // It does nothing that could panic.
        let _ended = thread.join();
    }
    await_gone(before)?;
    result
}

/// Whether this many bytes can be allocated at once.
fn room_for(bytes: u64) -> Result<(), Error> {
    let size = usize::try_from(bytes).unwrap_or(usize::MAX);
    Vec::<u8>::new().try_reserve_exact(size).map_err(|_| {
        Error::Limit(format!(
            "there is too little memory: fewer than {} MiB are left of the limit of this process. Raise the limit (ulimit -v, ulimit -d), or lower clients.count or workers.count",
            bytes >> 20
        ))
    })
}

fn shortage(threads: Threads, started: usize, source: &io::Error) -> Error {
    let all = threads.of_libzmq + threads.own;
    Error::Limit(format!(
        "a thread cannot be started: {all} are needed, and after {started}: {source}. Raise the limit (of the user: ulimit -u; of a container: pids.max; of memory: ulimit -v), or lower workers.count, clients.threads or proxy.io_threads"
    ))
}

/// Threads of this process; `None` where /proc does not say.
fn living() -> Option<usize> {
    std::fs::read_dir("/proc/self/task").ok().map(Iterator::count)
}

/// A thread that has been joined still counts for a moment, until the kernel has put it away.
fn await_gone(before: Option<usize>) -> Result<(), Error> {
    let (clock, stop) = (Clock::start(), Stop::new()?);
    while living() > before && clock.now_ns() < GONE_WITHIN_NS {
        stop.sleep(Duration::from_micros(100));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_live_at_once_and_are_gone_afterwards() {
        rehearse(Threads { of_libzmq: 3, own: 200 }, 1 << 20).unwrap();
    }

    #[test]
    fn a_shortage_says_how_many_and_what_to_do() {
        let source = io::Error::from(rustix::io::Errno::AGAIN);
        let text = shortage(Threads { of_libzmq: 4, own: 8 }, 5, &source).to_string();
        assert!(text.contains("12 are needed, and after 5: Resource temporarily"), "{text}");
        assert!(room_for(u64::MAX).unwrap_err().to_string().contains("too little memory"));
    }
}
