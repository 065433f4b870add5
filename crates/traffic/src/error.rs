//! The one error type: what failed, where, and what to do about it. Only `main` prints it.

use std::io;
use std::path::PathBuf;

use zload_core::{problem::Problem, text};

/// Anything that stops a command. The text says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The scenario is invalid; the problem points at its place in the file.
    #[error("{0}")]
    Scenario(Box<Problem>),
    /// Several of the scenarios given are invalid.
    #[error("{} scenarios are invalid", .0.len())]
    Several(Vec<Error>),
    /// A file cannot be read.
    #[error("{}: cannot read: {source}{help}", text::path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// A suggestion, after a semicolon, if there is one.
        help: String,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("{}: cannot write: {source}", text::path(path))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The report cannot be written.
    #[error("cannot write the report to standard output: {0}")]
    Output(io::Error),
    /// A file is not a result that this zload can read.
    #[error("{}: not a usable result: {reason}", text::path(path))]
    Result {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A socket operation failed.
    #[error("{what}: {why}")]
    Socket {
        /// What was tried, with the endpoint or option.
        what: String,
        /// What libzmq or the system says, and what can be done about it.
        why: String,
    },
    /// The machine's limits do not allow the run.
    #[error("{0}")]
    Limit(String),
    /// Not every client finished its handshake in time.
    #[error(
        "{connected} of {clients} clients connected to {endpoint} within {timeout}: {why} (clients.connect_timeout sets the wait)"
    )]
    Connect {
        /// Clients whose handshake was done.
        connected: u32,
        /// Clients in all.
        clients: u32,
        /// Where they connect to.
        endpoint: String,
        /// How long they tried, as the scenario says it.
        timeout: String,
        /// What is in their way, or a question that leads to it.
        why: String,
    },
    /// An external server cannot be measured.
    #[error("{what}{}", last_words(output))]
    Server {
        /// What it did or did not do.
        what: String,
        /// The last lines of its output.
        output: Vec<String>,
    },
    /// The run failed; what was measured has been reported.
    #[error("{0}")]
    Failed(String),
    /// A result cannot be printed in the format that was asked for.
    #[error("{why}")]
    NotPrinted {
        /// What is in the way.
        why: String,
        /// The format would hide that the figures must not be used.
        must_not_be_used: bool,
    },
    /// A thread could not be started.
    #[error(
        "a thread cannot be started ({started} are running): {source}; lower clients.threads or workers.count"
    )]
    Thread {
        /// Threads that did start.
        started: u32,
        /// What the system says.
        source: io::Error,
    },
    /// Ended by the user before there was anything to report.
    #[error("interrupted before there was anything to report")]
    Interrupted,
}

impl Error {
    /// What the process ends with: 3 for figures that must not be used, 130 after an interruption, else 2.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotPrinted { must_not_be_used: true, .. } => 3,
            Self::Interrupted => 130,
            _ => 2,
        }
    }

    /// The text for a reader, safe to show, with ANSI colours if asked for.
    pub fn report(&self, color: bool) -> String {
        match self {
            Self::Scenario(problem) => problem.render(color),
            Self::Several(errors) => {
                let reports = errors.iter().map(|error| format!("{}\n\n", error.report(color)));
                format!("{}error: {self}", reports.collect::<String>())
            }
            Self::Server { what, output } if !output.is_empty() => {
                let lines: String = output.iter().map(|line| format!("\n    {line}")).collect();
                text::lines(&format!("error: {what}\n  the end of its output:{lines}")).into_owned()
            }
            other => text::lines(&format!("error: {other}")).into_owned(),
        }
    }
}

/// The last line of a program's output, to follow a sentence about it.
pub fn last_words(output: &[String]) -> String {
    match output.last() {
        Some(line) => format!("; its last output was \"{}\"", text::shown(line.trim())),
        None => "; it printed nothing".to_owned(),
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        Self::Scenario(Box::new(problem))
    }
}
