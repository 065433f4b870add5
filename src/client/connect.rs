//! Connecting: opens a driver's clients and waits until every handshake is done, so that no request pays for it.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::{DriverCounters, Settings};
use crate::Error;
use crate::machine::{Clock, Stop, stop::timespec};
use crate::wire::{Context, Errno, Socket, sockets};

/// Marks the stop event among the clients' events.
pub(super) const STOP_EVENT: u64 = u64::MAX;

/// Opens and connects the sockets of clients with these numbers and identities, and registers them with a new epoll instance, by their index;
/// `None` if that takes too long.
///
/// ZeroMQ's descriptor for a socket is edge-triggered by nature: it says only that something may have changed, and a
/// send or receive on the socket takes the news away. Whoever waits on it must first have seen nothing left to do.
pub(super) fn connect(
    settings: &Settings,
    context: &Context,
    clients: &[(u32, String)],
    stop: &Stop,
    counters: &DriverCounters,
) -> Result<Option<(OwnedFd, Vec<Socket>)>, Error> {
    let descriptor =
        |error| Error::Limit(format!("no descriptor to wait for the clients with: {error}"));
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(descriptor)?;
    let once = epoll::EventFlags::IN | epoll::EventFlags::ET;
    epoll::add(&epoll, stop.wake_fd(), epoll::EventData::new_u64(STOP_EVENT), once)
        .map_err(descriptor)?;
    let clock = Clock::start();
    let mut sockets = Vec::with_capacity(clients.len());
    for (index, (_, identity)) in (0_u64..).zip(clients) {
        let socket = sockets::open_connecting(context, &settings.sockets)?;
        socket
            .set_identity(identity.as_bytes())
            .map_err(|error| Errno::from(error).failed("setting a client's identity"))?;
        socket.dial(&settings.endpoint)?;
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
            if waiting[index] && sockets[index].is_writable() {
                waiting[index] = false;
                left -= 1;
            }
        }
        counters.connected.set((sockets.len() - left) as u64);
        if left == 0 {
            return Ok(Some((epoll, sockets)));
        }
        if stop.requested() {
            return Err(Error::Interrupted);
        }
        if clock.now_ns() >= settings.connect_timeout.0 {
            return Ok(None);
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
