//! Connecting: opens a driver's clients and waits until every handshake is done, so that no request pays for it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::counters::DriverCounters;
use crate::Error;
use crate::machine::clock::Clock;
use crate::machine::stop::{Stop, timespec};
use crate::wire::context::{Context, Socket};
use crate::wire::errno::Errno;
use crate::wire::sockets;
use zload_core::scenario::{Nanos, Sockets};

/// Where the clients of one driver connect to, and as whom.
pub(super) struct Connecting<'a> {
    pub(super) context: &'a Context,
    pub(super) options: &'a Sockets,
    pub(super) endpoint: &'a str,
    /// Number and identity of each client.
    pub(super) clients: &'a [(u32, String)],
    pub(super) timeout: Nanos,
}

/// Marks the stop event among the clients' events.
pub(super) const STOP_EVENT: u64 = u64::MAX;

/// Opens and connects the clients' sockets and registers them with a new epoll instance, by their index.
///
/// ZeroMQ's descriptor for a socket is edge-triggered by nature: it says only that something may have changed, and a
/// send or receive on the socket takes the news away. Whoever waits on it must first have seen nothing left to do.
pub(super) fn connect(
    connecting: &Connecting<'_>,
    stop: &Stop,
    counters: &Arc<DriverCounters>,
) -> Result<(OwnedFd, Vec<Socket>), Error> {
    let descriptor =
        |error| Error::Limit(format!("no descriptor to wait for the clients with: {error}"));
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(descriptor)?;
    let once = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&epoll, stop.wake_fd(), epoll::EventData::new_u64(STOP_EVENT), once)
        .map_err(descriptor)?;
    let clock = Clock::start();
    let mut sockets = Vec::with_capacity(connecting.clients.len());
    for (index, (_, identity)) in (0_u64..).zip(connecting.clients) {
        let socket = sockets::open_connecting(connecting.context, connecting.options)?;
        let failed = |what: &str, error: zmq::Error| Errno::from(error).failed(what.to_owned());
        socket
            .set_identity(identity.as_bytes())
            .map_err(|error| failed("setting a client's identity", error))?;
        socket.dial(connecting.endpoint)?;
        epoll::add(&epoll, socket.fd()?, epoll::EventData::new_u64(index), once)
            .map_err(descriptor)?;
        sockets.push(socket);
        if stop.requested() {
            return Err(Error::Interrupted);
        }
    }
    let mut waiting: Vec<bool> = vec![true; sockets.len()];
    let mut left = sockets.len();
    let mut events = Vec::with_capacity(256);
    let mut look_at: Vec<usize> = (0..sockets.len()).collect();
    loop {
        for index in look_at.drain(..) {
            if waiting[index] && is_writable(&sockets[index]) {
                waiting[index] = false;
                left -= 1;
            }
        }
        counters.connected.set((sockets.len() - left) as u64);
        if left == 0 {
            return Ok((epoll, sockets));
        }
        if stop.requested() {
            return Err(Error::Interrupted);
        }
        if clock.now_ns() >= connecting.timeout.0 {
            let count = |clients: usize| u32::try_from(clients).unwrap_or(u32::MAX);
            return Err(Error::Connect {
                connected: count(sockets.len() - left),
                clients: count(sockets.len()),
                endpoint: connecting.endpoint.to_owned(),
                timeout: connecting.timeout.to_string(),
            });
        }
        events.clear();
        let wait = timespec(Duration::from_millis(50));
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(descriptor(error)),
        }
        look_at.extend(events.iter().filter_map(|event| usize::try_from(event.data.u64()).ok()));
        look_at.retain(|&index| index < sockets.len());
    }
}

/// Whether the client's handshake is done: an immediate socket takes messages only then.
fn is_writable(socket: &Socket) -> bool {
    socket.get_events().is_ok_and(|events| events.contains(zmq::POLLOUT))
}
