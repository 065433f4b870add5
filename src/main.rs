//! The command line program: parse, run the command, print the error, choose the exit code. No logic.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use zload::cli::Cli;
use zload::command;
use zload::machine::limits;

fn main() -> ExitCode {
    // An allocation that fails later would be an abort.
    if !limits::has_memory_to_begin() {
        let _closed = std::io::stderr().write_all(
            b"error: there is too little memory to start: raise the limit (ulimit -v)\n",
        );
        return ExitCode::from(2);
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are asked for; anything else is a usage error, with what was written in it. A closed pipe
            // needs no further words.
            let _closed = if error.use_stderr() {
                write!(std::io::stderr(), "{}", command::usage(&error))
            } else {
                error.print()
            };
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match command::execute(&cli, &mut std::io::stdout().lock()) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _closed = writeln!(
                std::io::stderr(),
                "{}",
                error.report(command::wants_color(&std::io::stderr()))
            );
            ExitCode::from(error.exit_code())
        }
    }
}
