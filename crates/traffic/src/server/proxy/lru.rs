//! Engine `lru`: the guide's load-balancing broker (`lbbroker`), one message of each side per wake.
//!
//! Workers announce themselves with READY, and are ready again with each reply; a request goes to the one that has been
//! ready for longest, and waits at the frontend as long as none is. Towards either side no send waits: ROUTER drops what a
//! client has no room for, and a ready worker has room. Two signs are zload's own (`protocol/lru.rs`).

use std::collections::VecDeque;

use super::direction::{self, Direction, Tally};
use super::wait;
use crate::server::counters::ProxyCounters;
use crate::wire::{Errno, Frame, Socket, Stations};

pub(super) fn run(
    frontend: &Socket,
    backend: &Socket,
    counters: &ProxyCounters,
    stations: Option<&Stations>,
) -> Result<(), Errno> {
    let [mut requests, mut replies] = direction::both(frontend, backend, stations);
    let mut ready = VecDeque::new();
    let mut tally = Tally::default();
    loop {
        let wanted = if ready.is_empty() { zmq::PollEvents::empty() } else { zmq::POLLIN };
        let [from_clients, from_workers] = wait([(frontend, wanted), (backend, zmq::POLLIN)])?;
        tally.wakes += 1;
        if from_workers.contains(zmq::POLLIN)
            && let Some(worker) = take(backend, &mut replies, &mut tally)?
        {
            ready.push_back(worker);
        }
        if from_clients.contains(zmq::POLLIN)
            && let Some(mut worker) = ready.pop_front()
        {
            worker.send(backend, zmq::SNDMORE)?;
            Frame::new().send(backend, zmq::SNDMORE)?;
            requests.forward(&mut tally)?;
        }
        tally.publish(counters);
    }
}

/// Takes a message from a worker, and hands it on if it is a reply; gives the worker if it is ready now.
#[inline]
fn take(
    backend: &Socket,
    replies: &mut Direction<'_>,
    tally: &mut Tally,
) -> Result<Option<Frame>, Errno> {
    let (mut worker, mut delimiter) = (Frame::new(), Frame::new());
    worker.receive(backend, 0)?;
    if !worker.more() {
        return Ok(None);
    }
    delimiter.receive(backend, 0)?;
    let is_last = delimiter.bytes().is_empty();
    if !delimiter.more() {
        return Ok(None);
    }
    // A reply has its client's address before it; a word to the broker stands alone.
    if replies.take_first()? {
        replies.forward_taken(tally)?;
    }
    Ok(is_last.then_some(worker))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::proxy;
    use crate::wire::Context;
    use zload_core::scenario::Engine;

    /// What a peer of the broker receives.
    fn received(socket: &Socket) -> Vec<Vec<u8>> {
        socket.recv_multipart(0).expect("a message in time")
    }

    /// A broker between a client and two workers; it ends with its context.
    fn with_a_broker(test: impl FnOnce(&Socket, [&Socket; 2])) {
        let context = Context::new(1, 16).unwrap();
        let [frontend, backend] = [(); 2].map(|()| context.socket(zmq::ROUTER).unwrap());
        frontend.listen("inproc://frontend").unwrap();
        backend.listen("inproc://backend").unwrap();
        let dealer = |endpoint: &str| {
            let socket = context.socket(zmq::DEALER).unwrap();
            socket.set_rcvtimeo(10_000).unwrap();
            socket.dial(endpoint).unwrap();
            socket
        };
        let client = dealer("inproc://frontend");
        let workers = [(); 2].map(|()| dealer("inproc://backend"));
        let broker = std::thread::spawn(move || {
            let counters = ProxyCounters::default();
            let ended = proxy::run(Engine::Lru, &frontend, &backend, &counters, None);
            (ended, counters)
        });
        test(&client, workers.each_ref());
        context.shut_down();
        let (ended, counters) = broker.join().unwrap();
        assert_eq!(ended, Ok(()));
        assert_eq!(counters.messages_in.get(), counters.messages_out.get());
    }

    #[test]
    fn a_worker_gets_a_request_when_it_is_ready_and_no_sooner() {
        with_a_broker(|client, [one, two]| {
            let say = |worker: &Socket, frames: &[&[u8]]| {
                worker.send_multipart(frames, 0).unwrap();
            };
            client.send("a", 0).unwrap();
            client.send("b", 0).unwrap();
            client.send("c", 0).unwrap();
            say(one, &[b"", b"READY"]);
            let request = received(one);
            let [delimiter, address, body] = &request[..] else { panic!("{request:?}") };
            assert_eq!((&delimiter[..], &body[..]), (&b""[..], &b"a"[..]));
            // Of several replies only the last makes it ready.
            say(one, &[b"+", address, b"a1"]);
            assert_eq!(received(client), [b"a1"]);
            say(two, &[b"", b"READY"]);
            assert_eq!(received(two)[2], b"b", "not to the one that is busy");
            say(one, &[b"", address, b"a2"]);
            assert_eq!(received(client), [b"a2"]);
            assert_eq!(received(one)[2], b"c");
        });
    }

    #[test]
    fn the_one_that_has_been_ready_for_longest_is_next_and_nonsense_is_ignored() {
        with_a_broker(|client, [one, two]| {
            let send = |worker: &Socket, frames: &[&[u8]]| {
                worker.send_multipart(frames, 0).unwrap();
            };
            send(one, &[b"", b"READY"]);
            client.send("a", 0).unwrap();
            let request = received(one);
            // One frame is nothing. Another word than READY after an empty frame means the same.
            send(two, &[b"?"]);
            send(two, &[b"", b"\x01"]);
            client.send("b", 0).unwrap();
            assert_eq!(received(two)[2], b"b");
            send(one, &[b"", &request[1], b"a"]);
            assert_eq!(received(client), [b"a"]);
            client.send("c", 0).unwrap();
            assert_eq!(received(one)[2], b"c");
        });
    }
}
