//! All processes below one: who they are, and what they have cost, from `/proc` (proc(5)).
//!
//! CPU time has two sources. The scheduler's, per thread and in nanoseconds, forgets a thread when it ends; the process's
//! own, which does not, comes in ticks of usually 10 ms, rounded down. Either is too small at worst, so the larger is
//! nearer to the truth: exact as long as threads stay, and within two ticks for each process whose threads come and go.
//! What processes used that have ended is in the ticks of the parent that waited for them.

use std::fs::read_to_string;

use rustix::param::clock_ticks_per_second;

use crate::machine::host::{field, numbers_in, times_ns};

/// What all processes below one have cost since they started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Usage {
    pub(super) cpu_ns: u64,
    /// Memory, each process at its own peak, in bytes.
    pub(super) peak_bytes: u64,
}

impl Usage {
    /// What the processes below this one have cost, not itself; `None` if there are none.
    pub(super) fn of_children_of(process: u32) -> Option<Self> {
        let below = descendants(process);
        if below.is_empty() {
            return None;
        }
        let stat = |id: u32| Ticks::parse(&read_to_string(format!("/proc/{id}/stat")).ok()?);
        let mut usage =
            Self { cpu_ns: stat(process).map_or(0, |ticks| ticks.waited_for_ns), peak_bytes: 0 };
        for id in below {
            // Any of them may end between the listing and this look at it.
            let Some(ticks) = stat(id) else { continue };
            usage.cpu_ns += threads_cpu_ns(id).max(ticks.own_ns) + ticks.waited_for_ns;
            let status = read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            usage.peak_bytes += field(&status, "VmHWM:").unwrap_or(0) * 1024;
        }
        Some(usage)
    }
}

/// CPU time of the threads that a process has now, in nanoseconds.
fn threads_cpu_ns(id: u32) -> u64 {
    let times = threads(id).filter_map(|thread| times_ns(&format!("/proc/{id}/task/{thread}")));
    times.map(|(cpu_ns, _)| cpu_ns).sum()
}

/// The processes below this one, not itself, in no particular order.
pub(super) fn descendants(process: u32) -> Vec<u32> {
    let mut found = children(process);
    let mut looked_at = 0;
    while let Some(&next) = found.get(looked_at) {
        looked_at += 1;
        let children = children(next);
        // A process that changes its parent while we look must not be counted twice.
        found.extend(children.into_iter().filter(|id| !found.contains(id)).collect::<Vec<_>>());
    }
    found
}

fn children(process: u32) -> Vec<u32> {
    let of_thread = |thread: u32| {
        let path = format!("/proc/{process}/task/{thread}/children");
        let text = read_to_string(path).unwrap_or_default();
        text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>()
    };
    threads(process).flat_map(of_thread).collect()
}

fn threads(process: u32) -> impl Iterator<Item = u32> {
    numbers_in(&format!("/proc/{process}/task"))
}

/// CPU times of a process as the kernel counts them in ticks, in nanoseconds.
#[derive(Debug, PartialEq, Eq)]
struct Ticks {
    /// Its own, in user mode and in the kernel.
    own_ns: u64,
    /// Of children that it has waited for, and theirs.
    waited_for_ns: u64,
}

impl Ticks {
    /// From `/proc/<pid>/stat`, where utime, stime, cutime and cstime are the fields 14 to 17.
    fn parse(stat: &str) -> Option<Self> {
        // The name of the program, which may hold anything, is in parentheses; field 3 follows it.
        let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(14 - 3).take(4);
        let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>().ok()?;
        let &[user, system, children_user, children_system] = ticks.as_slice() else { return None };
        let ns = |ticks: u64| ticks * (1_000_000_000 / clock_ticks_per_second());
        Some(Self { own_ns: ns(user + system), waited_for_ns: ns(children_user + children_system) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn the_kernels_line_about_a_process_is_read_as_documented() {
        let stat = "7 (a (b) 1 2) S 1 7 7 0 -1 4194560 1 2 3 4 250 50 7 3 20 0 1 0 99\n";
        let tick_ns = 1_000_000_000 / clock_ticks_per_second();
        let ticks = Ticks { own_ns: 300 * tick_ns, waited_for_ns: 10 * tick_ns };
        assert_eq!(Ticks::parse(stat), Some(ticks));
        assert_eq!(Ticks::parse("7 (a) S 1 7"), None);
        assert_eq!(Ticks::parse(""), None);
    }

    #[test]
    fn children_and_their_children_are_found_and_cost_something() {
        // It burns some CPU in a child that ends, starts another, and then waits for the end of its input.
        let script = "i=0; (while [ $i -lt 20000 ]; do i=$((i+1)); done); \
                      sh -c 'echo; exec cat' <&3 3<&- & cat >&2";
        let mut shell = Command::new("sh")
            .args(["-c", &format!("exec 3<&0; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(shell.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let below = descendants(shell.id());
        let here = descendants(std::process::id());
        let usage = Usage::of_children_of(std::process::id()).unwrap();
        drop(shell.stdin.take());
        shell.wait().unwrap();
        assert!(!below.is_empty(), "{below:?}");
        assert!(here.contains(&shell.id()) && below.iter().all(|id| here.contains(id)), "{here:?}");
        assert!(usage.cpu_ns > 0 && usage.peak_bytes > 0, "{usage:?}");
        assert_eq!(Usage::of_children_of(shell.id()), None, "it is gone");
    }
}
