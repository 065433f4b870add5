//! Runs one program to its end, under a time limit, and looks at its memory and CPU from outside meanwhile.
//!
//! Invariant: no child outlives its call.

use std::io::{Read, Seek};
use std::process::{Child, Command, ExitStatus};

use rustix::thread::clock_nanosleep_relative;
use rustix::time::{ClockId, Timespec, clock_gettime};
use serde_json::Value;

use crate::Outcome;

/// Between two looks at a child.
const LOOK_NS: u64 = 50_000_000;

/// A child, seen from outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sample {
    /// Since the child was started.
    pub(crate) at_ns: u64,
    /// Resident memory.
    pub(crate) resident_kib: f64,
    /// CPU time of all its threads so far; the kernel tells it in ticks of usually 10 ms.
    pub(crate) cpu_ns: f64,
    /// CPU time that the whole machine spent so far, and that its hypervisor kept from it.
    pub(crate) machine_ns: f64,
}

/// What one run of a program left.
pub(crate) struct Finished {
    /// The JSON object that it printed.
    pub(crate) output: Value,
    pub(crate) status: ExitStatus,
    pub(crate) took_ns: u64,
    pub(crate) samples: Vec<Sample>,
}

impl Finished {
    /// Cores that others than this child kept busy while it ran.
    pub(crate) fn others(&self) -> Option<f64> {
        let (first, last) = (self.samples.first()?, self.samples.last()?);
        let took_ns = last.at_ns.checked_sub(first.at_ns).filter(|took_ns| *took_ns > 0)?;
        let others_ns = (last.machine_ns - first.machine_ns) - (last.cpu_ns - first.cpu_ns);
        Some(others_ns.max(0.0) / took_ns as f64)
    }
}

/// Runs `command` to its end and reads the JSON that it prints; an error after `limit_ns`.
pub(crate) fn run(command: &mut Command, limit_ns: u64) -> Outcome<Finished> {
    let what = format!("{command:?}");
    let fail = |error: std::io::Error| format!("{what}: {error}");
    // A file and not a pipe: nobody has to read it for the child to go on.
    let mut output = tempfile::tempfile().map_err(fail)?;
    command.stdout(output.try_clone().map_err(fail)?);
    let started = now_ns();
    let mut child = command.spawn().map_err(fail)?;
    let mut samples = Vec::new();
    let watched = watch(&mut child, started, limit_ns, &mut samples);
    let status = match watched {
        Ok(Some(status)) => status,
        Ok(None) => {
            end(&mut child);
            return Err(format!("{what}: not done after {} s", limit_ns / 1_000_000_000));
        }
        Err(error) => {
            end(&mut child);
            return Err(fail(error));
        }
    };
    let took_ns = now_ns() - started;
    let mut text = String::new();
    output.rewind().and_then(|()| output.read_to_string(&mut text)).map_err(fail)?;
    let output = serde_json::from_str(&text)
        .map_err(|error| format!("{what}: {status}, and its output is no JSON: {error}"))?;
    Ok(Finished { output, status, took_ns, samples })
}

/// Waits for the child's end; `None` when the time is over first.
fn watch(
    child: &mut Child,
    started: u64,
    limit_ns: u64,
    samples: &mut Vec<Sample>,
) -> std::io::Result<Option<ExitStatus>> {
    let ticks_per_s = rustix::param::clock_ticks_per_second() as f64;
    let page_kib = rustix::param::page_size() as f64 / 1024.0;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        let at_ns = now_ns() - started;
        if at_ns > limit_ns {
            return Ok(None);
        }
        if let (Some((pages, ticks)), Some(all_ticks)) = (look(child.id()), machine_ticks()) {
            let ns = |ticks: f64| ticks / ticks_per_s * 1e9;
            let resident_kib = pages * page_kib;
            samples.push(Sample {
                at_ns,
                resident_kib,
                cpu_ns: ns(ticks),
                machine_ns: ns(all_ticks),
            });
        }
        sleep_ns(LOOK_NS);
    }
}

fn end(child: &mut Child) {
    // Both fail only when the child is gone already.
    child.kill().ok();
    child.wait().ok();
}

/// Resident pages, and CPU in ticks: fields 24, and 14 and 15, of `/proc/PID/stat` (`proc_pid_stat(5)`).
fn look(id: u32) -> Option<(f64, f64)> {
    let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in field 2 may hold blanks, so count from its bracket on.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
    Some((field(24)?, field(14)? + field(15)?))
}

/// User, nice, system, interrupts and stolen: all of the first line of `/proc/stat` but idle, waiting, and the guests'
/// time, which the kernel counts as user already (`proc_stat(5)`).
fn machine_ticks() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let fields = text.lines().next()?.split_whitespace().skip(1).take(8);
    let ticks: Vec<f64> = fields.filter_map(|field| field.parse().ok()).collect();
    let [user, nice, system, _idle, _waiting, interrupts, soft, stolen] = ticks[..] else {
        return None;
    };
    Some(user + nice + system + interrupts + soft + stolen)
}

/// Monotonic time.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

fn nanoseconds(time: Timespec) -> u64 {
    u64::try_from(i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)).unwrap_or(0)
}

pub(crate) fn timespec(ns: u64) -> Timespec {
    let seconds = i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX);
    Timespec { tv_sec: seconds, tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0) }
}

fn sleep_ns(ns: u64) {
    // A signal may cut it short; then the child is looked at a little earlier.
    drop(clock_nanosleep_relative(ClockId::Monotonic, &timespec(ns)));
}
