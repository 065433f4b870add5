//! Threads of a run: on which CPUs they are, starting them, and what they cost.

use std::num::NonZeroU64;
use std::thread::{Builder, JoinHandle};

use rustix::thread::{
    CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity, set_current_timer_slack,
};

use super::host::times_ns;
use crate::Error;

/// Stack of a worker or proxy: they keep nothing on it, and a run may have a thousand of them.
pub const STACK: usize = 256 << 10;

/// Keeps this process, and those it starts, from now on on `count` of the CPUs that it may use: the last ones, since
/// the first have the machine's interrupts.
pub fn keep_on(count: u32) -> Result<(), Error> {
    let allowed = sched_getaffinity(None).map_err(|errno| {
        Error::Limit(format!("the CPUs of this process cannot be read: {errno}"))
    })?;
    let available: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).collect();
    let (wanted, most) = (count as usize, available.len());
    if wanted > most {
        return Err(Error::Limit(format!("--cpus {count}: this process may use {most} CPUs")));
    }
    let mut chosen = CpuSet::new();
    available.iter().rev().take(wanted).for_each(|cpu| chosen.set(*cpu));
    sched_setaffinity(None, &chosen)
        .map_err(|errno| Error::Limit(format!("threads cannot be pinned: {errno}")))
}

/// Starts a named thread that is woken from timed waits as exactly as the kernel can.
pub fn start<T: Send + 'static>(
    name: &str,
    started: u32,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    Builder::new()
        .name(name.to_owned())
        .stack_size(STACK)
        .spawn(move || {
            // Timers are rounded by 50 us unless a thread asks for better. Where it may not, its delays overshoot
            // more, and the report shows it.
            let _allowed = set_current_timer_slack(NonZeroU64::new(1));
            body()
        })
        .map_err(|source| Error::Thread { started, source })
}

/// How many CPUs this process may use.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Calls `work` on every processor at the same time, and returns when all are done.
pub fn together(work: &(dyn Fn() + Sync)) {
    let others = processors() - 1;
    std::thread::scope(|scope| {
        // Where threads are short, those that there are do what is left.
        let start = |_| Builder::new().spawn_scoped(scope, work).ok();
        let _others: Vec<_> = (0..others).map_while(start).collect();
        work();
    });
}

/// Runs `start`, whose threads, libzmq's among them, have work by the batch (`SCHED_BATCH`, see sched(7)): one that is
/// woken does not push the thread aside that woke it, which goes on to find more work for it.
///
/// A process that was given another policy than the usual one (by `chrt`, say) keeps it, and so do all its threads.
pub fn batch_scheduled<T>(start: impl FnOnce() -> T) -> T {
    if scheduling() != libc::SCHED_OTHER {
        return start();
    }
    // New threads have the policy of the one that starts them.
    set_scheduling(libc::SCHED_BATCH);
    let started = start();
    set_scheduling(libc::SCHED_OTHER);
    started
}

/// The policy of the calling thread, with its flags.
#[expect(unsafe_code, reason = "rustix does not wrap this call")]
fn scheduling() -> i32 {
    // SAFETY: it takes no pointer, and 0 is the calling thread.
    unsafe { libc::sched_getscheduler(0) }
}

#[expect(unsafe_code, reason = "rustix does not wrap this call")]
fn set_scheduling(policy: i32) {
    // SAFETY: the parameter is plain data that is valid for the call, and 0 is the calling thread. Where it is not
    // allowed, threads are scheduled as any others, which costs speed and nothing else.
    let _allowed =
        unsafe { libc::sched_setscheduler(0, policy, &libc::sched_param { sched_priority: 0 }) };
}

/// A thread whose CPU time others can read.
#[derive(Debug, Clone, Copy)]
pub struct ThreadId(Pid);

impl ThreadId {
    /// The thread that calls this.
    pub fn current() -> Self {
        Self(gettid())
    }

    /// CPU time the thread has used so far, in nanoseconds; `None` once it has ended or where the kernel does not say.
    ///
    /// The kernel brings it up to date at every scheduling tick: a few milliseconds, so it is for windows of a second and
    /// more.
    pub fn cpu_ns(self) -> Option<u64> {
        let folder = format!("/proc/self/task/{}", self.0.as_raw_nonzero());
        times_ns(&folder).map(|(cpu_ns, _)| cpu_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The policies of a thread that is started by the batch, and of its starter afterwards, who has this one before.
    fn policies(before: i32) -> [i32; 2] {
        let body = move || {
            set_scheduling(before);
            let started = batch_scheduled(|| start("a", 0, scheduling).unwrap());
            [started.join().unwrap(), scheduling()]
        };
        std::thread::spawn(body).join().unwrap()
    }

    #[test]
    fn only_the_usual_policy_is_changed_and_that_only_for_new_threads() {
        assert_eq!(policies(libc::SCHED_OTHER), [libc::SCHED_BATCH, libc::SCHED_OTHER]);
        for given in [libc::SCHED_IDLE, libc::SCHED_BATCH] {
            assert_eq!(policies(given), [given, given]);
        }
    }
}
