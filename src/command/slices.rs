//! `zload slices`: one side of a comparison, slice by slice.
//!
//! Each line of standard input is a JSON array of `key=value` settings; each is answered with the result of a run of the
//! scenario with them, in one line. It ends when its input does, in the middle of a run if need be.

use std::io::{BufRead as _, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::Builder;

use super::DONE;
use crate::Error;
use crate::cli::SlicesArgs;
use crate::engine::{self, Part};
use crate::environment;
use crate::files::load;
use zload_core::plan::Plan;
use zload_core::scenario::load::Override;
use zload_core::twin::Limits;
use zload_report::result::{RunResult, STEPS_BESIDE_A_SLICE};

pub(super) fn slices(args: &SlicesArgs, out: &mut dyn Write) -> Result<u8, Error> {
    let ended = Arc::new(AtomicBool::new(false));
    // An external server serves all slices.
    let mut server = None;
    for line in lines(&ended)? {
        let scenario = load::scenario(&args.scenario, &settings(&args.set, &line)?)?;
        let plan = Arc::new(Plan::new(&scenario));
        if server.is_none() {
            server = engine::External::start(&scenario, &plan, false, &ended)?;
        }
        let measured = engine::run_against(
            server.as_ref(),
            Part::whole(&scenario, &plan),
            false,
            &ended,
            &mut |_| {},
        )?;
        let (mut result, sampled) =
            RunResult::new(&scenario, &[&plan], environment::of_a_player(), &[measured]);
        result.add_ideal(
            &[&plan],
            sampled,
            Limits { most_steps: STEPS_BESIDE_A_SLICE, stop: &ended },
        );
        let mut text = serde_json::to_string(&result)
            .map_err(|error| Error::Failed(format!("the result cannot be written: {error}")))?;
        text.push('\n');
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Error::Output)?;
    }
    // Nothing more is to run: the server has its time to end.
    ended.store(false, Ordering::Relaxed);
    Ok(DONE)
}

/// The lines of standard input. When there are no more, `ended` is set, which ends the run under way.
fn lines(ended: &Arc<AtomicBool>) -> Result<Receiver<String>, Error> {
    let (tell, lines) = channel();
    let ended = Arc::clone(ended);
    let read = move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if tell.send(line).is_err() {
                break;
            }
        }
        ended.store(true, Ordering::Relaxed);
    };
    match Builder::new().spawn(read) {
        Ok(_lives_as_long_as_the_input) => Ok(lines),
        Err(source) => Err(Error::Thread { started: 0, source }),
    }
}

fn settings(always: &[Override], line: &str) -> Result<Vec<Override>, Error> {
    let texts: Vec<String> = serde_json::from_str(line)
        .map_err(|error| Error::Failed(format!("a slice is a JSON array of settings: {error}")))?;
    let now = texts.iter().map(|text| text.parse().map_err(Error::Failed));
    always.iter().cloned().map(Ok).chain(now).collect()
}
