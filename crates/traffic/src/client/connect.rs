//! Connecting: opens a driver's clients and waits until every handshake is done and every hello is answered, so that no
//! request pays for it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use super::messages::{send_message, take_message};
use super::world::Message;
use super::{DriverCounters, Settings, state::Client};
use crate::Error;
use crate::machine::{Clock, Stop, stop::timespec};
use crate::wire::{Context, Errno, Frame, Socket, sockets};
use zload_core::message::RequestForm;
use zload_core::plan::Plan;

/// Marks the stop event among the clients' events.
pub(super) const STOP_EVENT: u64 = u64::MAX;

/// What it takes to connect a client.
pub(super) struct Connector {
    settings: Arc<Settings>,
    context: Context,
}

/// Clients that are connected, by their index, and the epoll instance that tells of them.
pub(super) type Connected = (OwnedFd, Vec<Socket>);

impl Connector {
    pub(super) fn new(settings: Arc<Settings>, context: Context) -> Self {
        Self { settings, context }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.settings.plan
    }

    /// A socket that connects, registered with `epoll` by the client's index.
    ///
    /// ZeroMQ's descriptor for a socket is edge-triggered by nature: it says only that something may have changed, and a
    /// send or receive on the socket takes the news away. It may be waited on only after a look that found nothing left to do.
    pub(super) fn connected(
        &self,
        (number, identity): (u32, &str),
        index: u64,
        epoll: &OwnedFd,
    ) -> Result<Socket, Error> {
        let socket = sockets::open_connecting(&self.context, &self.settings.sockets)?;
        socket
            .set_identity(identity.as_bytes())
            .map_err(|error| Errno::from(error).failed("setting a client's identity"))?;
        socket.dial(&self.settings.routes.for_libzmq(number))?;
        epoll::add(epoll, socket.fd()?, epoll::EventData::new_u64(index), once())
            .map_err(descriptor)?;
        Ok(socket)
    }

    /// Connects these clients and waits until all can send, and have been answered if they say hello; `None` if that takes
    /// too long.
    pub(super) fn connect(
        &self,
        clients: &[Client],
        stop: &Stop,
        counters: &DriverCounters,
    ) -> Result<Option<Connected>, Error> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).map_err(descriptor)?;
        epoll::add(&epoll, stop.wake_fd(), epoll::EventData::new_u64(STOP_EVENT), once())
            .map_err(descriptor)?;
        let clock = Clock::start();
        let mut sockets = Vec::with_capacity(clients.len());
        for (index, client) in (0_u64..).zip(clients) {
            sockets.push(self.connected((client.number, &client.identity), index, &epoll)?);
            if stop.requested() {
                return Err(Error::Interrupted);
            }
        }
        let hello = self.settings.forms.hello();
        let mut steps = vec![Step::Handshake; sockets.len()];
        let mut left = sockets.len();
        let mut events = Vec::with_capacity(256);
        let mut look_at: Vec<usize> = (0..sockets.len()).collect();
        loop {
            for index in look_at.drain(..) {
                if steps[index] != Step::Done {
                    steps[index] = step(steps[index], &sockets[index], hello, &clients[index])?;
                    left -= usize::from(steps[index] == Step::Done);
                }
            }
            counters.connected.set((sockets.len() - left) as u64);
            if left == 0 {
                return Ok(Some((epoll, sockets)));
            }
            if stop.requested() {
                return Err(Error::Interrupted);
            }
            if clock.now_ns() >= self.settings.connect_timeout.0 {
                let silent = steps.iter().filter(|step| **step == Step::Answer).count();
                return if silent == 0 { Ok(None) } else { Err(no_hello(silent)) };
            }
            events.clear();
            let wait = timespec(Duration::from_millis(50));
            match epoll::wait(&epoll, spare_capacity(&mut events), Some(&wait)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(descriptor(error)),
            }
            let moved = events.iter().filter_map(|event| usize::try_from(event.data.u64()).ok());
            look_at.extend(moved.filter(|index| *index < sockets.len()));
        }
    }
}

/// How far a client has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its handshake is not done.
    Handshake,
    /// Its hello is not answered.
    Answer,
    Done,
}

/// Does what can be done for a client that is not ready; says how far it has come.
fn step(
    from: Step,
    socket: &Socket,
    hello: Option<&RequestForm>,
    client: &Client,
) -> Result<Step, Error> {
    let failed = |errno: Errno| errno.failed("saying hello (request.hello)");
    match (from, hello) {
        (Step::Handshake, _) if !socket.is_writable() => Ok(Step::Handshake),
        (Step::Handshake, Some(hello)) => {
            let mut message = Message::<Frame>::default();
            client.hello(hello, &mut message).map_err(failed)?;
            if !send_message(socket, None, &mut message).map_err(failed)? {
                return Ok(Step::Handshake);
            }
            // The answer may be there already, and its news gone with this send.
            step(Step::Answer, socket, Some(hello), client)
        }
        (Step::Answer, _) => match take_message(socket, &mut Message::default()) {
            Ok(()) => Ok(Step::Done),
            Err(Errno::AGAIN) => Ok(Step::Answer),
            Err(errno) => Err(failed(errno)),
        },
        _ => Ok(Step::Done),
    }
}

pub(super) fn no_hello(clients: usize) -> Error {
    Error::Failed(format!(
        "{clients} clients sent request.hello and got no answer within clients.connect_timeout: the run begins when all are answered"
    ))
}

fn once() -> epoll::EventFlags {
    epoll::EventFlags::IN | epoll::EventFlags::ET
}

pub(super) fn descriptor(error: rustix::io::Errno) -> Error {
    Error::Limit(format!("no descriptor to wait for the clients with: {error}"))
}
