//! zload's line to a guard: starts it, reads what it reports and what the server says, and asks it to stop the server.
//!
//! Invariant: the server's output is read to its end by a thread that does nothing else, so no server waits for zload.

use std::cell::OnceCell;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::guard::{Ending, Report, STOP};
use super::{launch::OWN_PROGRAM, tail::Tail};
use signal_hook::low_level::signal_name;

use crate::Error;
use crate::machine::{Clock, clock::nanos, threads};
use zload_core::facts::ServerEnd;
use zload_core::scenario::{Nanos, in_words};

/// Longest wait for what a guard does at once.
const AT_ONCE: Duration = Duration::from_secs(10);
/// How long a server has to end once the user has asked for the end of everything, before it is killed.
const HURRIED: Duration = Duration::from_millis(300);
/// Longest wait for the end of what is being killed.
const KILLED: Duration = Duration::from_millis(200);
/// Longest wait for the rest of an output: a process that cannot be killed may hold it open.
const REST_OF_OUTPUT: Duration = Duration::from_secs(1);
/// How often it is looked whether the end was asked for.
const TICK: Duration = Duration::from_millis(20);

pub(super) struct Link<'a> {
    guard: Child,
    /// Closed, it has the server killed.
    orders: Option<ChildStdin>,
    reports: Receiver<Report>,
    output: Arc<Mutex<Tail>>,
    /// Hangs up when the output is over.
    output_ends: Receiver<()>,
    group: u32,
    stop_timeout: Nanos,
    interrupted: &'a AtomicBool,
    end: OnceCell<ServerEnd>,
}

impl<'a> Link<'a> {
    /// Starts a guard and, through it, the server.
    ///
    /// Once `interrupted` is true it waits for nothing any more, and the server has little time to end.
    pub(super) fn start(
        command: &[String],
        stop_timeout: Nanos,
        interrupted: &'a AtomicBool,
    ) -> Result<Self, Error> {
        let no_guard = |error| Error::Limit(format!("no process can be started: {error}"));
        let mut guard = Command::new(OWN_PROGRAM)
            .arg0("zload")
            .args(["guard", "--stop-timeout", &stop_timeout.to_string(), "--"])
            .args(command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(no_guard)?;
        let orders = guard.stdin.take();
        let (tell, reports) = mpsc::channel();
        let told = BufReader::new(guard.stdout.take().expect("stdout is piped"));
        let (keep_open, output_ends) = mpsc::channel::<()>();
        let mut said = guard.stderr.take().expect("stderr is piped");
        let output = Arc::new(Mutex::new(Tail::default()));
        let kept = Arc::clone(&output);
        let mut link = Self {
            guard,
            orders,
            reports,
            output,
            output_ends,
            group: 0,
            stop_timeout,
            interrupted,
            end: OnceCell::new(),
        };
        threads::start("zload/reports", 0, move || {
            let reports = told.lines().map_while(Result::ok);
            for report in reports.filter_map(|line| serde_json::from_str(&line).ok()) {
                // A listener that has heard of the end listens no more.
                let _heard = tell.send(report);
            }
        })?;
        threads::start("zload/output", 1, move || {
            let mut piece = [0; 8 << 10];
            while let Ok(length @ 1..) = said.read(&mut piece) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(&piece[..length]);
            }
            drop(keep_open);
        })?;
        link.group = link.await_start(command)?;
        Ok(link)
    }

    fn await_start(&mut self, command: &[String]) -> Result<u32, Error> {
        let program = in_words(&command[..1]);
        let what = match self.next_report(AT_ONCE, Duration::ZERO) {
            Ok(Report::Started(group)) => return Ok(group),
            Ok(Report::NotStarted(errno, words)) => {
                format!("{program} cannot be started: {}", in_plain_words(errno, &words))
            }
            Err(RecvTimeoutError::Timeout) if self.interrupted() => return Err(Error::Interrupted),
            Err(RecvTimeoutError::Timeout) => {
                let within = AT_ONCE.as_secs();
                format!("{program} was not started: its guard process said nothing for {within} s")
            }
            Ok(Report::Ended(_)) | Err(RecvTimeoutError::Disconnected) => {
                format!("{program} was not started: its guard process ended")
            }
        };
        Err(Error::Server { what, output: self.last_output() })
    }

    /// What the guard reports next, within this time; once the user has asked for the end, `hurried` is left.
    fn next_report(&self, within: Duration, hurried: Duration) -> Result<Report, RecvTimeoutError> {
        let clock = Clock::start();
        let mut end_ns = nanos(within);
        loop {
            let left = clock.until(end_ns);
            match self.reports.recv_timeout(left.min(TICK)) {
                Err(RecvTimeoutError::Timeout) if left > Duration::ZERO => {}
                told_or_over => return told_or_over,
            }
            if self.interrupted() {
                end_ns = end_ns.min(clock.now_ns().saturating_add(nanos(hurried)));
            }
        }
    }

    pub(super) fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// The guard's process: the server and all that it starts are below it.
    pub(super) fn guard_id(&self) -> u32 {
        self.guard.id()
    }

    pub(super) fn ended(&self) -> Option<&ServerEnd> {
        if self.end.get().is_none() {
            match self.reports.try_recv() {
                Ok(Report::Ended(ending)) => self.keep(Some(ending)),
                Err(TryRecvError::Disconnected) => self.keep(None),
                Ok(_) | Err(TryRecvError::Empty) => {}
            }
        }
        self.end.get()
    }

    /// Has the server stopped, waits until it is gone, and says how it ended.
    pub(super) fn stop(&mut self) -> &ServerEnd {
        if self.ended().is_none() {
            if let Some(orders) = &mut self.orders {
                // A guard that is gone reads no orders; that it is gone is noticed below.
                let _gone = orders.write_all(STOP);
            }
            self.wake_guard();
            let within = Duration::from_nanos(self.stop_timeout.0).saturating_add(AT_ONCE);
            let mut told = self.next_report(within, HURRIED);
            if told == Err(RecvTimeoutError::Timeout) {
                // Then the guard kills it.
                drop(self.orders.take());
                told = self.next_report(KILLED, KILLED);
            }
            self.keep(match told {
                Ok(Report::Ended(ending)) => Some(ending),
                Ok(_) | Err(_) => None,
            });
        }
        self.end.get().expect("it has just been kept")
    }

    /// A stopped guard continues.
    fn wake_guard(&self) {
        let _gone = kill_process(Pid::from_child(&self.guard), Signal::CONT);
    }

    fn keep(&self, ending: Option<Ending>) {
        if ending.is_none()
            && let Some(group) = i32::try_from(self.group).ok().and_then(Pid::from_raw)
        {
            // Somebody killed the guard, or the server cannot be killed: this is all that is left to try.
            let _gone = kill_process_group(group, Signal::KILL);
        }
        let rest = if self.interrupted() { TICK } else { REST_OF_OUTPUT };
        let _rest = self.output_ends.recv_timeout(rest);
        let end = ServerEnd {
            exit: exit_in_words(ending),
            by_itself: ending.is_none_or(|ending| ending.by_itself),
            had_to_be_killed: ending.is_some_and(|ending| ending.had_to_be_killed),
            left_behind: ending.map_or(0, |ending| ending.left_behind),
            last_output: self.last_output(),
        };
        self.end.get_or_init(|| end);
    }

    /// The last lines of the server's output so far.
    pub(super) fn last_output(&self) -> Vec<String> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).lines()
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        if self.group == 0 {
            // Nothing was started, or it is not known what: the guard clears that up by itself.
            drop(self.orders.take());
            self.wake_guard();
            let _over = self.next_report(AT_ONCE, KILLED);
        } else {
            self.stop();
        }
        // It has nothing left to do, or waits for a process that cannot be ended.
        let _gone = self.guard.kill();
        let _reaped = self.guard.wait();
    }
}

/// What the system says when a program cannot be started, and what to do about it.
fn in_plain_words(errno: Option<i32>, words: &str) -> String {
    match errno {
        Some(libc::ENOENT) => {
            let here = std::env::current_dir().map_or_else(|_| "here".to_owned(), |here| here.display().to_string());
            format!(
                "no such program: a name with a slash is looked up from {here}, one without in PATH; a script also needs the interpreter of its first line"
            )
        }
        Some(libc::EACCES) => "it is not executable: chmod +x it, or start the command with its interpreter".to_owned(),
        Some(libc::ENOEXEC) => "it is neither a program for this machine nor a script whose first line names an interpreter (#!/bin/sh)".to_owned(),
        _ => words.to_owned(),
    }
}

fn exit_in_words(ending: Option<Ending>) -> String {
    match ending.map(|ending| (ending.status, ending.signal)) {
        Some((Some(status), _)) => format!("exit status {status}"),
        Some((None, Some(signal))) => match signal_name(signal) {
            Some(name) => format!("killed by {name}"),
            None => format!("killed by signal {signal}"),
        },
        Some((None, None)) | None => "status unknown".to_owned(),
    }
}

/// A server of which nothing can be measured.
pub(super) fn failed(what: &str, end: &ServerEnd) -> Error {
    Error::Server { what: format!("{what}: {}", end.exit), output: end.last_output.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_said_in_words() {
        let ending = |status, signal| Ending {
            status,
            signal,
            by_itself: true,
            had_to_be_killed: false,
            left_behind: 0,
        };
        assert_eq!(exit_in_words(Some(ending(Some(3), None))), "exit status 3");
        assert_eq!(exit_in_words(Some(ending(None, Some(libc::SIGSEGV)))), "killed by SIGSEGV");
        assert_eq!(exit_in_words(Some(ending(None, Some(64)))), "killed by signal 64");
        assert_eq!(exit_in_words(None), "status unknown");
    }

    #[test]
    fn what_cannot_be_started_is_explained() {
        assert!(in_plain_words(Some(libc::ENOENT), "").contains("no such program"));
        assert!(in_plain_words(Some(libc::EACCES), "").contains("chmod +x"));
        assert!(in_plain_words(Some(libc::ENOEXEC), "").contains("#!/bin/sh"));
        assert_eq!(in_plain_words(Some(libc::ENOMEM), "no memory"), "no memory");
    }
}
