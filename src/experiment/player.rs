//! One side of a block: a zload process that runs a slice on request.
//!
//! A line goes in, a JSON array of `key=value` settings; a line comes out, the result of a run. The process ends when its
//! input does, in the middle of a slice if need be, so that it does not outlive zload. Invariants: whatever it does, nothing waits
//! for it without a limit, and nothing that it writes is kept beyond one.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};
use serde_json::Value;

use super::Contender;
use crate::Error;
use crate::machine::{Clock, clock::nanos, stop::timespec, threads};
use zload_core::scenario::Bytes;

/// How often it is looked whether the end was asked for.
const TICK: Duration = Duration::from_millis(50);
/// How long a process may take to end after its input has, besides what it gives its server.
const END: Duration = Duration::from_secs(5);
/// The same once the user has asked for the end of everything, or there is something wrong with a side.
const HURRIED_END: Duration = Duration::from_millis(200);
/// The longest answer in bytes. A slice's is 30 to 300 KiB: at most some forty histograms of 20 KiB, and its scenario, of
/// which a file of the largest size (1 MiB) is 6 MiB if every character is escaped.
const LONGEST_LINE: u64 = 16 << 20;
/// What is kept of its errors, in bytes.
const MOST_ERRORS: u64 = 64 << 10;

/// A process that runs slices.
pub(super) struct Player {
    name: String,
    child: Child,
    /// `None` when it was asked to end.
    input: Option<ChildStdin>,
    /// Its answers; an empty one means that it was too long, and is the last.
    lines: Receiver<Vec<u8>>,
    errors: Receiver<String>,
    /// How long it may take to end.
    end: Duration,
}

impl Player {
    pub(super) fn start(contender: &Contender) -> Result<Self, Error> {
        let mut command = Command::new(&contender.exe);
        command.arg("slices").arg(&contender.scenario);
        command.args(contender.settings.iter().flat_map(|setting| ["--set", setting]));
        // Ctrl-C at the terminal is for the process that compares; this one ends when its input does.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let exe = contender.exe.display();
        let mut child = command
            .spawn()
            .map_err(|source| Error::Failed(format!("{exe} cannot be started: {source}")))?;
        // One that answers without being asked waits until it is.
        let (tell_line, lines) = sync_channel(0);
        let (tell_errors, errors) = channel();
        if let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) {
            // Both end by themselves with the pipe that they read.
            let lines = move || tell_lines(BufReader::new(stdout), &tell_line);
            threads::start("zload/lines", 0, lines)?;
            threads::start("zload/errors", 1, move || {
                let mut text = Vec::new();
                // Whatever could be read until then is what there is to say.
                let _broken = stderr.by_ref().take(MOST_ERRORS).read_to_end(&mut text);
                let _rest = std::io::copy(&mut stderr, &mut std::io::sink());
                let _gone = tell_errors.send(String::from_utf8_lossy(&text).into_owned());
            })?;
        }
        let server = contender.side.scenario.server.as_ref();
        let stop_ns = server.map_or(0, |server| server.stop_timeout.0);
        Ok(Self {
            name: exe.to_string(),
            input: child.stdin.take(),
            child,
            lines,
            errors,
            end: END + Duration::from_nanos(stop_ns),
        })
    }

    /// Plays one slice, and gives what `zload run` would save of it; `None` if the end was asked for.
    pub(super) fn play(
        &mut self,
        settings: &[String],
        patience: Duration,
        interrupted: &AtomicBool,
    ) -> Result<Option<Value>, Error> {
        let mut line = Value::from(settings).to_string();
        line.push('\n');
        if let Some(input) = &mut self.input {
            // If it is gone, the missing answer says so, with the reason.
            let _gone = input.write_all(line.as_bytes()).and_then(|()| input.flush());
        }
        let clock = Clock::start();
        loop {
            if interrupted.load(Ordering::Relaxed) {
                return Ok(None);
            }
            match self.lines.recv_timeout(TICK) {
                Ok(line) => return self.parsed(&line).map(Some),
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout) if clock.now_ns() > nanos(patience) => {
                    return Err(Error::Failed(format!(
                        "a slice of {} did not end within {} s",
                        self.name,
                        patience.as_secs()
                    )));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Tells it to end, and waits for nothing. In a hurry it gets little time for that.
    pub(super) fn dismiss(&mut self, hurry: bool) {
        if hurry {
            self.end = HURRIED_END;
        }
        drop(self.input.take());
    }

    fn parsed(&self, line: &[u8]) -> Result<Value, Error> {
        if line.is_empty() {
            return Err(Error::Failed(format!(
                "{} wrote more than {}, which is not a result",
                self.name,
                Bytes(LONGEST_LINE)
            )));
        }
        let name = &self.name;
        let result: Value = serde_json::from_slice(line)
            .map_err(|error| Error::Failed(format!("{name} did not write a result: {error}")))?;
        match result.get("failure").and_then(Value::as_str) {
            Some(failure) => Err(Error::Failed(format!("a slice of {name} failed: {failure}"))),
            None => Ok(result),
        }
    }

    /// Why it ended, in its own words.
    fn died(&mut self) -> Error {
        let words = self.errors.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let words = words.trim();
        if words.contains("unrecognized subcommand") {
            return Error::Failed(format!(
                "{} cannot be compared: this zload is older than `zload compare`",
                self.name
            ));
        }
        let words = match words.strip_prefix("error: ").unwrap_or(words) {
            "" => "it printed nothing; is it a zload?",
            words => words,
        };
        Error::Failed(format!("{} ended during the comparison: {words}", self.name))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        self.dismiss(false);
        // It ends by itself, within moments, whether or not anybody listens; one that does not is ended, and whatever it
        // has started in its process group with it.
        let pid = Pid::from_child(&self.child);
        let over = pidfd_open(pid, PidfdFlags::empty());
        let (clock, end_ns) = (Clock::start(), nanos(self.end));
        let mut gone = false;
        while let Ok(over) = &over
            && !gone
            && clock.until(end_ns) > Duration::ZERO
        {
            // Its remaining output is read, so that it does not wait for that.
            while self.lines.try_recv().is_ok() {}
            gone = poll(&mut [PollFd::new(over, PollFlags::IN)], Some(&timespec(TICK))) == Ok(1);
        }
        if !gone {
            let _gone = kill_process_group(pid, Signal::KILL);
        }
        let _reaped = self.child.wait();
    }
}

/// Tells each line that is short enough; of a longer one nothing, and that it came.
fn tell_lines(mut from: impl BufRead, tell: &SyncSender<Vec<u8>>) {
    loop {
        let mut line = Vec::new();
        let read = from.by_ref().take(LONGEST_LINE + 1).read_until(b'\n', &mut line);
        if !read.is_ok_and(|length| length > 0) {
            return;
        }
        let too_long = line.len() as u64 > LONGEST_LINE;
        if too_long {
            line.clear();
        }
        if tell.send(line).is_err() || too_long {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_passed_on_until_one_is_too_long() {
        let (tell, told) = sync_channel(9);
        let endless = BufReader::new(b"a\n\n".chain(std::io::repeat(b'x')));
        tell_lines(endless, &tell);
        drop(tell);
        assert_eq!(told.iter().collect::<Vec<_>>(), [&b"a\n"[..], b"\n", b""]);
    }
}
