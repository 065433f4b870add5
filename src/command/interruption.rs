//! What ends a command early: signals. The first one asks for the end, the second one is the end.
//!
//! Every signal that would end a process and can be caught is such a request, so that none loses a result: also the one of
//! a terminal that goes away (SIGHUP). One that was ignored when zload started (`nohup`) still is.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{
    SIGABRT, SIGALRM, SIGHUP, SIGINT, SIGIO, SIGPROF, SIGQUIT, SIGSYS, SIGTERM, SIGTRAP, SIGUSR1,
    SIGUSR2, SIGVTALRM, SIGXCPU, SIGXFSZ,
};
use signal_hook::iterator::Signals;

use super::INTERRUPTED;
use crate::Error;
use crate::environment;
use crate::leftovers;

/// Requests, however zload was started: a shell without job control has some of them ignored in the background.
const ALWAYS: [i32; 3] = [SIGINT, SIGTERM, SIGQUIT];
/// Requests unless they were ignored. Left out are only what cannot be caught, what a fault of the program raises, and
/// SIGPIPE, which is a write error.
const UNLESS_IGNORED: [i32; 14] = [
    SIGHUP,
    SIGABRT,
    SIGALRM,
    SIGIO,
    SIGPROF,
    SIGSYS,
    SIGTRAP,
    SIGUSR1,
    SIGUSR2,
    SIGVTALRM,
    SIGXCPU,
    libc::SIGPWR,
    libc::SIGSTKFLT,
    SIGXFSZ,
];

/// A flag that the first request sets; the second one clears up and ends the process at once.
pub(super) fn interruption() -> Result<Arc<AtomicBool>, Error> {
    let flag = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&flag);
    let uncaught = |error: io::Error| Error::Limit(format!("Ctrl-C cannot be caught: {error}"));
    let mut signals = Signals::new(requests()).map_err(uncaught)?;
    std::thread::Builder::new()
        .name("zload/signals".to_owned())
        .stack_size(256 << 10)
        .spawn(move || {
            for signal in &mut signals {
                // A file that may not grow is a write error then, and no end.
                if signal != SIGXFSZ && asked.swap(true, Ordering::Relaxed) {
                    leftovers::remove_all();
                    signal_hook::low_level::exit(i32::from(INTERRUPTED));
                }
            }
        })
        .map_err(uncaught)?;
    Ok(flag)
}

fn requests() -> Vec<i32> {
    let real_time = libc::SIGRTMIN()..=libc::SIGRTMAX();
    let others = UNLESS_IGNORED.into_iter().chain(real_time);
    ALWAYS.into_iter().chain(others.filter(|signal| !environment::ignores(*signal))).collect()
}
