//! What the machine did meanwhile: two readings of `/proc` and the clocks, and their difference.
//!
//! Threads are found once, before the window, so that a look at its edge costs two small files for each thread and one
//! for each worker. What the kernel does not say is `None`, never 0. Invariant: nothing here is called on the hot path.

use std::fs::read_to_string;
use std::str::FromStr;

use rustix::param::clock_ticks_per_second;
use rustix::time::{ClockId, clock_gettime};

use super::cgroup::{self, CpuQuota};
use zload_core::facts::{HostUse, MachineUse, QuotaUse, Role, Thread, ThreadCost};

/// Prefix of the names of the I/O threads of the clients' context.
pub const CLIENT_THREADS: u32 = 1;
/// The same for the server's context.
pub const SERVER_THREADS: u32 = 2;
/// From this number of clients on, what the kernel takes for them stands out.
const MANY_CLIENTS: u32 = 1_000;

fn role_of(name: &str) -> Role {
    match name {
        "zload/driver" => Role::Driver,
        "zload/proxy" => Role::Proxy,
        "zload/worker" => Role::Worker,
        // libzmq calls its threads prefix/ZMQbg/IO/number.
        _ => match name.split_once("/ZMQbg/IO").and_then(|(prefix, _)| prefix.parse().ok()) {
            Some(CLIENT_THREADS) => Role::ClientIo,
            Some(SERVER_THREADS) => Role::ServerIo,
            _ => Role::Other,
        },
    }
}

/// The threads of this process that are running now, in the order of their numbers.
pub fn threads() -> Vec<Thread> {
    let mut threads: Vec<Thread> = numbers_in("/proc/self/task")
        .filter_map(|id: u32| {
            // A thread may end between the listing and this look at it.
            let name = read_to_string(format!("/proc/self/task/{id}/comm")).ok()?;
            let name = name.trim_end().to_owned();
            Some(Thread { id, role: role_of(&name), name })
        })
        .collect();
    threads.sort_unstable_by_key(|thread| thread.id);
    threads
}

/// The numbers that are names in a directory of `/proc`: of threads, of descriptors.
pub fn numbers_in<T: FromStr>(folder: &str) -> impl Iterator<Item = T> + use<T> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

fn cost_of(thread: &Thread) -> Option<ThreadCost> {
    let folder = format!("/proc/self/task/{}", thread.id);
    let (cpu_ns, wait_ns) = times_ns(&folder)?;
    let status = (thread.role != Role::Worker)
        .then(|| read_to_string(format!("{folder}/status")).ok())
        .flatten()
        .unwrap_or_default();
    Some(ThreadCost {
        cpu_ns,
        wait_ns,
        voluntary: field(&status, "voluntary_ctxt_switches:"),
        involuntary: field(&status, "nonvoluntary_ctxt_switches:"),
    })
}

/// For how long those of `threads` that move messages between ZeroMQ and the kernel ran, or waited for a CPU, so far, in
/// nanoseconds.
pub fn io_ns(threads: &[Thread]) -> u64 {
    threads
        .iter()
        .filter(|thread| matches!(thread.role, Role::ClientIo | Role::ServerIo))
        .filter_map(|thread| times_ns(&format!("/proc/self/task/{}", thread.id)))
        .map(|(cpu_ns, wait_ns)| cpu_ns + wait_ns)
        .sum()
}

/// CPU time and waiting time of the thread with this directory in `/proc`, in nanoseconds.
pub fn times_ns(folder: &str) -> Option<(u64, u64)> {
    schedstat(&read_to_string(format!("{folder}/schedstat")).ok()?)
}

/// The same from the file's text (kernel: Documentation/scheduler/sched-stats).
fn schedstat(text: &str) -> Option<(u64, u64)> {
    let mut numbers = text.split_whitespace().map(u64::from_str);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The number behind `name` at the start of a line.
pub fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// CPU time of the whole machine since it was booted, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct MachineTicks {
    all: u64,
    /// On a CPU: user, nice, system, irq, softirq.
    busy: u64,
    steal: u64,
}

impl MachineTicks {
    /// From the first line of `/proc/stat` (proc(5)): user nice system idle iowait irq softirq steal.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> =
            line.split_whitespace().take(8).map(u64::from_str).collect::<Result<_, _>>().ok()?;
        let &[user, nice, system, idle, iowait, irq, softirq, steal] = ticks.as_slice() else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self { all: busy + idle + iowait + steal, busy, steal })
    }
}

/// What the machine's counters read, at one instant.
#[derive(Debug, Clone)]
pub struct Reading {
    monotonic_ns: u64,
    realtime_ns: u64,
    boottime_ns: u64,
    process_cpu_ns: u64,
    server_cpu_ns: Option<u64>,
    machine: Option<MachineTicks>,
    quotas: Vec<CpuQuota>,
    threads: Vec<Option<ThreadCost>>,
}

impl Reading {
    /// Of the machine, its clocks and these threads; `server_cpu_ns` is what an external server has used.
    pub fn take(threads: &[Thread], server_cpu_ns: Option<u64>) -> Self {
        Self {
            monotonic_ns: read(ClockId::Monotonic),
            realtime_ns: read(ClockId::Realtime),
            boottime_ns: read(ClockId::Boottime),
            process_cpu_ns: read(ClockId::ProcessCPUTime),
            server_cpu_ns,
            machine: read_to_string("/proc/stat").ok().and_then(|text| MachineTicks::parse(&text)),
            quotas: cgroup::cpu_quotas(),
            threads: threads.iter().map(cost_of).collect(),
        }
    }

    /// What happened between `begin` and this reading, both of the same `threads`.
    pub fn since(&self, begin: &Self, threads: &[Thread]) -> HostUse {
        let span_ns = self.monotonic_ns.saturating_sub(begin.monotonic_ns);
        let real_ns = self.realtime_ns.cast_signed() - begin.realtime_ns.cast_signed();
        let own_ns = self.process_cpu_ns.saturating_sub(begin.process_cpu_ns);
        let server_ns = self
            .server_cpu_ns
            .zip(begin.server_cpu_ns)
            .map(|(end, begin)| end.saturating_sub(begin));
        let costs = self.threads.iter().zip(&begin.threads).zip(threads);
        HostUse {
            span_ns,
            threads: costs
                .filter_map(|((end, begin), thread)| {
                    Some((thread.clone(), end.as_ref()?.since(begin.as_ref()?)))
                })
                .collect(),
            machine: self.machine.zip(begin.machine).and_then(|(end, begin)| {
                machine_between(end, begin, own_ns + server_ns.unwrap_or(0))
            }),
            quota: quota_between(&self.quotas, &begin.quotas),
            process_cpu_ns: own_ns,
            server_cpu_ns: server_ns,
            realtime_step_ns: real_ns - span_ns.cast_signed(),
            suspended_ns: self
                .boottime_ns
                .saturating_sub(begin.boottime_ns)
                .saturating_sub(span_ns),
        }
    }
}

/// Of several quotas that were in force at both looks, the one that was used up most often, or else the tightest.
fn quota_between(end: &[CpuQuota], begin: &[CpuQuota]) -> Option<QuotaUse> {
    let used =
        end.iter().zip(begin).filter(|_| end.len() == begin.len()).map(|(end, begin)| QuotaUse {
            cpus: end.cpus,
            periods: end.periods.saturating_sub(begin.periods),
            throttled: end.throttled.saturating_sub(begin.throttled),
            throttled_ns: end.throttled_ns.saturating_sub(begin.throttled_ns),
        });
    used.max_by(|one, other| {
        let shares = one.throttled_share().total_cmp(&other.throttled_share());
        shares.then(other.cpus.total_cmp(&one.cpus))
    })
}

/// How the machine's CPU time was spent between two looks; `None` if no tick passed in between.
fn machine_between(end: MachineTicks, begin: MachineTicks, own_ns: u64) -> Option<MachineUse> {
    let all = end.all.checked_sub(begin.all).filter(|ticks| *ticks > 0)? as f64;
    let busy = end.busy.saturating_sub(begin.busy) as f64;
    let own = own_ns as f64 / 1e9 * clock_ticks_per_second() as f64;
    Some(MachineUse {
        steal_share: end.steal.saturating_sub(begin.steal) as f64 / all,
        other_share: (busy - own).max(0.0) / all,
        busy_share: busy / all,
    })
}

/// Memory of this process that is resident, in bytes, if the kernel says.
pub fn resident_bytes() -> Option<u64> {
    let pages = read_to_string("/proc/self/statm").ok()?;
    let resident: u64 = pages.split_whitespace().nth(1)?.parse().ok()?;
    Some(resident * rustix::param::page_size() as u64)
}

/// Memory that the kernel has for its own structures and for TCP's buffers, on the whole machine, in bytes, if it says:
/// connections are in no process's resident memory.
pub fn kernel_bytes() -> Option<u64> {
    let meminfo = read_to_string("/proc/meminfo").ok()?;
    let slab = meminfo.lines().find_map(|line| line.strip_prefix("Slab:"))?;
    let slab_kib: u64 = slab.split_whitespace().next()?.parse().ok()?;
    let sockets = read_to_string("/proc/net/sockstat").unwrap_or_default();
    let pages = sockets.lines().filter(|line| line.starts_with("TCP:"));
    let pages = pages.filter_map(|line| line.rsplit_once(" mem ")?.1.trim().parse::<u64>().ok());
    Some((slab_kib << 10) + pages.sum::<u64>() * rustix::param::page_size() as u64)
}

/// What that has grown by since before this many clients connected; `None` of few, beside whom all else on the machine
/// changes more.
pub fn kernel_growth(before: Option<u64>, clients: u32) -> Option<u64> {
    let before = before.filter(|_| clients >= MANY_CLIENTS)?;
    Some(kernel_bytes()?.saturating_sub(before))
}

/// The smallest step of the clock that times are read from, in nanoseconds; `None` if it did not move in 10,000 reads.
pub fn clock_resolution_ns() -> Option<u64> {
    let mut before = read(ClockId::Monotonic);
    let mut smallest = None;
    for _ in 0..10_000 {
        let now = read(ClockId::Monotonic);
        let step = now.saturating_sub(before);
        before = now;
        if step > 0 {
            smallest = Some(smallest.map_or(step, |least: u64| least.min(step)));
        }
    }
    smallest
}

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_kernel_are_read_as_documented() {
        assert_eq!(schedstat("617849 20 1\n"), Some((617_849, 20)));
        assert_eq!(schedstat("617849\n"), None);
        let status = "Name:\tx\nvoluntary_ctxt_switches:\t7\nnonvoluntary_ctxt_switches:\t3\n";
        assert_eq!(field(status, "voluntary_ctxt_switches:"), Some(7));
        assert_eq!(field(status, "nonvoluntary_ctxt_switches:"), Some(3));
        assert_eq!(field("", "voluntary_ctxt_switches:"), None);
        let ticks = MachineTicks::parse("cpu  10 1 20 60 4 1 2 5 0 0\ncpu0 1\n").unwrap();
        assert_eq!(ticks, MachineTicks { all: 103, busy: 34, steal: 5 });
        assert_eq!(MachineTicks::parse("intr 5\n"), None);
        assert_eq!(MachineTicks::parse("cpu  10 1 20\n"), None, "before steal was counted");
    }

    #[test]
    fn shares_of_the_machine_leave_out_this_process() {
        let begin = MachineTicks { all: 1_000, busy: 300, steal: 10 };
        let end = MachineTicks { all: 1_200, busy: 400, steal: 20 };
        let own_ns = 60 * 1_000_000_000 / clock_ticks_per_second();
        let used = machine_between(end, begin, own_ns).unwrap();
        let near = |share: f64, expected: f64| (share - expected).abs() < 1e-9;
        assert!(near(used.steal_share, 0.05) && near(used.other_share, 0.2), "{used:?}");
        assert!(near(used.busy_share, 0.5), "{used:?}");
        assert_eq!(machine_between(begin, begin, 0), None);
        assert!(machine_between(end, begin, u64::MAX).unwrap().other_share.abs() < 1e-9);
    }

    #[test]
    fn what_an_external_server_used_is_not_other_load() {
        let tick_ns = 1_000_000_000 / clock_ticks_per_second();
        let reading = |server_cpu_ns, busy| Reading {
            machine: Some(MachineTicks { all: 2 * busy, busy, steal: 0 }),
            process_cpu_ns: 0,
            ..Reading::take(&[], server_cpu_ns)
        };
        let other = |begin, end| {
            reading(end, 1_100).since(&reading(begin, 1_000), &[]).machine.unwrap().other_share
        };
        assert!((other(None, None) - 0.5).abs() < 1e-9);
        assert!((other(Some(0), Some(80 * tick_ns)) - 0.1).abs() < 1e-9);
        assert!((other(Some(5), None) - 0.5).abs() < 1e-9, "it died, so nobody knows");
    }

    #[test]
    fn a_thread_that_works_is_seen_to() {
        let threads = threads();
        let here = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        assert!(threads.iter().any(|thread| thread.id == here), "{threads:?}");
        let begin = Reading::take(&threads, None);
        // The kernel brings its figures up to date at every tick.
        while read(ClockId::ThreadCPUTime) < 30_000_000 {}
        let used = Reading::take(&threads, None).since(&begin, &threads);
        let (_, cost) = used.threads.iter().find(|(thread, _)| thread.id == here).unwrap();
        assert!(cost.cpu_ns > 0 && used.share(cost.cpu_ns) > 0.0, "{cost:?} in {used:?}");
        assert_eq!(used.suspended_ns / 1_000_000_000, 0);
    }

    #[test]
    fn threads_are_known_by_their_names() {
        assert_eq!(role_of("1/ZMQbg/Reaper"), Role::Other);
        assert_eq!(role_of("12/ZMQbg/IO/0"), Role::Other);
        assert_eq!(
            [role_of("zload/driver"), role_of("zload/worker")],
            [Role::Driver, Role::Worker]
        );
    }

    #[test]
    fn the_clock_moves_in_small_steps() {
        assert!(clock_resolution_ns().is_some_and(|step| step > 0));
    }
}
