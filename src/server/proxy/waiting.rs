//! Waiting for either side of a proxy.

use crate::wire::context::Socket;
use crate::wire::errno::Errno;

/// Waits until either side can be read, as long as it takes.
pub(super) fn wait_readable(frontend: &Socket, backend: &Socket) -> Result<[bool; 2], Errno> {
    wait([(frontend, zmq::POLLIN), (backend, zmq::POLLIN)], -1)
        .map(|ready| ready.map(|events| events.contains(zmq::POLLIN)))
}

/// Waits for any of the events, at most `timeout_ms` if that is not negative; says which came.
pub(super) fn wait(
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
