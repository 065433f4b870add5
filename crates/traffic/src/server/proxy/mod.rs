//! The proxy: the loop under test, which moves messages between frontend and backend. Hot path.
//!
//! One file for each engine. Invariant: an engine ends only when its context is shut down or a socket fails.

mod batch;
mod builtin;
mod direction;
mod lru;
mod poll;

use super::counters::ProxyCounters;
use crate::wire::{Errno, Socket, Stations};
use zload_core::scenario::Engine;

/// Waits for any of these events at frontend and backend, as long as it takes; says which came.
fn wait(sides: [(&Socket, zmq::PollEvents); 2]) -> Result<[zmq::PollEvents; 2], Errno> {
    let mut items = sides.map(|(socket, events)| socket.as_poll_item(events));
    loop {
        match zmq::poll(&mut items, -1) {
            Ok(_) => return Ok([items[0].get_revents(), items[1].get_revents()]),
            Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Moves messages until the context is shut down, and timestamps sampled requests at `stations`.
pub fn run(
    engine: Engine,
    frontend: &Socket,
    backend: &Socket,
    counters: &ProxyCounters,
    stations: Option<&Stations>,
) -> Result<(), Errno> {
    let ended = match engine {
        Engine::Poll => poll::run(frontend, backend, counters, stations),
        Engine::Builtin => builtin::run(frontend, backend),
        Engine::Batch => batch::run(frontend, backend, counters, stations),
        Engine::Lru => lru::run(frontend, backend, counters, stations),
        Engine::External => Ok(()),
    };
    match ended {
        Err(Errno::TERM) => Ok(()),
        other => other,
    }
}
