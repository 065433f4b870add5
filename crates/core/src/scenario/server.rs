//! `[server]`: an external server, as a command that zload starts and stops. Pure.
//!
//! In an argument, `{frontend}` stands for the endpoint to bind for clients, and `{backend}` for the one to bind for zload's
//! workers (see [`super::placeholders`]).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::placeholders::{Piece, pieces};
use super::value_error::{Checked, refuse_with_help, within};
use super::{Nanos, Scenario};

/// A placeholder that some argument must contain.
const FRONTEND: &str = "frontend";
/// A placeholder that says that zload's workers connect to the server.
const BACKEND: &str = "backend";
/// The longest that a server may take to answer or to end.
const MOST: Nanos = Nanos::from_secs(3600);

/// `[server]`: an external server. zload starts it, waits until it answers, and stops it after the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["command"]))]
pub struct ServerCommand {
    /// Program and arguments; no shell is involved. `{frontend}` in an argument becomes the endpoint to bind for clients. With
    /// `{backend}`, zload's workers connect to the endpoint that it becomes. A program without a slash is searched for in
    /// `PATH`; relative paths start at the current directory.
    #[schemars(length(min = 2))]
    pub command: Vec<String>,
    /// How long it may take from its start until it answers a request.
    pub ready_timeout: Nanos,
    /// How long it may take to end after SIGTERM, before it is killed.
    pub stop_timeout: Nanos,
}

impl Default for ServerCommand {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            ready_timeout: Nanos::from_secs(10),
            stop_timeout: Nanos::from_secs(2),
        }
    }
}

impl ServerCommand {
    /// Program and arguments for a server that is to listen on `frontend`, and for zload's workers on `backend`.
    pub fn resolve(&self, frontend: &str, backend: &str) -> Vec<String> {
        let resolved = |argument: &String| {
            pieces(argument)
                .into_iter()
                .map(|piece| match piece {
                    Piece::Text(text) | Piece::Escaped(text) => text,
                    Piece::Name(BACKEND) => backend,
                    Piece::Name(_) => frontend,
                })
                .collect()
        };
        self.command.iter().map(resolved).collect()
    }

    /// Whether it is told where zload's workers connect.
    pub fn binds_backend(&self) -> bool {
        self.command.iter().any(|text| names(text).contains(&BACKEND))
    }

    /// Program and arguments as they are written, in one line.
    pub fn in_words(&self) -> String {
        in_words(&self.command)
    }
}

/// A command as one would type it: arguments with blanks or quotes in them are quoted.
pub fn in_words(command: &[String]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./:=,@%+{}*[]".contains(c);
    let quoted = |argument: &String| match argument {
        argument if !argument.is_empty() && argument.chars().all(plain) => argument.clone(),
        argument => format!("'{}'", argument.replace('\'', r"'\''")),
    };
    command.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// The placeholders in an argument.
fn names(argument: &str) -> Vec<&str> {
    let name = |piece| if let Piece::Name(name) = piece { Some(name) } else { None };
    pieces(argument).into_iter().filter_map(name).collect()
}

/// What is wrong with the server of a scenario, if it has one.
pub(super) fn error(scenario: &Scenario) -> Checked {
    const PATH: &str = "server.command";
    let Some(server) = &scenario.server else { return Ok(()) };
    if server.command.first().is_none_or(String::is_empty) {
        let help = "as in command = [\"./my_server\", \"--bind\", \"{frontend}\"]";
        return refuse_with_help(PATH, "must start with the program", help);
    }
    if server.command.iter().any(|argument| argument.chars().any(char::is_control)) {
        let help = "put a script of several lines into a file";
        return refuse_with_help(PATH, "must have no control characters in it", help);
    }
    let names: Vec<Vec<&str>> = server.command.iter().map(|text| names(text)).collect();
    let known = |name: &&&str| [FRONTEND, BACKEND].contains(*name);
    if let Some(unknown) = names.iter().flatten().find(|name| !known(name)) {
        return refuse_with_help(
            PATH,
            format!("unknown placeholder {{{unknown}}}"),
            &format!(
                "{{{FRONTEND}}} is the endpoint to bind for clients, {{{BACKEND}}} the one for zload's workers; write {{{{{unknown}}}}} for the text {{{unknown}}}"
            ),
        );
    }
    if !names[1..].iter().flatten().any(|name| *name == FRONTEND) {
        return refuse_with_help(
            PATH,
            format!(
                "no argument has {{{FRONTEND}}}, so the server would not know where zload's clients connect to"
            ),
            &format!("give it the endpoint to bind, as in \"--bind\", \"{{{FRONTEND}}}\""),
        );
    }
    if scenario.has_proxy() {
        return refuse_with_help(
            "proxy.engine",
            "has no effect: [server] starts an external server",
            "leave it out (or \"external\"), or leave out [server]",
        );
    }
    within("server.ready_timeout", server.ready_timeout, Nanos(1), MOST)?;
    within("server.stop_timeout", server.stop_timeout, Nanos::ZERO, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn resolved(argument: &str) -> String {
        let server =
            ServerCommand { command: vec![argument.to_owned()], ..ServerCommand::default() };
        server.resolve("tcp://127.0.0.1:5", "tcp://127.0.0.1:6").remove(0)
    }

    #[test]
    fn only_a_word_in_braces_is_no_text() {
        for (argument, expected) in [
            ("{frontend}", "tcp://127.0.0.1:5"),
            ("--bind={frontend},{frontend}!", "--bind=tcp://127.0.0.1:5,tcp://127.0.0.1:5!"),
            ("{frontend}-{backend}", "tcp://127.0.0.1:5-tcp://127.0.0.1:6"),
            ("{{frontend}}", "{frontend}"),
            ("{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}"),
            ("{{", "{{"),
            ("{} { frontend } {Frontend} {frontend", "{} { frontend } {Frontend} {frontend"),
            ("ä{{ö}}", "ä{{ö}}"),
        ] {
            assert_eq!(resolved(argument), expected, "{argument}");
        }
    }

    #[test]
    fn a_command_reads_as_one_would_type_it() {
        let command = ["./a server", "", "--x={frontend}", "it's"].map(str::to_owned);
        assert_eq!(in_words(&command), r"'./a server' '' --x={frontend} 'it'\''s'");
    }

    proptest! {
        #[test]
        fn text_without_braces_is_left_alone(argument in "[^{}]*") {
            prop_assert_eq!(resolved(&argument), argument);
        }
    }
}
