//! One side of a block: a zload process that plays a slice when it is told to.
//!
//! A line goes in, a JSON array of `key=value` settings; a line comes out, the result of a run. The process ends when its
//! input does, in the middle of a slice if need be, so that it outlives nobody.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use serde_json::Value;

use super::Contender;
use crate::Error;
use crate::topology::clock::Clock;

/// How often it is looked whether the end was asked for.
const TICK: Duration = Duration::from_millis(50);
/// How long a process may take to end after its input has, besides what it gives its server.
const END: Duration = Duration::from_secs(5);

/// A process that plays slices.
pub(super) struct Player {
    name: String,
    child: Child,
    /// `None` when it was told to end.
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    errors: Receiver<String>,
    /// How long it may take to end.
    end: Duration,
}

/// What a slice found.
pub(super) struct Told(pub(super) Value);

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
        let (tell_line, lines) = channel();
        let (tell_errors, errors) = channel();
        if let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if tell_line.send(line).is_err() {
                        break;
                    }
                }
            });
            std::thread::spawn(move || {
                let mut text = Vec::new();
                // Whatever could be read until then is what there is to say.
                let _broken = stderr.read_to_end(&mut text);
                let _gone = tell_errors.send(String::from_utf8_lossy(&text).into_owned());
            });
        }
        let server = contender.side.scenario.server.as_ref();
        let stop =
            server.map_or(Duration::ZERO, |server| Duration::from_nanos(server.stop_timeout.0));
        Ok(Self {
            name: exe.to_string(),
            input: child.stdin.take(),
            child,
            lines,
            errors,
            end: END + stop,
        })
    }

    /// Plays one slice; `None` if the end was asked for.
    pub(super) fn play(
        &mut self,
        settings: &[String],
        patience: Duration,
        interrupted: &AtomicBool,
    ) -> Result<Option<Told>, Error> {
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
                Ok(line) => return self.told(&line).map(Some),
                Err(RecvTimeoutError::Disconnected) => return Err(self.died()),
                Err(RecvTimeoutError::Timeout)
                    if u128::from(clock.now_ns()) > patience.as_nanos() =>
                {
                    return Err(Error::Failed(format!(
                        "a slice of {} has not ended after {} s and was given up",
                        self.name,
                        patience.as_secs()
                    )));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn told(&self, line: &str) -> Result<Told, Error> {
        let result: Value = serde_json::from_str(line).map_err(|error| {
            Error::Failed(format!(
                "{} answers with something that is no result: {error}",
                self.name
            ))
        })?;
        match result.get("failure").and_then(Value::as_str) {
            Some(failure) => {
                Err(Error::Failed(format!("a slice of {} failed: {failure}", self.name)))
            }
            None => Ok(Told(result)),
        }
    }

    /// Why it ended, in its own words.
    fn died(&mut self) -> Error {
        let words = self.errors.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
        let words = words.trim();
        if words.contains("unrecognized subcommand") {
            return Error::Failed(format!(
                "{} cannot be compared: it is a zload of before `zload compare`, which plays no slices",
                self.name
            ));
        }
        let words = match words.strip_prefix("error: ").unwrap_or(words) {
            "" => "it said nothing; is it a zload?",
            words => words,
        };
        Error::Failed(format!("{} ended in the middle of a comparison: {words}", self.name))
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        drop(self.input.take());
        let clock = Clock::start();
        let end_ns = u64::try_from(self.end.as_nanos()).unwrap_or(u64::MAX);
        // It ends by itself, within moments; one that does not is ended. Its output ends with it.
        while clock.until(end_ns) > Duration::ZERO
            && self.lines.recv_timeout(TICK) != Err(RecvTimeoutError::Disconnected)
        {}
        if matches!(self.child.try_wait(), Ok(None)) && clock.until(end_ns) == Duration::ZERO {
            let _gone = self.child.kill();
        }
        let _reaped = self.child.wait();
    }
}
