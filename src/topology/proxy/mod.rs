//! The proxy: the loop under test, which moves messages between frontend and backend. Hot path.
//!
//! One file for each engine. Invariant: an engine ends only when its context is shut down or a socket fails.

mod batch;
mod builtin;
mod direction;
mod poll;

use super::context::Socket;
use super::counters::ProxyCounters;
use super::errno::Errno;
use super::stations::Stations;
use crate::scenario::Engine;

/// Moves messages until the context is shut down, and stamps sampled requests at `stations`.
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
        Engine::External => Ok(()),
    };
    match ended {
        Err(Errno::TERM) => Ok(()),
        other => other,
    }
}

/// Waits until either side can be read, as long as it takes.
fn wait_readable(frontend: &Socket, backend: &Socket) -> Result<[bool; 2], Errno> {
    wait([(frontend, zmq::POLLIN), (backend, zmq::POLLIN)], -1)
        .map(|ready| ready.map(|events| events.contains(zmq::POLLIN)))
}

/// Waits for any of the events, at most `timeout_ms` if that is not negative; says which came.
fn wait(
    [(frontend, frontend_events), (backend, backend_events)]: [(&Socket, zmq::PollEvents); 2],
    timeout_ms: i64,
) -> Result<[zmq::PollEvents; 2], Errno> {
    let mut items = [frontend.as_poll_item(frontend_events), backend.as_poll_item(backend_events)];
    loop {
        match zmq::poll(&mut items, timeout_ms) {
            Ok(_) => return Ok([items[0].get_revents(), items[1].get_revents()]),
            Err(zmq::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What one engine has moved, summed without atomics and published after each wake.
#[derive(Default)]
struct Tally {
    messages_in: u64,
    messages_out: u64,
    bytes: u64,
    wakes: u64,
}

impl Tally {
    #[inline]
    fn publish(&self, counters: &ProxyCounters) {
        counters.messages_in.set(self.messages_in);
        counters.messages_out.set(self.messages_out);
        counters.bytes.set(self.bytes);
        counters.wakes.set(self.wakes);
    }
}
