//! The guard: zload's program once more, between zload and an external server, so that no server outlives zload.
//!
//! Its standard input is a pipe from zload: a byte asks it to stop the server, and the end of it, which comes however zload
//! ended (also by SIGKILL), to kill the server at once. Both guard and server have their own process groups, so that
//! Ctrl-C in a terminal reaches neither. The guard is a subreaper (prctl(2)): what the server starts and abandons becomes
//! the guard's child, also a daemon, and goes with the server. Should the guard be killed, too, the server goes by its
//! parent-death signal, which its children do not have: see `launch`.
//! Invariant: when the guard has reported the end, no process below it is left.

use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, getpgid, getpid, kill_process,
    kill_process_group, pidfd_open, set_child_subreaper, wait,
};
use serde::{Deserialize, Serialize};

use super::{launch, tree::descendants};
use crate::machine::{Clock, clock::nanos, stop::timespec};

/// How often abandoned processes are looked for while the server runs.
const TICK: Duration = Duration::from_secs(1);
/// The same while it is being stopped.
const TICK_AT_THE_END: Duration = Duration::from_millis(10);

/// What zload writes to have the server stopped.
pub(super) const STOP: &[u8] = b".";

/// What a guard tells, an object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Report {
    /// The server was started; its process group has this number.
    Started(u32),
    /// The server could not be started: the system's number for it, and its words.
    NotStarted(Option<i32>, String),
    /// The server has ended, and everything that it had started.
    Ended(Ending),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ending {
    /// Its exit status, or the signal that killed it; neither if it was status unknown.
    pub(super) status: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) by_itself: bool,
    pub(super) had_to_be_killed: bool,
    /// Processes that were left when it had ended, and were killed.
    pub(super) left_behind: u32,
}

/// Starts `command` and returns when it has ended; tells both to `reports`. Only for a process that is nothing else.
pub(crate) fn guard(command: &[OsString], stop_timeout: Duration, reports: &mut dyn Write) {
    // Where the kernel does not know subreapers, what the server abandons is killed with its process group.
    let _best_effort = set_child_subreaper(Some(getpid()));
    let started = launch::start(command).and_then(|server| {
        let pid = Pid::from_child(&server);
        Ok((pid, pidfd_open(pid, PidfdFlags::empty())?, server.id()))
    });
    match started {
        Ok((pid, over, id)) => {
            tell(reports, &Report::Started(id));
            tell(reports, &Report::Ended(Watched { pid, over, exit: None }.end(stop_timeout)));
        }
        Err(error) => {
            tell(reports, &Report::NotStarted(error.raw_os_error(), error.to_string()));
        }
    }
}

fn tell(reports: &mut dyn Write, report: &Report) {
    let line = serde_json::to_string(report).expect("a report is an object");
    // If zload is gone, the guard only has to clean up.
    let _gone = writeln!(reports, "{line}").and_then(|()| reports.flush());
}

struct Watched {
    pid: Pid,
    /// Readable when the server has ended.
    over: OwnedFd,
    exit: Option<WaitStatus>,
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    /// Time passed, or a process ended.
    Nothing,
    /// zload asks for the end.
    Stop,
    /// zload is gone.
    Alone,
}

impl Watched {
    /// Waits for the end of the server, by itself or on demand, and clears up after it.
    fn end(mut self, stop_timeout: Duration) -> Ending {
        let clock = Clock::start();
        let mut killed_at_ns = None;
        loop {
            let nobody_left = self.reap();
            let (ended, asked) = (self.exit.is_some(), killed_at_ns.is_some());
            let too_late = killed_at_ns.is_some_and(|at_ns| clock.now_ns() >= at_ns);
            if nobody_left || too_late || ended && !asked {
                break;
            }
            match self.wait(if asked { TICK_AT_THE_END } else { TICK }) {
                Woken::Nothing => {}
                Woken::Alone => break,
                Woken::Stop if asked => {}
                Woken::Stop => {
                    // It may have ended this instant, which the next look finds out.
                    let _gone = kill_process_group(self.pid, Signal::TERM);
                    // A stopped process would never notice.
                    let _gone = kill_process_group(self.pid, Signal::CONT);
                    killed_at_ns = Some(clock.now_ns().saturating_add(nanos(stop_timeout)));
                }
            }
        }
        let had_to_be_killed = self.exit.is_none();
        let left_behind = self.clear_up();
        Ending {
            status: self.exit.and_then(WaitStatus::exit_status),
            signal: self.exit.and_then(WaitStatus::terminating_signal),
            by_itself: killed_at_ns.is_none() && !had_to_be_killed,
            had_to_be_killed,
            left_behind: if had_to_be_killed { 0 } else { left_behind },
        }
    }

    /// Waits until something happens or `at_most` has passed.
    fn wait(&self, at_most: Duration) -> Woken {
        let stdin = io::stdin();
        let mut watched =
            [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&self.over, PollFlags::IN)];
        // A server that has ended stays readable: then only its children are waited for.
        let watched = &mut watched[..if self.exit.is_some() { 1 } else { 2 }];
        if !poll(watched, Some(&timespec(at_most))).is_ok_and(|ready| ready > 0)
            || watched[0].revents().is_empty()
        {
            return Woken::Nothing;
        }
        match rustix::io::read(&stdin, &mut [0; 1]) {
            Ok(1..) => Woken::Stop,
            Err(Errno::INTR | Errno::AGAIN) => Woken::Nothing,
            Ok(0) | Err(_) => Woken::Alone,
        }
    }

    /// Takes in every process that has ended; true if none is left.
    fn reap(&mut self) -> bool {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(ended)) => self.note(ended),
                Ok(None) => return false,
                Err(Errno::INTR) => {}
                Err(_) => return true,
            }
        }
    }

    fn note(&mut self, (pid, status): (Pid, WaitStatus)) {
        if pid == self.pid {
            self.exit = Some(status);
        }
    }

    /// Kills whatever is left; says how many processes besides the server that was.
    fn clear_up(&mut self) -> u32 {
        let own = getpid().as_raw_nonzero().get().unsigned_abs();
        let mut killed = std::collections::BTreeSet::new();
        loop {
            let left = descendants(own);
            let pids = || left.iter().filter_map(|id| Pid::from_raw(i32::try_from(*id).ok()?));
            // The number of a group is not given out again as long as a process is in it, and may be then.
            if self.exit.is_none() || pids().any(|pid| getpgid(Some(pid)) == Ok(self.pid)) {
                let _gone = kill_process_group(self.pid, Signal::KILL);
            }
            for pid in pids() {
                let _gone = kill_process(pid, Signal::KILL);
            }
            killed.extend(left);
            match wait(WaitOptions::empty()) {
                Ok(Some(ended)) => self.note(ended),
                Ok(None) | Err(Errno::INTR) => {}
                Err(_) => return u32::try_from(killed.len()).unwrap_or(u32::MAX),
            }
        }
    }
}
