//! Each message as it passes, as the example's debug prints would show it; for small runs.

use std::fmt::Display;
use std::io::{Stderr, Write as _};
use std::sync::Mutex;

use crate::machine::Clock;
use zload_core::text;

/// Writes a line per event to standard error, one at a time, with the time since the tracer started.
#[derive(Debug)]
pub struct Tracer {
    clock: Clock,
    out: Mutex<Stderr>,
}

impl Tracer {
    /// One whose time starts now.
    pub fn start() -> Self {
        Self { clock: Clock::start(), out: Mutex::new(std::io::stderr()) }
    }

    /// Shows one event, whatever text of a peer is in it.
    pub fn show(&self, event: impl Display) {
        let event = event.to_string();
        let event = text::shown(&event);
        let micros = self.clock.now_ns() / 1_000;
        let mut out = self.out.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A closed pipe is not an error; the run goes on.
        let _closed = writeln!(out, "{}.{:06} {event}", micros / 1_000_000, micros % 1_000_000);
    }
}
